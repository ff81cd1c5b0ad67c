//! References from HTML to parts of the same message: inline pictures.
//!
//! A page refers to a part by its content id, or by its URL. A link is not an inline reference: its
//! target is not displayed.
//!
//! Invariant: the page is scanned once, and only names of parts are kept.
//!
//! Standards: RFC 2392 (`cid:`), RFC 2557 section 5 (Content-Location).

use std::borrow::Cow;
use std::collections::HashSet;

use html5ever::data::NAMED_ENTITIES;
use rules::percent;

use crate::header::filename::cut;

/// Names of parts: content ids without angle brackets, and URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub ids: HashSet<String>,
    pub locations: HashSet<String>,
}

impl Names {
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.locations.is_empty()
    }
}

/// The names that `html` refers to; `base` is its own URL.
pub fn shown(html: &str, base: Option<&str>, names: &Names) -> Names {
    let mut found = Names::default();
    let html = without_references(html);
    let html = html.as_ref();
    let after_cid = |colon: usize| {
        let word = html.get(colon.checked_sub(3)?..colon)?;
        word.eq_ignore_ascii_case("cid").then_some(colon + 1)
    };
    if !names.ids.is_empty() {
        let starts = html.match_indices(':').filter_map(|(colon, _)| after_cid(colon));
        each_value(html, starts, |start, value| {
            let before = html.get(..start - "cid:".len()).unwrap_or_default();
            if !is_link(before) {
                found.ids.extend(spellings(value).into_iter().filter(|id| names.ids.contains(id)));
            }
        });
    }
    let after_attribute = |at: usize, opening: &str| {
        let before = html.get(..at)?.trim_end();
        let words: &[&str] = if opening == "=" { &["src", "background"] } else { &["url"] };
        words.iter().any(|word| ends_with(before, word)).then_some(at + 1)
    };
    if !names.locations.is_empty() {
        let folder = base.and_then(|base| base.get(..=base.rfind('/')?));
        let marks = html.match_indices(['=', '(']);
        let starts = marks.filter_map(|(at, opening)| after_attribute(at, opening));
        each_value(html, starts, |_, value| {
            for address in spellings(value) {
                let whole = folder.map(|folder| format!("{folder}{address}"));
                let both = std::iter::once(address).chain(whole);
                found.locations.extend(both.filter(|address| names.locations.contains(address)));
            }
        });
    }
    found
}

/// Passes each value to `take`; it ends before the next start at the latest.
fn each_value(html: &str, starts: impl Iterator<Item = usize>, mut take: impl FnMut(usize, &str)) {
    let mut starts = starts.peekable();
    while let Some(start) = starts.next() {
        let end = starts.peek().copied().unwrap_or(html.len());
        let value = html.get(start..end).unwrap_or_default();
        take(start, address(value.trim_start().trim_start_matches(['"', '\''])));
    }
}

/// The longest name; longer values are ignored.
const LONGEST: usize = 2_000;

