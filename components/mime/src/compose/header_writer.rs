//! Writer of header fields: encoding, folding, CRLF.
//!
//! ASCII that a parser reads back unchanged is written as it is; anything else (text beyond ASCII,
//! a literal encoded-word, spaces that folding would move, a word longer than a line) is written as
//! encoded-words, or by RFC 2231 in a parameter.
//!
//! Invariant: one call writes one field, and parsing it gives the value. Values were validated
//! before and hold no control characters.
//!
//! Standards: RFC 5322 sections 2.2, 3.3 and 3.6, RFC 2047, RFC 2231.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rules::percent;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::compose::draft::Disposition;
use crate::compose::draft_check::Person;

/// The recommended line length (RFC 5322 section 2.1.1).
const LONGEST_LINE: usize = 78;
/// The longest word that is not encoded: a line is folded between words only, and ends at 998 (RFC
/// 5322 section 2.1.1). No shorter limit: ids and links are long words that must not be changed.
const LONGEST_WORD: usize = 800;
/// Bytes in one encoded-word: 60 characters of base64, within the 75 of RFC 2047 section 2.
const BYTES_PER_WORD: usize = 45;
/// The longest quoted string in a parameter, since those are not folded.
const LONGEST_QUOTED: usize = 60;
/// The longest section of a parameter, in characters, so that a line holds it with its name.
const LONGEST_SECTION: usize = 50;

/// An address list field; empty for an empty list.
pub fn people(name: &str, people: &[Person]) -> String {
    let mut words = Vec::new();
    for (index, person) in people.iter().enumerate() {
        let comma = if index + 1 < people.len() { "," } else { "" };
        let address = person.mailbox.spelled();
        match &person.name {
            None => words.push(format!("{address}{comma}")),
            Some(name) => {
                words.extend(phrase(name));
                words.push(format!("<{address}>{comma}"));
            }
        }
    }
    folded(name, &words)
}

/// A display name: an atom for each word, one quoted string, or encoded-words.
fn phrase(name: &str) -> Vec<String> {
    let is_atom =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~ ".contains(&byte);
    if !is_plain(name) || name.len() > LONGEST_QUOTED {
        encoded_words(name)
    } else if name.bytes().all(is_atom) {
        name.split(' ').map(str::to_owned).collect()
    } else {
        vec![quoted(name)]
    }
}

/// An unstructured field.
pub fn text(name: &str, value: &str) -> String {
    if value.is_empty() {
        verbatim(name, value)
    } else if is_plain(value) {
        let words: Vec<String> = value.split(' ').map(str::to_owned).collect();
        folded(name, &words)
    } else {
        folded(name, &encoded_words(value))
    }
}

/// A field of Message-IDs in angle brackets, folded between them; empty for an empty list.
pub fn ids(name: &str, ids: &[String]) -> String {
    let bracketed: Vec<String> = ids.iter().map(|id| format!("<{id}>")).collect();
    folded(name, &bracketed)
}

/// A field whose value is ASCII and fits in one line.
pub fn verbatim(name: &str, value: &str) -> String {
    format!("{name}: {value}\r\n")
}

/// The Date field; `millis` since 1970 was validated to lie before the year 10000.
pub fn date(millis: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(millis / 1000);
    let moment = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    verbatim("Date", &moment.format(&Rfc2822).unwrap_or_default())
}

/// Content-Disposition, with the file name, if any.
pub fn disposition(kind: Disposition, filename: Option<&str>) -> String {
    let kind = match kind {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    };
    let mut words = vec![kind.to_owned()];
    words.extend(filename.into_iter().flat_map(|name| parameter("filename", name)));
    let last = words.len() - 1;
    for word in words.iter_mut().take(last) {
        word.push(';');
    }
    folded("Content-Disposition", &words)
}

/// A parameter as a quoted string, or in sections of UTF-8 (RFC 2231 sections 3 and 4).
fn parameter(name: &str, value: &str) -> Vec<String> {
    // Parsers disagree about backslashes in quoted strings.
    if is_plain(value) && value.len() <= LONGEST_QUOTED && !value.contains(['"', '\\']) {
        return vec![format!("{name}=\"{value}\"")];
    }
    let mut sections = vec!["utf-8''".to_owned()];
    for character in value.chars() {
        let spelled = percent::encode_value(character.encode_utf8(&mut [0; 4]));
        match sections.last_mut() {
            Some(section) if section.len() + spelled.len() <= LONGEST_SECTION => {
                *section += &spelled
            }
            _ => sections.push(spelled),
        }
    }
    match sections.as_slice() {
        [only] => vec![format!("{name}*={only}")],
        several => {
            let several = several.iter().enumerate();
            several.map(|(number, section)| format!("{name}*{number}*={section}")).collect()
        }
    }
}

