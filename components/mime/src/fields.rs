//! A header block, cut into fields.
//!
//! Real mail has blocks with bare LF, an mbox line on top, lines that are no fields, bytes in no
//! stated charset, and no end. None of it is a failure here: what cannot be read is left out.
//!
//! Invariant: the cost is linear, and a block longer than [`LONGEST_BLOCK`] is refused.
//!
//! Standard: RFC 5322 section 2.2.

use crate::charset::{decode_unlabelled, guess};
use crate::fault::{Code, Fault};
use crate::words::decode;

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

    /// The raw value of the first field of that name that has one. Which of two contradicting
    /// fields counts is nowhere said; mail clients show the first.
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

/// Cuts the block that starts at `start`. It ends after the first empty line, or before a line that
/// `stop` knows (a boundary), or where two lines in a row are no fields. Answers the fields and where
/// the body begins.
///
/// # Errors
/// [`Code::HeaderTooLarge`].
pub fn split(
    raw: &[u8],
    start: usize,
    stop: &dyn Fn(&[u8]) -> bool,
) -> Result<(Fields, usize), Fault> {
    let mut spans: Vec<(&[u8], Vec<u8>)> = Vec::new();
    let mut at = start;
    while at < raw.len() {
        if at - start > LONGEST_BLOCK {
            return Err(Fault::of_message(
                Code::HeaderTooLarge,
                format!("a header block is longer than {LONGEST_BLOCK} bytes"),
            ));
        }
        let (line, next) = line_at(raw, at);
        if line.is_empty() {
            at = next;
            break;
        }
        if stop(line) {
            break;
        }
        if is_continuation(line) {
            if let Some((_, value)) = spans.last_mut() {
                value.push(b'\n');
                value.extend_from_slice(line);
            }
        } else if let Some((name, value)) = as_field(line) {
            spans.push((name, value.to_vec()));
        } else if !is_mbox_line(line, at == start) {
            let (following, _) = line_at(raw, next);
            let goes_on = following.is_empty()
                || is_continuation(following)
                || as_field(following).is_some()
                || stop(following);
            // Two lines that are no fields: the empty line was forgotten and this is the body.
            if !goes_on && !spans.is_empty() {
                break;
            }
        }
        at = next;
    }
    Ok((to_text(spans), at.min(raw.len())))
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

fn is_mbox_line(line: &[u8], first: bool) -> bool {
    first && (line.starts_with(b"From ") || line.starts_with(b">From "))
}

fn as_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    // RFC 5322 section 4.5: old writers left white space before the colon.
    let name = name.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(|byte| (33..=126).contains(byte));
    is_name.then_some((name, value))
}

/// Bytes that are not UTF-8 have one charset in the whole block, so that short fields are guessed
/// together with longer ones.
fn to_text(spans: Vec<(&[u8], Vec<u8>)>) -> Fields {
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
        check(b"A: 1\nnonsense\nB: 2\n\nx", &[("A", " 1"), ("B", " 2")], "x");
    }

    #[test]
    fn a_body_without_an_empty_line_before_it_is_found() {
        check(b"A: 1\nHello there\nhow are you\n", &[("A", " 1")], "Hello there\nhow are you\n");
    }

    #[test]
    fn a_block_without_end_is_refused() {
        let raw = "A: 1\r\n".repeat(60_000);
        let fault = split(raw.as_bytes(), 0, &|_| false).unwrap_err();
        assert_eq!(fault.code, Code::HeaderTooLarge);
    }

    #[test]
    fn bytes_without_a_charset_are_guessed() {
        let raw = b"Subject: \xc4\xe3\xba\xc3\xca\xc0\xbd\xe7\r\nX: \xe4\xbd\xa0\r\n\r\n";
        let (fields, _) = split(raw, 0, &|_| false).unwrap();
        assert_eq!(fields.text("subject").as_deref(), Some("你好世界"));
        assert_eq!(fields.text("x").as_deref(), Some("你"));
    }

    #[track_caller]
    fn check(raw: &[u8], want: &[(&str, &str)], body: &str) {
        let (fields, at) = split(raw, 0, &|_| false).unwrap();
        let found: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.raw.as_str())).collect();
        assert_eq!(found, want);
        assert_eq!(std::str::from_utf8(&raw[at..]).unwrap(), body);
    }
}
