//! JSON Schema validation of a draft in a form, which the host has not validated.
//!
//! Implements the keywords that the schema of a draft uses, and reports faults as the host does, each
//! with its JSON Pointer. It is not a validator for other schemas.
//!
//! Standards: JSON Schema 2020-12 (a part), RFC 6901.

use kit::bindings::postlet::mail::types::Fault;
use kit::words::pointer;
use serde_json::Value;

/// The most faults that are reported.
const MOST_FAULTS: usize = 20;
/// The most members that are listed for an unknown one.
const MOST_NAMES: usize = 20;

/// The faults of `value` against `schema`; empty when it is valid.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<Fault> {
    let mut check = Check { root: schema, faults: Vec::new() };
    check.value(schema, value, "");
    check.faults
}

struct Check<'a> {
    root: &'a Value,
    faults: Vec<Fault>,
}

impl<'a> Check<'a> {
    fn value(&mut self, schema: &'a Value, value: &Value, at: &str) {
        let schema = self.meant(schema);
        if self.faults.len() >= MOST_FAULTS {
            return;
        }
        let what = subject(at);
        if let Some(types) = schema.get("type").map(names)
            && !types.iter().any(|name| is_of(value, name))
        {
            let wanted: Vec<&str> = types.iter().map(|name| a(name)).collect();
            let wanted = wanted.join(" or ");
            self.add(at, "type", format!("{what} has to be {wanted}, and is {}", given(value)));
            return;
        }
        if let Some(options) = schema.get("enum").and_then(Value::as_array)
            && !options.contains(value)
        {
            let options: Vec<String> = options.iter().map(Value::to_string).collect();
            self.add(at, "enum", format!("{what} has to be one of {}", options.join(", ")));
        }
        match value {
            Value::String(text) => {
                if text.is_empty() && number(schema, "minLength") == Some(1) {
                    let detail = format!(
                        "{what} is empty; give it a value, or leave it out where it is not needed"
                    );
                    self.add(at, "min-length", detail);
                }
            }
            Value::Array(items) => self.items(schema, items, at, &what),
            Value::Object(members) => self.members(schema, members, at),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn items(&mut self, schema: &'a Value, items: &[Value], at: &str, what: &str) {
        if let Some(most) = number(schema, "maxItems").filter(|most| items.len() > *most) {
            self.add(at, "max-items", format!("{what} may have at most {most} entries"));
            return;
        }
        let Some(entry) = schema.get("items") else { return };
        for (index, item) in items.iter().enumerate() {
            self.value(entry, item, &format!("{at}/{index}"));
        }
    }

    fn members(&mut self, schema: &'a Value, members: &serde_json::Map<String, Value>, at: &str) {
        let known = schema.get("properties").and_then(Value::as_object);
        for name in schema.get("required").map(names).unwrap_or_default() {
            if !members.contains_key(name) {
                let detail = format!("`{name}` is missing; it is needed here");
                self.add(&format!("{at}{}", pointer(name)), "missing", detail);
            }
        }
        for (name, value) in members {
            let under = || format!("{at}{}", pointer(&short(name)));
            match known.and_then(|known| known.get(name)) {
                Some(field) => self.value(field, value, &under()),
                None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                    let known = known.into_iter().flatten().take(MOST_NAMES);
                    let known: Vec<String> = known.map(|(name, _)| format!("`{name}`")).collect();
                    let detail = format!(
                        "`{}` is not known here; this object takes {}",
                        short(name),
                        known.join(", ")
                    );
                    self.add(&under(), "unknown-field", detail);
                }
                None => {}
            }
        }
    }

    /// Resolves `$ref`. These schemas have no cycles.
    fn meant(&self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| target.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }

    fn add(&mut self, pointer: &str, code: &str, detail: String) {
        if self.faults.len() < MOST_FAULTS {
            let (pointer, code) = (pointer.to_owned(), code.to_owned());
            self.faults.push(Fault { pointer, code, detail });
        }
    }
}

fn number(schema: &Value, keyword: &str) -> Option<usize> {
    schema.get(keyword).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
}

/// One type, or a list of them.
fn names(value: &Value) -> Vec<&str> {
    let several = value.as_array().into_iter().flatten();
    value.as_str().into_iter().chain(several.filter_map(Value::as_str)).collect()
}

fn short(name: &str) -> String {
    name.chars().take(80).collect()
}

/// The subject of a fault's sentence: `/to/0/email` is `email`, `/to/0` is entry 0 of `to`.
fn subject(pointer: &str) -> String {
    let mut words = pointer.rsplit('/');
    let last = words.next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
    if pointer.is_empty() {
        return "the draft".to_owned();
    }
    match words.next().filter(|above| !above.is_empty()) {
        Some(list) if last.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("entry {last} of `{list}`")
        }
        Some(_) | None => format!("`{last}`"),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Number(number) => {
            name == "number" || name == "integer" && (number.is_i64() || number.is_u64())
        }
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    }
}

