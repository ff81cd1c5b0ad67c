//! HTTP: request heads and bodies, responses, and slow clients.

pub(crate) mod response;
pub(crate) mod content_type;
pub(crate) mod no_route;
pub(crate) mod request_head;
pub(crate) mod slow_client;
pub(crate) mod request_body;
