//! Address lists of header fields.
//!
//! The grammar of RFC 5322 with its obsolete forms: comments and white space around every token,
//! source routes, empty members, groups, dots in names. Beyond it, common errors: encoded-words in
//! quotes, semicolons between addresses, no comma at all, unclosed brackets or quotes.
//!
//! Invariants: linear. An address that was not written is never made up: what is between two `@` or
//! beside one belongs to the address only where the grammar connects it, and where other words
//! stand beside it, white space ends it. What cannot be parsed is no address.
//!
//! Standards: RFC 5322 sections 3.4 and 4.4, RFC 2047 section 5.

use crate::header::address_list::tokens::{Kind, Token, tokens};
use crate::header::encoded_words::decode;

mod tokens;
#[cfg(test)]
mod tests;

/// A mailbox address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    pub name: Option<String>,
    /// The addr-spec as it was written, without comments and white space between its tokens. Empty
    /// when the field has a name without an address, or with one that cannot be parsed.
    pub email: String,
}

/// Parses a list of at most `most` addresses; groups are flattened. `text` is unfolded.
pub fn parse(text: &str, most: usize) -> Vec<Address> {
    let mut list = List { text, found: Vec::new(), pending: Vec::new(), after_angle: false };
    let tokens = tokens(text);
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        if list.found.len() >= most {
            break;
        }
        rest = after;
        match token.kind {
            Kind::Mark('<') => {
                let (inner, after) = angle(rest);
                rest = after;
                list.angle(inner);
            }
            Kind::Mark(',' | ';') => list.end(),
            Kind::Mark(':') => list.group(),
            Kind::Atom | Kind::Quoted | Kind::Comment | Kind::Literal | Kind::Mark(_) => {
                list.pending.push(*token);
            }
        }
    }
    list.end();
    list.found.truncate(most);
    list.found
}

/// Splits after an angle-addr: what lies between `<` and `>`, and the rest. An unclosed bracket
/// ends with its member.
fn angle(tokens: &[Token]) -> (&[Token], &[Token]) {
    let begins = skip_comments(tokens).first().is_some_and(Token::begins_route);
    let mut bracket = tokens.iter().take_while(|token| !token.is('>') && !token.is('<'));
    let mut in_route = begins && bracket.any(|token| token.is(':'));
    let end = tokens.iter().position(|token| match token.kind {
        Kind::Mark(':') => {
            in_route = false;
            false
        }
        Kind::Mark(',') => !in_route,
        Kind::Mark(mark) => matches!(mark, '>' | '<' | ';'),
        Kind::Atom | Kind::Quoted | Kind::Comment | Kind::Literal => false,
    });
    let (inner, rest) = tokens.split_at(end.unwrap_or(tokens.len()));
    let closed = rest.first().is_some_and(|token| token.is('>'));
    (inner, rest.get(usize::from(closed)..).unwrap_or_default())
}

/// Which domains are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Domain {
    Any,
    /// Domains of several labels, and literals.
    Dotted,
}

struct List<'a> {
    text: &'a str,
    found: Vec<Address>,
    /// The tokens of the current member.
    pending: Vec<Token>,
    /// The last address was in brackets, and only `pending` came since.
    after_angle: bool,
}

