//! What does not fit a schema, in sentences for the person who sent it.
//!
//! Each names the field and the way out. None repeats the value, which may be a
//! password or a megabyte (but one word of a list of words, cut), nor a pattern,
//! which is a riddle.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use model::problem::Fault;
use serde_json::Value;

use crate::schema::words;

/// More would only repeat what the first ones say.
pub(crate) const MOST_FAULTS: usize = 20;
/// Bytes of a pointer: a name in a body may have megabytes.
const MOST_POINTER: usize = 1000;
/// Names that are listed for somebody who missed them all.
const MOST_NAMES: usize = 20;
/// How the schemas of this project spell "one line".
const NO_CONTROLS: &str = "^[^\\x00-\\x1f";

/// One error of the library; several faults where it names several members. `schema` is the whole one.
pub(crate) fn faults(root: &str, schema: &Value, error: &ValidationError<'_>) -> Vec<Fault> {
    let pointer = cut(format!("{root}{}", error.instance_path().as_str()));
    let fault = |pointer: String, code: &str, detail: String| Fault {
        pointer: cut(pointer),
        code: code.to_owned(),
        detail: detail.chars().take(600).collect(),
    };
    let under = |name: &str| {
        let name = name.get(..name.floor_char_boundary(MOST_POINTER)).unwrap_or_default();
        format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others concern the field itself")]
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known = siblings(schema, error);
            let told = |name: &String| {
                let shown: String = name.chars().take(80).collect();
                let known = match known.as_slice() {
                    [] => "remove it".to_owned(),
                    known => format!("this object takes {}", known.join(", ")),
                };
                fault(under(name), "unknown-field", format!("`{shown}` is not known here; {known}"))
            };
            unexpected.iter().take(MOST_FAULTS).map(told).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![fault(under(name), "missing", format!("`{name}` is missing; it is needed here"))]
        }
        kind => {
            let told = sentence(&subject(&pointer), kind, error, schema);
            vec![fault(pointer, &keyword(kind), told)]
        }
    }
}

/// A pointer that is longer ends in three dots, and leads to nothing.
fn cut(mut pointer: String) -> String {
    if pointer.len() > MOST_POINTER {
        pointer.truncate(pointer.floor_char_boundary(MOST_POINTER));
        pointer.push('…');
    }
    pointer
}

