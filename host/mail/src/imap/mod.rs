//! IMAP client.
//!
//! async-imap serves as buffer and parser only. Below it the [`input_guard`] passes only responses
//! of a few known forms, rewritten so that they can neither crash nor mislead the parser. Above it
//! one loop runs every command to its tagged response, since async-imap's own methods ignore a NO.
//!
//! Invariant: nothing but a tagged OK is success.
//!
//! Standards: RFC 3501, RFC 9051, RFC 4315 (UIDPLUS), RFC 6851 (MOVE), RFC 2971 (ID), RFC 6154
//! (SPECIAL-USE), RFC 5530 (response codes).

mod limits;
mod tokenizer;
mod status;
mod list_filter;
mod fetch_filter;
mod injection_check;
mod input_guard;
mod command;
mod command_loop;
mod response;
mod roles;
mod login;
mod session;
mod connect;
#[cfg(test)]
mod tests;

pub use connect::Imap;
pub use limits::ImapLimits;
