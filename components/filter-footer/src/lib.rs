//! Before-send filter: rejects blocked recipient domains, and appends a footer to the bodies.
//!
//! Bind it as it is, or copy it as a template. It is configured by the `environment` of its
//! component in the manifest:
//!
//! | variable | meaning |
//! |---|---|
//! | `FOOTER_TEXT` | the footer; without it there is none |
//! | `FOOTER_HTML` | the same for HTML; made from `FOOTER_TEXT` when absent |
//! | `BLOCKED_DOMAINS` | comma-separated domains; their subdomains are blocked too |
//!
//! It needs the grant `edits = ["add-footer"]`. The decision is in `verdict`, which compiles and
//! is tested natively; `wit_bindings` has the export.

pub mod verdict;
#[cfg(target_family = "wasm")]
mod wit_bindings;
