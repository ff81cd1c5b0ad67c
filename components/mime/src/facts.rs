//! What a header says, as facts for a list row and for a fetched message.
//!
//! Odd mail is never a failure: a field that cannot be read is none or empty.
//!
//! Standards: RFC 5322 sections 3.4 (addresses), 3.6.4 (identification).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mail_parser::parsers::MessageStream;
use sha2::Digest;
use sha2::Sha256;

use crate::date;
use crate::fields::{Fields, split};
use crate::words::{merge, tidy, unfold};

/// A mailbox address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    pub name: Option<String>,
    /// Empty when the field names somebody without an address.
    pub email: String,
}

/// What a list row needs.
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

/// What a fetched message shows beyond [`Facts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub reply_to: Vec<Address>,
    pub bcc: Vec<Address>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
}

/// More than any real field names; the rest is left out.
const MOST_ADDRESSES: usize = 10_000;

/// Facts of one header block; of a very long one as far as it is read.
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

/// Of the first id of a conversation: short, and alike for all its messages.
fn digest(id: &str) -> String {
    let hash = Sha256::digest(id.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
}

/// Message ids without angle brackets. Where there are no brackets, words with an `@`.
fn ids(fields: &Fields, name: &str) -> Vec<String> {
    let Some(raw) = fields.raw(name) else { return Vec::new() };
    let text = unfold(raw);
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, tail)) = rest.split_once('<') {
        let Some((id, after)) = tail.split_once('>') else { break };
        // Folding left white space inside; an id never holds any.
        let id: String = id.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        if !id.is_empty() {
            found.push(id);
        }
        rest = after;
    }
    if found.is_empty() {
        let words = text.split([' ', '\t', ',']).map(|word| word.trim_matches(['<', '>']));
        found.extend(words.filter(|word| word.contains('@')).map(tidy));
    }
    found
}

/// All addresses of all fields of that name; groups are opened.
fn addresses(fields: &Fields, name: &str) -> Vec<Address> {
    let mut found = Vec::new();
    for raw in fields.all_raw(name) {
        let line = format!("{}\n", merge(raw));
        let value = MessageStream::new(line.as_bytes()).parse_address();
        let Some(list) = value.as_address() else { continue };
        for entry in list.iter().take(MOST_ADDRESSES - found.len()) {
            let name = entry.name.as_deref().map(tidy).unwrap_or_default();
            let email = entry.address.as_deref().map(tidy).unwrap_or_default();
            found.extend(address(name, email));
        }
    }
    found
}

fn address(name: String, email: String) -> Option<Address> {
    let spelled: String = email.chars().filter(|c| !c.is_whitespace()).collect();
    // `Undisclosed-Recipient` and the like are names, though the grammar takes them for addresses.
    let (name, email) = match (spelled.contains('@'), name.is_empty()) {
        (true, _) => (name, spelled),
        (false, true) => (email, String::new()),
        (false, false) => (name, String::new()),
    };
    let name = Some(name).filter(|name| !name.is_empty());
    (name.is_some() || !email.is_empty()).then_some(Address { name, email })
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
    }

    #[test]
    fn odd_addresses() {
        check(", user@x.example", &[bare("user@x.example")]);
        check("Undisclosed-Recipient:;", &[]);
        check(
            "friends: a@b.example, C <c@d.example>;",
            &[bare("a@b.example"), named("C", "c@d.example")],
        );
        check("john@machine.  example", &[bare("john@machine.example")]);
        check("\"=?utf-8?b?5L2g5aW9?=\" <a@b.example>", &[named("你好", "a@b.example")]);
        check("=?utf-8?q?a=0D=0Ab?= <a@b.example>", &[named("a  b", "a@b.example")]);
        check("用户@例子.example", &[bare("用户@例子.example")]);
        check("", &[]);
    }

    #[test]
    fn unlabelled_chinese_is_read() {
        let facts = summarise(b"From: \xd5\xc5\xc8\xfd <z@x.example>\r\nSubject: \xbb\xe1\xd2\xe9\xcd\xa8\xd6\xaa\r\n\r\n");
        assert_eq!(facts.sender, [named("张三", "z@x.example")]);
        assert_eq!(facts.subject.as_deref(), Some("会议通知"));
    }

    #[track_caller]
    fn check(raw: &str, want: &[Address]) {
        let block = format!("To: {raw}\r\n\r\n");
        assert_eq!(summarise(block.as_bytes()).to, want, "{raw:?}");
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
