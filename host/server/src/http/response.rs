//! Responses of the host itself, mainly problem documents.
//!
//! The only file that converts a [`Problem`] to HTTP and logs its cause. Components write their own
//! problem documents with the guests' kit, in the same format.
//!
//! Standard: RFC 9457 (problem details).

use bytes::Bytes;
use engine::app::manifest::trigger::StaticResponse;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use model::ids::RequestId;
use model::problem::{Code, Problem, Protocol};
use rules::foreign_text::within;
use serde::Serialize;
use serde_json::{Map, Value, json};

use runtime::body::Body;
use runtime::error::chain;

/// Maximum length of one text in a problem document, in bytes.
const DETAIL: usize = 2 << 10;

/// A body of bytes in memory.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A JSON response.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            typed(status, "application/json", bytes)
        }
        Err(error) => {
            tracing::error!(%error, "a response cannot be serialised");
            typed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "application/problem+json",
                Bytes::from_static(b"{\"code\":\"internal\",\"status\":500}"),
            )
        }
    }
}

/// A response of any media type.
pub(crate) fn typed(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response<Body> {
    let mut answer = Response::new(full(bytes));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The response of a manifest's `static_response`.
pub(crate) fn fixed(written: &StaticResponse) -> Response<Body> {
    let mut answer = Response::new(full(Bytes::copy_from_slice(written.body.as_bytes())));
    *answer.status_mut() = StatusCode::from_u16(written.status).unwrap_or(StatusCode::OK);
    for (name, value) in &written.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(full(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// The response of a problem; logs its cause.
pub(crate) fn problem(problem: &Problem, request: &RequestId) -> Response<Body> {
    problem_with(problem, request, Map::new())
}

/// The same with more members, which do not replace the standard ones.
pub(crate) fn problem_with(
    problem: &Problem,
    request: &RequestId,
    more: Map<String, Value>,
) -> Response<Body> {
    log(problem, request);
    shown(problem, request, more)
}

/// The response of a problem that is logged already.
pub(crate) fn logged(problem: &Problem, request: &RequestId) -> Response<Body> {
    shown(problem, request, Map::new())
}

fn log(problem: &Problem, request: &RequestId) {
    let status = status(problem.code);
    let cause = problem.cause.as_ref().map(|cause| chain(cause.as_ref()));
    if status.is_server_error() {
        tracing::warn!(request = request.as_str(), code = problem.code.as_str(), detail = %problem.detail, cause, "a request failed");
    } else {
        tracing::debug!(request = request.as_str(), code = problem.code.as_str(), detail = %problem.detail, cause, "a request was refused");
    }
}

fn shown(problem: &Problem, request: &RequestId, more: Map<String, Value>) -> Response<Body> {
    let mut answer = typed(
        status(problem.code),
        "application/problem+json",
        format!("{}\n", document(problem, request, more)),
    );
    let headers = answer.headers_mut();
    if let Some(after) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if problem.code == Code::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    for (name, text) in &problem.extras {
        if let (Some(field), Ok(value)) = (field(problem.code, name), HeaderValue::from_str(text)) {
            headers.insert(field, value);
        }
    }
    answer
}

/// The HTTP status of a code, which is from 400 to 599.
fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The header field that repeats a member: what would be accepted (RFC 9110 §15.5.6, §15.5.16).
fn field(code: Code, member: &str) -> Option<HeaderName> {
    match (code, member) {
        (Code::MethodNotAllowed, "allow") => Some(header::ALLOW),
        (Code::UnsupportedMediaType, "accept") => Some(header::ACCEPT),
        (Code::UnsupportedMediaType, "acceptEncoding") => Some(header::ACCEPT_ENCODING),
        _ => None,
    }
}

fn document(problem: &Problem, request: &RequestId, more: Map<String, Value>) -> Value {
    let code = problem.code;
    let mut members = more;
    // Foreign texts should be cut already; this enforces it.
    let words = |text: &str| json!(within(DETAIL, text));
    for (name, value) in &problem.extras {
        members.insert(name.clone(), words(value));
    }
    members.insert("type".to_owned(), json!(format!("urn:postlet:problem:{}", code.as_str())));
    members.insert("title".to_owned(), json!(code.title()));
    members.insert("status".to_owned(), json!(code.status()));
    members.insert("detail".to_owned(), words(&problem.detail));
    members.insert("code".to_owned(), json!(code.as_str()));
    members.insert("retryable".to_owned(), json!(code.retryable()));
    members.insert("requestId".to_owned(), json!(request.as_str()));
    if let Some(after) = problem.retry_after {
        members.insert("retryAfter".to_owned(), json!(after.as_secs().max(1)));
    }
    if !problem.faults.is_empty() {
        let errors = problem.faults.iter().map(
            |fault| json!({"pointer": fault.pointer, "code": fault.code, "detail": words(&fault.detail)}),
        );
        members.insert("errors".to_owned(), errors.collect());
    }
    if let Some(upstream) = &problem.upstream {
        let protocol = match upstream.protocol {
            Protocol::Smtp => "smtp",
            Protocol::Imap => "imap",
        };
        members.insert("upstream".to_owned(), json!({"protocol": protocol, "reply": upstream.reply, "enhancedCode": upstream.enhanced_code}));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::problem::{Fault, Upstream};
    use std::time::Duration;

    #[test]
    fn a_problem_document_has_every_member() {
        let problem = Problem::new(Code::UpstreamBusy, "busy")
            .with_faults(vec![Fault {
                pointer: "/a".to_owned(),
                code: "bad".to_owned(),
                detail: "no".to_owned(),
            }])
            .with_upstream(Upstream {
                protocol: Protocol::Smtp,
                reply: "451 4.3.0 later".to_owned(),
                enhanced_code: Some("4.3.0".to_owned()),
            })
            .with_retry_after(Duration::from_secs(30))
            .with_extra("step", "MAIL");
        let request = RequestId::generate([0; 10]);
        let document = document(&problem, &request, Map::new());
        assert_eq!(
            document,
            json!({
                "type": "urn:postlet:problem:upstream-busy", "title": "The mail server is not ready for this now", "status": 503,
                "detail": "busy", "code": "upstream-busy", "retryable": true, "retryAfter": 30, "requestId": "req_aaaaaaaaaaaaaaaa",
                "errors": [{"pointer": "/a", "code": "bad", "detail": "no"}],
                "upstream": {"protocol": "smtp", "reply": "451 4.3.0 later", "enhancedCode": "4.3.0"}, "step": "MAIL",
            })
        );
    }
}
