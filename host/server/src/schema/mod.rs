//! JSON Schema validation of bodies and query parameters, before they reach a component.
//!
//! The schemas are those of `describe`, which the documentation shows. A schema is a tenant's text, so
//! its size, depth and cost are limited, external references are refused, and patterns run on a
//! linear-time engine. A tenant's schema is built and evaluated only in a child process ([`child`]); the
//! host's own schemas are evaluated in this process.
//!
//! Standards: JSON Schema 2020-12, RFC 6901 (pointers).

mod strict_json;
pub(crate) mod words;
mod explain;
mod cost;
pub(crate) mod own_schema;
pub mod child;
mod child_process;
pub mod child_pool;

use jsonschema::{Draft, PatternOptions, Validator};
use model::problem::{Code, Fault, Problem};
use serde_json::Value;

use crate::schema::cost::Costly;
use crate::schema::explain::{MOST_FAULTS, faults};

/// Maximum size of a schema, in bytes.
const MOST_BYTES: usize = 64 << 10;
/// Maximum nesting of a schema.
const MOST_DEPTH: usize = 32;
/// Maximum size of a body, in bytes, for which all faults are reported. For a larger one it is the first
/// only, since the library collects all before it returns any.
const ALL_FAULTS_OF: usize = 64 << 10;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    /// The schema itself: faults name what it allows.
    text: Value,
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
    #[error("the schema is too costly to evaluate ({code}): {0}", code = Code::SchemaTooCostly.as_str())]
    Costly(#[from] Costly),
}

impl Schema {
    /// Parses a schema, checks its cost, and compiles it.
    ///
    /// # Errors
    /// If the schema is too large, too deep, invalid or too costly.
    pub(crate) fn compile(text: &str) -> Result<Self, SchemaFault> {
        let schema = read(text)?;
        cost::check(&schema)?;
        Self::build(schema)
    }

    /// The same for a schema whose cost was checked before.
    pub(crate) fn compile_uncounted(text: &str) -> Result<Self, SchemaFault> {
        Self::build(read(text)?)
    }

    fn build(schema: Value) -> Result<Self, SchemaFault> {
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .offline()
            .build(&schema)
            .map_err(|error| SchemaFault::Invalid(error.to_string()))?;
        let kind = schema.get("type").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { validator, text: schema, kind })
    }

    /// Whether `value` is valid; much cheaper than [`Self::faults`].
    pub(crate) fn fits(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// The faults of `value`, each with its pointer under `root`. `size` is the length of its text, in
    /// bytes.
    pub(crate) fn faults(&self, root: &str, value: &Value, size: usize) -> Vec<Fault> {
        let read = |error| faults(root, &self.text, &error);
        if size > ALL_FAULTS_OF {
            return self.validator.validate(value).err().map(read).unwrap_or_default();
        }
        self.validator.iter_errors(value).flat_map(read).take(MOST_FAULTS).collect()
    }

    /// A query parameter's text as JSON of the schema's type, else as a string.
    pub(crate) fn query_value(&self, text: &str) -> Value {
        match self.kind.as_deref() {
            Some("integer" | "number" | "boolean") => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
            }
            _ => Value::String(text.to_owned()),
        }
    }

    /// The first fault of the text of a query parameter.
    pub(crate) fn parameter_fault(&self, name: &str, text: &str) -> Option<Fault> {
        let value = self.query_value(text);
        if self.fits(&value) {
            return None;
        }
        self.faults(&format!("/{name}"), &value, text.len()).into_iter().next()
    }

    /// Parses and validates a body.
    ///
    /// # Errors
    /// [`Code::MalformedJson`], or [`Code::InvalidBody`] with the faults.
    pub(crate) fn check(&self, body: &[u8]) -> Result<Value, Problem> {
        let value = strict_json::parse(body).map_err(|error| malformed(&error.to_string()))?;
        if self.fits(&value) {
            return Ok(value);
        }
        Err(invalid(self.faults("", &value, body.len())))
    }
}

fn read(text: &str) -> Result<Value, SchemaFault> {
    if text.len() > MOST_BYTES {
        return Err(SchemaFault::TooLarge);
    }
    let schema: Value =
        serde_json::from_str(text).map_err(|error| SchemaFault::NotJson(error.to_string()))?;
    if depth(&schema) > MOST_DEPTH {
        return Err(SchemaFault::TooDeep);
    }
    Ok(schema)
}

/// The problem of a body that is not JSON, or that parsers could interpret differently.
pub(crate) fn malformed(why: &str) -> Problem {
    Problem::new(Code::MalformedJson, format!("the body cannot be read as JSON: {why}"))
}

