//! Servers of the tests' own: for names and the web, and for mail that goes wrong.

pub mod dns;
pub mod web;
pub mod mailroom;
pub mod hostile;
pub mod proxy;
mod submission;
pub mod smtp;
pub mod sink;
