//! The records of WIT and the types of the model that they stand for: a row each, see
//! [`crate::wit::convert`]. Below are those that differ in more than names.

use model::account::Security;
use model::discovery::{DiscoveryResult, Step};
use model::filter::{Edit, Footer, Refusal, Verdict};
use model::mail::address::Address;
use model::mail::draft::Disposition;
use model::mail::mailbox::{Counters, Mailbox, Role, RoleSource};
use model::mail::message::{
    Cut, Header, HeaderSummary, MailboxPosition, MessageQuery, Moved, Page, ParseOptions,
    ParsedMessage, Part, ReplyHeaders, Summary, Usage,
};
use model::port::capabilities::Body;
use model::problem::{Fault, Protocol, Upstream};
use model::provider::{Evidence, Fact, Limit, Localised, Profile, Server};
use model::submission::{Receipt, RecipientVerdict, SentCopy, State, SubmissionStatus};

use crate::wit::bindings::before_send::exports::postlet::mail::before_send;
use crate::wit::bindings::capabilities::postlet::mail as wit;
use crate::wit::bindings::mime_engine::exports::postlet::mail::mime;
use crate::wit::bindings::mime_engine::postlet::mail::filtering;
use crate::wit::convert::{Convert, both_ways, convert, from_wit, to_wit};

both_ways! {
    record Address = wit::types::Address { name, email }
    record Header = wit::types::Header { name, value }
    record Fault = wit::types::Fault { pointer, code, detail }

    record HeaderSummary = wit::content::Facts {
        message_id, thread_id, date, sender, to, cc, subject
    }
    record ReplyHeaders = wit::content::Details { reply_to, bcc, in_reply_to, references }
    record Part = wit::content::Part {
        path, content_type, charset, filename, content_id, disposition, size, method; usage: use_
    }
    enum Usage = wit::content::Usage { Body, Alternative, Inline, Attachment }

    enum Disposition = wit::drafts::Disposition { Attachment, Inline }
    enum State = wit::outcomes::State {
        Accepted, Claimed, Dialing, DotSent, Sent, Deferred, Failed, Uncertain, Cancelled, Expired
    }

    record Footer = filtering::Footer { text, html }
    variant Edit = filtering::Edit {
        AddHeader, RemoveHeader, SetSubject, SetText, SetHtml, AddFooter, AddRecipient, RemoveRecipient
    }
}

to_wit! {
    record Upstream = wit::types::Upstream { protocol, reply, enhanced_code }
    enum Protocol = wit::types::Protocol { Smtp, Imap }

    record Page<Summary> = wit::messages::Page { rows, next_cursor }
    record Summary = wit::reading::Summary {
        stored, facts, size, preview, has_attachments, unparsed, unavailable
    }
    record MailboxPosition = wit::reading::Stored { key, mailbox, uid, received, keywords }
    record Moved = wit::messages::Moved { key, now, mailbox }

    record Counters = wit::mailboxes::Counters { messages, unseen }
    enum Role = wit::mailboxes::Role { Inbox, Sent, Drafts, Trash, Junk, Archive, All, Flagged }

    record Page<SubmissionStatus> = wit::submission::Page { next_cursor; rows: entries }
    record Receipt = wit::outcomes::Receipt {
        message_id, state, due, warnings; submission: submission_id
    }
    record RecipientVerdict = wit::outcomes::RecipientVerdict { recipient, state, reply, at }
    enum SentCopy = wit::outcomes::SentCopy { Pending, Done, GivenUp }

    record DiscoveryResult = wit::providers::Discovery { profile, confirm, recommendation, steps }
    record Profile = wit::providers::Profile {
        id, name, names, imap, smtp, auth, hints, hint_url, limits, connections, sent_copy, quirks,
        origin, facts
    }
    record Localised = wit::providers::Localised { language, text }
    record Server = wit::providers::Server { host, port, security, username }
    enum Security = wit::providers::Security { Tls; StartTls: Starttls }
    record Limit = wit::providers::Limit { name, value, source, year }
}

from_wit! {
    enum Body = wit::reading::Body { Text, Html, HtmlAsSent }
    record ParsedMessage = mime::Reading {
        facts, headers, details, parts, text, html, html_as_sent, preview, has_attachments, cut, faults
    }
    record Refusal = filtering::Refusal { code, detail }
}

impl Convert<wit::mailboxes::Mailbox> for Mailbox {
    fn convert(self) -> wit::mailboxes::Mailbox {
        wit::mailboxes::Mailbox {
            name: self.name.decoded(),
            path: self.path,
            role: self.role.map(|(role, _)| role.convert()),
            role_source: self.role.map(|(_, source)| match source {
                RoleSource::SpecialUse => "special-use".to_owned(),
                RoleSource::Name => "name".to_owned(),
            }),
            selectable: self.selectable,
            counters: self.counters.convert(),
        }
    }
}

