//! Tests of whole sessions with a running mailroom, over real sockets.
#![cfg(test)]

mod client;
mod command_log;
mod imap;
mod fault_injection;
mod smtp;
mod capabilities;