fn sentence(
    what: &str,
    kind: &ValidationErrorKind,
    error: &ValidationError<'_>,
    schema: &Value,
) -> String {
    let described = described(schema, error);
    use ValidationErrorKind as Kind;
    if let (Kind::Pattern { .. }, Some(text), Some(place)) =
        (kind, error.instance().as_str(), around(schema, error))
        && let Some(told) = words::wrong(what, text, place)
    {
        return told;
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "rare keywords share the last sentence")]
    match kind {
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => a(*one).to_owned(),
                TypeKind::Multiple(several) => {
                    several.iter().map(a).collect::<Vec<_>>().join(" or ")
                }
            };
            format!("{what} has to be {wanted}, and is {}", given(error.instance()))
        }
        Kind::Enum { options } => {
            let options: Vec<String> =
                options.as_array().into_iter().flatten().map(Value::to_string).collect();
            format!("{what} has to be one of {}", options.join(", "))
        }
        Kind::Constant { expected_value } => format!("{what} has to be {expected_value}"),
        Kind::MinLength { limit: 1 } => {
            format!("{what} is empty; give it a value, or leave it out where it is not needed")
        }
        Kind::MinLength { limit } => format!("{what} has to have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("{what} may have at most {limit} characters"),
        Kind::MinItems { limit: 1 } => format!("{what} is an empty list; put something into it"),
        Kind::MinItems { limit } => format!("{what} has to have at least {limit} entries"),
        Kind::MaxItems { limit } => format!("{what} may have at most {limit} entries"),
        Kind::MinProperties { limit: 1 } => match siblings(schema, error).as_slice() {
            [] => format!("{what} is empty; give one of its fields"),
            known => format!("{what} is empty; give at least one of {}", known.join(", ")),
        },
        Kind::MinProperties { limit } => format!("{what} has to have at least {limit} fields"),
        Kind::MaxProperties { limit } => format!("{what} may have at most {limit} fields"),
        Kind::UniqueItems => format!("{what} names something twice; each entry may be there once"),
        Kind::Minimum { limit } => format!("{what} has to be at least {limit}"),
        Kind::Maximum { limit } => format!("{what} may be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{what} has to be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("{what} has to be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("{what} has to be a multiple of {multiple_of}"),
        Kind::Pattern { pattern } if pattern.starts_with(NO_CONTROLS) => {
            format!("{what} holds a line break or another control character; remove it")
        }
        Kind::Pattern { .. } => match described {
            Some(form) => format!("{what} does not have the form that is needed: {form}"),
            None => format!(
                "{what} does not have the form that is needed; /-/docs shows it with an example"
            ),
        },
        // A schema that nothing fits, for a field that is only there to say why not.
        Kind::Not { schema: negated } if is_never(negated) => match described {
            Some(why) => format!("{what} cannot be changed: {why}"),
            None => format!("{what} cannot be changed; remove it"),
        },
        Kind::Not { .. } => match described {
            Some(form) => format!("{what} may not have this value: {form}"),
            None => format!("{what} may not have this value; take another"),
        },
        Kind::Format { format } if format == "date-time" => {
            format!("{what} has to be an instant such as 2026-01-31T12:00:00Z (RFC 3339)")
        }
        Kind::Format { format } => format!("{what} does not have the format `{format}`"),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            format!("{what} fits none of the forms that it may have; /-/docs shows them")
        }
        Kind::OneOfMultipleValid { .. } => {
            format!("{what} fits several forms that exclude each other; /-/docs shows them")
        }
        Kind::FalseSchema => format!("{what} may not be there; remove it"),
        // The library's own sentence without the value.
        _ => format!("{what}: {}", error.masked()),
    }
}

/// `/to/0/email` is `email`, `/to/0` is entry 0 of `to`.
fn subject(pointer: &str) -> String {
    let mut words = pointer.rsplit('/');
    let last = words.next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
    let shown: String = last.chars().take(80).collect();
    if pointer.is_empty() {
        return "the body".to_owned();
    }
    match words.next().filter(|above| !above.is_empty()) {
        Some(list) if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("entry {shown} of `{list}`")
        }
        Some(_) | None => format!("`{shown}`"),
    }
}

fn a(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "text",
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

/// The members that the object with the unknown one may have.
fn siblings(schema: &Value, error: &ValidationError<'_>) -> Vec<String> {
    let known = around(schema, error).and_then(|place| place.get("properties"));
    let known = known.and_then(Value::as_object).into_iter().flatten();
    let taken = known.filter(|(_, field)| !field.get("not").is_some_and(is_never));
    taken.take(MOST_NAMES).map(|(name, _)| format!("`{name}`")).collect()
}

fn is_never(negated: &Value) -> bool {
    negated.as_object().is_some_and(serde_json::Map::is_empty)
}

/// What the schema says of the field in words: whoever wrote the pattern knows how to put it.
fn described<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a str> {
    around(schema, error)?.get("description")?.as_str()
}

/// The schema that holds the keyword.
fn around<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a Value> {
    let path = error.schema_path().as_str().to_owned();
    let (parent, _) = path.rsplit_once('/')?;
    let mut place = Some(schema);
    for word in parent.split('/').skip(1) {
        let name = word.replace("~1", "/").replace("~0", "~");
        place = place.and_then(|place| {
            let item = || name.parse::<usize>().ok().and_then(|at| place.get(at));
            match place.get(&name).or_else(item) {
                Some(Value::String(target)) if name == "$ref" => {
                    target.strip_prefix('#').and_then(|pointer| schema.pointer(pointer))
                }
                inner => inner,
            }
        });
    }
    place
}

/// `minItems` is `min-items` among the codes.
fn keyword(kind: &ValidationErrorKind) -> String {
    let keyword = kind.keyword();
    let mut word = String::with_capacity(keyword.len() + 2);
    for c in keyword.chars() {
        if c.is_ascii_uppercase() {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}
