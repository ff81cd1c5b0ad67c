//! The request that a component answers.
//!
//! Refuses to know: who the caller is. The host has checked the token and keeps
//! it; a component gets an account's id from the route and a handle for it from
//! `accounts.open`.
//!
//! The host adds these header fields, after removing any that a client sent:
//! `spin-matched-route` (the pattern as in the manifest), `spin-path-info` (what
//! the `/...` of a route matched, with its slash, still encoded),
//! `spin-path-match-<name>` (a `:name` of the route, decoded) and
//! `postlet-request-id`.

use wasip2::http::types::{Fields, IncomingRequest, Method};

use crate::bindings::postlet::mail::accounts;
use crate::bindings::postlet::mail::grants::Account;
use crate::body::Body;
use crate::media::Parameterised;
use crate::percent;
use crate::problem::{Kind, Problem};
use crate::query::Query;

/// The methods that endpoints tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// HEAD too: the host sends the header only (RFC 9110 section 9.3.2).
    Get,
    Post,
    Patch,
    Delete,
    Other,
}

/// One request.
#[derive(Debug)]
pub struct Request {
    inner: IncomingRequest,
    fields: Fields,
}

impl Request {
    #[must_use]
    pub fn new(inner: IncomingRequest) -> Self {
        let fields = inner.headers();
        Self { inner, fields }
    }

    #[must_use]
    pub fn verb(&self) -> Verb {
        match self.inner.method() {
            Method::Get | Method::Head => Verb::Get,
            Method::Post => Verb::Post,
            Method::Patch => Verb::Patch,
            Method::Delete => Verb::Delete,
            Method::Put | Method::Connect | Method::Options | Method::Trace | Method::Other(_) => {
                Verb::Other
            }
        }
    }

    /// The first field called `name`, when it is UTF-8.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.fields.get(name).into_iter().next().and_then(|value| String::from_utf8(value).ok())
    }

    /// Every field, by its name in lower case.
    #[must_use]
    pub fn all_fields(&self) -> Vec<(String, Vec<u8>)> {
        self.fields.entries()
    }

    /// The query string, which may hold the `allowed` names only.
    ///
    /// # Errors
    /// `invalid-query`.
    pub fn query(&self, allowed: &[&'static str]) -> Result<Query, Problem> {
        let target = self.inner.path_with_query().unwrap_or_default();
        Query::parse(target.split_once('?').map_or("", |(_, query)| query), allowed)
    }

    /// The path, without the query, still encoded.
    #[must_use]
    pub fn path(&self) -> String {
        let mut target = self.inner.path_with_query().unwrap_or_default();
        target.truncate(target.find('?').unwrap_or(target.len()));
        target
    }

    /// Whether the matched route ends so.
    #[must_use]
    pub fn route_ends(&self, tail: &str) -> bool {
        self.field("spin-matched-route").is_some_and(|route| route.ends_with(tail))
    }

    /// What the route calls `:name`.
    ///
    /// # Errors
    /// `not-found` when the route has no such parameter.
    pub fn parameter(&self, name: &str) -> Result<String, Problem> {
        self.field(&format!("spin-path-match-{name}")).ok_or_else(nowhere)
    }

    /// The account that the route names.
    ///
    /// # Errors
    /// What `accounts.open` says.
    pub fn account(&self) -> Result<Account, Problem> {
        Ok(accounts::open(&self.parameter("account")?)?)
    }

    /// The segments that the `/...` of the route matched, decoded.
    ///
    /// # Errors
    /// `not-found` when one cannot be decoded.
    pub fn rest(&self) -> Result<Vec<String>, Problem> {
        let rest = self.field("spin-path-info").unwrap_or_default();
        let rest = rest.strip_prefix('/').unwrap_or(&rest);
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        rest.split('/').map(|segment| percent::decode(segment).ok_or_else(nowhere)).collect()
    }

    /// The media type of the body.
    #[must_use]
    pub fn content_type(&self) -> Parameterised {
        Parameterised::parse(&self.field("content-type").unwrap_or_default())
    }

    /// The body, to be taken once.
    ///
    /// # Errors
    /// `internal` when it was taken before.
    pub fn body(&self) -> Result<Body, Problem> {
        self.inner
            .consume()
            .ok()
            .and_then(Body::new)
            .ok_or_else(|| Problem::new(Kind::Internal, "The body has been read already."))
    }

    /// The body when it is called JSON, at most `cap` bytes.
    ///
    /// # Errors
    /// `unsupported-media-type`, `body-too-large`.
    pub fn json(&self, cap: usize) -> Result<Vec<u8>, Problem> {
        if self.content_type().head != "application/json" {
            return Err(wrong_type("application/json"));
        }
        self.body()?.whole(cap)
    }
}

/// 404 for a path that no endpoint has.
#[must_use]
pub fn nowhere() -> Problem {
    Problem::new(Kind::NotFound, "No endpoint has this path.")
}

/// 415, naming what would be taken.
#[must_use]
pub fn wrong_type(taken: &str) -> Problem {
    Problem::new(Kind::UnsupportedMediaType, format!("Content-Type has to be {taken}."))
}
