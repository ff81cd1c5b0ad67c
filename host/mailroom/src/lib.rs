//! An in-memory SMTP and IMAP server for `postlet dev` and for tests.
