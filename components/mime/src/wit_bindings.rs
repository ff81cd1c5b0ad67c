//! The WIT side: records in and out, and nothing decided.
//!
//! The generated types stay in this file; the rest of the crate has its own, so that it can be
//! tested without a host.

use crate::compose::{compose, draft, edit};
use crate::fault;
use crate::header::{address_list, summary};
use crate::octets;
use crate::read;
use crate::read::part_use;
use crate::rewrite::rewrite;

mod bindings {
    //! What wit-bindgen makes of the world `mime-engine`.
    wit_bindgen::generate!({
        world: "mime-engine",
        path: "../../wit",
        generate_all,
    });
}

use bindings::exports::postlet::mail::mime::{Composed, Guest, Reading, Rewritten, Want};
use bindings::postlet::mail::content;
use bindings::postlet::mail::drafts;
use bindings::postlet::mail::filtering;
use bindings::postlet::mail::types;
use bindings::postlet::mail::uploads::Spool;

struct Component;

#[expect(unsafe_code, reason = "the component model's export shims are unsafe functions")]
const _: () = {
    bindings::export!(Component with_types_in bindings);
};

impl Guest for Component {
    fn summarise(blocks: Vec<Vec<u8>>) -> Vec<Option<content::Facts>> {
        blocks.iter().map(|block| Some(to_facts(summary::summarise(block)))).collect()
    }

    fn read(raw: &types::Octets, want: Want, limit: u32) -> Result<Reading, Vec<types::Fault>> {
        let want = read::Want {
            headers: want.contains(Want::HEADERS),
            details: want.contains(Want::DETAILS),
            structure: want.contains(Want::STRUCTURE),
            text: want.contains(Want::TEXT),
            html: want.contains(Want::HTML),
            html_as_sent: want.contains(Want::HTML_AS_SENT),
            preview: want.contains(Want::PREVIEW),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let reading =
            read::read(&Borrowed(raw), want, limit).map_err(|fault| to_faults(vec![fault]))?;
        Ok(Reading {
            facts: to_facts(reading.facts),
            headers: reading.headers.into_iter().map(to_header).collect(),
            details: reading.details.map(to_details),
            parts: reading.parts.into_iter().map(to_part).collect(),
            text: reading.text,
            html: reading.html,
            html_as_sent: reading.html_as_sent,
            preview: reading.preview,
            has_attachments: reading.has_attachments,
            cut: to_want(reading.cut),
            faults: to_faults(reading.faults),
        })
    }

    fn decode(raw: &types::Octets, path: String) -> Result<types::Octets, Vec<types::Fault>> {
        to_spool(|sink| read::decode(&Borrowed(raw), &path, sink).map_err(|fault| vec![fault]))
            .map(|((), octets)| octets)
    }

    fn compose(
        draft: drafts::Draft,
        message_id: String,
        date: types::Instant,
    ) -> Result<Composed, Vec<types::Fault>> {
        let draft = from_draft(draft);
        let stamp = draft::Stamp { message_id, date };
        let (envelope, raw) = to_spool(|sink| compose(&draft, &stamp, sink))?;
        Ok(Composed { raw, sender: envelope.sender, recipients: envelope.recipients })
    }

    fn rewrite(
        raw: &types::Octets,
        recipients: Vec<String>,
        edits: Vec<filtering::Edit>,
    ) -> Result<Rewritten, Vec<types::Fault>> {
        let edits: Vec<edit::Edit> = edits.into_iter().map(from_edit).collect();
        let (recipients, raw) =
            to_spool(|sink| rewrite(&Borrowed(raw), &recipients, &edits, sink))?;
        Ok(Rewritten { raw, recipients })
    }
}

struct Borrowed<'a>(&'a types::Octets);

impl octets::Octets for Borrowed<'_> {
    fn size(&self) -> Option<u64> {
        self.0.size()
    }
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, fault::Fault> {
        read_octets(self.0, offset, length)
    }
}

struct Owned(types::Octets);

impl octets::Octets for Owned {
    fn size(&self) -> Option<u64> {
        self.0.size()
    }
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, fault::Fault> {
        read_octets(&self.0, offset, length)
    }
}

fn read_octets(octets: &types::Octets, offset: u64, length: u32) -> Result<Vec<u8>, fault::Fault> {
    octets.read(offset, length).map_err(|problem| refused(fault::Code::OctetsUnreadable, &problem))
}

struct ToSpool(Spool);

impl octets::Sink for ToSpool {
    fn write(&mut self, bytes: &[u8]) -> Result<(), fault::Fault> {
        self.0.write(bytes).map_err(|problem| refused(fault::Code::SpoolRefused, &problem))
    }
}

