//! `/v1/accounts`: connecting mailboxes, trying them and changing them.
//!
//! Servers are named by the caller, or found from the address. Passwords come in and
//! never go out. A host that may not be dialled is refused when the account is made,
//! and again whenever it is dialled.

pub(crate) mod faults;
pub(crate) mod written;
pub(crate) mod shown;
pub(crate) mod desk;
mod filling;
mod reading;
mod making;
mod proving;
mod changing;
pub(crate) mod consenting;
mod verifying;
