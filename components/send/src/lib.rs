#![cfg(target_family = "wasm")]
//! The built-in send component.
