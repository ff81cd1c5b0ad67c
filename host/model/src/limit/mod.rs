//! Limits of what tenants hold at once, and of how often they may do something.
//!
//! The mechanism only: the callers choose the limits, and the error when one is reached.

pub mod shares;
pub mod tenant_limiter;
pub mod rate;
#[cfg(test)]
mod tests;
