//! A filter of outgoing mail: refuses blocked domains, and puts a footer below.
//!
//! Bind it as it is, or copy it as the start of your own. It is configured by the
//! `environment` of its component in the manifest:
//!
//! | variable | meaning |
//! |---|---|
//! | `FOOTER_TEXT` | the footer; without it there is none |
//! | `FOOTER_HTML` | the same for HTML; made from `FOOTER_TEXT` when absent |
//! | `BLOCKED_DOMAINS` | domains with commas between; their subdomains are blocked too |
//!
//! It needs the grant `edits = ["add-footer"]`. The decision is in `judge`, which
//! compiles and is tested natively; `guest` knows WIT.

pub mod verdict;
#[cfg(target_family = "wasm")]
mod wit_bindings;
