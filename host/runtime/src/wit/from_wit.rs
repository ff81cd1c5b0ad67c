//! Conversion from WIT types to the model: values that a guest passes to the host.
//!
//! Handles inside a value are taken out of the guest's table, which is why drafts need it.
//! Everything else is plain data.

use model::filter::{Edit, Footer, Refusal, Verdict};
use model::instant::Timestamp;
use model::mail::address::Address;
use model::mail::draft::{Attachment, Disposition, Draft};
use model::mail::message::{
    Cut, Flag, FlagChange, Header, HeaderSummary, InvalidFlag, MessageQuery, ParsedMessage, Part,
    ReplyHeaders, Usage,
};
use model::port::capabilities::Body;
use model::problem::Fault;
use model::submission::State;
use wasmtime::component::ResourceTable;

use crate::wit::bindings::before_send::exports::postlet::mail::before_send;
use crate::wit::bindings::capabilities::postlet::mail as wit;
use crate::wit::bindings::mime_engine::exports::postlet::mail::mime;
use crate::wit::bindings::mime_engine::postlet::mail::filtering;

pub(crate) fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn address(address: wit::types::Address) -> Address {
    Address { name: address.name, email: address.email }
}

pub(crate) fn addresses(list: Vec<wit::types::Address>) -> Vec<Address> {
    list.into_iter().map(address).collect()
}

pub(crate) fn headers(list: Vec<wit::types::Header>) -> Vec<Header> {
    list.into_iter().map(|wit::types::Header { name, value }| Header { name, value }).collect()
}

pub(crate) fn draft(
    table: &mut ResourceTable,
    draft: wit::drafts::Draft,
) -> wasmtime::Result<Draft> {
    let mut attachments = Vec::with_capacity(draft.attachments.len());
    for attachment in draft.attachments {
        attachments.push(Attachment {
            filename: attachment.filename,
            content_type: attachment.content_type,
            disposition: match attachment.disposition {
                wit::drafts::Disposition::Attachment => Disposition::Attachment,
                wit::drafts::Disposition::Inline => Disposition::Inline,
            },
            content_id: attachment.content_id,
            content: table.delete(attachment.content)?,
        });
    }
    Ok(Draft {
        sender: draft.sender.map(address),
        reply_to: addresses(draft.reply_to),
        to: addresses(draft.to),
        cc: addresses(draft.cc),
        bcc: addresses(draft.bcc),
        subject: draft.subject,
        text: draft.text,
        html: draft.html,
        attachments,
        in_reply_to: draft.in_reply_to,
        references: draft.references,
        headers: headers(draft.headers),
    })
}

pub(crate) fn query(query: wit::messages::Query) -> MessageQuery {
    MessageQuery {
        mailbox: query.mailbox,
        preview: query.want.contains(wit::messages::Want::PREVIEW),
        attachments: query.want.contains(wit::messages::Want::ATTACHMENTS),
        cursor: query.cursor,
        limit: query.limit,
    }
}

/// Why a change of flags is invalid.
#[derive(Debug)]
pub(crate) enum FlagFault {
    /// The flag may not be sent.
    Flag(String, InvalidFlag),
    /// `set` beside `add` or `remove`.
    SetAndEdit,
}

pub(crate) fn flag_change(change: wit::messages::FlagChange) -> Result<FlagChange, FlagFault> {
    match change.set {
        Some(_) if !change.add.is_empty() || !change.remove.is_empty() => {
            Err(FlagFault::SetAndEdit)
        }
        Some(set) => Ok(FlagChange::Set(flags(set)?)),
        None => Ok(FlagChange::Edit { add: flags(change.add)?, remove: flags(change.remove)? }),
    }
}

fn flags(words: Vec<String>) -> Result<Vec<Flag>, FlagFault> {
    words
        .into_iter()
        .map(|word| word.parse().map_err(|fault| FlagFault::Flag(word, fault)))
        .collect()
}

pub(crate) fn body(kind: wit::reading::Body) -> Body {
    match kind {
        wit::reading::Body::Text => Body::Text,
        wit::reading::Body::Html => Body::Html,
        wit::reading::Body::HtmlAsSent => Body::HtmlAsSent,
    }
}

