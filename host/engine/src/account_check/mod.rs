//! Checks of an account: logins at its servers, and a message to itself.

pub(crate) mod checker;
pub mod verify;
pub mod self_test;
