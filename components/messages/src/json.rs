//! JSON of messages, in a list and alone.
//!
//! The structs borrow from the records that the host returned and are serialised in one pass. A
//! member that was not requested is left out; one that was requested and is unknown is null.

use kit::bindings::postlet::mail::content::{Details, Part, Usage};
use kit::bindings::postlet::mail::messages::Want;
use kit::bindings::postlet::mail::reading::Summary;
use kit::bindings::postlet::mail::types;
use kit::instant::Instant;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<'a> {
    pub(crate) messages: Vec<Row<'a>>,
    pub(crate) next_cursor: Option<&'a str>,
}

/// The members that a list and a single message share.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<Option<Instant>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) received: Option<Option<Instant>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Addresses<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Addresses<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cc: Option<Addresses<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flags: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thread_id: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preview: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) has_attachments: Option<Option<bool>>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) unparsed: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) unavailable: bool,
}

/// A single message.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Full<'a> {
    #[serde(flatten)]
    pub(crate) row: Option<Row<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<Addresses<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bcc: Option<Addresses<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_reply_to: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) references: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Vec<Field<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) html: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<Vec<Leaf<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inline: Option<Vec<Leaf<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attachments: Option<Vec<Leaf<'a>>>,
    /// Faults in reading or converting the message; usually absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incomplete: Option<Vec<Lack<'a>>>,
}

/// A fault in reading or converting the message, in the format of a problem's `errors`.
#[derive(Serialize)]
pub(crate) struct Lack<'a> {
    pointer: &'a str,
    code: &'a str,
    detail: &'a str,
}

/// A part that is not a multipart.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Leaf<'a> {
    /// The attachment's number, counted from 1: the `{n}` of `/attachments/{n}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<usize>,
    part: &'a str,
    #[serde(rename = "use")]
    usage: &'static str,
    filename: Option<&'a str>,
    content_type: &'a str,
    charset: Option<&'a str>,
    method: Option<&'a str>,
    size: u64,
    disposition: Option<&'a str>,
    content_id: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Field<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct Address<'a> {
    name: Option<&'a str>,
    email: Option<&'a str>,
}

/// Serialised without an intermediate list: a page has hundreds of addresses.
pub(crate) struct Addresses<'a>(pub(crate) &'a [types::Address]);

impl Serialize for Addresses<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|one| Address {
            name: one.name.as_deref(),
            email: Some(one.email.as_str()).filter(|email| !email.is_empty()),
        }))
    }
}

impl<'a> Row<'a> {
    pub(crate) fn new(summary: &'a Summary) -> Self {
        let stored = summary.stored.as_ref();
        let facts = &summary.facts;
        Self {
            id: Some(stored.map(|stored| stored.key.as_str())),
            mailbox: Some(stored.map(|stored| stored.mailbox.as_str())),
            uid: Some(stored.map(|stored| stored.uid)),
            message_id: Some(facts.message_id.as_deref()),
            date: Some(facts.date.map(Instant)),
            received: Some(stored.and_then(|stored| stored.received).map(Instant)),
            from: Some(Addresses(&facts.sender)),
            to: Some(Addresses(&facts.to)),
            cc: Some(Addresses(&facts.cc)),
            subject: Some(facts.subject.as_deref()),
            flags: Some(stored.map_or(&[], |stored| stored.keywords.as_slice())),
            size: Some(summary.size),
            thread_id: Some(Some(facts.thread_id.as_str()).filter(|id| !id.is_empty())),
            preview: None,
            has_attachments: None,
            unparsed: summary.unparsed,
            unavailable: summary.unavailable,
        }
    }

    /// Adds the members that need the whole message.
    pub(crate) fn expanded(mut self, summary: &'a Summary, want: Want) -> Self {
        self.preview = want.contains(Want::PREVIEW).then_some(summary.preview.as_deref());
        self.has_attachments = want.contains(Want::ATTACHMENTS).then_some(summary.has_attachments);
        self
    }

