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
mod curl_workflow;
mod invalid_input;
mod mail_server_errors;
mod verification;
mod account_create;
mod self_test;
mod account_add;
mod crash;
mod history_checker;
mod history_checker_tests;
mod disk_faults;
mod imap_refusals;
mod shutdown;
mod logging;
mod mail_server_faults;
mod hostile_servers;
mod read_scope;
mod imap_quirks;
mod read_corpus;
mod send_corpus;
mod command_line;
mod doctor;
mod master_key;
mod real_servers;
mod readme;
mod docs_commands;
mod limits;
mod http_errors;
