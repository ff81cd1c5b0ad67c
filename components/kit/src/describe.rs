//! Constructors for the records of `describe`: operations, parameters, responses and their schemas.
//!
//! Data only: `describe` runs in an instance without imports.

use serde_json::{Value, json};

use crate::bindings::exports::postlet::mail::describe::{Answer, Operation, Parameter};

/// The token's scope that an operation requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Read,
    Change,
    /// Submit messages, and read submissions.
    Send,
}

/// An operation without body, parameters and responses; add them by field or with the functions
/// below.
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

/// The schema of a comma-separated list of these words, as [`crate::http::query::Query::words`]
/// parses it.
#[must_use]
pub fn words(known: &[&str]) -> String {
    words_beside(known, &[])
}

/// The same, with words that are not in the list and advice for each. The host names an unknown
/// word by `x-words` and `x-others`.
#[must_use]
pub fn words_beside(known: &[&str], others: &[(&str, &str)]) -> String {
    // Letters only, so nothing has to be escaped in the pattern.
    let one = known.join("|");
    let named = known.join(", ");
    let mut schema = json!({
        "type": "string", "pattern": format!("^({one})(,({one}))*$"),
        "description": format!("some of {named}, separated by commas"), "x-words": known,
    });
    if let (Some(members), false) = (schema.as_object_mut(), others.is_empty()) {
        let others = others.iter().map(|(word, advice)| ((*word).to_owned(), (*advice).into()));
        members.insert("x-others".to_owned(), Value::Object(others.collect()));
    }
    schema.to_string()
}

/// The schema of a cursor, whose content only the host interprets.
pub const CURSOR: &str = r#"{"type":"string","maxLength":4000}"#;

/// A body's schema, with that of the same body as a form: the host publishes the latter and does
/// not validate against it.
#[must_use]
pub fn with_form(schema: &str, form: &str) -> String {
    schema.replacen('{', &format!(r#"{{"x-content-types":{{"multipart/form-data":{form}}},"#), 1)
}

/// The text of a schema that the component's build script wrote (`shapes::schema`).
#[macro_export]
macro_rules! schema {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name, ".json"))
    };
}

/// A JSON response.
#[must_use]
pub fn json(status: u16, schema: &str, summary: &str) -> Answer {
    Answer {
        status,
        content_type: "application/json".to_owned(),
        schema: Some(schema.to_owned()),
        summary: summary.to_owned(),
    }
}

/// A response of another media type.
#[must_use]
pub fn other(status: u16, content_type: &str, summary: &str) -> Answer {
    Answer {
        status,
        content_type: content_type.to_owned(),
        schema: None,
        summary: summary.to_owned(),
    }
}
