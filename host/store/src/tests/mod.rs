//! Tests of the stores: the conformance suite of both, and tests of each.

pub(crate) mod fixture;
mod conformance;
mod isolation;
mod durability;
mod query_costs;
mod maintenance;
pub(crate) mod disk_faults;
mod key_rotation;
mod memory_vs_sqlite;
mod released;
