//! Short forms for `describe`, which is long-winded in WIT.
//!
//! Everything here is data: `describe` runs in an instance that can call
//! nothing.

use crate::bindings::exports::postlet::mail::describe::{Answer, Operation, Parameter};

/// The token's scope that an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Read,
    Change,
    /// Submit, and see submissions.
    Send,
}

/// An operation without body, parameters and answers; add them by field or with the functions below.
#[must_use]
pub fn operation(method: &str, path: &str, scope: Scope, summary: &str) -> Operation {
    Operation {
        method: method.to_owned(),
        path: path.to_owned(),
        summary: summary.to_owned(),
        scope: match scope {
            Scope::Read => "read",
            Scope::Change => "change",
            Scope::Send => "send",
        }
        .to_owned(),
        parameters: Vec::new(),
        body_schema: None,
        body_example: None,
        other_content_types: Vec::new(),
        answers: Vec::new(),
        long_lived: false,
    }
}

/// An optional query parameter.
#[must_use]
pub fn parameter(name: &str, schema: &str, summary: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        schema: schema.to_owned(),
        required: false,
        summary: summary.to_owned(),
    }
}

/// A JSON answer.
#[must_use]
pub fn json(status: u16, schema: &str, summary: &str) -> Answer {
    Answer {
        status,
        content_type: "application/json".to_owned(),
        schema: Some(schema.to_owned()),
        summary: summary.to_owned(),
    }
}

/// An answer of another type.
#[must_use]
pub fn other(status: u16, content_type: &str, summary: &str) -> Answer {
    Answer {
        status,
        content_type: content_type.to_owned(),
        schema: None,
        summary: summary.to_owned(),
    }
}
