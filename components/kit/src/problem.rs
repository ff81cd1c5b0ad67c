//! Problem details (RFC 9457).
//!
//! A problem comes from the host, through WIT, or from a component. Both are serialised here and
//! nowhere else, so that a client sees one format.
//!
//! Invariant: every code is in `docs/problems.md`; a title depends on the code alone, a detail
//! never holds what the client may not see.
//!
//! Standard: RFC 9457.

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;

use crate::bindings::postlet::mail::types;

pub use rules::problem_code::Code;

/// A failure, with what the response needs.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The problem as WIT has it. Boxed: every fallible function here returns one, and hardly ever
    /// does.
    pub told: Box<types::Problem>,
    /// Header fields of the response: `Allow`, `Content-Range`.
    pub fields: Vec<(&'static str, String)>,
    /// Extension members that are no text, which `extras` cannot hold.
    pub members: Vec<(&'static str, serde_json::Value)>,
}

impl From<types::Problem> for Problem {
    /// The detail of a problem about a body begins with its first fault, whichever side raised it.
    fn from(mut problem: types::Problem) -> Self {
        let of_a_body = [Code::InvalidBody, Code::InvalidDraft].map(Code::as_str);
        if of_a_body.contains(&problem.code.as_str())
            && let Some(detail) = first_of(&problem.faults)
        {
            problem.detail = detail;
        }
        Self { told: Box::new(problem), fields: Vec::new(), members: Vec::new() }
    }
}

impl Problem {
    /// A problem raised by this component.
    // Inlined, a component holds the rows of the table that it names and not all of them.
    #[must_use]
    #[inline(always)]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let after = code.retry_after().and_then(|after| u32::try_from(after.as_secs()).ok());
        let retry = (code.retryable(), after);
        Self::of_row((code.status(), code.as_str(), code.title()), retry, detail.into())
    }

    fn of_row(
        (status, code, title): (u16, &str, &str),
        (retryable, retry_after_seconds): (bool, Option<u32>),
        detail: String,
    ) -> Self {
        types::Problem {
            code: code.to_owned(),
            status,
            title: title.to_owned(),
            detail,
            retryable,
            retry_after_seconds,
            faults: Vec::new(),
            upstream: None,
            extras: Vec::new(),
        }
        .into()
    }

    /// `invalid-body` with one fault at `pointer` (RFC 6901).
    #[must_use]
    pub fn at(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(Code::InvalidBody, String::new());
        problem.told.faults.push(types::Fault {
            pointer: pointer.into(),
            code: code.to_owned(),
            detail: detail.into(),
        });
        Self::from(*problem.told)
    }

    /// `invalid-body` with all of its faults.
    #[must_use]
    pub fn of(faults: Vec<types::Fault>) -> Self {
        let mut problem = Self::new(Code::InvalidBody, String::new());
        problem.told.faults = faults;
        Self::from(*problem.told)
    }

    /// 405, with the allowed methods (RFC 9110 section 15.5.6).
    #[must_use]
    pub fn method_not_allowed(allow: &str) -> Self {
        let mut problem = Self::new(Code::MethodNotAllowed, format!("allowed methods: {allow}"));
        problem.fields.push(("allow", allow.to_owned()));
        problem
    }

    /// The problem as `application/problem+json`.
    #[must_use]
    pub fn document(&self, request_id: Option<&str>) -> Vec<u8> {
        // Strings and numbers only: serialising them into memory cannot fail.
        let mut document =
            serde_json::to_vec(&Document { problem: self, request_id }).unwrap_or_default();
        // A line break, so that a terminal's prompt begins on a line of its own.
        document.push(b'\n');
        document
    }
}

/// The first fault, and the pointers of the others; in the same format as the host's schema
/// validation.
fn first_of(faults: &[types::Fault]) -> Option<String> {
    let (first, others) = faults.split_first()?;
    let mut detail = format!("{}: {}", place(first), first.detail);
    if !others.is_empty() {
        let others: Vec<&str> = others.iter().map(place).collect();
        detail += &format!("; also not right: {}", others.join(", "));
    }
    Some(detail)
}

