//! OAuth 2.0 client: access to a mailbox without a password.
//!
//! The owner consents once, at the authorization server of the mail service; from then on this host
//! holds tokens: a short-lived access token for the mail servers, and a refresh token for the next
//! one.
//!
//! Standards: RFC 6749, RFC 7636 (PKCE), RFC 9700 (best current practice).

pub mod servers;
pub(crate) mod token_response;
mod backoff;
pub(crate) mod credentials;
pub mod consent;
