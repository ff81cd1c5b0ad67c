//! Capacity errors of the sandbox: no instance slot is free.
//!
//! How slots are shared between tenants is the runtime's policy.

/// No slot for another instance is free.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bound}")]
pub struct AtCapacity {
    /// Only requests of the same tenant's callers hold the slots.
    pub is_own: bool,
    /// The limit that was reached, with its number.
    pub bound: String,
}
