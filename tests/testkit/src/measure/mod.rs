//! Measurements for benchmarks, and their report.

pub mod usage;
pub mod load;
pub mod report;
