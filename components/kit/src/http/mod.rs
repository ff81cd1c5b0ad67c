//! HTTP notations: media types, ranges, query strings, percent-encoding, languages.

pub mod percent;
pub mod media_type;
pub mod range;
pub mod accept_language;
pub mod query;