fn address(text: &str) -> &str {
    let text = cut(text, LONGEST);
    let end = text.find(['"', '\'', ' ', '\t', '\r', '\n', '<', '>', ')']).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Whether the characters before a URL make it a link.
fn is_link(before: &str) -> bool {
    let before = before.trim_end().trim_end_matches(['"', '\'']).trim_end();
    before.strip_suffix('=').is_some_and(|before| ends_with(before.trim_end(), "href"))
}

fn ends_with(text: &str, word: &str) -> bool {
    let start = text.len().checked_sub(word.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// A name unchanged, and percent-decoded (RFC 2392 section 2).
fn spellings(text: &str) -> [String; 2] {
    let plain = String::from_utf8(percent::decode_lenient(text));
    [text.to_owned(), plain.unwrap_or_default()]
}

/// Replaces character references (WHATWG HTML section 13.2.5.72). A value quoted by a reference
/// ends at that, and no name contains other characters with a meaning in HTML.
fn without_references(html: &str) -> Cow<'_, str> {
    let mut pieces = html.split('&');
    let start = pieces.next().unwrap_or_default();
    if start.len() == html.len() {
        return Cow::Borrowed(html);
    }
    let mut plain = String::with_capacity(html.len());
    plain.push_str(start);
    for piece in pieces {
        match reference(piece) {
            Some((characters, rest)) => {
                plain.extend(characters.into_iter().flatten());
                plain.push_str(rest);
            }
            None => {
                plain.push('&');
                plain.push_str(piece);
            }
        }
    }
    Cow::Owned(plain)
}

/// The characters of a reference without its `&`, and the rest.
fn reference(text: &str) -> Option<([Option<char>; 2], &str)> {
    /// With its semicolon.
    const LONGEST_NAME: usize = 32;

    let Some(number) = text.strip_prefix('#') else {
        let end = text.bytes().take(LONGEST_NAME).position(|byte| byte == b';')?;
        let (name, rest) = text.split_at(end + 1);
        let (first, second) = NAMED_ENTITIES.get(name).filter(|(first, _)| *first != 0)?;
        let second = char::from_u32(*second).filter(|_| *second != 0);
        return Some(([char::from_u32(*first), second], rest));
    };
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let end = digits.find(|digit: char| !digit.is_digit(radix)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    let character = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
    Some(([Some(character), None], rest.strip_prefix(';').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ids_are_found_however_they_are_written() {
        for html in [
            "<img src=\"cid:a@x\">",
            "<img src=cid:a@x>",
            "<img src='CID:a%40x'>",
            "<td background = \"cid:a@x\">",
            "<p style=\"background: url(cid:a@x)\">",
            "<p style=\"background: url(&quot;cid:a@x&quot;)\">",
            "<style>p { background: url('cid:a@x') }</style>",
            "<img alt=\"cid:\" src=\"cid:a@x\"",
            "<img src=\"cid:a&#64;x\">",
            "<img src=\"cid:a&#064;x\">",
            "<img src=\"cid:a&#64x\">",
            "<img src=\"cid:a&#X0040;x\">",
            "<img src=\"cid:a&commat;x\">",
            "<img src=\"cid&colon;a@x\">",
            "<img src=\"&#99;&#x69;d&#58;&#97;@x\">",
            "<img src=\"cid:a&percnt;40x\">",
            "<p style=\"background: url(&#x27;cid:a@x&#x27;)\">",
            "<p style=\"background: url&lpar;&apos;cid:a@x&apos;&rpar;\">",
            "<a href=\"cid:a@x\"><img src=\"cid:a@x\"></a>",
        ] {
            check(html, None, &["a@x"]);
        }
        check("<img src=\"cid:a&amp;b\">", None, &["a&b"]);
        check("<img src=\"cid:a&b\">", None, &["a&b"]);
        // Its Content-ID is spelled the same way.
        check("<img src=\"cid:c%40x\">", None, &["c%40x"]);
    }

    #[test]
    fn what_is_not_shown_is_not_found() {
        check("<a href=\"cid:a@x\">the file</a>", None, &[]);
        check("<a href = 'cid:a@x'>the file</a>", None, &[]);
        check("<img src=\"cid:a@y\">", None, &[]);
        check("<img src=\"cid:a@xy\">", None, &[]);
        check("<img src=\"cid:a&amp;amp;b\">", None, &[]);
        check("<img src=\"cid:a&#x;b\">", None, &[]);
        check("<img src=\"cid:a&#99999999999;b\">", None, &[]);
        check("cid", None, &[]);
        check(":", None, &[]);
        check("<img src=http://t.example/x>", None, &[]);
    }

    #[test]
    fn addresses_are_found_as_they_stand_and_beside_the_page() {
        check("<img src=\"http://x.example/a/b.png\">", None, &["http://x.example/a/b.png"]);
        check(
            "<img src=b.png>",
            Some("http://x.example/a/index.html"),
            &["http://x.example/a/b.png"],
        );
        check("<p style='background:url(c.gif)'>", None, &["c.gif"]);
        check("<img src=\"d.png\">", Some("http://x.example/a/"), &[]);
    }

    #[test]
    fn a_page_of_nothing_but_addresses_is_read_once() {
        for piece in
            ["cid:", "src=", "src=cid:a@x ", "((((", "&quot;", "&", "&#", "&#1", "<a href=cid:a@x>"]
        {
            let found = shown(&piece.repeat(200_000), Some("http://x.example/a/"), &names());
            assert!(found.ids.len() <= 1);
        }
    }

    fn names() -> Names {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names {
            ids: set(&["a@x", "a&b", "c%40x"]),
            locations: set(&["http://x.example/a/b.png", "c.gif"]),
        }
    }

    #[track_caller]
    fn check(html: &str, base: Option<&str>, want: &[&str]) {
        let Names { ids, locations } = shown(html, base, &names());
        let found: Vec<String> = ids.into_iter().chain(locations).collect();
        assert_eq!(found, want, "{html}");
    }
}
