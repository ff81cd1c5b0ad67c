//! Translation of TOML errors into the terms of the file.
//!
//! Serde names types of Rust (`expected u64`). Here this becomes what the key accepts and what it
//! got. Messages that are not recognised are passed on unchanged.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// Key and error in one sentence.
#[must_use]
pub fn explain(error: &Error, text: &str) -> String {
    let message = error.message().trim_end();
    let Some(fault) = translated(message) else { return message.to_owned() };
    // A key that is missing from the root table has no position.
    let place = error.span().filter(|span| !span.is_empty());
    let key = place.map(|span| path(text, &span)).unwrap_or_default();
    match (missing(message), key.is_empty()) {
        (Some(name), true) => format!("`{name}` {fault}"),
        (Some(name), false) => format!("`{key}.{name}` {fault}"),
        (None, true) => fault,
        (None, false) => format!("`{key}` {fault}"),
    }
}

/// The error alone, for a caller that names the key.
#[must_use]
pub fn fault(error: &Error) -> String {
    let message = error.message().trim_end();
    match (translated(message), missing(message)) {
        (Some(fault), Some(name)) => format!("`{name}` {fault}"),
        (Some(fault), None) => fault,
        (None, _) => message.to_owned(),
    }
}

fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn translated(message: &str) -> Option<String> {
    if missing(message).is_some() {
        return Some("is missing; it is needed".to_owned());
    }
    for wrong in ["invalid type: ", "invalid value: "] {
        if let Some((got, takes)) =
            message.strip_prefix(wrong).and_then(|rest| rest.rsplit_once(", expected "))
        {
            return Some(format!("takes {}, and has {}", expected(takes), given(got)));
        }
    }
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let known = match rest.split_once("`, expected ") {
            Some((_, known)) => known.strip_prefix("one of ").unwrap_or(known),
            None => return Some("is not known here; remove it".to_owned()),
        };
        return Some(format!("is not known here; known are {known}"));
    }
    let (got, known) = message.strip_prefix("unknown variant `")?.split_once("`, expected ")?;
    let known = known.strip_prefix("one of ").unwrap_or(known);
    Some(format!("takes one of {known}, and has the text \"{got}\""))
}

/// The TOML term for a type that serde names.
fn expected(takes: &str) -> String {
    let number = takes.strip_prefix("a nonzero ").unwrap_or(takes);
    let least = u8::from(number.len() != takes.len());
    match number {
        "u8" => format!("a whole number from {least} to 255"),
        "u16" => format!("a whole number from {least} to 65535"),
        "u32" | "u64" | "usize" => format!("a whole number that is not below {least}"),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" | "a borrowed string" | "path string" => "a text in quotation marks".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list in brackets".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

fn given(got: &str) -> String {
    let quoted = |rest: &str| rest.trim_matches('`').to_owned();
    if let Some(text) = got.strip_prefix("string ") {
        return format!("the text {text}");
    }
    if let Some(number) =
        got.strip_prefix("integer ").or_else(|| got.strip_prefix("floating point "))
    {
        return format!("the number {}", quoted(number));
    }
    if let Some(word) = got.strip_prefix("boolean ") {
        return quoted(word);
    }
    match got {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// The key at a position, with its tables.
fn path(text: &str, at: &Range<usize>) -> String {
    match DeTable::parse(text) {
        Ok(document) => within(document.get_ref(), "", at).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

fn within(table: &DeTable<'_>, path: &str, at: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = match path {
            "" => key.get_ref().to_string(),
            path => format!("{path}.{}", key.get_ref()),
        };
        if key.span().contains(&at.start) && !matches!(value.get_ref(), DeValue::Table(_)) {
            return Some(path);
        }
        below(value, path.clone(), at).or_else(|| key.span().contains(&at.start).then_some(path))
    })
}

fn below(value: &Spanned<DeValue<'_>>, path: String, at: &Range<usize>) -> Option<String> {
    let deeper = match value.get_ref() {
        DeValue::Table(table) => within(table, &path, at),
        DeValue::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| below(item, format!("{path}[{index}]"), at)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    };
    deeper.or_else(|| value.span().contains(&at.start).then_some(path))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::path::PathBuf;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only whether they can be read matters")]
    struct Raw {
        data: PathBuf,
        #[serde(default)]
        table: Vec<Inner>,
        limits: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only whether they can be read matters")]
    struct Inner {
        id: String,
        head_secs: Option<u64>,
        port: Option<NonZeroU16>,
        on: Option<bool>,
        hosts: Option<Vec<String>>,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Tls,
        Starttls,
    }

    #[test]
    fn a_fault_says_the_key_what_it_takes_and_what_it_got() {
        for (text, want) in [
            ("data = 5", "`data` takes a text in quotation marks, and has the number 5"),
            (
                "lisen = 1\ndata = \"a\"",
                "`lisen` is not known here; known are `data`, `table`, `limits`",
            ),
            ("table = []", "`data` is missing; it is needed"),
            ("data = \"a\"\n[limits]\nport = 5", "`limits.id` is missing; it is needed"),
            (
                "data = \"a\"\n[[table]]\nid = \"b\"\n[[table]]\n",
                "`table[1].id` is missing; it is needed",
            ),
            (
                "data = \"a\"\n[limits]\nid = \"b\"\nhead-secs = \"ten\"",
                "`limits.head-secs` takes a whole number that is not below 0, and has the text \"ten\"",
            ),
            (
                "data = \"a\"\nlimits = { id = \"b\", head-secs = -5 }",
                "`limits.head-secs` takes a whole number that is not below 0, and has the number -5",
            ),
            (
                "data = \"a\"\n[limits]\nid = \"b\"\nhead-secs = 1.5",
                "`limits.head-secs` takes a whole number that is not below 0, and has the number 1.5",
            ),
            (
                "data = \"a\"\n[[table]]\nid = \"b\"\nport = 0",
                "`table[0].port` takes a whole number from 1 to 65535, and has the number 0",
            ),
            (
                "data = \"a\"\n[[table]]\nid = \"b\"\non = \"yes\"",
                "`table[0].on` takes true or false, and has the text \"yes\"",
            ),
            (
                "data = \"a\"\n[[table]]\nid = \"b\"\nhosts = \"c\"",
                "`table[0].hosts` takes a list in brackets, and has the text \"c\"",
            ),
            (
                "data = \"a\"\n[[table]]\nid = \"b\"\nhosts = [\"c\", true]",
                "`table[0].hosts[1]` takes a text in quotation marks, and has true",
            ),
            (
                "data = \"a\"\n[[table]]\nid = \"b\"\nkind = \"ssl\"",
                "`table[0].kind` takes one of `tls` or `starttls`, and has the text \"ssl\"",
            ),
            ("data = \"a\"\nlimits = 3", "`limits` takes a table, and has the number 3"),
        ] {
            assert_eq!(explain(&toml::from_str::<Raw>(text).unwrap_err(), text), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_toml_is_told_as_it_came() {
        let text = "data = \"a";
        let error = toml::from_str::<Raw>(text).unwrap_err();
        assert_eq!(explain(&error, text), error.message().trim_end());
    }
}