/// A field of words separated by a space; empty when there is none. Each line has at most 78
/// characters, unless a word is longer.
fn folded(name: &str, words: &[String]) -> String {
    if words.is_empty() {
        return String::new();
    }
    let mut field = format!("{name}:");
    let mut column = field.len();
    for (index, word) in words.iter().enumerate() {
        // The first word stays with the name: some parsers take a line of white space for the end
        // of the header.
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

/// ASCII that is read back unchanged, however it is folded.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !value.contains("=?")
        && value.split(' ').all(|word| !word.is_empty() && word.len() <= LONGEST_WORD)
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Encoded-words of whole characters (RFC 2047 section 5).
fn encoded_words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut piece = String::new();
    for character in value.chars() {
        if piece.len() + character.len_utf8() > BYTES_PER_WORD {
            words.push(encoded_word(&piece));
            piece.clear();
        }
        piece.push(character);
    }
    if !piece.is_empty() {
        words.push(encoded_word(&piece));
    }
    words
}

fn encoded_word(piece: &str) -> String {
    format!("=?utf-8?b?{}?=", STANDARD.encode(piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::address::Mailbox;
    use crate::header::date::parse;

    #[test]
    fn a_long_list_of_people_is_folded_between_them() {
        let bob = || Person { name: None, mailbox: Mailbox::parse("bob@example.test").unwrap() };
        let list: Vec<Person> = std::iter::repeat_with(bob).take(100).collect();
        let field = people("To", &list);
        assert!(field.split("\r\n").all(|line| line.len() <= 78), "{field}");
        let plain = vec!["bob@example.test"; 100].join(", ");
        assert_eq!(field.replace("\r\n ", " "), format!("To: {plain}\r\n"));
    }

    #[test]
    fn names_are_atoms_a_quoted_string_or_encoded_words() {
        for (name, want) in [
            ("Ann Lee", "Ann Lee"),
            ("Doe, Ann", "\"Doe, Ann\""),
            ("A. \"B\" \\", "\"A. \\\"B\\\" \\\\\""),
            ("Ünal", "=?utf-8?b?w5xuYWw=?="),
            ("a  b", "=?utf-8?b?YSAgYg==?="),
            (" a", "=?utf-8?b?IGE=?="),
            ("=?a?q?b?=", "=?utf-8?b?PT9hP3E/Yj89?="),
        ] {
            let mailbox = Mailbox::parse("a@b").unwrap();
            let field = people("To", &[Person { name: Some(name.to_owned()), mailbox }]);
            assert_eq!(field, format!("To: {want} <a@b>\r\n"));
        }
    }

    #[test]
    fn file_names_are_quoted_or_spelled_out() {
        let check = |name: &str, want: &str| {
            let field = disposition(Disposition::Attachment, Some(name));
            assert_eq!(field, format!("Content-Disposition: attachment;{want}\r\n"));
            assert!(field.split("\r\n").all(|line| line.len() <= 78), "{field}");
        };
        check("a b.pdf", " filename=\"a b.pdf\"");
        check("a\"b", " filename*=utf-8''a%22b");
        check("你.pdf", " filename*=utf-8''%E4%BD%A0.pdf");
        check(
            &"你".repeat(8),
            "\r\n filename*0*=utf-8''%E4%BD%A0%E4%BD%A0%E4%BD%A0%E4%BD%A0;\r\n \
             filename*1*=%E4%BD%A0%E4%BD%A0%E4%BD%A0%E4%BD%A0",
        );
        assert_eq!(disposition(Disposition::Inline, None), "Content-Disposition: inline\r\n");
    }

    #[test]
    fn every_day_is_written_and_read_back() {
        assert_eq!(date(1_637_446_921_000), "Date: Sat, 20 Nov 2021 22:22:01 +0000\r\n");
        assert_eq!(date(253_402_300_799_000), "Date: Fri, 31 Dec 9999 23:59:59 +0000\r\n");
        assert_eq!(date(951_782_400_000), "Date: Tue, 29 Feb 2000 00:00:00 +0000\r\n");
        for day in 0..376_000i64 {
            let millis = day * 86_400_000 + (day % 86_400) * 1000;
            let written = date(millis);
            assert_eq!(parse(written.strip_prefix("Date: ").unwrap().trim_end()), Some(millis));
        }
    }
}
