#![cfg(target_family = "wasm")]
//! The built-in messages component.
