//! Tests of hostile guests on a host, beside another tenant whose requests must succeed all the
//! while.
//!
//! The host runs in this process, whose memory is measured, so these tests run one at a time. The
//! sandbox itself is tested in `host/runtime/tests`; here it is the caller's response, the effect
//! on other tenants, and what is left behind.

mod ground;
mod answering;
mod by_hand;
mod costing;
mod crowding;
mod costs;
mod children;
mod schemas;
mod dawdling;
mod handing;
mod smuggling;
mod snooping;
