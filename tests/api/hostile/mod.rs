//! Tests of hostile guests on a host, beside another tenant whose requests must succeed all the
//! while.
//!
//! The host runs in this process, whose memory is measured, so these tests run one at a time. The
//! sandbox itself is tested in `host/runtime/tests`; here it is the caller's response, the effect
//! on other tenants, and what is left behind.

mod fixture;
mod malformed_responses;
mod handwritten_wasm;
mod resource_limits;
mod fair_share;
mod costly_schemas;
mod schema_children;
mod schema_cost;
mod slow_bodies;
mod oversized_arguments;
mod response_splitting;
mod secret_search;
