//! IMAP4rev1 server. `imap-codec` parses commands; responses are written by hand, since they are
//! few and some cannot be expressed with it (partial sections, UIDs in flag updates, LIST RETURN).
//!
//! The store has no sequence numbers: a session's view of its mailbox ([`sequence_numbers`]) has.
//! [`session`] is the only module that does I/O.
//!
//! Standards: RFC 3501, with RFC 2177 (IDLE), RFC 2971 (ID), RFC 3348 (CHILDREN), RFC 3691
//! (UNSELECT), RFC 4315 (UIDPLUS), RFC 4959 (SASL-IR), RFC 5161 (ENABLE), RFC 5530 (codes), RFC
//! 6154 (SPECIAL-USE), RFC 6851 (MOVE), RFC 7888 (LITERAL+).

mod answer;
mod command_reader;
mod sets;
mod names;
mod sequence_numbers;
mod search;
mod fetch;
mod selected_commands;
mod mailboxes;
mod session;

pub(crate) use session::serve;
