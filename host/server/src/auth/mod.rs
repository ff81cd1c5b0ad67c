//! Authentication: API tokens, and the tenant of a request.

pub mod token_format;
pub(crate) mod tenant;
pub(crate) mod authenticator;
