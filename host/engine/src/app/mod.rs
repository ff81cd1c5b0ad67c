//! Applications: the manifest `spin.toml` and its route table.

pub mod route_table;
pub mod manifest;