impl List<'_> {
    /// A member with brackets: what precedes them is the display name.
    fn angle(&mut self, inner: &[Token]) {
        let pending = std::mem::take(&mut self.pending);
        self.comment_of_last(&pending);
        // `ed@one.example Mo <mo@two.example>`: the comma is missing. `ed@one.example
        // <ed@one.example>` is a name.
        let name = self.row(&pending, Domain::Dotted, |rest| rest.iter().any(Token::is_word));
        let name = self.name(name);
        let (email, after) = self.in_brackets(inner).unwrap_or_default();
        if name.is_some() || !email.is_empty() {
            self.found.push(Address { name, email });
            self.after_angle = true;
        }
        self.pending = after;
    }

    /// The name of a group; after an address a colon has no known meaning.
    fn group(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.comment_of_last(&pending);
        self.row(&pending, Domain::Dotted, |_| true);
        self.after_angle = false;
    }

    /// Ends a member: addresses without brackets, or a name alone.
    fn end(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.comment_of_last(&pending);
        let words = !std::mem::take(&mut self.after_angle);
        if pending.iter().any(|token| token.is('@')) {
            let before = self.found.len();
            self.bare(&pending);
            // `Meeting @ noon today`: words without an address.
            let is_name = skip_comments(&pending).first().is_some_and(Token::is_word);
            if words && is_name && self.found.len() == before {
                let name = self.name(&pending);
                self.found.push(Address { name, email: String::new() });
            }
        } else if words && pending.iter().any(|token| token.kind != Kind::Comment) {
            let found = self.without_domain(&pending);
            self.found.extend(found);
        }
    }

    /// `<ann@x.example> (Ann)`: the obsolete way to give a display name.
    fn comment_of_last(&mut self, pending: &[Token]) {
        let comment = pending.iter().take_while(|token| token.kind == Kind::Comment).last();
        let name = comment.filter(|_| self.after_angle).and_then(|token| self.comment(token));
        if let Some(last) = self.found.last_mut().filter(|last| last.name.is_none()) {
            last.name = name;
        }
    }

    /// A member without brackets: one address, or several without commas.
    fn bare(&mut self, pending: &[Token]) {
        let is_nothing = |token: &Token| match token.kind {
            Kind::Comment => true,
            // Such as an unopened bracket.
            Kind::Mark(mark) => mark != '@',
            Kind::Atom | Kind::Quoted | Kind::Literal => false,
        };
        if let Some((email, after)) = self.spec(pending)
            && after.iter().all(is_nothing)
        {
            self.found.push(Address { name: self.comment_behind(after), email });
            return;
        }
        let before = self.found.len();
        self.row(pending, Domain::Dotted, |_| true);
        if self.found.len() == before {
            self.row(pending, Domain::Any, |_| true);
        }
    }

    /// Addresses without separators between them, each perhaps with words before it that are its
    /// name and a comment after it; and what is left after the last. Only those written without
    /// white space count, as marks among words look alike otherwise: `Sales @ Example Corp`.
    fn row<'t>(
        &mut self,
        tokens: &'t [Token],
        domain: Domain,
        counts: impl Fn(&[Token]) -> bool,
    ) -> &'t [Token] {
        let mut rest = tokens;
        let mut skipped = 0;
        while let Some(tail) = rest.get(skipped..).filter(|tail| !tail.is_empty()) {
            let found = self.tight(tail, domain).filter(|(_, after)| counts(after));
            let Some((email, after)) = found else {
                skipped += 1;
                // Not within what was not parsed as an address.
                while rest.get(skipped).is_some_and(|token| !starts(rest, skipped, token)) {
                    skipped += 1;
                }
                continue;
            };
            let name = self.name(rest.get(..skipped).unwrap_or_default());
            let name = name.or_else(|| self.comment_behind(after));
            self.found.push(Address { name, email });
            (rest, skipped) = (after, 0);
        }
        rest
    }

    fn comment_behind(&self, after: &[Token]) -> Option<String> {
        let behind = after.iter().take_while(|token| token.kind == Kind::Comment).last();
        behind.and_then(|token| self.comment(token))
    }

    /// `root (Cron Daemon)` is a local part; two words, or a quoted one, are a display name.
    fn without_domain(&self, pending: &[Token]) -> Option<Address> {
        let comment = pending.iter().rfind(|token| token.kind == Kind::Comment);
        let words: Vec<Token> =
            pending.iter().filter(|token| token.kind != Kind::Comment).copied().collect();
        let email = match self.local_part(&words) {
            Some((local, [])) if is_plain(&local) && !is_nobody(&local) => local,
            _ => String::new(),
        };
        let name = if email.is_empty() { self.name(&words) } else { None };
        let name = name.or_else(|| comment.and_then(|token| self.comment(token)));
        (name.is_some() || !email.is_empty()).then_some(Address { name, email })
    }

    /// The address between brackets, without its route, and the remaining tokens: in an unclosed
    /// bracket the next member begins.
    fn in_brackets(&self, inner: &[Token]) -> Option<(String, Vec<Token>)> {
        let bare: Vec<Token> =
            inner.iter().filter(|token| token.kind != Kind::Comment).copied().collect();
        let scheme = |tokens: &[Token]| match tokens {
            [first, ..] => self.raw(first).eq_ignore_ascii_case("mailto"),
            [] => false,
        };
        let spec = match bare.iter().position(|token| token.is(':')) {
            Some(colon)
                if bare.first().is_some_and(Token::begins_route) || colon == 1 && scheme(&bare) =>
            {
                bare.get(colon + 1..)?
            }
            Some(_) => return None,
            None => bare.as_slice(),
        };
        if let Some((email, [])) = self.spec(spec) {
            return Some((email, Vec::new()));
        }
        // Cron and similar software write a local part alone.
        if let Some((local, [])) = self.local_part(spec) {
            return Some((local, Vec::new()));
        }
        self.tight(spec, Domain::Dotted).map(|(email, after)| (email, after.to_vec()))
    }

    /// As [`Self::spec`], of tokens without white space and comments between them.
    fn tight<'t>(&self, tokens: &'t [Token], domain: Domain) -> Option<(String, &'t [Token])> {
        let tokens = skip_comments(tokens);
        let whole =
            tokens.iter().skip(1).position(|token| token.apart || token.kind == Kind::Comment);
        let word = tokens.get(..whole.map_or(tokens.len(), |length| length + 1))?;
        let (email, rest) = self.spec(word)?;
        // An unopened bracket ends it, too.
        let ends = rest.first().is_none_or(|token| matches!(token.kind, Kind::Mark(_)));
        let is_stray = |token: &&Token| matches!(token.kind, Kind::Mark(mark) if mark != '@');
        let stray = rest.iter().take_while(is_stray).count();
        let after = tokens.get(word.len() - rest.len() + stray..)?;
        let is_dotted = || {
            let domain = email.rsplit_once('@').map(|(_, domain)| domain).unwrap_or_default();
            domain.trim_end_matches('.').contains('.') || domain.starts_with('[')
        };
        // Two words beside one mark are two addresses, or none.
        let continues = skip_comments(after).first().is_some_and(|token| token.is('@'));
        let good = ends && !continues && (domain == Domain::Any || is_dotted());
        good.then_some((email, after))
    }

    /// Parses `local@domain` at the start, after comments; returns the rest.
    fn spec<'t>(&self, tokens: &'t [Token]) -> Option<(String, &'t [Token])> {
        let (local, rest) = self.local_part(tokens)?;
        let (at, rest) = skip_comments(rest).split_first()?;
        if !at.is('@') {
            return None;
        }
        let (domain, rest) = self.domain(rest)?;
        // `a@b@c` is neither `a@b` nor `b@c`.
        if skip_comments(rest).first().is_some_and(|token| token.is('@')) {
            return None;
        }
        Some((format!("{local}@{domain}"), rest))
    }

    /// Words with dots between them (obs-local-part). Deviation: dots at the ends and in a row are kept,
    /// since mailboxes of that kind exist.
    fn local_part<'t>(&self, tokens: &'t [Token]) -> Option<(String, &'t [Token])> {
        let (text, rest) = self.dotted(tokens, Token::is_word);
        text.chars().any(|character| character != '.').then_some((text, rest))
    }

    fn domain<'t>(&self, tokens: &'t [Token]) -> Option<(String, &'t [Token])> {
        if let Some((token, rest)) = skip_comments(tokens).split_first()
            && token.kind == Kind::Literal
        {
            return Some((self.raw(token).replace([' ', '\t'], ""), rest));
        }
        let (text, rest) = self.dotted(tokens, |token| token.kind == Kind::Atom);
        let good = text.starts_with(|first| first != '.');
        good.then_some((text, rest))
    }

    /// Words connected by dots, with white space and comments allowed between them, and the rest.
    fn dotted<'t>(
        &self,
        tokens: &'t [Token],
        is_word: fn(&Token) -> bool,
    ) -> (String, &'t [Token]) {
        let mut text = String::new();
        let mut rest = tokens;
        let mut was_word = false;
        while let Some((token, after)) = skip_comments(rest).split_first() {
            if token.is('.') {
                was_word = false;
            } else if is_word(token) && !was_word {
                was_word = true;
            } else {
                break;
            }
            text.push_str(self.raw(token));
            rest = after;
        }
        (text, rest)
    }

    /// A display name: words decoded, quotes removed, comments left out.
    fn name(&self, tokens: &[Token]) -> Option<String> {
        let mut name = String::new();
        let mut atoms: Option<(usize, usize)> = None;
        for token in tokens.iter().filter(|token| token.kind != Kind::Comment) {
            if token.kind == Kind::Quoted {
                self.push_atoms(atoms.take(), &mut name);
                if token.apart && !name.is_empty() {
                    name.push(' ');
                }
                name.push_str(&decode(&unquoted(self.raw(token))));
                continue;
            }
            atoms = match atoms {
                // White space within the name: words are joined over it.
                Some((start, end)) if self.text.get(end..token.start).is_some_and(is_blank) => {
                    Some((start, token.end))
                }
                before => {
                    self.push_atoms(before, &mut name);
                    if token.apart && !name.is_empty() {
                        name.push(' ');
                    }
                    Some((token.start, token.end))
                }
            };
        }
        self.push_atoms(atoms, &mut name);
        (!name.trim().is_empty()).then_some(name)
    }

    fn push_atoms(&self, atoms: Option<(usize, usize)>, name: &mut String) {
        let Some(raw) = atoms.and_then(|(start, end)| self.text.get(start..end)) else { return };
        // White space between atoms is one space (RFC 5322 section 3.2.2).
        let words: Vec<&str> = raw.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        name.push_str(&decode(&words.join(" ")));
    }

    fn comment(&self, token: &Token) -> Option<String> {
        let raw = self.raw(token);
        let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        let text = decode(&unescaped(inner));
        (!text.trim().is_empty()).then_some(text)
    }

    fn raw(&self, token: &Token) -> &str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }
}

