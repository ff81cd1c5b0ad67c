//! Hostile guests on a host, beside a neighbour who is served all the while.
//!
//! The host runs in this process, which is weighed: so these tests take turns.
//! What a guest is refused in a runtime alone is tested there; here it is what
//! the caller is told, what the neighbour notices, and what is left behind.

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
