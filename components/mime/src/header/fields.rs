//! Header block parser: splits a block into fields.
//!
//! Real mail has blocks with bare LF, an mbox line at the top, lines that are not fields, bytes
//! without a declared charset, and no end. None of it is an error here: what cannot be parsed is
//! left out, and so are fields beyond [`LONGEST_BLOCK`].
//!
//! Invariant: the cost is linear, and at most that many bytes of a block are kept.
//!
//! Standard: RFC 5322 section 2.2.

use std::borrow::Cow;

use crate::charset::{decode_unlabelled, guess};
use crate::header::encoded_words::{decode, shield};
use crate::header::known_fields::{Body, Had, is_spoilt_field};

/// In bytes.
pub const LONGEST_BLOCK: usize = 256 * 1024;

/// One field. `raw` is UTF-8, still folded and with its encoded-words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub raw: String,
}

/// The fields of one block, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

impl Fields {
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    /// The raw value of the first non-empty field of that name. No standard says which of two
    /// contradicting fields counts; mail clients show the first.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.all_raw(name).find(|raw| !raw.trim().is_empty())
    }

    /// The raw values of all fields of that name.
    pub fn all_raw<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.raw.as_str())
    }

    /// The first value as text: unfolded and decoded.
    pub fn text(&self, name: &str) -> Option<String> {
        self.raw(name).map(decode)
    }
}

/// The result of splitting a header block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub fields: Fields,
    /// Where the body begins.
    pub body: usize,
    /// Whether fields were left out, because the block is longer than [`LONGEST_BLOCK`].
    pub is_cut: bool,
}

/// Splits the block that starts at `start`. It ends after the first empty line, or before a line
/// that `stop` recognises (a delimiter), or before one that is not a field, unless the block
/// evidently continues after it. Of a block that is too long the fields that fit are kept, whatever
/// their order: a long one is left out and a short one after it is not.
pub fn split(raw: &[u8], start: usize, stop: &dyn Fn(&[u8]) -> bool) -> Block {
    let mut spans: Vec<(&[u8], Vec<u8>)> = Vec::new();
    let (mut kept, mut is_cut) = (0, false);
    // The current field is kept.
    let mut keeping = false;
    let mut had = Had::default();
    // The block is known to continue, up to its empty line.
    let mut is_sure = false;
    let mut at = start;
    while at < raw.len() {
        let (line, next) = line_at(raw, at);
        let fits = kept + line.len() <= LONGEST_BLOCK;
        if line.is_empty() {
            at = next;
            break;
        }
        if stop(line) {
            break;
        }
        // A continuation line without a field before it is no field either.
        if is_continuation(line) && at > start {
            if let Some((_, value)) = spans.last_mut().filter(|_| keeping) {
                if fits {
                    value.push(b'\n');
                    value.extend_from_slice(line);
                    kept += line.len() + 1;
                } else {
                    // Half a field means something else than the whole.
                    kept -= value.len();
                    spans.pop();
                    (keeping, is_cut) = (false, true);
                }
            }
        } else if let Some((name, value)) = as_field(line) {
            (keeping, is_cut) = (fits, is_cut || !fits);
            had.is_new(name);
            if fits {
                kept += line.len() + 1;
                spans.push((name, value.to_vec()));
            }
        } else if !is_mbox_line(line, at == start) {
            if !is_sure {
                for (name, value) in &spans {
                    had.hear(name, value);
                }
                is_sure = goes_on(raw, (line, next), stop, had);
            }
            if !is_sure {
                // The empty line is missing and this is the body.
                break;
            }
            keeping = false;
        }
        at = next;
    }
    Block { fields: to_text(spans), body: at.min(raw.len()), is_cut }
}

