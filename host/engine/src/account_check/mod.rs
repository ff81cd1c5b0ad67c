//! Account checks: verification of the servers, and the self-test by a message to the account
//! itself.

pub(crate) mod checker;
pub mod verify;
pub mod self_test;
