//! The ports of discovery: DNS queries and HTTPS documents. Only `net` implements these.
//!
//! Invariant: whatever is requested, every address that is connected to has passed the egress
//! guard, and it is the address that passed.

use std::fmt;

use bytes::Bytes;

use crate::future::BoxFuture;
use crate::port::dial::DialError;

/// DNS queries.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The mail exchangers of a domain, the most preferred first (RFC 5321 §5.1); empty when it has
    /// none.
    fn exchangers<'a>(&'a self, domain: &'a str)
    -> BoxFuture<'a, Result<Vec<MxHost>, LookupError>>;
    /// The SRV records of a name such as `_imaps._tcp.example.com`, in the order of RFC 2782 with
    /// the heavier first; empty when there are none.
    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Service>, LookupError>>;
    /// Whether a mail server could be connected to now: its name resolves, and address and port
    /// pass the egress guard. Nothing is connected, and the connection checks again.
    fn check_egress<'a>(&'a self, host: &'a str, port: u16)
    -> BoxFuture<'a, Result<(), DialError>>;
}

/// An MX record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxHost {
    /// Lower is preferred.
    pub preference: u16,
    /// Without a final dot; empty when the domain accepts no mail (RFC 7505).
    pub host: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Lower is preferred.
    pub priority: u16,
    /// Higher is preferred among equal priorities.
    pub weight: u16,
    /// TCP port.
    pub port: u16,
    /// Without a final dot; empty when the service is not offered.
    pub host: String,
}

/// Why a DNS query failed. That there is no such record is a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Not a valid domain name.
    #[error("it is not a name that the DNS could know")]
    Name,
    /// No name server is configured.
    #[error("this host knows no name server")]
    NoServers,
    /// No server answered in time.
    #[error("the name servers did not answer in time")]
    Timeout,
    /// They answered with an error.
    #[error("the name servers answered with an error")]
    Failed,
}

/// Documents of foreign servers, by https only.
pub trait Fetch: Send + Sync + fmt::Debug {
    /// Gets `url`. At most `most` bytes of the body are read; more is an error. At most two
    /// redirects are followed, to https and to the port of `url` only. The certificate is verified
    /// at each hop, and each address passes the egress guard.
    fn get<'a>(&'a self, url: &'a str, most: usize) -> BoxFuture<'a, Result<Document, FetchError>>;
    /// Posts XML to `url`, likewise. No redirect is followed: the body was meant for `url` alone.
    fn post_xml<'a>(
        &'a self,
        url: &'a str,
        xml: String,
        most: usize,
    ) -> BoxFuture<'a, Result<Document, FetchError>>;
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The HTTP status; never a redirect.
    pub status: u16,
    /// Empty unless the status is 200.
    pub body: Bytes,
}

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not `https://host/…`, or with userinfo.
    #[error("it is not an https address")]
    Address,
    /// No connection, or the certificate is not trusted.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// A redirect to a scheme other than https.
    #[error("it redirects to an address that is not https")]
    InsecureRedirect,
    /// A redirect to another port.
    #[error("it redirects to another port")]
    RedirectPort,
    /// More than two redirects.
    #[error("it redirects more than twice")]
    TooManyRedirects,
    /// A redirect in answer to a POST.
    #[error("it redirects what was sent to it, which is not followed")]
    Redirected,
    /// The body exceeds the requested limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection was lost, or the response is not HTTP.
    #[error("the answer broke off or is not HTTP")]
    Broken,
}
