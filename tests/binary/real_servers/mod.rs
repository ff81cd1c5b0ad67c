//! Tests that need the real servers of `rig`, and are skipped without them.
//!
//! Other tests run against the mailroom too, and are beside this folder. All share one pair of
//! servers, so they share the binary.

mod account_update;
mod tenant_isolation;
mod kills;
mod many_recipients;
mod oversized_mail;
mod truncation;
mod round_trip;
mod secret_leaks;
