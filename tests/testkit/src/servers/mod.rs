//! Fake servers: DNS, web, and mail servers that misbehave.

pub mod dns;
pub mod web;
pub mod mailroom;
pub mod hostile;
pub mod imap_proxy;
mod smtp_dialogue;
pub mod silent_smtp;
pub mod sink;