fn a(name: &str) -> &'static str {
    match name {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "null" => "null",
        "number" => "a number",
        "object" => "an object",
        _ => "text",
    }
}

fn given(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The schema that the tests use.
    fn draft() -> Value {
        serde_json::from_str(kit::schema!("draft")).unwrap()
    }

    #[test]
    fn a_draft_that_fits_has_no_fault() {
        for value in [
            json!({"to": []}),
            json!({"to": [{"name": null, "email": "a@b"}], "inReplyTo": "x@y", "references": ["x@y"]}),
            json!({"to": [], "attachments": [{"content": "", "disposition": "inline"}]}),
        ] {
            check(&value, &[]);
        }
    }

    #[test]
    fn each_fault_has_its_place_and_a_sentence() {
        check(&json!(3), &[("", "type", "the draft has to be an object, and is a number")]);
        check(&json!({}), &[("/to", "missing", "`to` is missing; it is needed here")]);
        check(&json!({"to": "a@b"}), &[("/to", "type", "`to` has to be a list, and is text")]);
        check(
            &json!({"to": [{"email": 3}, "x", {"email": ""}], "references": 1}),
            &[
                ("/references", "type", "`references` has to be a list or text, and is a number"),
                ("/to/0/email", "type", "`email` has to be text, and is a number"),
                ("/to/1", "type", "entry 1 of `to` has to be an object, and is text"),
                (
                    "/to/2/email",
                    "min-length",
                    "`email` is empty; give it a value, or leave it out where it is not needed",
                ),
            ],
        );
        check(
            &json!({"to": [{"email": "a@b", "a/b": 1}]}),
            &[(
                "/to/0/a~1b",
                "unknown-field",
                "`a/b` is not known here; this object takes `email`, `name`",
            )],
        );
        check(
            &json!({"to": [], "attachments": [{"content": "", "disposition": "x"}]}),
            &[(
                "/attachments/0/disposition",
                "enum",
                "`disposition` has to be one of \"attachment\", \"inline\"",
            )],
        );
        let many = vec![json!({"content": ""}); 1_001];
        check(
            &json!({"to": [], "attachments": many}),
            &[("/attachments", "max-items", "`attachments` may have at most 1000 entries")],
        );
    }

    #[test]
    fn many_faults_are_told_in_part() {
        assert_eq!(faults(&draft(), &json!({"to": vec![json!(1); 900]})).len(), MOST_FAULTS);
    }

    #[test]
    fn every_keyword_of_the_schema_is_known_here() {
        const KNOWN: [&str; 16] = [
            "$schema",
            "$ref",
            "$defs",
            "title",
            "description",
            "contentEncoding",
            "type",
            "enum",
            "required",
            "properties",
            "additionalProperties",
            "items",
            "minLength",
            "maxItems",
            "default",
            "examples",
        ];
        fn walk(schema: &Value) {
            for (keyword, value) in schema.as_object().into_iter().flatten() {
                assert!(KNOWN.contains(&keyword.as_str()), "{keyword}");
                match keyword.as_str() {
                    "properties" | "$defs" => value.as_object().unwrap().values().for_each(walk),
                    "items" => walk(value),
                    _ => {}
                }
            }
        }
        walk(&draft());
    }

    #[track_caller]
    fn check(value: &Value, want: &[(&str, &str, &str)]) {
        let found = faults(&draft(), value);
        let found: Vec<_> = found
            .iter()
            .map(|fault| (fault.pointer.as_str(), fault.code.as_str(), fault.detail.as_str()))
            .collect();
        assert_eq!(found, want);
    }
}