pub(crate) fn state(state: wit::outcomes::State) -> State {
    match state {
        wit::outcomes::State::Accepted => State::Accepted,
        wit::outcomes::State::Claimed => State::Claimed,
        wit::outcomes::State::Dialing => State::Dialing,
        wit::outcomes::State::DotSent => State::DotSent,
        wit::outcomes::State::Sent => State::Sent,
        wit::outcomes::State::Deferred => State::Deferred,
        wit::outcomes::State::Failed => State::Failed,
        wit::outcomes::State::Uncertain => State::Uncertain,
        wit::outcomes::State::Cancelled => State::Cancelled,
        wit::outcomes::State::Expired => State::Expired,
    }
}

pub(crate) fn facts(facts: wit::content::Facts) -> HeaderSummary {
    HeaderSummary {
        message_id: facts.message_id,
        thread_id: facts.thread_id,
        date: facts.date.map(instant),
        sender: addresses(facts.sender),
        to: addresses(facts.to),
        cc: addresses(facts.cc),
        subject: facts.subject,
    }
}

pub(crate) fn reading(reading: mime::Reading) -> ParsedMessage {
    ParsedMessage {
        facts: facts(reading.facts),
        headers: headers(reading.headers),
        details: reading.details.map(|details| ReplyHeaders {
            reply_to: addresses(details.reply_to),
            bcc: addresses(details.bcc),
            in_reply_to: details.in_reply_to,
            references: details.references,
        }),
        parts: reading.parts.into_iter().map(part).collect(),
        text: reading.text,
        html: reading.html,
        html_as_sent: reading.html_as_sent,
        preview: reading.preview,
        has_attachments: reading.has_attachments,
        cut: Cut {
            text: reading.cut.contains(mime::Want::TEXT),
            html: reading.cut.contains(mime::Want::HTML),
            html_as_sent: reading.cut.contains(mime::Want::HTML_AS_SENT),
        },
        faults: faults(reading.faults),
    }
}

fn part(part: wit::content::Part) -> Part {
    Part {
        path: part.path,
        content_type: part.content_type,
        charset: part.charset,
        filename: part.filename,
        content_id: part.content_id,
        disposition: part.disposition,
        size: part.size,
        method: part.method,
        usage: part.use_.map(|usage| match usage {
            wit::content::Usage::Body => Usage::Body,
            wit::content::Usage::Alternative => Usage::Alternative,
            wit::content::Usage::Inline => Usage::Inline,
            wit::content::Usage::Attachment => Usage::Attachment,
        }),
    }
}

pub(crate) fn verdict(verdict: before_send::Verdict) -> Verdict {
    match verdict {
        before_send::Verdict::Accept => Verdict::Accept,
        before_send::Verdict::Modify(edits) => {
            Verdict::Modify(edits.into_iter().map(edit).collect())
        }
        before_send::Verdict::Reject(filtering::Refusal { code, detail }) => {
            Verdict::Reject(Refusal { code, detail })
        }
    }
}

fn edit(edit: filtering::Edit) -> Edit {
    match edit {
        filtering::Edit::AddHeader(wit::types::Header { name, value }) => {
            Edit::AddHeader(Header { name, value })
        }
        filtering::Edit::RemoveHeader(name) => Edit::RemoveHeader(name),
        filtering::Edit::SetSubject(subject) => Edit::SetSubject(subject),
        filtering::Edit::SetText(text) => Edit::SetText(text),
        filtering::Edit::SetHtml(html) => Edit::SetHtml(html),
        filtering::Edit::AddFooter(filtering::Footer { text, html }) => {
            Edit::AddFooter(Footer { text, html })
        }
        filtering::Edit::AddRecipient(email) => Edit::AddRecipient(email),
        filtering::Edit::RemoveRecipient(email) => Edit::RemoveRecipient(email),
    }
}

pub(crate) fn faults(list: Vec<wit::types::Fault>) -> Vec<Fault> {
    list.into_iter()
        .map(|wit::types::Fault { pointer, code, detail }| Fault { pointer, code, detail })
        .collect()
}
