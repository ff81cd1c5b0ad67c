#![cfg(target_family = "wasm")]
//! A guest that misbehaves on request.
