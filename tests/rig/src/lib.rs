//! Dovecot and Postfix in private directories, for tests and benches.
