//! Library of the HTTP endpoint components: requests, responses, problems and JSON.
//!
//! Every component that serves routes under `/v1` needs a strict query parser, problem details,
//! Range, forms. They are here once, so that a component contains only its own endpoints.
//!
//! Independent of every endpoint, and of the host: a guest depends on the WIT package in `wit/` and
//! on the header fields that [`request`] lists.
//!
//! Invariant: no input of a client makes this code trap; invalid input causes a problem and nothing
//! else.
//!
//! The modules that use no WIT handle are tested natively; the others are tested through the host,
//! since only a host can create a request.

pub mod base64_stream;
pub mod words;
pub mod bindings;
pub mod problem;
pub mod http;
pub mod multipart_form;
pub mod request_body;
pub mod request;
pub mod response;
pub mod describe;
pub mod endpoint;
