//! The IMAP dialogue. `imap-codec` reads the grammar of commands; what we
//! answer is written by hand, since the answers are few and some cannot be
//! said through it (partial sections, UIDs in flag notices, LIST RETURN).
//!
//! The store knows nothing of sequence numbers: a session's picture of its
//! mailbox ([`view`]) does. [`session`] is the only module that does I/O.
//!
//! Standards: RFC 3501, with RFC 2177 (IDLE), RFC 2971 (ID), RFC 3348
//! (CHILDREN), RFC 3691 (UNSELECT), RFC 4315 (UIDPLUS), RFC 4959 (SASL-IR),
//! RFC 5161 (ENABLE), RFC 5530 (codes), RFC 6154 (SPECIAL-USE), RFC 6851
//! (MOVE), RFC 7888 (LITERAL+).

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
