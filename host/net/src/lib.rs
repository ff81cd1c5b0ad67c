//! The only crate that dials: resolver, egress guard, TCP, TLS and the HTTP client.
