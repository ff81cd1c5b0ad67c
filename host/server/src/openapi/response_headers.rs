//! Header fields that the host adds to responses of components, in the OpenAPI document.
//!
//! As in [`crate::openapi::request_headers`], they are derived from the operation.

use serde_json::{Value, json};

/// The header fields of a successful response; `sends` if the operation sends a message.
pub(crate) fn of_success(sends: bool) -> Option<Value> {
    sends.then(|| {
        json!({"Idempotent-Replayed": {
            "description": "Present if the Idempotency-Key was used before: the message was not accepted again",
            "schema": {"type": "string", "enum": ["true"]},
        }})
    })
}
