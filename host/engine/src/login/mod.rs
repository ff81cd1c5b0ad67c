//! Logins at mail servers: credentials, attempts and lock-out, health, and advice on refusals.

pub(crate) mod refusal_text;
pub mod trace;
pub mod advice;
pub(crate) mod account_ref;
pub(crate) mod lockout;
pub(crate) mod attempts;
pub(crate) mod health;