/// The problem of an invalid body: its detail has the first fault and the pointers of the others, and
/// `errors` has all.
pub(crate) fn invalid(faults: Vec<Fault>) -> Problem {
    let mut detail =
        "the body does not fit its schema; finding the faults takes too long".to_owned();
    if let Some((first, others)) = faults.split_first() {
        detail = match first.pointer.as_str() {
            // The detail names the body.
            "" => first.detail.clone(),
            pointer => format!("{pointer}: {}", first.detail),
        };
        if !others.is_empty() {
            let others: Vec<&str> = others.iter().map(|fault| place(&fault.pointer)).collect();
            detail += &format!("; also not right: {}", others.join(", "));
        }
    }
    Problem::new(Code::InvalidBody, detail).with_faults(faults)
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the body" } else { pointer }
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
    fn a_sentence_names_the_field_and_the_way_out() {
        const SCHEMA: &str = r##"{"type":"object","additionalProperties":false,"required":["name"],"properties":{
            "name":{"type":"string","minLength":1,"maxLength":5,"pattern":"^[a-z]+$"},
            "note":{"type":["string","null"],"pattern":"^[^\\x00-\\x1f\\x7f]*$"},
            "kind":{"enum":["one","two"]}, "count":{"type":"integer","minimum":1,"maximum":9},
            "code":{"type":"string","pattern":"^[A-Z]{3}$","description":"three capital letters, such as EUR"},
            "id":{"not":{"const":"verify"}},
            "tags":{"type":"array","minItems":1,"uniqueItems":true,"items":{"$ref":"#/$defs/tag"}},
            "made":{"type":"object","minProperties":1,"additionalProperties":false,"properties":{
                "at":{"not":{},"description":"it is when it was made"},"by":{"type":"string"}}},
            "at":{"type":"string","format":"date-time"}},
            "$defs":{"tag":{"type":"object","additionalProperties":false,"properties":{"word":{"type":"string"}}}}}"##;
        for (body, want) in [
            (r#"{"name":7}"#, "/name: `name` has to be text, and is a number"),
            (r#"{"name":"a","note":7}"#, "/note: `note` has to be null or text, and is a number"),
            ("[]", "the body has to be an object, and is a list"),
            ("{}", "/name: `name` is missing; it is needed here"),
            (r#"{"name":"a","made":{}}"#, "/made: `made` is empty; give at least one of `by`"),
            (
                r#"{"name":"a","made":{"by":"x","at":"y"}}"#,
                "/made/at: `at` cannot be changed: it is when it was made",
            ),
            (
                r#"{"name":"a","nmae":1}"#,
                "/nmae: `nmae` is not known here; this object takes `at`, `code`, `count`, `id`, `kind`, `made`, `name`, `note`, `tags`",
            ),
            (
                r#"{"name":"a","tags":[{"wrod":1}]}"#,
                "/tags/0/wrod: `wrod` is not known here; this object takes `word`",
            ),
            (
                r#"{"name":"A"}"#,
                "/name: `name` does not have the required form; /-/docs shows it with an example",
            ),
            (
                r#"{"name":"a","note":"a\nb"}"#,
                "/note: `note` contains a line break or another control character; remove it",
            ),
            (
                r#"{"name":"a","code":"eur"}"#,
                "/code: `code` does not have the required form: three capital letters, such as EUR",
            ),
            (r#"{"name":"a","id":"verify"}"#, "/id: `id` may not have this value; take another"),
            (
                r#"{"name":"a","kind":"x","count":0}"#,
                r#"/count: `count` has to be at least 1; also not right: /kind"#,
            ),
            (r#"{"name":"abcdef"}"#, "/name: `name` may have at most 5 characters"),
            (r#"{"name":"a","kind":"x"}"#, r#"/kind: `kind` has to be one of "one", "two""#),
            (r#"{"name":"a","count":0}"#, "/count: `count` has to be at least 1"),
            (r#"{"name":"a","tags":[]}"#, "/tags: `tags` is an empty list; add an entry"),
            (
                r#"{"name":"a","tags":[3]}"#,
                "/tags/0: entry 0 of `tags` has to be an object, and is a number",
            ),
            (
                r#"{"name":"a","at":"soon"}"#,
                "/at: `at` has to be a time such as 2026-01-31T12:00:00Z (RFC 3339)",
            ),
        ] {
            let problem = Schema::compile(SCHEMA).unwrap().check(body.as_bytes()).unwrap_err();
            assert_eq!(problem.detail, want, "{body}");
        }
        let empty = Schema::compile(SCHEMA).unwrap().check(br#"{"name":""}"#).unwrap_err();
        assert!(empty.detail.contains("`name` is empty; give it a value"), "{}", empty.detail);
    }

    #[test]
    fn a_value_is_never_repeated_to_the_caller() {
        let problem = Schema::compile(SCHEMA).unwrap().check(br#"{"to":"canary"}"#).unwrap_err();
        assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
    }

    #[test]
    fn what_is_not_json_is_another_problem() {
        for body in ["", "{", "{\"a\":NaN}", "{} {}", "{\"to\":1,\"to\":2}", "\"\\ud800\""] {
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
