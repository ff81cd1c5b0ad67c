//! Rust bindings of the world `described`, generated once for every guest.
//!
//! Generated here rather than in each guest, so that a WIT type is one Rust type wherever it is
//! named. A function that a guest never calls is no import of its component.
//!
//! A guest exports `describe` with `kit::bindings::export_describe!`.
#![allow(
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::str_to_string,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "described",
    pub_export_macro: true,
    export_macro_name: "export_describe",
    default_bindings_module: "kit::bindings",
});
