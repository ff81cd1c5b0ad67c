//! OpenAPI: operations, their schemas, and the document.

mod named_schemas;
mod request_headers;
mod response_headers;
pub(crate) mod operation_names;
pub(crate) mod host_schemas;
pub(crate) mod document;
pub(crate) mod description;
pub(crate) mod operation;
pub(crate) mod query;
