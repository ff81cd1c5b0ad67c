//! Header field parsers: blocks, addresses, dates, parameters and encoded-words.

pub mod encoded_words;
pub mod comments;
pub mod known_fields;
pub mod fields;
pub mod parameters;
pub mod filename;
pub mod date;
pub mod address_list;
pub mod summary;
