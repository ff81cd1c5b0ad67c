//! SQLite and the memory twin behind one conformance suite, and the sealing of secrets.
