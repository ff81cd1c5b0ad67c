//! Why no instance could be had: whose requests hold the places.
//!
//! Refuses to know how they are shared out; that is the runtime's.

/// There was no place for one more instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bound}")]
pub struct AtCapacity {
    /// Nobody but the tenant's own callers is in the way.
    pub is_own: bool,
    /// Which bound was met, with its number.
    pub bound: String,
}
