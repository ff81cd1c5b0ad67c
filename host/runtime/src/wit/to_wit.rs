//! Conversion from the model to WIT types: values that the host passes to a guest.

use model::account::Security;
use model::discovery::{DiscoveryResult, Step};
use model::filter::{Edit, Footer};
use model::instant::Timestamp;
use model::mail::address::Address;
use model::mail::mailbox::{Mailbox, Role, RoleSource};
use model::mail::message::{Header, HeaderSummary, Moved, Part, ReplyHeaders, Summary, Usage};
use model::problem::Fault;
use model::provider::{Evidence, Fact, Limit, Localised, Profile, Server};
use model::submission::{Receipt, SentCopy, State, SubmissionStatus};

use crate::wit::bindings::capabilities::postlet::mail as wit;
use crate::wit::bindings::mime_engine::postlet::mail::filtering;

pub(crate) fn instant(at: Timestamp) -> i64 {
    at.millis()
}

pub(crate) fn address(address: Address) -> wit::types::Address {
    wit::types::Address { name: address.name, email: address.email }
}

pub(crate) fn addresses(list: Vec<Address>) -> Vec<wit::types::Address> {
    list.into_iter().map(address).collect()
}

pub(crate) fn headers(list: Vec<Header>) -> Vec<wit::types::Header> {
    list.into_iter().map(|Header { name, value }| wit::types::Header { name, value }).collect()
}

pub(crate) fn faults(list: Vec<Fault>) -> Vec<wit::types::Fault> {
    list.into_iter()
        .map(|Fault { pointer, code, detail }| wit::types::Fault { pointer, code, detail })
        .collect()
}

pub(crate) fn edit(edit: Edit) -> filtering::Edit {
    match edit {
        Edit::AddHeader(Header { name, value }) => {
            filtering::Edit::AddHeader(wit::types::Header { name, value })
        }
        Edit::RemoveHeader(name) => filtering::Edit::RemoveHeader(name),
        Edit::SetSubject(subject) => filtering::Edit::SetSubject(subject),
        Edit::SetText(text) => filtering::Edit::SetText(text),
        Edit::SetHtml(html) => filtering::Edit::SetHtml(html),
        Edit::AddFooter(Footer { text, html }) => {
            filtering::Edit::AddFooter(filtering::Footer { text, html })
        }
        Edit::AddRecipient(email) => filtering::Edit::AddRecipient(email),
        Edit::RemoveRecipient(email) => filtering::Edit::RemoveRecipient(email),
    }
}

pub(crate) fn facts(facts: HeaderSummary) -> wit::content::Facts {
    let HeaderSummary { message_id, thread_id, date, sender, to, cc, subject } = facts;
    wit::content::Facts {
        message_id,
        thread_id,
        date: date.map(instant),
        sender: addresses(sender),
        to: addresses(to),
        cc: addresses(cc),
        subject,
    }
}

pub(crate) fn details(details: ReplyHeaders) -> wit::content::Details {
    let ReplyHeaders { reply_to, bcc, in_reply_to, references } = details;
    wit::content::Details {
        reply_to: addresses(reply_to),
        bcc: addresses(bcc),
        in_reply_to,
        references,
    }
}

pub(crate) fn part(part: Part) -> wit::content::Part {
    let Part {
        path,
        content_type,
        charset,
        filename,
        content_id,
        disposition,
        size,
        method,
        usage,
    } = part;
    wit::content::Part {
        path,
        content_type,
        charset,
        filename,
        content_id,
        disposition,
        size,
        method,
        use_: usage.map(|usage| match usage {
            Usage::Body => wit::content::Usage::Body,
            Usage::Alternative => wit::content::Usage::Alternative,
            Usage::Inline => wit::content::Usage::Inline,
            Usage::Attachment => wit::content::Usage::Attachment,
        }),
    }
}

pub(crate) fn summary(summary: Summary) -> wit::reading::Summary {
    let Summary { stored, facts: read, size, preview, has_attachments, unparsed, unavailable } =
        summary;
    wit::reading::Summary {
        stored: stored.map(|stored| wit::reading::Stored {
            key: stored.key,
            mailbox: stored.mailbox,
            uid: stored.uid,
            received: stored.received.map(instant),
            keywords: stored.keywords,
        }),
        facts: facts(read),
        size,
        preview,
        has_attachments,
        unparsed,
        unavailable,
    }
}

pub(crate) fn moved(moved: Moved) -> wit::messages::Moved {
    wit::messages::Moved { key: moved.key, now: moved.now, mailbox: moved.mailbox }
}

pub(crate) fn mailbox(mailbox: Mailbox) -> wit::mailboxes::Mailbox {
    wit::mailboxes::Mailbox {
        name: mailbox.name.decoded(),
        path: mailbox.path,
        role: mailbox.role.map(|(known, _)| role(known)),
        role_source: mailbox.role.map(|(_, source)| match source {
            RoleSource::SpecialUse => "special-use".to_owned(),
            RoleSource::Name => "name".to_owned(),
        }),
        selectable: mailbox.selectable,
        counters: mailbox.counters.map(|counters| wit::mailboxes::Counters {
            messages: counters.messages,
            unseen: counters.unseen,
        }),
    }
}