fn place(fault: &types::Fault) -> &str {
    if fault.pointer.is_empty() { "the body" } else { &fault.pointer }
}

struct Document<'a> {
    problem: &'a Problem,
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
        let inner = &*self.problem.told;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:postlet:problem:{}", inner.code))?;
        map.serialize_entry("title", &inner.title)?;
        map.serialize_entry("status", &inner.status)?;
        map.serialize_entry("detail", &inner.detail)?;
        map.serialize_entry("code", &inner.code)?;
        map.serialize_entry("retryable", &inner.retryable)?;
        if let Some(seconds) = inner.retry_after_seconds {
            map.serialize_entry("retryAfter", &seconds)?;
        }
        if !inner.faults.is_empty() {
            let errors: Vec<_> = inner.faults.iter().map(Fault::new).collect();
            map.serialize_entry("errors", &errors)?;
        }
        if let Some(upstream) = &inner.upstream {
            map.serialize_entry("upstream", &Upstream::new(upstream))?;
        }
        if let Some(id) = self.request_id {
            map.serialize_entry("requestId", id)?;
        }
        for (name, value) in &inner.extras {
            if !OWN_MEMBERS.contains(&name.as_str()) {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.problem.members {
            map.serialize_entry(name, value)?;
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
            &Problem::new(Code::NotFound, "No route."),
            &json!({
                "type": "urn:postlet:problem:not-found", "title": "There is nothing at this address",
                "status": 404, "detail": "No route.", "code": "not-found", "retryable": false,
                "requestId": "req_1",
            }),
        );
    }

    #[test]
    fn a_component_may_raise_any_problem_of_the_table() {
        check(
            &Problem::new(Code::Unavailable, "Soon."),
            &json!({
                "type": "urn:postlet:problem:unavailable", "title": "Postlet cannot take the request now",
                "status": 503, "detail": "Soon.", "code": "unavailable", "retryable": true,
                "retryAfter": 5, "requestId": "req_1",
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
        problem.members = vec![("explain", json!([1]))];
        check(
            &problem,
            &json!({
                "type": "urn:postlet:problem:invalid-body", "title": "The body does not fit its schema",
                "status": 422, "detail": "/to/0/email: no domain", "code": "invalid-body", "retryable": true,
                "retryAfter": 7,
                "errors": [{"pointer": "/to/0/email", "code": "address", "detail": "no domain"}],
                "upstream": {"protocol": "smtp", "reply": "550 no", "enhancedCode": "5.1.1"},
                "requestId": "req_1", "movedTo": "x", "explain": [1],
            }),
        );
    }

    #[test]
    fn a_faulty_body_says_first_what_is_wrong_first() {
        let fault = |pointer: &str| types::Fault {
            pointer: pointer.to_owned(),
            code: "address".to_owned(),
            detail: "no domain".to_owned(),
        };
        let detail = |code: &str, faults| {
            let mut problem = *Problem::new(Code::Internal, "see errors").told;
            (problem.code, problem.faults) = (code.to_owned(), faults);
            Problem::from(problem).told.detail
        };
        assert_eq!(detail("invalid-draft", vec![fault("/to/0")]), "/to/0: no domain");
        let three = vec![fault(""), fault("/to"), fault("/cc")];
        assert_eq!(detail("invalid-draft", three), "the body: no domain; also not right: /to, /cc");
        assert_eq!(detail("invalid-draft", vec![]), "see errors");
        assert_eq!(detail("host-not-allowed", vec![fault("/to/0")]), "see errors");
    }

    #[track_caller]
    fn check(problem: &Problem, want: &Value) {
        let document = problem.document(Some("req_1"));
        assert_eq!(document.last(), Some(&b'\n'));
        let got: Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(&got, want);
    }
}
