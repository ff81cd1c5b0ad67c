#![cfg(target_family = "wasm")]
//! The built-in mime component.
