//! Whole dialogues with a running mailroom, over real sockets.

mod client;
mod imap;
mod smtp;
