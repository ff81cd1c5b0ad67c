//! Comments of structured header fields.
//!
//! Standard: RFC 5322 section 3.2.2.

/// The text after the comment that `text` begins with. Comments nest, and a backslash escapes the
/// next character. None where `text` begins with no comment, or it is unclosed.
pub fn after_comment(text: &str) -> Option<&str> {
    if !text.starts_with('(') {
        return None;
    }
    let (mut depth, mut escaped) = (0usize, false);
    for (at, byte) in text.bytes().enumerate() {
        let plain = !escaped;
        escaped = byte == b'\\' && plain;
        match byte {
            b'(' if plain => depth += 1,
            b')' if plain && depth == 1 => return text.get(at + 1..),
            b')' if plain => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The text after white space and comments; empty after an unclosed comment.
pub fn skip_comments(text: &str) -> &str {
    let mut rest = text.trim_start_matches([' ', '\t']);
    while rest.starts_with('(') {
        rest = after_comment(rest).unwrap_or_default().trim_start_matches([' ', '\t']);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_nest_and_hide_what_is_escaped() {
        for (text, after) in [
            ("(a) b", Some(" b")),
            ("(a (b) c)d", Some("d")),
            ("(a \\) b)c", Some("c")),
            ("(é\\é)c", Some("c")),
            ("(a\\\\)c", Some("c")),
            ("()", Some("")),
            ("(a", None),
            ("(a (b)", None),
            ("a (b)", None),
            (")", None),
            ("", None),
        ] {
            assert_eq!(after_comment(text), after, "{text:?}");
        }
        for (text, rest) in
            [(" \t(a) (b)c", "c"), ("(a", ""), ("a (b)", "a (b)"), (") (b)", ") (b)"), ("", "")]
        {
            assert_eq!(skip_comments(text), rest, "{text:?}");
        }
    }
}
