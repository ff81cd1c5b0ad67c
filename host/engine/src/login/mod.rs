//! Logins at mail servers: attempts and lock-out, health, and the diagnosis of a refusal.

pub(crate) mod refusal_text;
pub mod trace;
pub mod advice;
pub(crate) mod account_ref;
pub(crate) mod lockout;
pub(crate) mod attempts;
pub(crate) mod health;
