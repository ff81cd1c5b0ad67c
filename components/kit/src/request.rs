//! The HTTP request of a component.
//!
//! Independent of the caller's identity: the host checks the token and keeps it; a component gets
//! an account's id from the route and a handle for it from `accounts.open`.
//!
//! The host adds these header fields, after removing any that a client sent: `spin-matched-route`
//! (the pattern as in the manifest), `spin-path-info` (what the `/...` of a route matched, with its
//! slash, still encoded), `spin-path-match-<name>` (a `:name` of the route, decoded) and
//! `postlet-request-id`.

use rules::foreign_text::printable_within;
use rules::media_type::Parameterised;
use rules::percent;
use wasip2::http::types::{Fields, IncomingRequest, Method};

use crate::bindings::postlet::mail::accounts;
use crate::bindings::postlet::mail::grants::Account;
use crate::http::query::{LONGEST, Query};
use crate::problem::{Code, Problem};
use crate::request_body::Body;

/// The HTTP methods that the endpoints distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// HEAD too: the host then sends the header section only (RFC 9110 section 9.3.2).
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

    /// The first header field with that name, when it is UTF-8.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.fields.get(name).into_iter().next().and_then(|value| String::from_utf8(value).ok())
    }

    /// Every header field; the names are in lower case.
    #[must_use]
    pub fn all_fields(&self) -> Vec<(String, Vec<u8>)> {
        self.fields.entries()
    }

    /// Parses the query string; only the `allowed` names may occur.
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

    /// Whether the pattern of the matched route ends with `tail`.
    #[must_use]
    pub fn route_ends(&self, tail: &str) -> bool {
        self.field("spin-matched-route").is_some_and(|route| route.ends_with(tail))
    }

    /// The value of the route parameter `:name`.
    ///
    /// # Errors
    /// `not-found` when the route has no such parameter, or its value is too long for any resource.
    pub fn parameter(&self, name: &str) -> Result<String, Problem> {
        self.field(&format!("spin-path-match-{name}"))
            .filter(|text| is_name(text))
            .ok_or_else(not_found)
    }

    /// Opens the account that the route names.
    ///
    /// # Errors
    /// Those of `accounts.open`.
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
        let decoded = rest.split('/').map(percent::decode);
        decoded.map(|text| text.filter(|text| is_name(text)).ok_or_else(not_found)).collect()
    }

    /// The media type of the body.
    #[must_use]
    pub fn content_type(&self) -> Parameterised {
        Parameterised::parse(&self.field("content-type").unwrap_or_default())
    }

    /// The body; it can be read once.
    ///
    /// # Errors
    /// `unsupported-media-type` when it has a content coding, or declares another charset than
    /// UTF-8; `internal` when it was read before.
    pub fn body(&self) -> Result<Body, Problem> {
        let coding = self.field("content-encoding").unwrap_or_default();
        is_plain(&coding, &self.content_type())?;
        self.inner
            .consume()
            .ok()
            .and_then(Body::new)
            .ok_or_else(|| Problem::new(Code::Internal, "the body was read already"))
    }

    /// Reads a body of type application/json, of at most `cap` bytes.
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

fn is_name(text: &str) -> bool {
    text.len() <= LONGEST
}

/// Refuses a content coding, and charsets other than UTF-8 (RFC 9110 section 15.5.16).
fn is_plain(coding: &str, media: &Parameterised) -> Result<(), Problem> {
    if !matches!(coding.trim().to_ascii_lowercase().as_str(), "" | "identity") {
        let detail = "bodies are taken without a content coding";
        let mut problem = Problem::new(Code::UnsupportedMediaType, detail);
        problem.fields.push(("accept-encoding", "identity".to_owned()));
        return Err(problem);
    }
    match media.other_charset() {
        Some(other) => {
            let other = printable_within(40, other);
            let detail = format!("the charset `{other}` was sent; bodies are taken in UTF-8");
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
        None => Ok(()),
    }
}

/// 404 for a path that the component does not serve.
#[must_use]
pub fn not_found() -> Problem {
    Problem::new(Code::NotFound, "no endpoint has this path")
}

/// 415, with the content types that are accepted.
#[must_use]
pub fn wrong_type(taken: &str) -> Problem {
    Problem::new(Code::UnsupportedMediaType, format!("Content-Type has to be {taken}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_neither_coded_nor_in_another_charset() {
        check("", "text/plain", None);
        check("Identity", "text/plain; charset=UTF-8", None);
        // As in the host.
        check("", "application/json; charset=us-ascii", None);
        check("gzip", "text/plain", Some("without a content coding"));
        check("", "text/plain; charset=iso-8859-1", Some("`iso-8859-1`"));
        check("", "text/plain; charset=\"a\u{202e}b\u{1b}\"", Some("`a b`"));
    }

    #[track_caller]
    fn check(coding: &str, media: &str, want: Option<&str>) {
        let problem =
            is_plain(coding, &Parameterised::parse(media)).err().map(|problem| problem.told);
        assert_eq!(problem.is_some(), want.is_some(), "{coding} {media:?}");
        let Some(problem) = problem else { return };
        assert_eq!(problem.status, 415);
        assert!(problem.detail.contains(want.unwrap_or_default()), "{}", problem.detail);
    }
}
