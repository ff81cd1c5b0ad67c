//! The one place where mail bytes are parsed or written.
//!
//! Mail is hostile input, so this code runs in a fresh sandbox for each call and holds nothing but
//! what it is handed: octets in, records and octets out. It knows no account, no server and no HTTP.
//!
//! The modules below compile and are tested natively; only `guest` knows WIT. Reading goes field by
//! field (`fields`, `words`, `params`) and part by part (`walk`), without recursion, so that no
//! nesting can exhaust the stack. Writing checks a whole draft first (`check`), then streams it.
//!
//! Invariant: no input makes it panic, and no input costs more than a constant times its length.
//!
//! Standards: RFC 5322, RFC 2045 to 2047, RFC 2231, RFC 2183, RFC 2392, RFC 3676, RFC 8621.

// In reading order: a module imports only from those above it.
pub mod fault;
pub mod octets;
pub mod charset;
pub mod header;
pub mod html;
pub mod read;
pub mod compose;
pub mod rewrite;
#[cfg(target_family = "wasm")]
mod wit_bindings;
