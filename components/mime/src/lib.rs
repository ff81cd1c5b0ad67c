//! The built-in `mime` component: parses and composes messages, and nothing else in Postlet does.
//!
//! Mail is hostile input, so this code runs in a fresh sandbox for each call and has no capability
//! beyond its arguments: octets in, records and octets out. It has no access to accounts, servers
//! or HTTP.
//!
//! The modules below compile and are tested natively; only `wit_bindings` depends on WIT. Parsing
//! goes field by field (`header::fields`, `encoded_words`, `parameters`) and part by part
//! (`read::parts`), without recursion, so that no nesting can exhaust the stack. Composition
//! validates a whole draft first (`compose::draft_check`), then streams it.
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