/// Whether the token at `index` begins something: the one before does not extend into it.
fn starts(tokens: &[Token], index: usize, token: &Token) -> bool {
    let connects = |before: &Token| before.is('.') || before.is('@');
    let mut before = tokens.get(..index).unwrap_or_default().iter().rev();
    token.is_word()
        && token.apart
        && !before.find(|token| token.kind != Kind::Comment).is_some_and(connects)
}

fn skip_comments(tokens: &[Token]) -> &[Token] {
    let first = tokens.iter().position(|token| token.kind != Kind::Comment);
    tokens.get(first.unwrap_or(tokens.len())..).unwrap_or_default()
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// Whether it has the syntax of a local part, and not of a name that stands alone.
fn is_plain(local: &str) -> bool {
    local.is_ascii() && !local.contains('"') && !local.contains("=?")
}

/// Placeholders that mail clients write into To when there is no recipient.
fn is_nobody(local: &str) -> bool {
    let local = local.to_ascii_lowercase();
    [
        "undisclosed-recipient",
        "undisclosed-recipients",
        "unlisted-recipients",
        "recipient-list-suppressed",
    ]
    .contains(&local.as_str())
}

fn unquoted(quoted: &str) -> String {
    unescaped(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default())
}

/// Removes the backslashes of quoted pairs (RFC 5322 section 3.2.1).
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}
