//! Streaming filter of FETCH responses: rewrites them in one plain form.
//!
//! A whole message may be in the response, so it is not buffered: attribute after attribute is
//! read, and written again if this client ever requests it. Everything else (an ENVELOPE, an
//! unrequested BODYSTRUCTURE, future extensions) is skipped by counting parentheses, without
//! recursion. So the recursive parser behind it never sees a nested list, and what is text and what
//! is structure is decided here alone.
//!
//! Standard: RFC 9051 §7.5.2.

use std::io::Write;

use rules::flag::is_listed;

use crate::imap::tokenizer::{Text, Tokenizer};
use crate::timed_stream::ProtocolViolation;

/// At most two literals are requested; each makes the parser start again.
const MOST_LITERALS: u32 = 8;

/// Maximum number of flags, far above real use.
const MOST_FLAGS: usize = 200;

/// At most six are requested, and the parser reads a long line repeatedly.
const MOST_ATTRIBUTES: u32 = 64;

const UNREADABLE: ProtocolViolation = ProtocolViolation("a FETCH answer cannot be read");

/// The state of one response.
#[derive(Debug)]
pub(crate) struct FetchFilter {
    sequence: u32,
    /// The opening parenthesis was read.
    begun: bool,
    /// Output was written for the parser.
    written: bool,
    /// Nesting depth inside a skipped list.
    skipping: usize,
    literals: u32,
    attributes: u32,
}

/// What follows the line that was fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The response is complete.
    End,
    /// A literal for the parser.
    Pass(u64),
    /// A literal to skip.
    Skip(u64),
}

impl FetchFilter {
    /// For message sequence number `sequence`.
    pub(crate) const fn new(sequence: u32) -> Self {
        Self { sequence, begun: false, written: false, skipping: 0, literals: 0, attributes: 0 }
    }

    /// Reads one line of the response (without its end) and writes what the parser may see. A body
    /// that is longer than `longest` becomes NIL, and its bytes are skipped.
    pub(crate) fn feed(
        &mut self,
        line: &[u8],
        depth: usize,
        longest: u64,
        out: &mut Vec<u8>,
    ) -> Result<Next, ProtocolViolation> {
        let mut cursor = Tokenizer::new(line);
        if !self.begun {
            cursor.expect(b'(')?;
            self.begun = true;
        }
        loop {
            if self.skipping > 0
                && let Some(next) = self.skip(&mut cursor, depth)?
            {
                return Ok(next);
            }
            cursor.spaces();
            if cursor.take(b')') {
                cursor.spaces();
                if !cursor.rest().is_empty() {
                    return Err(UNREADABLE);
                }
                if self.written {
                    out.extend_from_slice(b")\r\n");
                }
                return Ok(Next::End);
            }
            if let Some(next) = self.attribute(&mut cursor, longest, out)? {
                return Ok(next);
            }
        }
    }

    /// Ends the response here, whatever follows from the server: what was written so far is kept.
    pub(crate) fn close(self, out: &mut Vec<u8>) {
        if self.written {
            out.extend_from_slice(b")\r\n");
        }
    }

    /// Counts parentheses until the skipped list ends.
    fn skip(
        &mut self,
        cursor: &mut Tokenizer<'_>,
        depth: usize,
    ) -> Result<Option<Next>, ProtocolViolation> {
        while self.skipping > 0 {
            match cursor.peek().ok_or(UNREADABLE)? {
                b'(' => {
                    self.skipping += 1;
                    if self.skipping > depth {
                        return Err(ProtocolViolation("an answer is nested too deeply"));
                    }
                    cursor.bump();
                }
                b')' => {
                    self.skipping -= 1;
                    cursor.bump();
                }
                b'"' => {
                    cursor.quoted()?;
                }
                b'{' => {
                    if let Text::Literal(size) = cursor.text()? {
                        return self.literal(Next::Skip(size)).map(Some);
                    }
                }
                _ => cursor.bump(),
            }
        }
        Ok(None)
    }

