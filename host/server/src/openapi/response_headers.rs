//! Header fields that the host adds to responses of components, in the document.
//!
//! As in [`crate::openapi::request_headers`], they follow from what an operation does.

use serde_json::{Value, json};

/// Those of a successful response; none where `sends` is false.
pub(crate) fn of_success(sends: bool) -> Option<Value> {
    sends.then(|| {
        json!({"Idempotent-Replayed": {
            "description": "Present if the Idempotency-Key was used before: the message was not accepted again",
            "schema": {"type": "string", "enum": ["true"]},
        }})
    })
}
