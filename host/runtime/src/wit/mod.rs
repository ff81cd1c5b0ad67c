//! The WIT interfaces: bindings, and conversions between WIT types and the model.

pub(crate) mod handles;
pub(crate) mod import_error;
pub(crate) mod bindings;
pub(crate) mod list_bounds;
pub(crate) mod convert;
mod records;
pub(crate) mod drafts;
pub(crate) mod flags;
pub(crate) mod problem;
