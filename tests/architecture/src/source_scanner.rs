//! Source scanner: Rust code without comments and literals, so that a rule can search for words in
//! code.
//!
//! It keeps every line in its place and blanks the rest. That is enough for imports and modules; it
//! knows no types and expands no macro.
//!
//! Standard: the Rust reference, "Comments" and "Tokens".

use std::ops::Range;

/// The text with comments, strings and characters replaced by spaces; line numbers stay.
#[must_use]
pub fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while let Some(&here) = chars.get(at) {
        let end = match here {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment_end(&chars, at),
            '"' => string_end(&chars, at),
            '\'' => character_end(&chars, at),
            'r' | 'b' | 'c' if !follows_word(&chars, at) => raw_string_end(&chars, at),
            _ => at,
        };
        if end == at {
            out.push(here);
            at += 1;
        } else {
            let blanked = chars.get(at..end).unwrap_or_default();
            out.extend(blanked.iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// The number of the line with the byte at `offset`, counted from one.
#[must_use]
pub fn line_of(code: &str, offset: usize) -> usize {
    code.get(..offset).unwrap_or(code).matches('\n').count() + 1
}

/// The ranges that only tests compile: items under `#[cfg(test)]`, or everything after
/// `#![cfg(test)]`.
#[must_use]
pub fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let whole = code.match_indices("#![cfg(test)]").map(|(start, _)| start..code.len());
    let items = ["#[cfg(test)]", "#[cfg(all(test"];
    let parts = items.iter().flat_map(|attribute| {
        code.match_indices(attribute).map(|(start, _)| start..item_end(code, start))
    });
    whole.chain(parts).collect()
}

/// The bodies of inline modules (`mod name { … }`).
#[must_use]
pub fn inline_modules(code: &str) -> Vec<Range<usize>> {
    declarations(code)
        .into_iter()
        .filter(|(_, offset)| {
            code.get(*offset..)
                .and_then(|rest| rest.find(['{', ';']).and_then(|end| rest.get(end..)))
                .is_some_and(|rest| rest.starts_with('{'))
        })
        .map(|(_, offset)| offset..item_end(code, offset))
        .collect()
}

/// The `mod` lines at the top level of a file, in order, with their offsets.
#[must_use]
pub fn declarations(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let (mut offset, mut depth) = (0, 0_i32);
    for line in code.split_inclusive('\n') {
        if depth == 0
            && let Some(name) = declared(line.trim())
        {
            found.push((name.to_owned(), offset));
        }
        depth += braces(line);
        offset += line.len();
    }
    found
}

fn declared(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let name = line.strip_prefix("mod ")?.trim_end_matches([';', '}', '{', ' ']);
    name.chars().all(is_word).then_some(name)
}

fn braces(line: &str) -> i32 {
    line.chars().fold(0, |depth, c| match c {
        '{' => depth + 1,
        '}' => depth - 1,
        _ => depth,
    })
}

/// The end of the item that begins at `start`: its `;`, or its closing brace.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (offset, c) in code.char_indices().skip_while(|(offset, _)| *offset < start) {
        match c {
            ';' if depth == 0 => return offset + 1,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth <= 0 {
                    return offset + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Whether `c` may be part of an identifier.
#[must_use]
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn follows_word(chars: &[char], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| chars.get(before)).copied().is_some_and(is_word)
}

fn line_end(chars: &[char], start: usize) -> usize {
    (start..chars.len()).find(|&at| chars.get(at) == Some(&'\n')).unwrap_or(chars.len())
}

/// Skips a comment; block comments nest.
fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < chars.len() {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('/'), Some('*')) => {
                depth += 1;
                at += 2;
            }
            (Some('*'), Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a character literal, or `start` when the quote begins a lifetime.
fn character_end(chars: &[char], start: usize) -> usize {
    match (chars.get(start + 1), chars.get(start + 2)) {
        (Some('\\'), Some(_)) => (start + 3..chars.len())
            .find(|&at| chars.get(at) == Some(&'\''))
            .map_or(chars.len(), |at| at + 1),
        (Some(_), Some('\'')) => start + 3,
        _ => start,
    }
}

/// The end of a raw string (`r"…"`, `br#"…"#`), or `start` when none begins here.
fn raw_string_end(chars: &[char], start: usize) -> usize {
    let mut at = start;
    if matches!(chars.get(at), Some('b' | 'c')) {
        at += 1;
    }
    if chars.get(at) != Some(&'r') {
        return start;
    }
    at += 1;
    let mut hashes = 0;
    while chars.get(at) == Some(&'#') {
        hashes += 1;
        at += 1;
    }
    if chars.get(at) != Some(&'"') {
        return start;
    }
    for quote in (at + 1)..chars.len() {
        let closed = chars.get(quote) == Some(&'"')
            && (1..=hashes).all(|step| chars.get(quote + step) == Some(&'#'));
        if closed {
            return quote + 1 + hashes;
        }
    }
    chars.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blanked_and_line_numbers_stay() {
        check("a // crate::x\nb", "a            \nb");
        check("a /* x /* y */\n*/ b", "a             \n   b");
    }

    #[test]
    fn strings_and_characters_are_blanked_and_lifetimes_stay() {
        check(r#"f("a\"b", 'x')"#, "f(      ,    )");
        check(r"g('\'', b)", "g(    , b)");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        check(r##"a r#"x " y"# b"##, "a            b");
        check(r#"for"x""#, "for   ");
    }

    #[test]
    fn top_level_modules_are_listed_in_order() {
        let code = "pub mod b;\npub(crate) mod a;\nmod c {\n    mod d;\n}\nmodel();\n";
        let names: Vec<String> = declarations(code).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a", "c"]);
        assert_eq!(inline_modules(code).len(), 1);
    }

    #[test]
    fn a_test_module_is_a_test_range_up_to_its_closing_brace() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { } }\nfn c() {}\n";
        let ranges = test_ranges(code);
        let range = ranges.first().unwrap().clone();
        assert_eq!(&code[range], "#[cfg(test)]\nmod tests { fn b() { } }");
    }

    #[track_caller]
    fn check(source: &str, want: &str) {
        assert_eq!(code_only(source), want, "source {source:?}");
    }
}
