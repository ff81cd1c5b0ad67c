//! Problem documents: why a request failed, for programs and for people.
//!
//! A problem comes from the host, through WIT, or from a component itself. Both
//! are written here and nowhere else, so that a client needs one reader.
//!
//! Invariant: every code is in `docs/problems.md`; a title depends on the code
//! alone, a detail never holds what the client may not see.
//!
//! Standard: RFC 9457.

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;

use crate::bindings::postlet::mail::types;

/// A failure on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Boxed: every fallible function here returns one, and hardly ever does.
    pub told: Box<types::Problem>,
    /// Header fields that belong to it: `Allow`, `Content-Range`.
    pub fields: Vec<(&'static str, String)>,
}

impl From<types::Problem> for Problem {
    fn from(told: types::Problem) -> Self {
        Self { told: Box::new(told), fields: Vec::new() }
    }
}

/// The problems that a component raises itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    MalformedRequest,
    MalformedJson,
    InvalidBody,
    InvalidQuery,
    UnsupportedMediaType,
    MethodNotAllowed,
    NotFound,
    BodyTooLarge,
    NoSuchPart,
    InvalidRange,
    Internal,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::MalformedRequest,
        Self::MalformedJson,
        Self::InvalidBody,
        Self::InvalidQuery,
        Self::UnsupportedMediaType,
        Self::MethodNotAllowed,
        Self::NotFound,
        Self::BodyTooLarge,
        Self::NoSuchPart,
        Self::InvalidRange,
        Self::Internal,
    ];

    /// Status, code and title: the same as in the host's table, since a client cannot tell who raised
    /// a problem.
    #[must_use]
    pub const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (400, "malformed-request", "The request is malformed"),
            Self::MalformedJson => (400, "malformed-json", "The body is not JSON"),
            Self::InvalidBody => (422, "invalid-body", "The body does not fit its schema"),
            Self::InvalidQuery => (400, "invalid-query", "A query parameter is unknown or wrong"),
            Self::UnsupportedMediaType => {
                (415, "unsupported-media-type", "The operation does not take this content type")
            }
            Self::MethodNotAllowed => {
                (405, "method-not-allowed", "This address does not answer that method")
            }
            Self::NotFound => (404, "not-found", "There is nothing at this address"),
            Self::BodyTooLarge => (413, "body-too-large", "The body is too large"),
            Self::NoSuchPart => (404, "no-such-part", "The message has no such part"),
            Self::InvalidRange => (416, "invalid-range", "The range lies outside the content"),
            Self::Internal => (500, "internal", "Postlet made a mistake"),
        }
    }
}

impl Problem {
    /// A problem of this component.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, code, title) = kind.row();
        types::Problem {
            code: code.to_owned(),
            status,
            title: title.to_owned(),
            detail: detail.into(),
            retryable: false,
            retry_after_seconds: None,
            faults: Vec::new(),
            upstream: None,
            extras: Vec::new(),
        }
        .into()
    }

    /// A body that does not fit, with one fault at `pointer` (RFC 6901).
    #[must_use]
    pub fn at(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut problem = Self::new(Kind::InvalidBody, detail.clone());
        problem.told.faults.push(types::Fault {
            pointer: pointer.into(),
            code: code.to_owned(),
            detail,
        });
        problem
    }

    /// 405, naming what is allowed (RFC 9110 section 15.5.6).
    #[must_use]
    pub fn method_not_allowed(allow: &str) -> Self {
        let mut problem = Self::new(Kind::MethodNotAllowed, format!("Allowed here: {allow}."));
        problem.fields.push(("allow", allow.to_owned()));
        problem
    }

    /// The document, as `application/problem+json`.
    #[must_use]
    pub fn document(&self, request_id: Option<&str>) -> Vec<u8> {
        // Strings and numbers only: serialising them into memory cannot fail.
        serde_json::to_vec(&Document { problem: &self.told, request_id }).unwrap_or_default()
    }
}

struct Document<'a> {
    problem: &'a types::Problem,
    request_id: Option<&'a str>,
}

const OWN_MEMBERS: [&str; 11] = [
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "retryable",
    "retryAfter",
    "errors",
    "upstream",
    "requestId",
];

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let told = self.problem;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:postlet:problem:{}", told.code))?;
        map.serialize_entry("title", &told.title)?;
        map.serialize_entry("status", &told.status)?;
        map.serialize_entry("detail", &told.detail)?;
        map.serialize_entry("code", &told.code)?;
        map.serialize_entry("retryable", &told.retryable)?;
        if let Some(seconds) = told.retry_after_seconds {
            map.serialize_entry("retryAfter", &seconds)?;
        }
        if !told.faults.is_empty() {
            let errors: Vec<_> = told.faults.iter().map(Fault::new).collect();
            map.serialize_entry("errors", &errors)?;
        }
        if let Some(upstream) = &told.upstream {
            map.serialize_entry("upstream", &Upstream::new(upstream))?;
        }
        if let Some(id) = self.request_id {
            map.serialize_entry("requestId", id)?;
        }
        for (name, value) in &told.extras {
            if !OWN_MEMBERS.contains(&name.as_str()) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Fault<'a> {
    pointer: &'a str,
    code: &'a str,
    detail: &'a str,
}

impl<'a> Fault<'a> {
    fn new(fault: &'a types::Fault) -> Self {
        Self { pointer: &fault.pointer, code: &fault.code, detail: &fault.detail }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Upstream<'a> {
    protocol: &'static str,
    reply: &'a str,
    enhanced_code: Option<&'a str>,
}

impl<'a> Upstream<'a> {
    fn new(upstream: &'a types::Upstream) -> Self {
        Self {
            protocol: match upstream.protocol {
                types::Protocol::Smtp => "smtp",
                types::Protocol::Imap => "imap",
            },
            reply: &upstream.reply,
            enhanced_code: upstream.enhanced_code.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use serde_json::json;

    #[test]
    fn a_problem_shows_what_it_has_and_nothing_else() {
        check(
            &Problem::new(Kind::NotFound, "No route."),
            &json!({
                "type": "urn:postlet:problem:not-found", "title": "There is nothing at this address",
                "status": 404, "detail": "No route.", "code": "not-found", "retryable": false,
                "requestId": "req_1",
            }),
        );
    }

    #[test]
    fn every_member_of_a_full_problem_is_shown_and_extras_replace_none() {
        let mut problem = Problem::at("/to/0/email", "address", "no domain");
        problem.told.retryable = true;
        problem.told.retry_after_seconds = Some(7);
        problem.told.upstream = Some(types::Upstream {
            protocol: types::Protocol::Smtp,
            reply: "550 no".to_owned(),
            enhanced_code: Some("5.1.1".to_owned()),
        });
        problem.told.extras =
            vec![("movedTo".to_owned(), "x".to_owned()), ("status".to_owned(), "200".to_owned())];
        check(
            &problem,
            &json!({
                "type": "urn:postlet:problem:invalid-body", "title": "The body does not fit its schema",
                "status": 422, "detail": "no domain", "code": "invalid-body", "retryable": true,
                "retryAfter": 7,
                "errors": [{"pointer": "/to/0/email", "code": "address", "detail": "no domain"}],
                "upstream": {"protocol": "smtp", "reply": "550 no", "enhancedCode": "5.1.1"},
                "requestId": "req_1", "movedTo": "x",
            }),
        );
    }

    #[track_caller]
    fn check(problem: &Problem, want: &Value) {
        let got: Value = serde_json::from_slice(&problem.document(Some("req_1"))).unwrap();
        assert_eq!(&got, want);
    }
}
