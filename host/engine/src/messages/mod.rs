//! Messages over IMAP: lists, content, flags, moves and deletion.

mod message_id;
mod cursor;
mod cache;
mod in_flight;
pub(crate) mod reader;
pub(crate) mod mailboxes;
mod fetch_bisect;
mod summaries;
pub(crate) mod list;
pub(crate) mod body_text;
pub(crate) mod open;
pub(crate) mod change;
