//! Turns any IMAP/SMTP mailbox into a JSON HTTP API, served by sandboxed WebAssembly components.
