//! Header parameters of operations in the OpenAPI document.
//!
//! WIT has no field for them: `describe` lists query parameters only. So they are derived from the
//! operation. One that sends accepts `Idempotency-Key`; one with a 206 answer accepts `Range` and
//! `If-Range`, and one with a 304 answer `If-None-Match`.
//!
//! Independent of what evaluates them.
//!
//! Standards: draft-ietf-httpapi-idempotency-key-header; RFC 9110 §13.1.2, §13.1.5, §14.2.

use model::caller::Scope;
use model::submission::IdempotencyKey;
use runtime::component::Operation;
use serde_json::{Value, json};

/// The header parameters of one operation.
pub(crate) fn parameters(operation: &Operation) -> Vec<Value> {
    let mut parameters = Vec::new();
    if operation.scope == Scope::Send.as_str() && operation.method != "GET" {
        parameters.push(field(
            "Idempotency-Key",
            "Makes the request safe to repeat: the same key and message return the same submission",
            // Whitespace around a value is not part of it (RFC 9110 §5.5).
            &json!({
                "type": "string", "minLength": 1, "maxLength": IdempotencyKey::LONGEST,
                "pattern": "^[!-~]([ -~]*[!-~])?$",
            }),
        ));
    }
    let answers = |status: u16| operation.answers.iter().any(|answer| answer.status == status);
    let text = json!({"type": "string"});
    if operation.method == "GET" && answers(206) {
        let one = "One range of bytes, such as `bytes=0-1023`; several return the whole content";
        parameters.push(field("Range", one, &text));
        let tag = "An `ETag`: Range is ignored unless the content still has it";
        parameters.push(field("If-Range", tag, &text));
    }
    if operation.method == "GET" && answers(304) {
        let tags = "One `ETag` or several: 304 if the content still has it";
        parameters.push(field("If-None-Match", tags, &text));
    }
    parameters
}

fn field(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema})
}
