//! Mail: addresses, mailboxes, messages, and drafts.

pub mod address;
pub mod mailbox;
pub mod message;
pub mod draft;
