//! HTTP: heads, bodies and responses, and clients that are slow.

pub(crate) mod response;
pub(crate) mod content_type;
pub(crate) mod no_route;
pub(crate) mod request_head;
pub(crate) mod slow_client;
pub(crate) mod request_body;
