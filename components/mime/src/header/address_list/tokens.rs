//! Tokenizer of address fields.
//!
//! Invariant: linear, even with unclosed quotes, comments and literals.
//!
//! Standards: RFC 5322 section 3.2, RFC 2047 section 5.

use crate::header::comments::after_comment;
use crate::header::encoded_words::Ends;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Atom,
    /// With its quotes.
    Quoted,
    Comment,
    /// `[192.0.2.1]`.
    Literal,
    Mark(char),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether white space or a comment precedes it.
    pub(super) apart: bool,
}

impl Token {
    pub(super) fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    /// RFC 5322 section 4.4 (obs-route).
    pub(super) fn begins_route(&self) -> bool {
        self.is('@') || self.is(',')
    }

    pub(super) fn is_word(&self) -> bool {
        matches!(self.kind, Kind::Atom | Kind::Quoted)
    }
}

/// The specials of RFC 5322 section 3.2.3 that are tokens of their own.
const SPECIALS: [char; 13] = ['(', ')', '<', '>', '[', ']', ':', ';', '@', '\\', ',', '.', '"'];

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut ends = Ends::of(text);
    let mut closings = Closings::default();
    let (mut at, mut apart) = (0, false);
    while let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if matches!(first, ' ' | '\t' | '\r' | '\n') {
            (at, apart) = (at + 1, true);
            continue;
        }
        let start = at;
        let whole = match first {
            '"' => closings.quote(text, at).map(|end| (Kind::Quoted, end)),
            '(' => closings.comment(text, at).map(|end| (Kind::Comment, end)),
            '[' => closings.literal(text, at).map(|end| (Kind::Literal, end)),
            _ => None,
        };
        let (kind, end) = match whole {
            // An unclosed quote is part of nothing.
            None if first == '"' => {
                (at, apart) = (at + 1, true);
                continue;
            }
            Some(found) => found,
            None if SPECIALS.contains(&first) => (Kind::Mark(first), at + 1),
            None => (Kind::Atom, atom_end(text, at, &mut ends)),
        };
        tokens.push(Token { kind, start, end, apart });
        (at, apart) = (end, kind == Kind::Comment);
    }
    tokens
}

/// An encoded-word may hold what ends an atom.
fn atom_end(text: &str, at: usize, ends: &mut Ends<'_>) -> usize {
    let mut end = at;
    while let Some(rest) = text.get(end..) {
        if rest.starts_with("=?")
            && let Some(word) = ends.word_at(end).filter(|word| !word.swallows_structure())
        {
            end = word.end;
            continue;
        }
        match rest.chars().next() {
            Some(' ' | '\t' | '\r' | '\n') | None => break,
            Some(special) if SPECIALS.contains(&special) => break,
            Some(other) => end += other.len_utf8(),
        }
    }
    end
}

/// Where quotes, comments and literals end. An unclosed one is an ordinary mark; that it is
/// unclosed is found out once.
#[derive(Default)]
struct Closings {
    no_quote: bool,
    no_literal: bool,
    /// Comments do not nest any more, since one was unclosed.
    flat: bool,
    no_comment: bool,
}

impl Closings {
    fn quote(&mut self, text: &str, at: usize) -> Option<usize> {
        let rest = (!self.no_quote).then(|| text.get(at + 1..));
        let end = rest.map(|rest| unescaped(rest?, b'"'));
        self.no_quote |= end == Some(None);
        end.flatten().map(|length| at + 1 + length + 1)
    }

    fn literal(&mut self, text: &str, at: usize) -> Option<usize> {
        let rest = (!self.no_literal).then(|| text.get(at + 1..)).flatten()?;
        let end = rest.find([']', '[', '\\', '<', '>', ',']);
        self.no_literal |= end.is_none();
        let end = end.filter(|end| rest.get(*end..).is_some_and(|tail| tail.starts_with(']')))?;
        Some(at + 1 + end + 1)
    }

    fn comment(&mut self, text: &str, at: usize) -> Option<usize> {
        if self.no_comment {
            return None;
        }
        let rest = text.get(at..)?;
        let end = if self.flat {
            unescaped(rest, b')').map(|length| at + length + 1)
        } else {
            after_comment(rest).map(|after| text.len() - after.len())
        };
        if end.is_none() {
            (self.no_comment, self.flat) = (self.flat, true);
        }
        end
    }
}

/// The position of the first such byte that is not escaped by a backslash.
fn unescaped(text: &str, wanted: u8) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == wanted && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}