    /// Keeps the requested members only.
    pub(crate) fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        macro_rules! keep {
            ($($name:literal $member:ident),*) => {
                $(if !wanted($name) { self.$member = None; })*
            };
        }
        keep!("id" id, "mailbox" mailbox, "uid" uid, "messageId" message_id, "date" date, "received" received,
            "from" from, "to" to, "cc" cc, "subject" subject, "flags" flags, "size" size, "threadId" thread_id);
        self
    }
}

impl<'a> Full<'a> {
    pub(crate) fn add(&mut self, details: &'a Details, wanted: impl Fn(&str) -> bool) {
        self.reply_to = wanted("replyTo").then_some(Addresses(&details.reply_to));
        self.bcc = wanted("bcc").then_some(Addresses(&details.bcc));
        self.in_reply_to = wanted("inReplyTo").then_some(&details.in_reply_to);
        self.references = wanted("references").then_some(&details.references);
    }
}

impl<'a> Leaf<'a> {
    /// All leaf parts, in order.
    pub(crate) fn all(parts: &'a [Part]) -> Vec<Self> {
        parts.iter().filter_map(|part| Self::new(part, None)).collect()
    }

    /// Those with the use `inline`.
    pub(crate) fn inline(parts: &'a [Part]) -> Vec<Self> {
        let inline = parts.iter().filter(|part| part.use_ == Some(Usage::Inline));
        inline.filter_map(|part| Self::new(part, None)).collect()
    }

    /// Those with the use `attachment`, numbered.
    pub(crate) fn attachments(parts: &'a [Part]) -> Vec<Self> {
        let attachments = (1..).zip(attachments(parts));
        attachments.filter_map(|(number, part)| Self::new(part, Some(number))).collect()
    }

    fn new(part: &'a Part, number: Option<usize>) -> Option<Self> {
        Some(Self {
            number,
            part: &part.path,
            usage: match part.use_? {
                Usage::Body => "body",
                Usage::Alternative => "alternative",
                Usage::Inline => "inline",
                Usage::Attachment => "attachment",
            },
            filename: part.filename.as_deref(),
            content_type: &part.content_type,
            charset: part.charset.as_deref(),
            method: part.method.as_deref(),
            size: part.size,
            disposition: part.disposition.as_deref(),
            content_id: part.content_id.as_deref(),
        })
    }
}

/// The attachments, in the order of their numbers.
pub(crate) fn attachments(parts: &[Part]) -> impl Iterator<Item = &Part> {
    parts.iter().filter(|part| part.use_ == Some(Usage::Attachment))
}

impl<'a> Lack<'a> {
    pub(crate) fn new(fault: &'a types::Fault) -> Self {
        Self { pointer: &fault.pointer, code: &fault.code, detail: &fault.detail }
    }
}

impl<'a> Field<'a> {
    pub(crate) fn new(header: &'a types::Header) -> Self {
        Self { name: &header.name, value: &header.value }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use kit::bindings::postlet::mail::content::Facts;
    use serde_json::{Value, json};

    use super::*;

    /// Otherwise all messages without ids would share one conversation.
    #[test]
    fn a_message_without_usable_ids_is_of_no_thread() {
        assert_eq!(thread(""), Value::Null);
        assert_eq!(thread("t1"), json!("t1"));
    }

    fn thread(thread_id: &str) -> Value {
        let facts = Facts {
            message_id: None,
            thread_id: thread_id.to_owned(),
            date: None,
            sender: Vec::new(),
            to: Vec::new(),
            cc: Vec::new(),
            subject: None,
        };
        let summary = Summary {
            stored: None,
            facts,
            size: None,
            unparsed: false,
            unavailable: false,
            preview: None,
            has_attachments: None,
        };
        serde_json::to_value(Row::new(&summary)).unwrap()["threadId"].take()
    }
}
