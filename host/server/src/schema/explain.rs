//! Error messages of schema validation.
//!
//! Each names the field and how to correct it. None repeats the value, which may be a password or a
//! megabyte (except one word of a list of words, cut), nor a pattern, which few people can read.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use model::problem::Fault;
use serde_json::Value;

use crate::schema::words;

/// Maximum number of faults of one value.
pub(crate) const MOST_FAULTS: usize = 20;
/// Maximum length of a pointer, in bytes: a name in a body may have megabytes.
const MOST_POINTER: usize = 1000;
/// Maximum number of known fields that a fault lists.
const MOST_NAMES: usize = 20;
/// Start of the pattern for "one line" in this project's schemas.
const NO_CONTROLS: &str = "^[^\\x00-\\x1f";

/// The faults of one error of the library, which may name several members. `schema` is the whole schema.
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
            let refused = |name: &String| {
                let shown: String = name.chars().take(80).collect();
                let known = match known.as_slice() {
                    [] => "remove it".to_owned(),
                    known => format!("this object takes {}", known.join(", ")),
                };
                fault(under(name), "unknown-field", format!("`{shown}` is not known here; {known}"))
            };
            unexpected.iter().take(MOST_FAULTS).map(refused).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![fault(under(name), "missing", format!("`{name}` is missing; it is needed here"))]
        }
        kind => {
            let detail = sentence(&subject(&pointer), kind, error, schema);
            vec![fault(pointer, &keyword(kind), detail)]
        }
    }
}

/// A pointer that is too long is cut, and ends in an ellipsis.
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
        && let Some(detail) = words::wrong(what, text, place)
    {
        return detail;
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "rare keywords share the last message")]
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
        Kind::MinItems { limit: 1 } => format!("{what} is an empty list; add an entry"),
        Kind::MinItems { limit } => format!("{what} has to have at least {limit} entries"),
        Kind::MaxItems { limit } => format!("{what} may have at most {limit} entries"),
        Kind::MinProperties { limit: 1 } => match siblings(schema, error).as_slice() {
            [] => format!("{what} is empty; give one of its fields"),
            known => format!("{what} is empty; give at least one of {}", known.join(", ")),
        },
        Kind::MinProperties { limit } => format!("{what} has to have at least {limit} fields"),
        Kind::MaxProperties { limit } => format!("{what} may have at most {limit} fields"),
        Kind::UniqueItems => format!("{what} has a repeated entry; each entry may occur once"),
        Kind::Minimum { limit } => format!("{what} has to be at least {limit}"),
        Kind::Maximum { limit } => format!("{what} may be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{what} has to be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("{what} has to be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("{what} has to be a multiple of {multiple_of}"),
        Kind::Pattern { pattern } if pattern.starts_with(NO_CONTROLS) => {
            format!("{what} contains a line break or another control character; remove it")
        }
        Kind::Pattern { .. } => match described {
            Some(form) => format!("{what} does not have the required form: {form}"),
            None => {
                format!("{what} does not have the required form; /-/docs shows it with an example")
            }
        },
        // `"not": {}` fits nothing: the field exists only for its description, which has the reason.
        Kind::Not { schema: negated } if is_never(negated) => match described {
            Some(why) => format!("{what} cannot be changed: {why}"),
            None => format!("{what} cannot be changed; remove it"),
        },
        Kind::Not { .. } => match described {
            Some(form) => format!("{what} may not have this value: {form}"),
            None => format!("{what} may not have this value; take another"),
        },
        Kind::Format { format } if format == "date-time" => {
            format!("{what} has to be a time such as 2026-01-31T12:00:00Z (RFC 3339)")
        }
        Kind::Format { format } => format!("{what} does not have the format `{format}`"),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            format!("{what} fits none of its possible forms; /-/docs shows them")
        }
        Kind::OneOfMultipleValid { .. } => {
            format!("{what} fits several forms that exclude each other; /-/docs shows them")
        }
        Kind::FalseSchema => format!("{what} is not allowed; remove it"),
        // The library's own message without the value.
        _ => format!("{what}: {}", error.masked()),
    }
}

/// The subject of a message: of `/to/0/email` it is `email`, of `/to/0` entry 0 of `to`.
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

/// The members that the object of an error may have.
fn siblings(schema: &Value, error: &ValidationError<'_>) -> Vec<String> {
    let known = around(schema, error).and_then(|place| place.get("properties"));
    let known = known.and_then(Value::as_object).into_iter().flatten();
    let taken = known.filter(|(_, field)| !field.get("not").is_some_and(is_never));
    taken.take(MOST_NAMES).map(|(name, _)| format!("`{name}`")).collect()
}

fn is_never(negated: &Value) -> bool {
    negated.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The `description` of the field, which states the required form in words.
fn described<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a str> {
    around(schema, error)?.get("description")?.as_str()
}

/// The subschema with the keyword of an error.
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

/// The code of a keyword: of `minItems` it is `min-items`.
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
