//! Strict tokenizer of IMAP response lines.
//!
//! A cursor over one line. It never recurses and never copies more than a token; what it cannot
//! parse is a [`ProtocolViolation`], and the session ends.
//!
//! Standard: RFC 9051 §4 and §9 (atom, quoted, literal).

use crate::timed_stream::ProtocolViolation;

/// A position in a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokenizer<'a> {
    rest: &'a [u8],
}

/// A string in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// Quoted or an atom, unescaped.
    Here(Vec<u8>),
    /// A literal of so many bytes follows this line.
    Literal(u64),
}

impl<'a> Tokenizer<'a> {
    pub(crate) const fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Consumes the byte if it is next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn bump(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), ProtocolViolation> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(ProtocolViolation("an answer is not as IMAP writes it"))
        }
    }

    pub(crate) fn spaces(&mut self) {
        while self.take(b' ') {}
    }

    /// Bytes as long as `fits`; may be empty.
    pub(crate) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !fits(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Bytes before the next space, parenthesis or quote.
    pub(crate) fn word(&mut self) -> &'a [u8] {
        self.take_while(|byte| byte > b' ' && !matches!(byte, b'(' | b')' | b'"' | b'{'))
    }

    /// A number of 32 bits.
    pub(crate) fn number(&mut self) -> Option<u32> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// A quoted string, an atom, or the announcement of a literal.
    pub(crate) fn text(&mut self) -> Result<Text, ProtocolViolation> {
        match self.peek() {
            Some(b'"') => self.quoted().map(Text::Here),
            Some(b'{' | b'~') => self.literal().map(Text::Literal),
            _ => {
                let word = self.word();
                if word.is_empty() {
                    return Err(ProtocolViolation("an answer is not as IMAP writes it"));
                }
                Ok(Text::Here(word.to_vec()))
            }
        }
    }

    /// A quoted string, unescaped.
    pub(crate) fn quoted(&mut self) -> Result<Vec<u8>, ProtocolViolation> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|byte| byte != b'"' && byte != b'\\'));
            if self.take(b'"') {
                return Ok(text);
            }
            self.bump();
            let escaped = self.peek().ok_or(ProtocolViolation("a quoted string does not end"))?;
            text.push(escaped);
            self.bump();
        }
    }

    /// `{123}` at the end of the line, also with the marks of LITERAL+ and BINARY.
    fn literal(&mut self) -> Result<u64, ProtocolViolation> {
        const UNREADABLE: ProtocolViolation =
            ProtocolViolation("the size of a literal cannot be read");
        self.take(b'~');
        self.expect(b'{')?;
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        self.take(b'+');
        self.expect(b'}')?;
        if !self.rest.is_empty() {
            return Err(UNREADABLE);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| UNREADABLE)?;
        digits.parse().map_err(|_| UNREADABLE)
    }
}

/// The size of the literal that a line announces, whatever precedes it.
pub(crate) fn announced(line: &[u8]) -> Option<u64> {
    let inside = line.strip_suffix(b"}")?;
    let inside = inside.strip_suffix(b"+").unwrap_or(inside);
    let open = inside.iter().rposition(|&byte| byte == b'{')?;
    let digits = std::str::from_utf8(inside.get(open + 1..)?).ok()?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}
