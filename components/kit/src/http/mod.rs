//! HTTP syntax: media types, ranges, query strings, percent-encoding, language negotiation.

pub mod percent;
pub mod media_type;
pub mod range;
pub mod accept_language;
pub mod query;
