//! Conversion of the host's records of messages to JSON.
//!
//! The JSON borrows from the records and is serialised in one pass.

use std::num::NonZeroU32;

use kit::bindings::postlet::mail::content::{Details, Part, Usage};
use kit::bindings::postlet::mail::messages::Want;
use kit::bindings::postlet::mail::reading::Summary;
use kit::bindings::postlet::mail::types;
use shapes::instant::Instant;
use shapes::member::Optional;
use shapes::messages as json;

/// A message of a list, with the members that need the whole message if these were requested.
pub(crate) fn row(summary: &Summary, want: Want) -> json::Row<'_> {
    json::Row {
        summary: members(summary),
        preview: Optional(want.contains(Want::PREVIEW).then_some(summary.preview.as_deref())),
        has_attachments: Optional(
            want.contains(Want::ATTACHMENTS).then_some(summary.has_attachments),
        ),
        defects: defects(summary),
    }
}

pub(crate) fn members(summary: &Summary) -> json::Summary<'_> {
    let stored = summary.stored.as_ref();
    let facts = &summary.facts;
    json::Summary {
        id: set(stored.map(|stored| stored.key.as_str())),
        mailbox: set(stored.map(|stored| stored.mailbox.as_str())),
        uid: set(stored.map(|stored| stored.uid)),
        message_id: set(facts.message_id.as_deref()),
        date: set(facts.date.map(Instant)),
        received: set(stored.and_then(|stored| stored.received).map(Instant)),
        from: set(addresses(&facts.sender)),
        to: set(addresses(&facts.to)),
        cc: set(addresses(&facts.cc)),
        subject: set(facts.subject.as_deref()),
        flags: set(stored.map_or(&[], |stored| stored.keywords.as_slice())),
        size: set(summary.size),
        thread_id: set(Some(facts.thread_id.as_str()).filter(|id| !id.is_empty())),
    }
}

pub(crate) fn defects(summary: &Summary) -> json::Defects {
    json::Defects { unparsed: summary.unparsed, unavailable: summary.unavailable }
}

pub(crate) fn details(details: &Details) -> json::Details<'_> {
    json::Details {
        reply_to: set(addresses(&details.reply_to)),
        bcc: set(addresses(&details.bcc)),
        in_reply_to: set(&details.in_reply_to),
        references: set(&details.references),
    }
}

pub(crate) fn structure(parts: &[Part]) -> json::Structure<'_> {
    let inline = parts.iter().filter(|part| part.use_ == Some(Usage::Inline));
    let numbered = (1..).filter_map(NonZeroU32::new).zip(attachments(parts));
    json::Structure {
        parts: set(parts.iter().filter_map(leaf).collect()),
        inline: set(inline.filter_map(leaf).collect()),
        attachments: set(numbered
            .filter_map(|(number, part)| Some(json::Attachment { number, part: leaf(part)? }))
            .collect()),
    }
}

/// The attachments, in the order of their numbers.
pub(crate) fn attachments(parts: &[Part]) -> impl Iterator<Item = &Part> {
    parts.iter().filter(|part| part.use_ == Some(Usage::Attachment))
}

pub(crate) fn fields(headers: &[types::Header]) -> Vec<json::Field<'_>> {
    let pairs = headers.iter().map(|header| (&header.name, &header.value));
    pairs.map(|(name, value)| json::Field { name, value }).collect()
}

pub(crate) fn fault(fault: &types::Fault) -> json::Fault<'_> {
    json::Fault { pointer: &fault.pointer, code: &fault.code, detail: &fault.detail }
}

pub(crate) fn set<T>(value: T) -> Optional<T> {
    Optional(Some(value))
}

fn addresses(list: &[types::Address]) -> Vec<json::MailAddress<'_>> {
    list.iter().map(address).collect()
}

fn address(one: &types::Address) -> json::MailAddress<'_> {
    let email = Some(one.email.as_str()).filter(|email| !email.is_empty());
    json::MailAddress { name: one.name.as_deref(), email }
}

/// None for a multipart.
fn leaf(part: &Part) -> Option<json::Part<'_>> {
    Some(json::Part {
        part: &part.path,
        usage: match part.use_? {
            Usage::Body => json::Usage::Body,
            Usage::Alternative => json::Usage::Alternative,
            Usage::Inline => json::Usage::Inline,
            Usage::Attachment => json::Usage::Attachment,
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
        serde_json::to_value(members(&summary)).unwrap()["threadId"].take()
    }
}
