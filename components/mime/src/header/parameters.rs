//! Parameters of header fields: Content-Type and Content-Disposition.
//!
//! Senders omit quotes, put encoded-words inside them, and split values into sections in any order.
//! The sections are joined as bytes before they are decoded, since they too are split within a
//! character.
//!
//! Standards: RFC 2045 section 5.1, RFC 2231 sections 3 and 4.

use rules::percent;

use crate::charset::decode as decode_charset;
use crate::header::comments::{after_comment, skip_comments};
use crate::header::encoded_words::{decode as decode_words, tidy, unfold};

/// The most sections; more than any sender writes. The rest is left out.
const MOST_PARAMETERS: usize = 200;

/// A field value: the part before the first semicolon in lower case, and the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    pub main: String,
    params: Vec<(String, String)>,
}

impl Value {
    /// The parameter with that name, in lower case.
    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Parses a raw value.
pub fn parse(raw: &str) -> Value {
    let text = unfold(raw);
    let (main, rest) = take_main(&text);
    let main = decode_words(&main).trim_matches('"').trim().to_ascii_lowercase();
    Value { main, params: join(&sections(rest)) }
}

/// Splits off the part before the parameters, without white space and comments. The semicolon may
/// be missing, or be a comma.
fn take_main(text: &str) -> (String, &str) {
    let mut main = String::new();
    let mut rest = text;
    loop {
        rest = skip_comments(rest);
        let goes_on = main.is_empty() || main.ends_with('/') || rest.starts_with('/');
        if !goes_on || rest.is_empty() || rest.starts_with([';', ',']) {
            return (main, rest);
        }
        let end = rest.find([' ', '\t', '(', ';', ',']).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        main.push_str(piece);
        rest = after;
    }
}

struct Section {
    name: String,
    /// None for `name*`, which is not split.
    number: Option<u32>,
    encoded: bool,
    /// An RFC 2231 name takes precedence over a plain one.
    extended: bool,
    value: String,
}

fn sections(mut rest: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut comments = Comments::default();
    // Every round counts, whatever its result: some examine all of the rest.
    for _ in 0..MOST_PARAMETERS {
        rest = rest.trim_start_matches([' ', '\t', ';', ',']);
        let (name, tail) = take_name(rest, &mut comments);
        let Some(tail) = tail.strip_prefix('=') else {
            rest = tail;
            continue;
        };
        // What precedes the name lacks its semicolon or its equals sign.
        let name = name.trim().rsplit([' ', '\t']).next().unwrap_or_default();
        let (value, after) = take_value(name, tail.trim_start(), &mut comments);
        rest = after;
        if let Some(section) = section(name, value) {
            sections.push(section);
        }
    }
    sections
}

/// Splits off the text before `=` or `;`; a comment is white space.
fn take_name<'a>(text: &'a str, comments: &mut Comments) -> (String, &'a str) {
    let mut name = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['=', ';', '(']) {
        let (piece, tail) = rest.split_at(at);
        name.push_str(piece);
        if !tail.starts_with('(') {
            return (name, tail);
        }
        name.push(' ');
        rest = comments.after(tail).or_else(|| tail.strip_prefix('(')).unwrap_or_default();
    }
    name.push_str(rest);
    (name, "")
}

/// Where comments end (RFC 5322 section 3.2.2). An unclosed one is not a comment, and that is found
/// out once.
#[derive(Default)]
struct Comments {
    unclosed: bool,
}

impl Comments {
    /// The text after the comment that `text` begins with.
    fn after<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if self.unclosed || !text.starts_with('(') {
            return None;
        }
        let after = after_comment(text);
        self.unclosed = after.is_none();
        after
    }

    /// The text after white space and comments.
    fn skip<'a>(&mut self, text: &'a str) -> &'a str {
        let mut rest = text.trim_start_matches([' ', '\t']);
        while let Some(after) = self.after(rest) {
            rest = after.trim_start_matches([' ', '\t']);
        }
        rest
    }
}

