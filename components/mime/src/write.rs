//! Header fields as text: encoded, folded, and each ending in CRLF.
//!
//! lettre writes them. It is asked only for what it does well; a value that it would pass on
//! unchanged although a reader would see something else (a spelled-out encoded-word, spaces that
//! folding would move, a word longer than a line) is written as encoded-words here.
//!
//! Invariant: one call gives one field. Values were checked before and hold no control characters.
//!
//! Standards: RFC 5322 sections 2.2 and 3.6, RFC 2047, RFC 2231.

use std::time::Duration;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::message::Mailbox as LettreMailbox;
use lettre::message::Mailboxes;
use lettre::message::header::ContentDisposition;
use lettre::message::header::Date;
use lettre::message::header::Header;
use lettre::message::header::HeaderName;
use lettre::message::header::HeaderValue;
use lettre::message::header::Headers;
use lettre::message::header::{Cc, From, ReplyTo, To};

use crate::check::Person;
use crate::draft::Disposition;

/// RFC 5322 section 2.1.1.
const LONGEST_LINE: usize = 78;
/// lettre folds at spaces only, and a line ends at 998 (RFC 5322 section 2.1.1). Not less: message ids
/// and links are long words that must stay as they are.
const LONGEST_WORD: usize = 800;
/// Bytes in one encoded-word: 60 characters of base64, within the 75 of RFC 2047 section 2.
const BYTES_PER_WORD: usize = 45;

/// The fields that name people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    From,
    ReplyTo,
    To,
    Cc,
}

/// Empty when there is nobody.
pub fn people(role: Role, people: &[Person]) -> String {
    if people.is_empty() {
        return String::new();
    }
    let mailboxes: Mailboxes = people.iter().map(mailbox).collect();
    fold_at_commas(&match role {
        Role::From => field(&From::from(mailboxes)),
        Role::ReplyTo => field(&ReplyTo::from(mailboxes)),
        Role::To => field(&To::from(mailboxes)),
        Role::Cc => field(&Cc::from(mailboxes)),
    })
}

/// lettre leaves a list of bare addresses on one line, however long (RFC 5322 section 2.1.1 ends a
/// line at 998, and asks for 78). Between two addresses a line may end; inside a quoted name as well,
/// since unfolding gives the space back.
fn fold_at_commas(field: &str) -> String {
    let mut folded = String::with_capacity(field.len() + field.len() / 32);
    let mut column = 0;
    for (index, piece) in field.split(", ").enumerate() {
        let first_line = piece.split("\r\n").next().unwrap_or_default();
        if index > 0 {
            let breaks = column + ", ".len() + first_line.len() > 77;
            folded.push_str(if breaks { ",\r\n " } else { ", " });
            column = if breaks { 1 } else { column + 2 };
        }
        folded.push_str(piece);
        column = match piece.rfind("\r\n") {
            Some(at) => piece.len() - at - 2,
            None => column + piece.len(),
        };
    }
    folded
}

/// `millis` since 1970, checked to lie before the year 10000.
pub fn date(millis: i64) -> String {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    field(&Date::new(SystemTime::UNIX_EPOCH + since))
}

/// A field of plain words.
pub fn text(name: &str, value: &str) -> String {
    let value = value.trim();
    if !is_plain(value) {
        return format!("{name}: {}\r\n", encoded_words(value));
    }
    match HeaderName::new_from_ascii(name.to_owned()) {
        Ok(name) => one(HeaderValue::new(name, value.to_owned())),
        Err(_) => String::new(),
    }
}

/// Message ids in their brackets, folded between them; empty when there are none.
pub fn ids(name: &str, ids: &[String]) -> String {
    let bracketed: Vec<String> = ids.iter().map(|id| format!("<{id}>")).collect();
    folded(name, &bracketed)
}

/// A field of words that a space parts. Each line has at most 78 characters, unless a word is longer.
fn folded(name: &str, words: &[String]) -> String {
    if words.is_empty() {
        return String::new();
    }
    let mut field = format!("{name}:");
    let mut column = field.len();
    for (index, word) in words.iter().enumerate() {
        // The first word stays with the name: some readers take a line of white space for an end.
        if index > 0 && column + 1 + word.len() > LONGEST_LINE {
            field.push_str("\r\n");
            column = 0;
        }
        field.push(' ');
        field.push_str(word);
        column += 1 + word.len();
    }
    field + "\r\n"
}

/// A field whose value is ASCII and short enough for one line already.
pub fn verbatim(name: &str, value: &str) -> String {
    format!("{name}: {value}\r\n")
}

/// Content-Disposition, with the file name when there is one.
pub fn disposition(kind: Disposition, filename: Option<&str>) -> String {
    match (kind, filename) {
        (Disposition::Inline, None) => field(&ContentDisposition::inline()),
        (Disposition::Inline, Some(name)) => field(&ContentDisposition::inline_with_name(name)),
        (Disposition::Attachment, None) => verbatim("Content-Disposition", "attachment"),
        (Disposition::Attachment, Some(name)) => field(&ContentDisposition::attachment(name)),
    }
}

fn mailbox(person: &Person) -> LettreMailbox {
    // Checked by us, more strictly than lettre would.
    let address = Address::new_dangerous(&person.mailbox.local, &person.mailbox.domain);
    LettreMailbox::new(person.name.clone(), address)
}

fn field<H: Header>(header: &H) -> String {
    one(header.display())
}

fn one(value: HeaderValue) -> String {
    let mut headers = Headers::with_capacity(1);
    headers.insert_raw(value);
    headers.to_string()
}

/// Read back as it was written, however it is folded.
fn is_plain(value: &str) -> bool {
    !value.contains("=?")
        && !value.contains("  ")
        && value.split(' ').all(|word| word.len() <= LONGEST_WORD || !word.is_ascii())
}

fn encoded_words(value: &str) -> String {
    let mut words = Vec::new();
    let mut piece = String::new();
    for character in value.chars() {
        if piece.len() + character.len_utf8() > BYTES_PER_WORD {
            words.push(encoded_word(&piece));
            piece.clear();
        }
        piece.push(character);
    }
    words.push(encoded_word(&piece));
    words.join("\r\n ")
}

fn encoded_word(piece: &str) -> String {
    format!("=?utf-8?b?{}?=", STANDARD.encode(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_people_is_folded_between_them() {
        let list = vec!["bob@example.test"; 100].join(", ");
        let folded = fold_at_commas(&format!("To: {list}\r\n"));
        assert!(folded.split("\r\n").all(|line| line.len() <= 78), "{folded}");
        assert_eq!(folded.replace("\r\n ", " "), format!("To: {list}\r\n"));
        let short = "To: \"Doe, Ann\" <ann@example.test>, bob@example.test\r\n";
        assert_eq!(fold_at_commas(short), short);
    }
}
