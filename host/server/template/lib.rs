//! An endpoint: tells the subject of an account's newest message.
//!
//! It is written against `wit/` alone. The host has checked the token before this runs, keeps the
//! passwords and talks to the mail server; a component holds a handle for one account. Each request
//! gets a fresh instance, so nothing is remembered between two of them.

use serde_json::json;

use crate::exports::postlet::mail::describe::{Answer, Operation};
use crate::exports::wasi::http::incoming_handler;
use crate::postlet::mail::accounts;
use crate::postlet::mail::messages::{self, Query, Want};
use crate::postlet::mail::types::{Problem, Protocol};
use crate::wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wit_bindgen::generate!({ path: "wit", world: "endpoint", generate_all });

struct Component;
export!(Component);

/// Called once, when the application is deployed: what stands here is checked before an instance
/// exists, and shown in /-/openapi.json and on the page /-/docs.
impl exports::postlet::mail::describe::Guest for Component {
    fn operations() -> Vec<Operation> {
        let answer = Answer {
            status: 200,
            content_type: "application/json".to_owned(),
            schema: Some(r#"{"type": "object", "required": ["account", "newest"]}"#.to_owned()),
            summary: "The newest message's subject; null when there is no message".to_owned(),
        };
        vec![Operation {
            method: "GET".to_owned(),
            // The route of spin.toml, which has to hold it.
            path: "/{{name}}/:account".to_owned(),
            summary: "Tell the subject of the newest message".to_owned(),
            scope: "read".to_owned(),
            parameters: Vec::new(),
            body_schema: None,
            body_example: None,
            other_content_types: Vec::new(),
            answers: vec![answer],
            long_lived: false,
        }]
    }
}

impl incoming_handler::Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        // What `:account` of the route stood for.
        let account = field(&request, "spin-path-match-account");
        match newest(&account) {
            Ok(subject) => {
                let told = json!({"account": account, "newest": subject});
                answer(out, 200, "application/json", &[], &told);
            }
            Err(problem) => refuse(out, &request, &problem),
        }
    }
}

fn newest(account: &str) -> Result<Option<String>, Problem> {
    let account = accounts::open(account)?;
    let query =
        Query { mailbox: "\\Inbox".to_owned(), want: Want::empty(), cursor: None, limit: 1 };
    let page = messages::find(&account, &query)?;
    Ok(page.rows.into_iter().next().and_then(|row| row.facts.subject))
}

/// A problem document (RFC 9457), with all that the rest of the API says in one.
fn refuse(out: ResponseOutparam, request: &IncomingRequest, problem: &Problem) {
    let mut document = json!({
        "type": format!("urn:postlet:problem:{}", problem.code),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "retryable": problem.retryable,
        "requestId": field(request, "postlet-request-id"),
    });
    let mut fields = Vec::new();
    if let Some(seconds) = problem.retry_after_seconds {
        document["retryAfter"] = json!(seconds);
        fields.push(("retry-after", seconds.to_string()));
    }
    if !problem.faults.is_empty() {
        let errors = problem.faults.iter().map(|fault| {
            json!({"pointer": fault.pointer, "code": fault.code, "detail": fault.detail})
        });
        document["errors"] = errors.collect();
    }
    if let Some(upstream) = &problem.upstream {
        let protocol = match upstream.protocol {
            Protocol::Smtp => "smtp",
            Protocol::Imap => "imap",
        };
        let (reply, code) = (&upstream.reply, &upstream.enhanced_code);
        document["upstream"] = json!({"protocol": protocol, "reply": reply, "enhancedCode": code});
    }
    for (name, value) in &problem.extras {
        document[name] = json!(value);
    }
    answer(out, problem.status, "application/problem+json", &fields, &document);
}

fn field(request: &IncomingRequest, name: &str) -> String {
    let values = request.headers().get(name);
    values.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

fn answer(
    out: ResponseOutparam,
    status: u16,
    kind: &str,
    more: &[(&str, String)],
    document: &serde_json::Value,
) {
    let fields = Fields::new();
    let _ = fields.set("content-type", &[kind.as_bytes().to_vec()]);
    for (name, value) in more {
        let _ = fields.set(name, &[value.clone().into_bytes()]);
    }
    let response = OutgoingResponse::new(fields);
    let _ = response.set_status_code(status);
    let body = response.body();
    ResponseOutparam::set(out, Ok(response));
    // From here on the client may be gone, and then there is nobody to tell.
    let Ok(body) = body else { return };
    if let Ok(stream) = body.write() {
        for piece in format!("{document}\n").as_bytes().chunks(4096) {
            if stream.blocking_write_and_flush(piece).is_err() {
                return;
            }
        }
    }
    let _ = OutgoingBody::finish(body, None);
}
