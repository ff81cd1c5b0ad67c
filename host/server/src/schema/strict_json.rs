//! Strict JSON parser (I-JSON): refuses what parsers interpret differently.
//!
//! Of a repeated name one parser uses the first value and another the last; a component could read
//! another value than the one that was checked. So repeated names are refused, and so are deep nesting,
//! invalid Unicode, and a document whose values need far more memory than its text.
//!
//! Standards: RFC 8259 §4 (unique names), RFC 7493 §2.1 (no lone surrogates).

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Maximum nesting of a document.
const MOST_DEPTH: usize = 64;

/// Maximum memory for the values of a document, in bytes: 8 MB of numbers fit, 8 MB of small objects do
/// not.
const MOST_MEMORY: usize = 128 << 20;
/// Memory of a value in a list, in bytes.
const ENTRY: usize = size_of::<Value>();
/// Memory of an object with its first member, which allocates a tree node, in bytes.
const OBJECT: usize = 640;
/// Memory of each further member, in bytes.
const MEMBER: usize = 112;

/// Parses one document.
///
/// # Errors
/// With line and column, if the document is not JSON or exceeds a limit.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let memory = Cell::new(MOST_MEMORY);
    let value = Strict { left: MOST_DEPTH, memory: &memory }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Deserializer of one value, with the levels that may lie below it, and the memory left for the
/// document.
#[derive(Clone, Copy)]
struct Strict<'a> {
    left: usize,
    memory: &'a Cell<usize>,
}

impl Strict<'_> {
    fn take<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.memory.get().checked_sub(bytes);
        self.memory.set(left.ok_or_else(|| {
            let most = MOST_MEMORY >> 20;
            E::custom(format_args!("its values would take more than {most} MiB of memory"))
        })?);
        Ok(())
    }

    fn under<E: Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(E::custom(format_args!("it is nested deeper than {MOST_DEPTH} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let under = self.under()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(under)? {
            self.take(ENTRY)?;
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let under = self.under()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                let name: String = name.chars().take(40).collect();
                return Err(A::Error::custom(format_args!("the name {name:?} is repeated")));
            }
            self.take(name.len() + if object.is_empty() { OBJECT } else { MEMBER })?;
            let value = members.next_value_seed(under)?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_documents_are_read_as_they_are() {
        for text in [
            r#"{"a":[1,-2,2.5,1e300,"x",true,null,{}],"b":{"a":18446744073709551615}}"#,
            "[]",
            "\"\\ud83d\\ude00 \u{fffd}\"",
            " 7 ",
        ] {
            let want: Value = serde_json::from_str(text).unwrap();
            assert_eq!(parse(text.as_bytes()).unwrap(), want, "{text}");
        }
        assert!(parse(nested(MOST_DEPTH).as_bytes()).is_ok());
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        check(r#"{"a":1,"b":2,"a":1}"#, "the name \"a\" is repeated at line 1 column 16");
        check(r#"[{"x":{"a":1,"\u0061":2}}]"#, "the name \"a\" is repeated");
        check(r#""\ud800""#, "unexpected end of hex escape");
        check(r#"{"\ud800x":1}"#, "unexpected end of hex escape");
        check(r#""\udc00""#, "lone leading surrogate");
        check("\"\u{1}\"", "control character");
        check("[NaN]", "expected value");
        check("{} {}", "trailing characters");
        check(&nested(MOST_DEPTH + 1), "it is nested deeper than 64 levels");
        check(&"[".repeat(1_000_000), "it is nested deeper than 64 levels");
        check(&"{\"a\":".repeat(1_000_000), "it is nested deeper than 64 levels");
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn what_would_take_far_more_memory_than_its_text_is_refused() {
        let many = |one: &str| {
            format!("[{}{one}]", format!("{one},").repeat((8 << 20) / (one.len() + 1) - 1))
        };
        assert!(parse(many("12345678901").as_bytes()).is_ok());
        check(&many(r#"{"a":1}"#), "its values would take more than 128 MiB of memory");
    }

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}
