#![cfg(target_family = "wasm")]
//! The built-in mailboxes component.
