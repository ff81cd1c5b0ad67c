//! Tests of whole sessions with a running mailroom, over real sockets.
#![cfg(test)]

mod client;
mod asked;
mod imap;
mod misbehaviour;
mod smtp;
mod switches;
