//! Limits of what tenants hold at once.
//!
//! The mechanism only: how much of what, and what is said to who gets none, belongs to the callers.

pub mod shares;
pub mod tenant_limiter;
#[cfg(test)]
mod tests;
