//! Tests of the stores: the conformance suite of both, and tests of each.

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod account_conformance;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod query_costs;
#[cfg(test)]
mod maintenance;
#[cfg(test)]
pub(crate) mod disk_faults;
#[cfg(test)]
mod key_rotation;
#[cfg(test)]
mod memory_vs_sqlite;
#[cfg(test)]
mod released;
