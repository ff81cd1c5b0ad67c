//! End-to-end tests of the real binary: started as a child, used over HTTP, and checked with a
//! second mail client.
//!
//! They know only the command line, the API and the mail protocols. Mail servers are real where
//! they are installed (`rig`), the mailroom of `postlet dev` elsewhere, and scripted only where a
//! server must misbehave.
//!
//! Every wait has a time limit and ends with its event. Ports are free ones on loopback.
#![expect(clippy::unwrap_used, reason = "a test that cannot run has failed")]
#![expect(clippy::panic, reason = "a test that cannot run has failed")]
#![expect(clippy::indexing_slicing, reason = "JSON of another shape is a failure")]

mod config;
mod main_job;
mod wrong_input;
mod upstream;
mod verifying;
mod connecting;
mod changing;
mod trial;
mod walkthrough;
mod tenants;
mod crash;
mod history;
mod history_tests;
mod kills;
mod disk;
mod refusals;
mod stopping;
mod logging;
mod recipients;
mod faults;
mod hostile_servers;
mod reading;
mod odd_servers;
mod odd_mail;
mod long_mail;
mod field_mail;
mod writing;
mod round_trip;
mod command_line;
mod doctor;
mod keys;
mod canaries;
mod readme;
mod pages;
mod limits;
mod http_faults;
