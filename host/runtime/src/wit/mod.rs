//! The WIT interfaces: bindings, and conversions between WIT types and the model.

pub(crate) mod handles;
pub(crate) mod import_error;
pub(crate) mod bindings;
pub(crate) mod list_bounds;
pub(crate) mod to_wit;
pub(crate) mod from_wit;
pub(crate) mod problem;
