//! What the HTML shows of the parts that came with it.
//!
//! A page names a part by its content id, or as in the web by its address. A link is no picture: what the
//! page only leads to is not shown.
//!
//! Invariant: the page is looked at once, and only what is a part's name is kept.
//!
//! Standards: RFC 2392 (`cid:`), RFC 2557 section 5 (Content-Location).

use std::collections::HashSet;

use crate::filename::cut;

/// What parts are called: content ids without angle brackets, and addresses.
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

/// Those of `names` that `html` shows; `base` is its own address.
pub fn shown(html: &str, base: Option<&str>, names: &Names) -> Names {
    let mut found = Names::default();
    let after_cid = |colon: usize| {
        let word = html.get(colon.checked_sub(3)?..colon)?;
        word.eq_ignore_ascii_case("cid").then_some(colon + 1)
    };
    if !names.ids.is_empty() {
        let starts = html.match_indices(':').filter_map(|(colon, _)| after_cid(colon));
        each_value(html, starts, |start, value| {
            let before = html.get(..start - "cid:".len()).unwrap_or_default();
            if names.ids.contains(&value) && !is_link(before) {
                found.ids.insert(value);
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
            let whole = folder.map(|folder| format!("{folder}{value}"));
            for address in std::iter::once(value).chain(whole) {
                if names.locations.contains(&address) {
                    found.locations.insert(address);
                }
            }
        });
    }
    found
}

/// The value at each start; it ends before the next one at the latest.
fn each_value(
    html: &str,
    starts: impl Iterator<Item = usize>,
    mut take: impl FnMut(usize, String),
) {
    let mut starts = starts.peekable();
    while let Some(start) = starts.next() {
        let end = starts.peek().copied().unwrap_or(html.len());
        let value = html.get(start..end).unwrap_or_default();
        take(start, unescape(address(value.trim_start().trim_start_matches(['"', '\'']))));
    }
}

/// Longer than a name that anybody gives; what is longer is none.
const LONGEST: usize = 2_000;

fn address(text: &str) -> &str {
    let text = cut(text, LONGEST);
    let end = text.find(['"', '\'', ' ', '\t', '\r', '\n', '<', '>', ')']).unwrap_or(text.len());
    let text = text.get(..end).unwrap_or_default();
    // A quote within the value of an attribute.
    let quotes = ["&quot;", "&#34;", "&#39;", "&apos;"];
    let end = quotes.iter().filter_map(|quote| text.find(quote)).min();
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// What the characters before an address make of it.
fn is_link(before: &str) -> bool {
    let before = before.trim_end().trim_end_matches(['"', '\'']).trim_end();
    before.strip_suffix('=').is_some_and(|before| ends_with(before.trim_end(), "href"))
}

fn ends_with(text: &str, word: &str) -> bool {
    let start = text.len().checked_sub(word.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// An id in a URL may be percent-encoded (RFC 2392 section 2), and in HTML some characters of one are references.
fn unescape(text: &str) -> String {
    let mut text = text.to_owned();
    for (reference, character) in
        [("&amp;", "&"), ("&#64;", "@"), ("&#x40;", "@"), ("&commat;", "@")]
    {
        if text.contains('&') {
            text = text.replace(reference, character);
        }
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap_or(text)
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
            "<a href=\"cid:a@x\"><img src=\"cid:a@x\"></a>",
        ] {
            check(html, None, &["a@x"]);
        }
        check("<img src=\"cid:a&amp;b\">", None, &["a&b"]);
    }

    #[test]
    fn what_is_not_shown_is_not_found() {
        check("<a href=\"cid:a@x\">the file</a>", None, &[]);
        check("<a href = 'cid:a@x'>the file</a>", None, &[]);
        check("<img src=\"cid:a@y\">", None, &[]);
        check("<img src=\"cid:a@xy\">", None, &[]);
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
        for piece in ["cid:", "src=", "src=cid:a@x ", "((((", "&quot;", "<a href=cid:a@x>"] {
            let found = shown(&piece.repeat(200_000), Some("http://x.example/a/"), &names());
            assert!(found.ids.len() <= 1);
        }
    }

    fn names() -> Names {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names { ids: set(&["a@x", "a&b"]), locations: set(&["http://x.example/a/b.png", "c.gif"]) }
    }

    #[track_caller]
    fn check(html: &str, base: Option<&str>, want: &[&str]) {
        let Names { ids, locations } = shown(html, base, &names());
        let found: Vec<String> = ids.into_iter().chain(locations).collect();
        assert_eq!(found, want, "{html}");
    }
}