    fn attribute(
        &mut self,
        cursor: &mut Tokenizer<'_>,
        longest: u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<Next>, ProtocolViolation> {
        let name = cursor
            .take_while(|byte| byte > b' ' && !matches!(byte, b'(' | b')' | b'"' | b'{' | b'['));
        self.attributes += 1;
        if name.is_empty() || self.attributes > MOST_ATTRIBUTES {
            return Err(UNREADABLE);
        }
        let section = section(cursor)?;
        cursor.expect(b' ')?;
        match (name.to_ascii_uppercase().as_slice(), section) {
            (b"FLAGS", None) => self.flags(cursor, out)?,
            (b"UID", None) => {
                let uid = cursor.number().ok_or(UNREADABLE)?;
                self.write(out, format_args!("UID {uid}"));
            }
            (b"RFC822.SIZE", None) => {
                // The parser has no sizes beyond 32 bits, and such a message is too large anyway.
                let size = cursor.word();
                if let Some(size) = Tokenizer::new(size).number() {
                    self.write(out, format_args!("RFC822.SIZE {size}"));
                }
            }
            (b"INTERNALDATE", None) => match cursor.text()? {
                // `NIL` is read as a word and would panic the parser.
                Text::Here(date) if is_date(&date) => {
                    let date = String::from_utf8_lossy(&date);
                    self.write(out, format_args!("INTERNALDATE \"{date}\""));
                }
                Text::Here(_) => {}
                Text::Literal(size) => return self.literal(Next::Skip(size)).map(Some),
            },
            (b"BODY", Some(section @ ("" | "HEADER"))) => {
                return self.body(section, cursor, longest, out);
            }
            _ => return self.unasked(cursor),
        }
        Ok(None)
    }

    fn flags(
        &mut self,
        cursor: &mut Tokenizer<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ProtocolViolation> {
        cursor.expect(b'(')?;
        let inside = cursor.take_while(|byte| byte != b')' && byte != b'"' && byte != b'(');
        cursor.expect(b')')?;
        let flags: Vec<_> = inside
            .split(|&byte| byte == b' ')
            // A flag of this session, not of the message; RFC 9051 removed it.
            .filter(|word| is_listed(word) && !word.eq_ignore_ascii_case(b"\\Recent"))
            .take(MOST_FLAGS)
            .map(String::from_utf8_lossy)
            .collect();
        self.write(out, format_args!("FLAGS ({})", flags.join(" ")));
        Ok(())
    }

    fn body(
        &mut self,
        section: &str,
        cursor: &mut Tokenizer<'_>,
        longest: u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<Next>, ProtocolViolation> {
        let is_word = !matches!(cursor.peek(), Some(b'"' | b'{' | b'~'));
        match cursor.text()? {
            Text::Literal(size) if size > longest => {
                self.write(out, format_args!("BODY[{section}] NIL"));
                self.literal(Next::Skip(size)).map(Some)
            }
            Text::Literal(size) => {
                self.write(out, format_args!("BODY[{section}] {{{size}}}\r\n"));
                self.literal(Next::Pass(size)).map(Some)
            }
            Text::Here(word) if is_word => {
                if !word.eq_ignore_ascii_case(b"NIL") {
                    return Err(UNREADABLE);
                }
                self.write(out, format_args!("BODY[{section}] NIL"));
                Ok(None)
            }
            Text::Here(text) => {
                self.write(out, format_args!("BODY[{section}] {{{}}}\r\n", text.len()));
                out.extend_from_slice(&text);
                Ok(None)
            }
        }
    }

    /// An unrequested value.
    fn unasked(&mut self, cursor: &mut Tokenizer<'_>) -> Result<Option<Next>, ProtocolViolation> {
        if cursor.take(b'(') {
            self.skipping = 1;
            return Ok(None);
        }
        match cursor.text()? {
            Text::Here(_) => Ok(None),
            Text::Literal(size) => self.literal(Next::Skip(size)).map(Some),
        }
    }

    fn literal(&mut self, next: Next) -> Result<Next, ProtocolViolation> {
        self.literals += 1;
        if self.literals > MOST_LITERALS { Err(UNREADABLE) } else { Ok(next) }
    }

    fn write(&mut self, out: &mut Vec<u8>, attribute: std::fmt::Arguments<'_>) {
        let written = if self.written {
            out.push(b' ');
            out.write_fmt(attribute)
        } else {
            write!(out, "* {} FETCH ({attribute}", self.sequence)
        };
        // Writing to a vector cannot fail.
        debug_assert!(written.is_ok());
        self.written = true;
    }
}

/// `[…]<n>` after BODY: none without brackets, `""`, `"HEADER"` for the header or some of its
/// fields, anything else as one other word. Brackets are only searched for their end.
fn section(cursor: &mut Tokenizer<'_>) -> Result<Option<&'static str>, ProtocolViolation> {
    if !cursor.take(b'[') {
        return Ok(None);
    }
    let inside = cursor.take_while(|byte| byte != b']');
    cursor.expect(b']')?;
    if cursor.take(b'<') {
        cursor.take_while(|byte| byte != b'>');
        cursor.expect(b'>')?;
    }
    let head = inside.get(..6).unwrap_or(inside);
    Ok(Some(match inside {
        b"" => "",
        _ if head.eq_ignore_ascii_case(b"HEADER") => "HEADER",
        _ => "other",
    }))
}

fn is_date(text: &[u8]) -> bool {
    (10..=40).contains(&text.len())
        && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b" :+-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_ask_for_is_kept_in_one_plain_form() {
        check(
            "(UID 7 FLAGS (\\Seen $Forwarded) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 44)",
            "* 3 FETCH (UID 7 FLAGS (\\Seen $Forwarded) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 44)\r\n",
        );
        check("(UID 7 FLAGS (\\RECENT \\Seen \\Recent))", "* 3 FETCH (UID 7 FLAGS (\\Seen))\r\n");
        check("(flags () uid 7 )  ", "* 3 FETCH (FLAGS () UID 7)\r\n");
        check("(BODY[] \"a\\\"b\" UID 7)", "* 3 FETCH (BODY[] {3}\r\na\"b UID 7)\r\n");
        check("(BODY[] NIL UID 7)", "* 3 FETCH (BODY[] NIL UID 7)\r\n");
    }

    #[test]
    fn what_nobody_asked_for_disappears() {
        check("(UID 7 MODSEQ (12) X-GM-MSGID 99)", "* 3 FETCH (UID 7)\r\n");
        check("(BODYSTRUCTURE ((\"a)\" NIL)(\"b\" 3)) UID 7)", "* 3 FETCH (UID 7)\r\n");
        check("(INTERNALDATE NIL UID 7)", "* 3 FETCH (UID 7)\r\n");
        check("(ENVELOPE (()))", "");
        check("(UID 7 RFC822.SIZE 99999999999)", "* 3 FETCH (UID 7)\r\n");
        check("(UID 7 FLAGS (\\Seen \\* a\u{e9} x]))", "* 3 FETCH (UID 7 FLAGS (\\Seen))\r\n");
    }

    #[test]
    fn literals_pass_only_where_we_asked_for_them() {
        next("(UID 7 BODY[] {5}", Next::Pass(5));
        next("(UID 7 BODY[]<0> ~{5}", Next::Pass(5));
        next("(UID 7 BODY[HEADER.FIELDS (\"FROM\" TO)] {5}", Next::Pass(5));
        next("(UID 7 BODY[1.MIME] {5}", Next::Skip(5));
        next("(UID 7 ENVELOPE (NIL {5}", Next::Skip(5));
        next("(UID 7 X {5}", Next::Skip(5));
    }

    #[test]
    fn a_body_that_is_too_long_is_nil_and_skipped() {
        let mut out = Vec::new();
        let mut row = FetchFilter::new(3);
        let next = row.feed(b"(UID 7 BODY[HEADER.FIELDS (TO)]<0> {101}", 32, 100, &mut out);
        assert_eq!(next, Ok(Next::Skip(101)));
        assert_eq!(row.feed(b" FLAGS ())", 32, 100, &mut out), Ok(Next::End));
        assert_eq!(out, b"* 3 FETCH (UID 7 BODY[HEADER] NIL FLAGS ())\r\n");
    }

    #[test]
    fn tricks_that_would_turn_text_into_structure_end_the_session() {
        for line in [
            "(FLAGS (\\Seen {10}",
            "(FOO a{10}",
            "(FOO a\"b BODYSTRUCTURE ((((",
            "(BODY[HEADER.FIELDS (\"a] {10}",
            "(UID x)",
            "(UID 7) x",
            "(UID 7",
            "UID 7",
            "",
            "()",
            "(\u{0})",
            "(FOO {4294967295} x)",
            "(FOO {99999999999999999999}",
        ] {
            let outcome = FetchFilter::new(3).feed(line.as_bytes(), 32, 100, &mut Vec::new());
            let harmless = line == "()" && outcome == Ok(Next::End)
                || line.ends_with("{10}") && matches!(outcome, Ok(Next::Pass(10)));
            assert!(outcome.is_err() || harmless, "{line:?} gave {outcome:?}");
        }
    }

    #[test]
    fn deep_nesting_is_counted_never_followed() {
        for deep in [600, 100_000] {
            let line = format!("(BODYSTRUCTURE {}", "(".repeat(deep));
            let outcome = FetchFilter::new(1).feed(line.as_bytes(), 32, 100, &mut Vec::new());
            assert_eq!(outcome.unwrap_err().0, "an answer is nested too deeply");
        }
        check(&format!("(X {}{} UID 7)", "(".repeat(32), ")".repeat(32)), "* 3 FETCH (UID 7)\r\n");
    }

    #[test]
    fn an_answer_of_nothing_but_literals_ends() {
        let mut row = FetchFilter::new(1);
        row.feed(b"(X {0}", 32, 100, &mut Vec::new()).unwrap();
        let mut fed = 0;
        while row.feed(b" X {0}", 32, 100, &mut Vec::new()).is_ok() {
            fed += 1;
            assert!(fed < 100);
        }
    }

    #[track_caller]
    fn check(line: &str, want: &str) {
        let mut out = Vec::new();
        let outcome = FetchFilter::new(3).feed(line.as_bytes(), 32, 100, &mut out);
        assert_eq!(outcome.map_err(|breach| breach.0), Ok(Next::End), "{line:?}");
        assert_eq!(String::from_utf8_lossy(&out), want);
    }

    #[track_caller]
    fn next(line: &str, want: Next) {
        let outcome = FetchFilter::new(3).feed(line.as_bytes(), 32, 100, &mut Vec::new());
        assert_eq!(outcome.map_err(|breach| breach.0), Ok(want), "{line:?}");
    }
}
