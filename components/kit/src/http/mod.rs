//! HTTP notations: media types, ranges, query strings, languages.

pub mod media_type;
pub mod range;
pub mod accept_language;
pub mod query;
