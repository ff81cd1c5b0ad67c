//! Whole dialogues with a running mailroom, over real sockets.
#![cfg(test)]

mod client;
mod imap;
mod misbehaviour;
mod smtp;
