//! What benches measure with, and how they print it.

pub mod usage;
pub mod load;
pub mod report;