/// Runs a writer over a new spool; a spool that was not finished is dropped with all it holds.
fn to_spool<T>(
    write: impl FnOnce(&mut dyn octets::Sink) -> Result<T, Vec<fault::Fault>>,
) -> Result<(T, types::Octets), Vec<types::Fault>> {
    let unavailable =
        |problem: types::Problem| to_faults(vec![refused(fault::Code::SpoolRefused, &problem)]);
    let mut spool = ToSpool(Spool::create().map_err(unavailable)?);
    let value = write(&mut spool).map_err(to_faults)?;
    let octets = Spool::finish(spool.0).map_err(unavailable)?;
    Ok((value, octets))
}

fn refused(code: fault::Code, problem: &types::Problem) -> fault::Fault {
    fault::Fault::of_message(code, format!("{}: {}", problem.code, problem.detail))
}

fn to_faults(faults: Vec<fault::Fault>) -> Vec<types::Fault> {
    let faults = faults.into_iter().map(|fault| types::Fault {
        pointer: fault.pointer,
        code: fault.code.as_str().to_owned(),
        detail: fault.detail,
    });
    faults.collect()
}

fn to_facts(facts: summary::Facts) -> content::Facts {
    content::Facts {
        message_id: facts.message_id,
        thread_id: facts.thread_id,
        date: facts.date,
        sender: to_addresses(facts.sender),
        to: to_addresses(facts.to),
        cc: to_addresses(facts.cc),
        subject: facts.subject,
    }
}

fn to_details(details: summary::Details) -> content::Details {
    content::Details {
        reply_to: to_addresses(details.reply_to),
        bcc: to_addresses(details.bcc),
        in_reply_to: details.in_reply_to,
        references: details.references,
    }
}

fn to_addresses(addresses: Vec<address_list::Address>) -> Vec<types::Address> {
    let pairs = addresses.into_iter();
    pairs.map(|address| types::Address { name: address.name, email: address.email }).collect()
}

fn to_header(header: read::Header) -> types::Header {
    types::Header { name: header.name, value: header.value }
}

fn to_part(part: read::Part) -> content::Part {
    content::Part {
        path: part.path,
        content_type: part.content_type,
        charset: part.charset,
        filename: part.filename,
        content_id: part.content_id,
        disposition: part.disposition,
        size: part.size,
        method: part.method,
        use_: part.usage.map(|usage| match usage {
            part_use::Use::Body => content::Usage::Body,
            part_use::Use::Alternative => content::Usage::Alternative,
            part_use::Use::Inline => content::Usage::Inline,
            part_use::Use::Attachment => content::Usage::Attachment,
        }),
    }
}

fn to_want(cut: read::Cut) -> Want {
    let read::Cut { text, html, html_as_sent } = cut;
    let flags = [(text, Want::TEXT), (html, Want::HTML), (html_as_sent, Want::HTML_AS_SENT)];
    flags.into_iter().filter(|(cut, _)| *cut).fold(Want::empty(), |all, (_, flag)| all | flag)
}

fn from_draft(from: drafts::Draft) -> draft::Draft {
    draft::Draft {
        sender: from.sender.map(from_address),
        reply_to: from_addresses(from.reply_to),
        to: from_addresses(from.to),
        cc: from_addresses(from.cc),
        bcc: from_addresses(from.bcc),
        subject: from.subject,
        text: from.text,
        html: from.html,
        attachments: from.attachments.into_iter().map(from_attachment).collect(),
        in_reply_to: from.in_reply_to,
        references: from.references,
        headers: from.headers.into_iter().map(from_header).collect(),
    }
}

fn from_header(header: types::Header) -> read::Header {
    read::Header { name: header.name, value: header.value }
}

fn from_edit(edit: filtering::Edit) -> edit::Edit {
    match edit {
        filtering::Edit::AddHeader(header) => edit::Edit::AddHeader(from_header(header)),
        filtering::Edit::RemoveHeader(name) => edit::Edit::RemoveHeader(name),
        filtering::Edit::SetSubject(subject) => edit::Edit::SetSubject(subject),
        filtering::Edit::SetText(text) => edit::Edit::SetText(text),
        filtering::Edit::SetHtml(html) => edit::Edit::SetHtml(html),
        filtering::Edit::AddFooter(filtering::Footer { text, html }) => {
            edit::Edit::AddFooter(edit::Footer { text, html })
        }
        filtering::Edit::AddRecipient(email) => edit::Edit::AddRecipient(email),
        filtering::Edit::RemoveRecipient(email) => edit::Edit::RemoveRecipient(email),
    }
}

fn from_attachment(from: drafts::Attachment) -> draft::Attachment {
    draft::Attachment {
        filename: from.filename,
        content_type: from.content_type,
        disposition: match from.disposition {
            drafts::Disposition::Attachment => draft::Disposition::Attachment,
            drafts::Disposition::Inline => draft::Disposition::Inline,
        },
        content_id: from.content_id,
        content: Box::new(Owned(from.content)),
    }
}

fn from_addresses(addresses: Vec<types::Address>) -> Vec<address_list::Address> {
    addresses.into_iter().map(from_address).collect()
}

fn from_address(address: types::Address) -> address_list::Address {
    address_list::Address { name: address.name, email: address.email }
}