fn role(role: Role) -> wit::mailboxes::Role {
    match role {
        Role::Inbox => wit::mailboxes::Role::Inbox,
        Role::Sent => wit::mailboxes::Role::Sent,
        Role::Drafts => wit::mailboxes::Role::Drafts,
        Role::Trash => wit::mailboxes::Role::Trash,
        Role::Junk => wit::mailboxes::Role::Junk,
        Role::Archive => wit::mailboxes::Role::Archive,
        Role::All => wit::mailboxes::Role::All,
        Role::Flagged => wit::mailboxes::Role::Flagged,
    }
}

pub(crate) fn receipt(receipt: Receipt) -> wit::outcomes::Receipt {
    wit::outcomes::Receipt {
        submission_id: receipt.submission.into(),
        message_id: receipt.message_id,
        state: state(receipt.state),
        due: instant(receipt.due),
        warnings: receipt.warnings,
    }
}

pub(crate) fn entry(entry: SubmissionStatus) -> wit::outcomes::Entry {
    wit::outcomes::Entry {
        receipt: receipt(entry.receipt),
        attempts: entry.attempts,
        recipients: entry
            .recipients
            .into_iter()
            .map(|verdict| wit::outcomes::RecipientVerdict {
                recipient: verdict.recipient.into(),
                state: state(verdict.state),
                reply: verdict.reply,
                at: verdict.at.map(instant),
            })
            .collect(),
        possible_duplicate: entry.possible_duplicate,
        last_error: entry.last_error,
        sent_copy: entry.sent_copy.map(sent_copy),
    }
}

fn sent_copy(copy: SentCopy) -> wit::outcomes::SentCopy {
    match copy {
        SentCopy::Pending => wit::outcomes::SentCopy::Pending,
        SentCopy::Done => wit::outcomes::SentCopy::Done,
        SentCopy::GivenUp => wit::outcomes::SentCopy::GivenUp,
    }
}

fn state(state: State) -> wit::outcomes::State {
    match state {
        State::Accepted => wit::outcomes::State::Accepted,
        State::Claimed => wit::outcomes::State::Claimed,
        State::Dialing => wit::outcomes::State::Dialing,
        State::DotSent => wit::outcomes::State::DotSent,
        State::Sent => wit::outcomes::State::Sent,
        State::Deferred => wit::outcomes::State::Deferred,
        State::Failed => wit::outcomes::State::Failed,
        State::Uncertain => wit::outcomes::State::Uncertain,
        State::Cancelled => wit::outcomes::State::Cancelled,
        State::Expired => wit::outcomes::State::Expired,
    }
}

pub(crate) fn discovery(found: DiscoveryResult) -> wit::providers::Discovery {
    wit::providers::Discovery {
        profile: found.profile.map(profile),
        confirm: found.confirm,
        recommendation: localised(found.recommendation),
        steps: found.steps.into_iter().map(step).collect(),
    }
}

fn step(step: Step) -> wit::providers::Step {
    let Step { source, asked, took, outcome, reason } = step;
    wit::providers::Step {
        source: source.as_str().to_owned(),
        asked,
        millis: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        outcome: outcome.as_str().to_owned(),
        reason,
    }
}

fn profile(profile: Profile) -> wit::providers::Profile {
    wit::providers::Profile {
        id: profile.id,
        name: profile.name,
        names: localised(profile.names),
        imap: profile.imap.map(server),
        smtp: profile.smtp.map(server),
        auth: profile.auth.into_iter().map(|auth| auth.as_str().to_owned()).collect(),
        hints: localised(profile.hints),
        hint_url: profile.hint_url,
        limits: profile.limits.into_iter().map(limit).collect(),
        connections: profile.connections,
        sent_copy: profile.sent_copy.map(|copy| copy.as_str().to_owned()),
        quirks: profile.quirks.words(),
        origin: profile.origin.as_str().to_owned(),
        facts: profile.facts.into_iter().map(fact).collect(),
    }
}

fn localised(list: Vec<Localised>) -> Vec<wit::providers::Localised> {
    list.into_iter()
        .map(|Localised { language, text }| wit::providers::Localised { language, text })
        .collect()
}

fn server(server: Server) -> wit::providers::Server {
    wit::providers::Server {
        host: server.host,
        port: server.port,
        security: match server.security {
            Security::Tls => wit::providers::Security::Tls,
            Security::StartTls => wit::providers::Security::Starttls,
        },
        username: server.username.pattern().to_owned(),
    }
}

fn limit(limit: Limit) -> wit::providers::Limit {
    let Limit { name, value, source, year } = limit;
    wit::providers::Limit { name: name.as_str().to_owned(), value, source, year }
}

fn fact(fact: Fact) -> wit::providers::Fact {
    let about = fact.about.as_str().to_owned();
    match fact.evidence {
        Evidence::Read { source, date } => {
            wit::providers::Fact { about, source: Some(source), date: Some(date) }
        }
        Evidence::Unverified => wit::providers::Fact { about, source: None, date: None },
    }
}
