//! The schema check: a body or a query that does not fit never reaches a component.
//!
//! What is checked is what `describe` said, which is what the documentation
//! shows. Foreign references are refused, patterns run on the linear engine, and
//! schemas are bounded: a schema is a tenant's text.
//!
//! Standards: JSON Schema 2020-12, RFC 6901 (pointers).

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use model::problem::{Code, Fault, Problem};
use serde_json::Value;

const MOST_BYTES: usize = 64 << 10;
const MOST_DEPTH: usize = 32;
/// More would only repeat what the first ones say.
const MOST_FAULTS: usize = 20;

/// A schema that is ready to check.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    kind: Option<String>,
}

/// A schema that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaFault {
    #[error("the schema is larger than 64 KiB")]
    TooLarge,
    #[error("the schema is deeper than 32 levels")]
    TooDeep,
    #[error("the schema is not JSON: {0}")]
    NotJson(String),
    #[error("the schema is not valid: {0}")]
    Invalid(String),
}

impl Schema {
    pub(crate) fn compile(text: &str) -> Result<Self, SchemaFault> {
        if text.len() > MOST_BYTES {
            return Err(SchemaFault::TooLarge);
        }
        let schema: Value =
            serde_json::from_str(text).map_err(|error| SchemaFault::NotJson(error.to_string()))?;
        if depth(&schema) > MOST_DEPTH {
            return Err(SchemaFault::TooDeep);
        }
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .offline()
            .build(&schema)
            .map_err(|error| SchemaFault::Invalid(error.to_string()))?;
        let kind = schema.get("type").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { validator, kind })
    }

    /// Everything that is wrong with `value`, each with its pointer under `root`.
    pub(crate) fn faults(&self, root: &str, value: &Value) -> Vec<Fault> {
        self.validator
            .iter_errors(value)
            .flat_map(|error| faults(root, &error))
            .take(MOST_FAULTS)
            .collect()
    }

    /// A query parameter's text as the JSON that the schema speaks of.
    pub(crate) fn query_value(&self, text: &str) -> Value {
        match self.kind.as_deref() {
            Some("integer" | "number" | "boolean") => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
            }
            _ => Value::String(text.to_owned()),
        }
    }

    /// Parses and checks a body.
    pub(crate) fn check(&self, body: &[u8]) -> Result<Value, Problem> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            Problem::new(Code::MalformedJson, format!("the body is not JSON: {error}"))
        })?;
        let faults = self.faults("", &value);
        if faults.is_empty() { Ok(value) } else { Err(invalid(faults)) }
    }
}

fn invalid(faults: Vec<Fault>) -> Problem {
    let detail = match faults.first() {
        Some(first) if faults.len() == 1 => format!("{}: {}", place(&first.pointer), first.detail),
        Some(first) => {
            format!("{}: {}, and {} more", place(&first.pointer), first.detail, faults.len() - 1)
        }
        None => String::new(),
    };
    Problem::new(Code::InvalidBody, detail).with_faults(faults)
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the body" } else { pointer }
}

fn faults(root: &str, error: &ValidationError<'_>) -> Vec<Fault> {
    let pointer = format!("{root}{}", error.instance_path().as_str());
    let under = |name: &str| format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other keywords share one form")]
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .take(MOST_FAULTS)
            .map(|name| Fault {
                pointer: under(name),
                code: "unknown-field".to_owned(),
                detail: format!("`{name}` is not a field of this object"),
            })
            .collect(),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![Fault {
                pointer: under(name),
                code: "missing".to_owned(),
                detail: format!("`{name}` is needed"),
            }]
        }
        ValidationErrorKind::Enum { options } => {
            let known = options
                .as_array()
                .into_iter()
                .flatten()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            vec![Fault {
                pointer,
                code: "enum".to_owned(),
                detail: format!("is not one of {known}"),
            }]
        }
        _ => {
            // The library's sentence quotes the value, which may be a password or a megabyte.
            let detail = error.masked().to_string();
            vec![Fault {
                pointer,
                code: keyword(error),
                detail: detail.chars().take(300).collect(),
            }]
        }
    }
}

fn keyword(error: &ValidationError<'_>) -> String {
    let keyword = error.kind().keyword();
    let mut word = String::with_capacity(keyword.len() + 2);
    for c in keyword.chars() {
        if c.is_ascii_uppercase() {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"required":["to"],
        "properties":{"to":{"type":"array","minItems":1,"items":{"type":"object","additionalProperties":false,"required":["email"],"properties":{"email":{"type":"string"}}}},"text":{"type":"string"}}}"#;

    #[test]
    fn every_fault_is_named_by_its_pointer() {
        check(r#"{"to":[{"email":"a@b"}]}"#, &[]);
        check(r#"{}"#, &[("/to", "missing")]);
        check(r#"{"to":[{"email":"a@b"}],"a/b":1}"#, &[("/a~1b", "unknown-field")]);
        check(r#"{"to":[{"email":7}],"text":7}"#, &[("/text", "type"), ("/to/0/email", "type")]);
        check(r#"{"to":[]}"#, &[("/to", "min-items")]);
        check("[]", &[("", "type")]);
    }

    #[test]
    fn a_value_is_never_repeated_to_the_caller() {
        let problem = Schema::compile(SCHEMA).unwrap().check(br#"{"to":"canary"}"#).unwrap_err();
        assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
    }

    #[test]
    fn what_is_not_json_is_another_problem() {
        for body in ["", "{", "{\"a\":NaN}", "{} {}"] {
            assert_eq!(
                Schema::compile(SCHEMA).unwrap().check(body.as_bytes()).unwrap_err().code,
                Code::MalformedJson
            );
        }
    }

    #[test]
    fn a_schema_that_reaches_out_or_is_too_big_is_refused() {
        for schema in [
            r#"{"$ref":"https://example.test/x"}"#.to_owned(),
            "{".to_owned(),
            format!("{{\"description\":\"{}\"}}", "x".repeat(70_000)),
            format!("{}1{}", "[".repeat(40), "]".repeat(40)),
        ] {
            assert!(Schema::compile(&schema).is_err());
        }
    }

    #[track_caller]
    fn check(body: &str, want: &[(&str, &str)]) {
        let got = Schema::compile(SCHEMA)
            .unwrap()
            .check(body.as_bytes())
            .err()
            .map(|problem| problem.faults)
            .unwrap_or_default();
        let mut got: Vec<_> =
            got.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect();
        got.sort_unstable();
        assert_eq!(got, want, "{body}");
    }
}
