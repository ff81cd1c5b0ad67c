//! Header summary: the fields that a list of messages and a single message show.
//!
//! Malformed mail is never an error: a field that cannot be parsed is none or empty.
//!
//! Standard: RFC 5322 sections 3.6 and 3.6.4 (identification).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest;
use sha2::Sha256;

use crate::header::address_list::{self, Address};
use crate::header::date;
use crate::header::encoded_words::unfold;
use crate::header::fields::{Fields, split};

/// The header fields of a message in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub message_id: Option<String>,
    pub thread_id: String,
    /// Milliseconds since 1970.
    pub date: Option<i64>,
    pub sender: Vec<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub subject: Option<String>,
}

/// The header fields of a single message beyond [`Facts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub reply_to: Vec<Address>,
    pub bcc: Vec<Address>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
}

/// The most addresses, more than real fields have; the rest is left out.
const MOST_ADDRESSES: usize = 10_000;

/// The summary of one header block; of a very long one, of the part that is parsed.
pub fn summarise(block: &[u8]) -> Facts {
    facts(&split(block, 0, &|_| false).fields)
}

pub fn facts(fields: &Fields) -> Facts {
    let message_id = ids(fields, "Message-ID").into_iter().next();
    let root = ids(fields, "References")
        .into_iter()
        .next()
        .or_else(|| ids(fields, "In-Reply-To").into_iter().next());
    Facts {
        thread_id: root.as_ref().or(message_id.as_ref()).map(|id| digest(id)).unwrap_or_default(),
        message_id,
        date: fields.raw("Date").and_then(|raw| date::parse(&unfold(raw))),
        sender: addresses(fields, "From"),
        to: addresses(fields, "To"),
        cc: addresses(fields, "Cc"),
        subject: fields.text("Subject").filter(|subject| !subject.is_empty()),
    }
}

pub fn details(fields: &Fields) -> Details {
    Details {
        reply_to: addresses(fields, "Reply-To"),
        bcc: addresses(fields, "Bcc"),
        in_reply_to: ids(fields, "In-Reply-To"),
        references: ids(fields, "References"),
    }
}

/// Digest of the first id of a conversation: short, and equal for all its messages.
fn digest(id: &str) -> String {
    let hash = Sha256::digest(id.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
}

/// The most ids of one field: the first and the last ones. With the message's own a draft accepts
/// them all.
const MOST_IDS: usize = 999;

/// Message ids without angle brackets. Without any brackets, words with an `@`.
fn ids(fields: &Fields, name: &str) -> Vec<String> {
    let Some(raw) = fields.raw(name) else { return Vec::new() };
    let text = unfold(raw);
    // Folding leaves white space within an id, which never holds any.
    let plain =
        |id: &str| id.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect::<String>();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, tail)) = rest.split_once('<') {
        let Some((id, after)) = tail.split_once('>') else { break };
        // An unclosed one is not part of the next.
        found.push(plain(id.rsplit('<').next().unwrap_or(id)));
        rest = after;
    }
    found.retain(|id| !id.is_empty());
    if found.is_empty() {
        let words = text.split([' ', '\t', ',', '<', '>']);
        found.extend(words.filter(|word| word.contains('@')).map(plain));
    }
    if found.len() > MOST_IDS {
        found.drain(1..=found.len() - MOST_IDS);
    }
    found
}

/// The addresses of all fields of that name.
fn addresses(fields: &Fields, name: &str) -> Vec<Address> {
    let mut found = Vec::new();
    for raw in fields.all_raw(name) {
        found.extend(address_list::parse(&unfold(raw), MOST_ADDRESSES - found.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_row_from_an_ordinary_header() {
        let facts = summarise(
            b"From: =?gbk?b?xOO6ww==?= <a@b.example>\r\nTo: \"Bo, C\" <bo@c.example>, d@e.example\r\n\
              Subject: =?utf-8?q?caf=C3=A9?=\r\nDate: Sat, 20 Nov 2021 14:22:01 -0800\r\n\
              Message-ID: <m1@x>\r\n\r\n",
        );
        assert_eq!(facts.sender, [named("你好", "a@b.example")]);
        assert_eq!(facts.to, [named("Bo, C", "bo@c.example"), bare("d@e.example")]);
        assert_eq!(facts.subject.as_deref(), Some("café"));
        assert_eq!(facts.date, Some(1_637_446_921_000));
        assert_eq!(facts.message_id.as_deref(), Some("m1@x"));
    }

    #[test]
    fn a_thread_is_named_after_its_first_message() {
        let first = thread("Message-ID: <root@x>\r\n");
        assert_eq!(first.len(), 22);
        assert_eq!(thread("Message-ID: <b@x>\r\nIn-Reply-To: <root@x>\r\n"), first);
        assert_eq!(
            thread("Message-ID: <c@x>\r\nIn-Reply-To: <b@x>\r\nReferences: <root@x>\r\n <b@x>\r\n"),
            first
        );
        assert_eq!(thread("In-Reply-To:\r\nMessage-ID: <root@x>\r\n"), first);
        assert_eq!(thread("Subject: none of them\r\n"), "");
        assert_eq!(thread("References: <broken <root@x>\r\n"), first);
    }

    #[test]
    fn unlabelled_chinese_is_read() {
        let facts = summarise(b"From: \xd5\xc5\xc8\xfd <z@x.example>\r\nSubject: \xbb\xe1\xd2\xe9\xcd\xa8\xd6\xaa\r\n\r\n");
        assert_eq!(facts.sender, [named("张三", "z@x.example")]);
        assert_eq!(facts.subject.as_deref(), Some("会议通知"));
    }

    #[test]
    fn an_id_is_one_that_a_bracket_takes() {
        let ids = |value: &str| {
            let block = format!("References: {value}\r\n\r\n");
            details(&split(block.as_bytes(), 0, &|_| false).fields).references
        };
        assert_eq!(ids("<a@x><b@x> and <c @x>"), ["a@x", "b@x", "c@x"]);
        assert_eq!(ids("a<b@x"), ["b@x"]);
        assert_eq!(ids("a@x, <b@x"), ["a@x", "b@x"]);
        assert_eq!(ids("a@\u{1}x\u{3000}y"), ["a@xy"]);
        assert_eq!(ids("<> < > <é@x>"), ["é@x"]);
        let many: Vec<String> = (0..3_000).map(|n| format!("<{n}@x>")).collect();
        let shown = ids(&many.join(" "));
        assert_eq!(shown.len(), 999);
        assert_eq!([&shown[0], &shown[1], &shown[998]], ["0@x", "2002@x", "2999@x"]);
    }

    fn thread(block: &str) -> String {
        summarise(block.as_bytes()).thread_id
    }

    fn named(name: &str, email: &str) -> Address {
        Address { name: Some(name.to_owned()), email: email.to_owned() }
    }

    fn bare(email: &str) -> Address {
        Address { name: None, email: email.to_owned() }
    }
}