/// Whether the block goes on after `odd`, a line that is no field: its empty line comes, fields
/// stand before that (at most one odd line between two of them), and one of them belongs into the
/// header of a mail. Otherwise the lines are the text of a body, in which words before a colon are
/// no fields.
///
/// An odd line may also be the last one where it is a field with a corrupt name, or where the
/// fields say that the body is not text: then it would corrupt what is decoded.
///
/// Called once for a block, or the result is false and the block ends: the lines are examined twice
/// at most.
fn goes_on(
    raw: &[u8],
    (odd, mut at): (&[u8], usize),
    stop: &dyn Fn(&[u8]) -> bool,
    mut had: Had,
) -> bool {
    let mut is_odd = !had.some || !is_spoilt_field(odd);
    let mut is_header = !is_odd || had.body.lacks(odd);
    let mut last: &[u8] = b"";
    while at < raw.len() {
        let (line, next) = line_at(raw, at);
        if line.is_empty() {
            return is_header && (!is_odd || had.body != Body::Letter);
        }
        if stop(line) {
            return false;
        }
        // A continuation line belongs to the line before.
        if is_continuation(line) {
            had.hear(last, line);
        } else {
            last = b"";
            if let Some((name, value)) = as_field(line) {
                (is_odd, last) = (false, name);
                is_header |= had.is_new(name);
                had.hear(name, value);
            } else if had.some && is_spoilt_field(line) {
                is_odd = false;
            } else {
                if is_odd && !(had.body == Body::Base64 && had.body.lacks(line)) {
                    return false;
                }
                is_odd = true;
            }
        }
        at = next;
    }
    false
}

/// The line that starts at `at` without its end, and where the next one starts.
pub fn line_at(raw: &[u8], at: usize) -> (&[u8], usize) {
    let rest = raw.get(at..).unwrap_or_default();
    let (line, next) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(length) => (rest.get(..length).unwrap_or_default(), at + length + 1),
        None => (rest, raw.len()),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), next)
}

fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// `From sender weekday …`: a sentence may begin with the same word.
fn is_mbox_line(line: &[u8], first: bool) -> bool {
    const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

    if !(first && line.starts_with(b"From ") || line.starts_with(b">From ")) {
        return false;
    }
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    words.nth(2).is_some_and(|day| DAYS.iter().any(|known| day.starts_with(known)))
}

fn as_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    // RFC 5322 section 4.5: old software writes white space before the colon.
    let name = name.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(|byte| (33..=126).contains(byte));
    // `https://…` is a URL.
    (is_name && !value.starts_with(b"//")).then_some((name, value))
}

