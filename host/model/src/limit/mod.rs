//! Limits of what tenants hold at once, and of how often they may do something.
//!
//! The mechanism only: how much of what, and what is said to who gets none, belongs to the callers.

pub mod shares;
pub mod tenant_limiter;
pub mod rate;
#[cfg(test)]
mod tests;