impl Convert<wit::outcomes::Entry> for SubmissionStatus {
    fn convert(self) -> wit::outcomes::Entry {
        wit::outcomes::Entry {
            receipt: self.receipt.convert(),
            attempts: self.attempts,
            recipients: self.recipients.convert(),
            possible_duplicate: self.possible_duplicate,
            last_error: self.last_error,
            sent_copy: self.sent_copy.convert(),
        }
    }
}

impl Convert<wit::providers::Step> for Step {
    fn convert(self) -> wit::providers::Step {
        let Self { source, asked, took, outcome, reason } = self;
        let millis = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let (source, outcome) = (source.convert(), outcome.convert());
        wit::providers::Step { source, asked, millis, outcome, reason }
    }
}

impl Convert<wit::providers::Fact> for Fact {
    fn convert(self) -> wit::providers::Fact {
        let (source, date) = match self.evidence {
            Evidence::Read { source, date } => (Some(source), Some(date)),
            Evidence::Unverified => (None, None),
        };
        wit::providers::Fact { about: self.about.convert(), source, date }
    }
}

impl Convert<MessageQuery> for wit::messages::Query {
    fn convert(self) -> MessageQuery {
        MessageQuery {
            mailbox: self.mailbox,
            preview: self.want.contains(wit::messages::Want::PREVIEW),
            attachments: self.want.contains(wit::messages::Want::ATTACHMENTS),
            cursor: self.cursor,
            limit: self.limit,
        }
    }
}

impl Convert<mime::Want> for ParseOptions {
    fn convert(self) -> mime::Want {
        let Self { headers, details, structure, text, html, html_as_sent, preview } = self;
        [
            (headers, mime::Want::HEADERS),
            (details, mime::Want::DETAILS),
            (structure, mime::Want::STRUCTURE),
            (text, mime::Want::TEXT),
            (html, mime::Want::HTML),
            (html_as_sent, mime::Want::HTML_AS_SENT),
            (preview, mime::Want::PREVIEW),
        ]
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(mime::Want::empty(), |all, (_, flag)| all | flag)
    }
}

impl Convert<Cut> for mime::Want {
    fn convert(self) -> Cut {
        Cut {
            text: self.contains(Self::TEXT),
            html: self.contains(Self::HTML),
            html_as_sent: self.contains(Self::HTML_AS_SENT),
        }
    }
}

impl Convert<Verdict> for before_send::Verdict {
    fn convert(self) -> Verdict {
        match self {
            Self::Accept => Verdict::Accept,
            Self::Modify(edits) => Verdict::Modify(edits.convert()),
            Self::Reject(refusal) => Verdict::Reject(refusal.convert()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use model::instant::Timestamp;

    use super::*;

    #[test]
    fn what_travels_in_both_directions_comes_back_unchanged() {
        let person = |email: &str| Address { name: Some("n".to_owned()), email: email.to_owned() };
        check::<_, wit::content::Facts>(&HeaderSummary {
            message_id: Some("id".to_owned()),
            thread_id: "thread".to_owned(),
            date: Some(Timestamp::from_millis(-1)),
            sender: vec![person("from")],
            to: vec![person("to"), person("more")],
            cc: vec![person("cc")],
            subject: Some("subject".to_owned()),
        });
        check::<_, wit::content::Part>(&Part {
            path: "1.2".to_owned(),
            content_type: "text/calendar".to_owned(),
            charset: Some("utf-8".to_owned()),
            filename: None,
            content_id: Some("cid".to_owned()),
            disposition: Some("inline".to_owned()),
            size: 3,
            method: Some("REQUEST".to_owned()),
            usage: Some(Usage::Inline),
        });
        let header = Header { name: "X-A".to_owned(), value: "1".to_owned() };
        check::<_, filtering::Edit>(&Edit::AddHeader(header));
        check::<_, filtering::Edit>(&Edit::AddFooter(Footer { text: "t".to_owned(), html: None }));
        for state in State::EVERY {
            check::<_, wit::outcomes::State>(&state);
        }
    }

    #[track_caller]
    fn check<Model, Wit>(value: &Model)
    where
        Model: Convert<Wit> + Clone + PartialEq + Debug,
        Wit: Convert<Model>,
    {
        let there: Wit = value.clone().convert();
        assert_eq!(&there.convert(), value);
    }
}
