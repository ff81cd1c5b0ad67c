//! A value with parameters: Content-Type and Content-Disposition.
//!
//! Writers leave out quotes, put encoded-words inside them, and cut names over several sections in
//! any order. The sections are joined as bytes before they are decoded, since they too are cut in
//! the middle of a character.
//!
//! Standards: RFC 2045 section 5.1, RFC 2231 sections 3 and 4.

use crate::charset::decode as decode_charset;
use crate::words::{decode as decode_words, hex, unfold};

/// More sections than any writer makes; the rest is left out.
const MOST_PARAMETERS: usize = 200;

/// The value before the first semicolon in lower case, and the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    pub main: String,
    params: Vec<(String, String)>,
}

impl Value {
    /// `name` in lower case.
    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Reads a raw value.
pub fn parse(raw: &str) -> Value {
    let text = unfold(raw);
    let (main, rest) = text.split_at(end_of_main(&text));
    let main = decode_words(main).trim_matches('"').trim().to_ascii_lowercase();
    Value { main, params: join(&sections(rest)) }
}

/// Where the parameters begin. Some writers leave the first semicolon out, or write a comma for it.
fn end_of_main(text: &str) -> usize {
    let semicolon = text.find(';').unwrap_or(text.len());
    let before = text.get(..semicolon).unwrap_or_default();
    let mut at = before.len() - before.trim_start().len();
    if let Some(gap) = before.get(at..).and_then(|main| main.find([' ', '\t', ','])) {
        at += gap;
        let rest = before.get(at..).unwrap_or_default().trim_start_matches([' ', '\t', ',']);
        let name = rest.split('=').next().filter(|name| name.len() < rest.len());
        let is_name =
            |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-*".contains(&b));
        if name.map(str::trim_end).is_some_and(|name| !name.is_empty() && is_name(name)) {
            return at;
        }
    }
    semicolon
}

struct Section {
    name: String,
    number: u32,
    encoded: bool,
    /// An RFC 2231 name outranks a plain one.
    extended: bool,
    value: String,
}

fn sections(mut rest: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    while sections.len() < MOST_PARAMETERS {
        rest = rest.trim_start_matches([' ', '\t', ';', ',']);
        let Some(end) = rest.find(['=', ';']) else { break };
        let (name, tail) = rest.split_at(end);
        let Some(tail) = tail.strip_prefix('=') else {
            rest = tail;
            continue;
        };
        let (value, after) = take_value(tail.trim_start());
        rest = after;
        if let Some(section) = section(name.trim(), value) {
            sections.push(section);
        }
    }
    sections
}

fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        // A token; but file names with spaces come unquoted too, so only a semicolon ends it.
        let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        return (value.trim().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            // Only these two are ever escaped on purpose; `C:\temp` is meant as it stands.
            '\\' => match characters.clone().next() {
                Some((_, next @ ('"' | '\\'))) => {
                    characters.next();
                    value.push(next);
                }
                _ => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    (value, "")
}

/// `name`, `name*`, `name*3` and `name*3*`.
fn section(name: &str, value: String) -> Option<Section> {
    let lower = name.to_ascii_lowercase();
    let mut pieces = lower.split('*');
    let base = pieces.next().filter(|base| !base.is_empty())?.to_owned();
    let (number, encoded, extended) = match (pieces.next(), pieces.next()) {
        (None, _) => (0, false, false),
        (Some(""), _) => (0, true, true),
        (Some(number), star) => (number.parse().ok()?, star.is_some(), true),
    };
    Some(Section { name: base, number, encoded, extended, value })
}

fn join(sections: &[Section]) -> Vec<(String, String)> {
    let mut names: Vec<String> = Vec::new();
    for section in sections {
        if !names.contains(&section.name) {
            names.push(section.name.clone());
        }
    }
    let values = names.into_iter().map(|name| {
        let mut own: Vec<&Section> = sections.iter().filter(|s| s.name == name).collect();
        if own.iter().any(|section| section.extended) {
            own.retain(|section| section.extended);
            own.sort_by_key(|section| section.number);
            own.dedup_by_key(|section| section.number);
            let value = extended_value(&own);
            (name, value)
        } else {
            let value = own.first().map(|section| decode_words(&section.value));
            (name, value.unwrap_or_default())
        }
    });
    values.collect()
}

fn extended_value(sections: &[&Section]) -> String {
    let mut charset = None;
    let mut bytes = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let mut value = section.value.as_str();
        if index == 0 && section.encoded {
            let mut pieces = value.splitn(3, '\'');
            if let (Some(label), Some(_), Some(rest)) =
                (pieces.next(), pieces.next(), pieces.next())
            {
                (charset, value) = (Some(label), rest);
            }
        }
        if section.encoded {
            percent_decode(value, &mut bytes);
        } else {
            bytes.extend_from_slice(value.as_bytes());
        }
    }
    decode_words(&decode_charset(charset, &bytes))
}

fn percent_decode(text: &str, bytes: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_parameters() {
        check(" text/Plain; charset=UTF-8", "text/plain", "charset", "UTF-8");
        check("multipart/mixed;\n\tboundary=a=b", "multipart/mixed", "boundary", "a=b");
        check("a/b; name=\"a \\\"b\\\" c\"", "a/b", "name", "a \"b\" c");
        check("a/b;; ;name = x", "a/b", "name", "x");
    }

    #[test]
    fn the_first_semicolon_may_be_missing() {
        check("application/pdf name=\"a b.pdf\"", "application/pdf", "name", "a b.pdf");
        check("text/plain charset=utf-8; format=flowed", "text/plain", "format", "flowed");
        check("text/plain, charset = utf-8", "text/plain", "charset", "utf-8");
        check("attachment filename*=utf-8''a.pdf", "attachment", "filename", "a.pdf");
        assert_eq!(parse("text/plain (a note)").main, "text/plain (a note)");
    }

    #[test]
    fn sloppy_file_names() {
        check(
            "attachment; filename=my long name.pdf; size=3",
            "attachment",
            "filename",
            "my long name.pdf",
        );
        check("attachment; filename=\"=?utf-8?b?5L2g5aW9?=\"", "attachment", "filename", "你好");
        check("attachment; filename==?utf-8?b?5L2g5aW9?=", "attachment", "filename", "你好");
        check("attachment; filename=\"open", "attachment", "filename", "open");
        check("attachment; filename=\"C:\\temp\\x\"", "attachment", "filename", "C:\\temp\\x");
    }

    #[test]
    fn sections_in_any_order_and_with_gaps() {
        check("a/b; n*2*=%C3; n*0*=gbk''%C4%E3%BA", "a/b", "n", "你好");
        check("a/b; n*9=c; n*1=b; n*0=a", "a/b", "n", "abc");
        check("a/b; filename=x; filename*=utf-8''%e4%bd%a0", "a/b", "filename", "你");
        check("a/b; filename*=plain", "a/b", "filename", "plain");
    }

    #[test]
    fn the_value_alone() {
        assert_eq!(parse(" \"Text/HTML\" ").main, "text/html");
        assert_eq!(parse("=?utf-8?q?attachment?=").main, "attachment");
        assert_eq!(parse("").main, "");
    }

    #[track_caller]
    fn check(raw: &str, main: &str, name: &str, want: &str) {
        let value = parse(raw);
        assert_eq!((value.main.as_str(), value.param(name)), (main, Some(want)), "{raw:?}");
    }
}
