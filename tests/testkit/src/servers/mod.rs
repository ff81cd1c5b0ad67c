//! Fake servers: DNS, web, and mail servers that misbehave.

pub mod dns;
pub mod web;
pub mod mailroom;
pub mod hostile;
pub mod proxy;
mod submission;
pub mod smtp;
pub mod sink;
