//! What the endpoint components share: requests, answers, problems and JSON.
//!
//! A component that answers HTTP under `/v1` needs the same dozen things as its
//! neighbours: a strict query, a problem document, a Range, a form. They are
//! here once, so that the components hold nothing but their own endpoints.
//!
//! Refuses to know: any one endpoint, and the host. A guest knows the WIT
//! package in `wit/` and the header fields that [`request`] lists.
//!
//! Invariant: nothing here traps on what a client sent; the worst that bad
//! input can cause is a problem document.
//!
//! The modules that touch no WIT handle are tested natively; the others are
//! exercised by the host's tests, since only a host can hand out a request.

pub mod instant;
pub mod base64_stream;
pub mod words;
pub mod bindings;
pub mod shape;
pub mod problem;
pub mod http;
pub mod multipart_form;
pub mod request_body;
pub mod request;
pub mod response;
pub mod describe;
