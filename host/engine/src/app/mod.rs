//! Applications: the manifest `spin.toml`, and the table of their routes.

pub mod route_table;
pub mod manifest;
