//! Parser of header field values with parameters: `text/plain; charset=utf-8`, `form-data; name="to"`.
//!
//! Lenient: malformed parameters are left out. Host and components use this one parser, so a parameter
//! is found by both or by neither.
//!
//! Standards: RFC 9110 §5.6.2 (tokens), §5.6.4 (quoted strings), §5.6.6 (parameters), §8.3.1.

/// Charset names of UTF-8, and of its subset ASCII.
const UTF_8: [&str; 4] = ["utf-8", "utf8", "us-ascii", "ascii"];

/// A header field value with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameterised {
    /// The value before the first semicolon, in lower case.
    pub head: String,
    parameters: Vec<(String, String)>,
}

impl Parameterised {
    /// Parses a value. Never fails: malformed parameters are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (head, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let mut parameters = Vec::new();
        while let Some((before, after)) = rest.split_once('=') {
            // Text before it that is not a parameter is skipped.
            let name = before.rsplit(';').next().unwrap_or_default().trim();
            let (value, after) = value(after.trim_start());
            parameters.push((name.to_ascii_lowercase(), value));
            rest = after;
        }
        Self { head: head.trim().to_ascii_lowercase(), parameters }
    }

    /// The parameter with that name (lower case); the first when it occurs twice.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The declared charset when it is not UTF-8 under any of its names; none when it is, or when none is declared.
    #[must_use]
    pub fn other_charset(&self) -> Option<&str> {
        let charset = self.parameter("charset")?;
        let is_utf8 = UTF_8.iter().any(|name| charset.eq_ignore_ascii_case(name));
        (!is_utf8).then_some(charset)
    }
}

/// One parameter's value, and the rest.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim().to_owned(), rest);
    };
    let mut out = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (out, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => out.push(escaped),
                // Deviation from RFC 9110 §5.6.4: old browsers send `C:\dir\file` without escapes.
                Some((_, other)) => out.extend(['\\', other]),
                None => break,
            },
            other => out.push(other),
        }
    }
    (out, "")
}

/// Whether it is a token (RFC 9110 §5.6.2), which needs no quotes.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_whatever_their_order() {
        let parsed = Parameterised::parse("Multipart/Form-Data; x=\"1;2\" ; BOUNDARY=\"a b\"");
        assert_eq!(parsed.head, "multipart/form-data");
        assert_eq!(parsed.parameter("boundary"), Some("a b"));
        assert_eq!(parsed.parameter("x"), Some("1;2"));
        assert_eq!(parsed.parameter("y"), None);
    }

    #[test]
    fn utf_8_has_other_names_and_ascii_is_a_part_of_it() {
        for name in ["utf-8", "UTF8", "us-ascii", "US-ASCII", "ascii", "Ascii"] {
            check(&format!("application/json; charset={name}"), None);
            check(&format!("application/json;Charset=\"{name}\" ; a=b"), None);
        }
        check("application/json", None);
        check("application/json; a=b;charset=utf-16", Some("utf-16"));
        check("application/json; charset=", Some(""));
        check("application/json; charset=\"ut\\f-8\"", Some("ut\\f-8"));
    }

    #[test]
    fn a_semicolon_in_a_quoted_string_separates_nothing() {
        check("application/json; a=\"x; charset=utf-16\"", None);
        check("application/json; a=\"x\\\"; charset=utf-16; b\"; charset=utf-8", None);
        check("application/json; a=\"x;y\"; charset=koi8-r", Some("koi8-r"));
        check("application/json; a=\"x; charset=utf-16", None);
    }

    /// Earlier, the host found the charset and a component did not.
    #[test]
    fn malformed_text_does_not_hide_the_parameter_after_it() {
        check("application/json; a; charset=utf-16", Some("utf-16"));
        check("application/json;; ;charset = utf-16", Some("utf-16"));
        check("application/json; a=\"x\" y; charset=utf-16", Some("utf-16"));
    }

    #[test]
    fn a_token_has_no_space_and_no_separator() {
        for (text, want) in
            [("a-b", true), ("x!#$", true), ("", false), ("a b", false), ("a/b", false)]
        {
            assert_eq!(is_token(text), want, "{text:?}");
        }
    }

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        assert_eq!(Parameterised::parse(text).other_charset(), want, "{text:?}");
    }
}
