//! Filter of LIST and STATUS responses: rewrites them in one plain form.
//!
//! Both are short, so the whole response is buffered first, with its literals. Mailbox names are
//! rewritten as literals: the parser would keep the backslashes of a quoted one. Extended data (RFC
//! 5258), which makes it fail, is left out.
//!
//! Standard: RFC 9051 §7.3.1 and §7.3.4.

use rules::flag::is_listed;

use crate::imap::tokenizer::{Text, Tokenizer};
use crate::timed_stream::ProtocolViolation;

/// A whole response: its lines without their ends, and the literal after each but the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BufferedResponse {
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) literals: Vec<Vec<u8>>,
}

impl BufferedResponse {
    /// The mailbox name at the cursor, and the cursor after it.
    fn name<'a>(
        &'a self,
        cursor: Tokenizer<'a>,
    ) -> Result<(Vec<u8>, Tokenizer<'a>), ProtocolViolation> {
        let mut cursor = cursor;
        match cursor.text()? {
            Text::Here(name) => Ok((name, cursor)),
            Text::Literal(_) => {
                let name = self.literals.first().cloned().unwrap_or_default();
                let rest = self.lines.get(1).map(Vec::as_slice).unwrap_or_default();
                Ok((name, Tokenizer::new(rest)))
            }
        }
    }

    /// `* LIST (…) "/" {n}`; `line` begins after the word LIST.
    pub(crate) fn list(&self, line: &[u8]) -> Result<Vec<u8>, ProtocolViolation> {
        let mut cursor = Tokenizer::new(line);
        cursor.spaces();
        cursor.expect(b'(')?;
        let mut attributes: Vec<&[u8]> = Vec::new();
        loop {
            cursor.spaces();
            if cursor.take(b')') {
                break;
            }
            let word = cursor.word();
            if word.is_empty() {
                return Err(ProtocolViolation("a LIST answer cannot be read"));
            }
            // `\*` and words without a backslash are not attributes.
            if word.starts_with(b"\\") && is_listed(word) {
                attributes.push(word);
            }
        }
        cursor.expect(b' ')?;
        let delimiter = match cursor.peek() {
            Some(b'"') => cursor.quoted()?.first().copied(),
            _ if cursor.word().eq_ignore_ascii_case(b"NIL") => None,
            _ => return Err(ProtocolViolation("a LIST answer cannot be read")),
        };
        cursor.expect(b' ')?;
        let (name, _) = self.name(cursor)?;
        let mut out = b"* LIST (".to_vec();
        out.extend_from_slice(&attributes.join(&b' '));
        match delimiter {
            Some(byte @ (b'"' | b'\\')) => {
                out.extend_from_slice(&[b')', b' ', b'"', b'\\', byte, b'"']);
            }
            Some(byte) if byte.is_ascii_graphic() => {
                out.extend_from_slice(&[b')', b' ', b'"', byte, b'"']);
            }
            _ => out.extend_from_slice(b") NIL"),
        }
        out.extend_from_slice(format!(" {{{}}}\r\n", name.len()).as_bytes());
        out.extend_from_slice(&name);
        out.extend_from_slice(b"\r\n");
        Ok(out)
    }

    /// `* STATUS x (MESSAGES n UNSEEN n)`: one is requested at a time, so the name is redundant.
    pub(crate) fn status(&self, line: &[u8]) -> Result<Vec<u8>, ProtocolViolation> {
        let mut cursor = Tokenizer::new(line);
        cursor.spaces();
        let (_, mut cursor) = self.name(cursor)?;
        cursor.spaces();
        cursor.expect(b'(')?;
        let mut items = Vec::new();
        loop {
            cursor.spaces();
            if cursor.take(b')') {
                break;
            }
            let item = cursor.word().to_ascii_uppercase();
            cursor.expect(b' ')?;
            if item == b"MESSAGES" || item == b"UNSEEN" {
                let count =
                    cursor.number().ok_or(ProtocolViolation("a STATUS answer cannot be read"))?;
                items.push(format!("{} {count}", String::from_utf8_lossy(&item)));
            } else if cursor.word().is_empty() {
                return Err(ProtocolViolation("a STATUS answer cannot be read"));
            }
        }
        Ok(format!("* STATUS x ({})\r\n", items.join(" ")).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_list_row_gives_the_same_one() {
        let plain = "* LIST (\\HasNoChildren \\Sent) \"/\" {4}\r\nSent\r\n";
        check_list(" (\\HasNoChildren \\Sent) \"/\" Sent", None, plain);
        check_list(" (\\HasNoChildren \\Sent) \"/\" \"Sent\"", None, plain);
        check_list(" (\\HasNoChildren \\Sent ) \"/\" {4}", Some("Sent"), plain);
        check_list(" (\\HasNoChildren \\* \\Sent x) \"/\" Sent (CHILDINFO (\"X\"))", None, plain);
    }

    #[test]
    fn names_are_unescaped_and_odd_delimiters_survive() {
        check_list(" () \"\\\\\" \"a\\\"b\"", None, "* LIST () \"\\\\\" {3}\r\na\"b\r\n");
        check_list(" () NIL x", None, "* LIST () NIL {1}\r\nx\r\n");
    }

    #[test]
    fn status_keeps_what_was_asked_for() {
        for line in [
            " INBOX (MESSAGES 3 UNSEEN 1)",
            " \"a b\" (messages 3 UIDNEXT 9 unseen 1 )",
            " INBOX (SIZE 123456789012 MESSAGES 3 MAILBOXID x UNSEEN 1)",
        ] {
            let row = BufferedResponse::default().status(line.as_bytes());
            assert_eq!(
                String::from_utf8(row.unwrap()).unwrap(),
                "* STATUS x (MESSAGES 3 UNSEEN 1)\r\n"
            );
        }
    }

    #[test]
    fn nonsense_is_a_breach() {
        for line in ["", " (", " () / x", " () \"/\"", " () \"/\" ", " ((((", " () \"/ x"] {
            assert!(BufferedResponse::default().list(line.as_bytes()).is_err(), "{line:?}");
            assert!(BufferedResponse::default().status(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[track_caller]
    fn check_list(line: &str, literal: Option<&str>, want: &str) {
        let literals: Vec<_> = literal.into_iter().map(|text| text.as_bytes().to_vec()).collect();
        let lines = vec![line.as_bytes().to_vec(), Vec::new()];
        let gathered = BufferedResponse { lines, literals };
        let row = gathered.list(line.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(row).unwrap(), want);
    }
}
