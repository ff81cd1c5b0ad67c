//! Header fields of requests, as parameters of the operations that honour them.
//!
//! WIT has no place for them: `describe` names what is in the query. So they follow from what an
//! operation does. One that sends takes an `Idempotency-Key`; one that can answer 206 takes `Range`,
//! and one that can answer 304 `If-None-Match`.
//!
//! Refuses to know who reads them.
//!
//! Standards: draft-ietf-httpapi-idempotency-key-header; RFC 9110 §13.1.2, §13.1.5, §14.2.

use model::submission::IdempotencyKey;
use runtime::component::Operation;
use serde_json::{Value, json};

/// The parameters of one operation; `sends` where a message may go out.
pub(crate) fn parameters(operation: &Operation, sends: bool) -> Vec<Value> {
    let mut parameters = Vec::new();
    if sends && operation.method != "GET" {
        parameters.push(field(
            "Idempotency-Key",
            "Makes the request safe to repeat: the same key and message answer with the same submission",
            // Spaces around a value are no part of it (RFC 9110 §5.5).
            &json!({
                "type": "string", "minLength": 1, "maxLength": IdempotencyKey::LONGEST,
                "pattern": "^[!-~]([ -~]*[!-~])?$",
            }),
        ));
    }
    let answers = |status: u16| operation.answers.iter().any(|answer| answer.status == status);
    let text = json!({"type": "string"});
    if operation.method == "GET" && answers(206) {
        let one = "One range of bytes, such as `bytes=0-1023`; several are answered with the whole";
        parameters.push(field("Range", one, &text));
        let tag = "An `ETag`: Range counts only while the content still has it";
        parameters.push(field("If-Range", tag, &text));
    }
    if operation.method == "GET" && answers(304) {
        let tags = "An `ETag` that the client has, or several: 304 where the content still has it";
        parameters.push(field("If-None-Match", tags, &text));
    }
    parameters
}

fn field(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema})
}
