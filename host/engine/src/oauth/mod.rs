//! OAuth 2.0: a mailbox without a password.
//!
//! A person agrees once, at the authorization server of his mail service; from then
//! on this host holds tokens: an access token for the mail servers, which ends soon,
//! and a refresh token for the next one.
//!
//! Standards: RFC 6749, RFC 7636 (PKCE), RFC 9700 (best current practice).

pub mod servers;
pub(crate) mod token_response;
mod backoff;
pub(crate) mod credentials;
pub mod consent;