/// Bytes that are not UTF-8 are taken to have one charset in the whole block, so that short fields
/// are detected together with longer ones.
fn to_text(mut spans: Vec<(&[u8], Vec<u8>)>) -> Fields {
    for (name, value) in &mut spans {
        let extended = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"));
        if let Cow::Owned(shielded) = shield(value, extended) {
            *value = shielded;
        }
    }
    let mut odd = Vec::new();
    for (_, value) in spans.iter().filter(|(_, value)| std::str::from_utf8(value).is_err()) {
        odd.extend_from_slice(value);
        odd.push(b'\n');
    }
    let encoding = (!odd.is_empty()).then(|| guess(&odd));
    let fields = spans.into_iter().map(|(name, value)| {
        let raw = match (String::from_utf8(value), encoding) {
            (Ok(text), _) if !text.contains('\u{1b}') => text,
            (Ok(text), _) => decode_unlabelled(text.as_bytes()),
            (Err(error), Some(encoding)) => {
                encoding.decode_without_bom_handling(error.as_bytes()).0.into_owned()
            }
            (Err(error), None) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        Field { name: String::from_utf8_lossy(name).into_owned(), raw }
    });
    Fields(fields.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_cut_and_folds_kept() {
        check(b"A: 1\r\nB : 2\r\n 3\r\n\r\nbody", &[("A", " 1"), ("B", " 2\n 3")], "body");
        check(b"A: 1\nB: 2\n\nbody", &[("A", " 1"), ("B", " 2")], "body");
        check(b"", &[], "");
        check(b"A: 1", &[("A", " 1")], "");
    }

    #[test]
    fn lines_that_are_no_fields_are_skipped() {
        check(b"From a@b Mon Jan 1\nA: 1\n\nx", &[("A", " 1")], "x");
        check(b"A: 1\nnonsense\nTo: 2\n\nx", &[("A", " 1"), ("To", " 2")], "x");
        let fields = [("A", " 1"), ("Received", " 2"), ("B", " 3"), ("X-C", " 4")];
        check(b"A: 1\n?\nReceived: 2\n?\nB: 3\nX-C: 4\n\nx\n?\n", &fields, "x\n?\n");
        check(b"+OK 12 octets\nFrom: 1\n\nx", &[("From", " 1")], "x");
    }

    #[test]
    fn a_body_without_an_empty_line_before_it_is_found() {
        check(b"A: 1\nHello there\nhow are you\n", &[("A", " 1")], "Hello there\nhow are you\n");
        check(b"A: 1\nThe only line\n", &[("A", " 1")], "The only line\n");
        check(b"A: 1\nThe first line\n\nmore\n", &[("A", " 1")], "The first line\n\nmore\n");
        check(b"A: 1\nThe first\n  and indented\n", &[("A", " 1")], "The first\n  and indented\n");
        check(
            b"Hello Bob,\nthis mail has no header.\n",
            &[],
            "Hello Bob,\nthis mail has no header.\n",
        );
        check(b"Hello\n", &[], "Hello\n");
        check(b"  indented\n\nmore", &[], "  indented\n\nmore");
        check(b"A: 1\n>From a@b Mon Jan 1\n\nx", &[("A", " 1")], "x");
        let part = b"Hello there\n--b\n";
        assert_eq!(split(part, 0, &|line| line == b"--b").body, 0);
    }

    #[test]
    fn a_body_of_lines_that_look_like_fields_is_a_body() {
        const HEAD: &str = "From: a@x\nSubject: t\n";
        for body in [
            "Hi Bob,\nhttps://x.example/a\nbye\n",
            "https://x.example/a\nHi Bob,\nbye\n",
            "https://x.example/a\n\nbye\n",
            "Hi Bob,\nNote: this is one.\n\nbye\n",
            "Hi Bob,\nDate: tomorrow\nbye\n",
            "Hi Bob,\nso it goes.\nDate: tomorrow\n\nbye\n",
            // The body quotes another header.
            "Look at this:\nFrom: b@x\nSubject: u\n\nbye\n",
            ">From here on it is quoted.\n\nbye\n",
        ] {
            let fields = [("From", " a@x"), ("Subject", " t")];
            check(format!("{HEAD}{body}").as_bytes(), &fields, body);
        }
        for body in ["Hello Bob,\nNote: this has none.\n\nBye", "From here on,\nno header.\n"] {
            check(body.as_bytes(), &[], body);
        }
    }

    #[test]
    fn the_last_line_of_a_header_is_skipped_where_it_would_spoil_the_body() {
        const BASE64: &str = "Content-Transfer-Encoding:\n (so it is) BASE64\n";
        const LAST: [&str; 4] =
            ["X Spam Flag: no\n", "garbage without colon\n", ": empty\n", "word\n"];
        for head in [
            BASE64,
            "Content-Type: application/pdf\n",
            "Content-Type: message/rfc822\n",
            "Content-Disposition: attachment; filename=x\n",
        ] {
            for last in LAST.iter().filter(|last| head != BASE64 || **last != "word\n") {
                begins(&format!("To: b\n{head}{last}\naGVsbG8=\n"), "aGVsbG8=\n");
                begins(&format!("To: b\n?\n{head}{last}\naGVsbG8=\n"), "aGVsbG8=\n");
            }
        }
        // Several of them, where none can be part of the body.
        begins(&format!("{BASE64}{}\naGVsbG8=\n", LAST[..3].concat()), "aGVsbG8=\n");
        // A body of base64 without an empty line before it.
        for body in ["aGVsbG8=\n", "aGVsbG8=\n\n", "aGVsbG8gd29y\nbGQ=\n\nx"] {
            begins(&format!("{BASE64}{body}"), body);
        }
        begins(&format!("{BASE64}{}\n\nx", "a".repeat(77)), &format!("{}\n\nx", "a".repeat(77)));
        // A file without one.
        begins("Content-Type: application/pdf\n%PDF-1\n%x y\n\nx", "%PDF-1\n%x y\n\nx");
    }

    #[test]
    fn a_field_with_a_spoilt_name_is_skipped_at_the_end_of_a_header() {
        begins("To: b\nX Spam Flag: no\n\nhello", "hello");
        begins("To: b\nX Spam Flag: no\nX-Spam Level: 1\n: empty\n\nhello", "hello");
        begins(" leading\nSubject : sp\nFrom\t: a@b\n: empty\n\nx", "x");
        for letter in [
            "To: b\nHi Bob,\nX Files: on tonight\n\nbye",
            "To: b\nX Files: on tonight\nHi Bob\n\nbye",
        ] {
            begins(letter, letter.strip_prefix("To: b\n").unwrap());
        }
        for letter in [": empty\n\nx", "X Files: on tonight\n\nbye", " leading\n: empty\n\nx"] {
            begins(letter, letter);
        }
    }

    #[test]
    fn a_boundary_with_a_colon_is_no_field() {
        let part = b"Hello there\n--a:b--\n";
        assert_eq!(split(part, 0, &|line| line.starts_with(b"--a:b")).body, 0);
        let part = b"Hello there\nTo: b\n--a:b\nX-A: c\n\n";
        assert_eq!(split(part, 0, &|line| line.starts_with(b"--a:b")).body, 0);
    }

    #[test]
    fn a_letter_of_odd_lines_is_looked_at_twice_at_most() {
        let raw = "?\nTo: a\n".repeat(1_000_000);
        assert_eq!(split(raw.as_bytes(), 0, &|_| false).body, 0);
        let raw = format!("{raw}\nx");
        assert_eq!(split(raw.as_bytes(), 0, &|_| false).body, raw.len() - 1);
    }

    #[test]
    fn what_continues_a_line_that_is_no_field_goes_with_it() {
        check(b"A: 1\nnonsense\n and more\nTo: 2\n\nx", &[("A", " 1"), ("To", " 2")], "x");
    }

    #[test]
    fn of_a_block_without_end_what_fits_is_kept() {
        let raw = "A: 1\r\n".repeat(60_000);
        let block = split(raw.as_bytes(), 0, &|_| false);
        assert!(block.is_cut && block.body == raw.len());
        assert!(block.fields.iter().count() > 40_000);
        let long = format!("References: {}\r\n", "<x@y>\r\n ".repeat(10_000));
        let raw = format!("{}Subject: s\r\n\r\nbody", long.repeat(20));
        let block = split(raw.as_bytes(), 0, &|_| false);
        assert_eq!(block.fields.text("subject").as_deref(), Some("s"));
        assert!(block.is_cut && raw.get(block.body..) == Some("body"));
    }

    #[test]
    fn bytes_without_a_charset_are_guessed() {
        let raw = b"Subject: \xc4\xe3\xba\xc3\xca\xc0\xbd\xe7\r\nX: \xe4\xbd\xa0\r\n\r\n";
        let fields = split(raw, 0, &|_| false).fields;
        assert_eq!(fields.text("subject").as_deref(), Some("你好世界"));
        assert_eq!(fields.text("x").as_deref(), Some("你"));
    }

    #[track_caller]
    fn begins(raw: &str, body: &str) {
        assert_eq!(raw.get(split(raw.as_bytes(), 0, &|_| false).body..), Some(body), "{raw}");
    }

    #[track_caller]
    fn check(raw: &[u8], want: &[(&str, &str)], body: &str) {
        let Block { fields, body: at, is_cut } = split(raw, 0, &|_| false);
        assert!(!is_cut);
        let found: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.raw.as_str())).collect();
        assert_eq!(found, want);
        assert_eq!(std::str::from_utf8(&raw[at..]).unwrap(), body);
    }
}
