//! HTTP syntax: media types, ranges, query strings.

pub mod media_type;
pub mod range;
pub mod query;