fn take_value<'a>(name: &str, text: &'a str, comments: &mut Comments) -> (String, &'a str) {
    let uncommented = comments.skip(text);
    let Some(quoted) = uncommented.strip_prefix('"') else {
        let base = name.split('*').next().unwrap_or_default();
        // File names begin with parentheses, too.
        let is_loose = ["filename", "name"].iter().any(|n| n.eq_ignore_ascii_case(base));
        let text = if is_loose { text } else { uncommented };
        let end = if is_loose {
            loose_end(text)
        } else {
            text.find([';', ' ', '\t', '(']).unwrap_or(text.len())
        };
        let (value, rest) = text.split_at(end);
        return (without_comment(value.trim()).to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            // Only these two are escaped on purpose; `C:\temp` is meant literally.
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

/// File names with spaces occur unquoted, so only a semicolon ends them, or the next parameter.
fn loose_end(text: &str) -> usize {
    const NEXT: [&str; 14] = [
        "boundary",
        "charset",
        "creation-date",
        "delsp",
        "filename",
        "format",
        "method",
        "modification-date",
        "name",
        "read-date",
        "report-type",
        "size",
        "type",
        "x-unix-mode",
    ];
    let end = text.find(';').unwrap_or(text.len());
    let value = text.get(..end).unwrap_or_default();
    let mut begins = value.match_indices([' ', '\t']).filter(|(at, _)| {
        let after = value.get(at + 1..).unwrap_or_default();
        // No parameter name is longer.
        let word = after.as_bytes().iter().take(32).position(|byte| *byte == b'=');
        let word = word.and_then(|length| after.get(..length));
        word.and_then(|word| word.split('*').next())
            .is_some_and(|word| NEXT.iter().any(|next| next.eq_ignore_ascii_case(word)))
    });
    begins.next().map_or(end, |(at, _)| at)
}

/// `a.pdf (my file)` has a comment, `report (final)` is a name: an extension ends a name.
fn without_comment(value: &str) -> &str {
    let commented = value.strip_suffix(')').and_then(|rest| rest.split_once('('));
    let Some((name, _)) = commented else { return value };
    let name = name.trim_end();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    let is_extension = (1..=5).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_extension { name } else { value }
}

/// `name`, `name*`, `name*3` and `name*3*`.
fn section(name: &str, value: String) -> Option<Section> {
    let lower = name.to_ascii_lowercase();
    let mut pieces = lower.split('*');
    let base = pieces.next().filter(|base| !base.is_empty())?.to_owned();
    let (number, encoded, extended) = match (pieces.next(), pieces.next()) {
        (None, _) => (None, false, false),
        (Some(""), _) => (None, true, true),
        (Some(number), star) => (Some(number.parse().ok()?), star.is_some(), true),
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
            // The unsplit value comes first, and alone.
            if own.first().is_some_and(|first| first.number.is_none()) {
                own.truncate(1);
            }
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
            bytes.extend(percent::decode_lenient(value));
        } else {
            bytes.extend_from_slice(value.as_bytes());
        }
    }
    let text = decode_charset(charset, &bytes);
    // Only where no charset is declared may it be encoded-words.
    if charset.is_some_and(|label| !label.is_empty()) { tidy(&text) } else { decode_words(&text) }
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
        assert_eq!(parse("text/plain (a note)").main, "text/plain");
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
    fn comments_and_lost_semicolons() {
        check("text/plain; charset=us-ascii (Plain text)", "text/plain", "charset", "us-ascii");
        check("text (a) / (b) plain (c); charset=x", "text/plain", "charset", "x");
        check("application/pdf name=\"a.pdf\"", "application/pdf", "name", "a.pdf");
        check("text/plain, charset = utf-8", "text/plain", "charset", "utf-8");
        check("attachment filename*=utf-8''a.pdf", "attachment", "filename", "a.pdf");
        check("text/plain charset=x name=a b.pdf", "text/plain", "name", "a b.pdf");
        check("text/plain; name=a b.pdf charset=x", "text/plain", "charset", "x");
        check("text/plain; name=\"a\" charset=\"x\"", "text/plain", "charset", "x");
        check("text/plain; (c) charset=x", "text/plain", "charset", "x");
    }

    #[test]
    fn comments_stand_around_every_token() {
        check("text/plain; charset (c) = koi8-r", "text/plain", "charset", "koi8-r");
        check("text/plain; charset=(Russian)koi8-r", "text/plain", "charset", "koi8-r");
        check("a/b; charset (c(d)) = (e=f;) (g) \"koi8-r\" (h); d=e", "a/b", "charset", "koi8-r");
        check("a/b; charset=x (c; d=\"e); format=flowed", "a/b", "format", "flowed");
        check("a/b; charset=\"x\" (c; d=\\)e); format=flowed", "a/b", "format", "flowed");
        check("a/b; (c; charset=y) charset=x", "a/b", "charset", "x");
        check("a/b; name=(c) \"a (1).pdf\"", "a/b", "name", "a (1).pdf");
        // Not everything that begins like a comment is one.
        check("a/b; name=(draft) a.pdf", "a/b", "name", "(draft) a.pdf");
        check("a/b; charset=x (c; format=flowed", "a/b", "format", "flowed");
        check("a/b; (charset=x", "a/b", "charset", "x");
    }

    #[test]
    fn a_boundary_is_a_token() {
        check("multipart/mixed; boundary=abc (made by x)", "multipart/mixed", "boundary", "abc");
        check("multipart/mixed; boundary=abc(made by x)", "multipart/mixed", "boundary", "abc");
        let report = "multipart/report; boundary=abc report-type=delivery-status";
        check(report, "multipart/report", "boundary", "abc");
        check(report, "multipart/report", "report-type", "delivery-status");
        check("a/b; name=a b.pdf boundary=x", "a/b", "name", "a b.pdf");
        check("a/b; boundary=\"a b\"", "a/b", "boundary", "a b");
        check("a/b; boundary*0=\"a \"; boundary*1=b", "a/b", "boundary", "a b");
    }

    #[test]
    fn a_section_without_a_number_is_the_whole() {
        let twice = "a/b; filename*=utf-8''whole.pdf; filename*0=wh; filename*1=ole.pdf";
        check(twice, "a/b", "filename", "whole.pdf");
        let after = "a/b; filename*1=ole.pdf; filename*0=wh; filename*=utf-8''whole.pdf";
        check(after, "a/b", "filename", "whole.pdf");
        check("a/b; n*=utf-8''a; n*=utf-8''b", "a/b", "n", "a");
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

    #[test]
    fn a_long_value_costs_no_more_than_its_length() {
        for piece in [
            "(",
            "()",
            "; a=",
            " name",
            "; name=a b ",
            "/",
            " /",
            "*",
            "; a*0*=",
            "\"",
            "name*x=a ",
            "(a=",
            "a=(",
            "a=() ",
        ] {
            for start in ["", "a/b; "] {
                let params = parse(&format!("{start}{}", piece.repeat(200_000 / piece.len())));
                assert!(params.params.len() <= MOST_PARAMETERS, "{piece:?}");
            }
        }
    }

    #[test]
    fn what_is_no_parameter_counts_too() {
        let after = |piece: &str| parse(&format!("a/b; {}; charset=x", piece.repeat(200)));
        assert_eq!(after("name*x=a ").param("charset"), None);
        assert_eq!(after("=; ").param("charset"), None);
        assert_eq!(after(";; , ").param("charset"), Some("x"));
    }

    #[track_caller]
    fn check(raw: &str, main: &str, name: &str, want: &str) {
        let value = parse(raw);
        assert_eq!((value.main.as_str(), value.param(name)), (main, Some(want)), "{raw:?}");
    }
}
