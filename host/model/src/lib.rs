//! The nouns of Postlet, its problem codes, and the ports between its crates.
