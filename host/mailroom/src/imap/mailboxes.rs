//! IMAP commands on mailboxes: LIST, STATUS, SELECT, CREATE and others.
//!
//! Each is a function from the store to untagged responses and an [`Answer`].
//!
//! Standards: RFC 3501 §6.3; RFC 6154 (special use), RFC 3348 (children).

use bytes::Bytes;
use imap_codec::imap_types::datetime::DateTime;
use imap_codec::imap_types::extensions::binary::LiteralOrLiteral8;
use imap_codec::imap_types::flag::Flag;
use imap_codec::imap_types::mailbox::Mailbox as Name;
use imap_codec::imap_types::status::StatusDataItemName;

use crate::bodystructure::string;
use crate::connection_context::ConnectionContext;
use crate::dates::{instant, now};
use crate::imap::answer::{Answer, into_target};
use crate::imap::names::{matches, name_of};
use crate::imap::selected_commands::words;
use crate::imap::sequence_numbers::SequenceView;
use crate::mailbox::{Mailbox, Message, UIDVALIDITY};
use crate::store::{Refusal, Store, UserId};

/// LIST, or LSUB, which returns subscribed mailboxes only.
pub(crate) fn list(
    site: &ConnectionContext,
    user: UserId,
    word: &str,
    pattern: &str,
    out: &mut Vec<u8>,
) -> Answer {
    if pattern.is_empty() {
        // RFC 3501 §6.3.8: a request for the delimiter alone.
        out.extend_from_slice(format!("* {word} (\\Noselect) \"/\" \"\"\r\n").as_bytes());
    }
    let all = site.store.list(user);
    for (name, special, subscribed) in &all {
        if (word == "LSUB" && !subscribed) || !matches(pattern, name) {
            continue;
        }
        let below = format!("{name}/");
        let parent = all.iter().any(|(other, _, _)| other.starts_with(&below));
        let children = Some(if parent { "\\HasChildren" } else { "\\HasNoChildren" });
        let told = [("CHILDREN", children), ("SPECIAL-USE", *special)];
        let told = told.iter().filter(|(capability, _)| site.offers(capability));
        let told: Vec<&str> = told.filter_map(|(_, attribute)| *attribute).collect();
        out.extend_from_slice(format!("* {word} ({}) \"/\" ", told.join(" ")).as_bytes());
        string(out, name.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    Answer::ok("listed")
}

pub(crate) fn status(
    store: &Store,
    user: UserId,
    name: &Name<'_>,
    items: &[StatusDataItemName],
    out: &mut Vec<u8>,
) -> Answer {
    let told = name_of(name).and_then(|name| {
        let values = store.named(user, &name, |mailbox| {
            items.iter().map(|item| status_item(mailbox, item)).collect::<Vec<_>>().join(" ")
        });
        values.map(|values| (name, values))
    });
    let Some((name, values)) = told else { return Refusal::NoSuchMailbox.into() };
    out.extend_from_slice(b"* STATUS ");
    string(out, name.as_bytes());
    out.extend_from_slice(format!(" ({values})\r\n").as_bytes());
    Answer::ok("told")
}

fn status_item(mailbox: &Mailbox, item: &StatusDataItemName) -> String {
    let count = |wanted: &dyn Fn(&Message) -> bool| {
        mailbox.messages.iter().filter(|message| wanted(message)).count()
    };
    match item {
        StatusDataItemName::Messages => format!("MESSAGES {}", mailbox.messages.len()),
        StatusDataItemName::Recent => "RECENT 0".to_owned(),
        StatusDataItemName::UidNext => format!("UIDNEXT {}", mailbox.uid_next),
        StatusDataItemName::UidValidity => format!("UIDVALIDITY {UIDVALIDITY}"),
        StatusDataItemName::Unseen => format!("UNSEEN {}", count(&|m| !m.has("\\Seen"))),
        StatusDataItemName::Deleted => format!("DELETED {}", count(&|m| m.has("\\Deleted"))),
        // QUOTA is not offered.
        StatusDataItemName::DeletedStorage => "DELETED-STORAGE 0".to_owned(),
    }
}

/// Opens a mailbox and writes the responses of SELECT and EXAMINE.
pub(crate) fn select(
    store: &Store,
    user: UserId,
    name: &Name<'_>,
    read_only: bool,
    out: &mut Vec<u8>,
) -> Option<SequenceView> {
    store.named(user, &name_of(name)?, |mailbox| {
        const FLAGS: &str = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";
        let unseen = mailbox.messages.iter().position(|message| !message.has("\\Seen"));
        let unseen = unseen.map(|at| format!("* OK [UNSEEN {}] the first unseen\r\n", at + 1));
        let lasting = if read_only { String::new() } else { format!("{FLAGS} \\*") };
        let text = format!(
            "* FLAGS ({FLAGS})\r\n* {} EXISTS\r\n* 0 RECENT\r\n{}\
            * OK [PERMANENTFLAGS ({lasting})] these last\r\n\
            * OK [UIDVALIDITY {UIDVALIDITY}] the same for all\r\n* OK [UIDNEXT {}] the next one\r\n",
            mailbox.messages.len(),
            unseen.unwrap_or_default(),
            mailbox.uid_next
        );
        out.extend_from_slice(text.as_bytes());
        SequenceView::new(user, mailbox, read_only)
    })
}

/// Applies a command on a name: CREATE, DELETE, SUBSCRIBE.
pub(crate) fn on_name(name: &Name<'_>, work: impl FnOnce(&str) -> Result<(), Refusal>) -> Answer {
    let done = name_of(name).ok_or(Refusal::Cannot).and_then(|name| work(&name));
    done.map_or_else(Answer::from, |()| Answer::ok("done"))
}

pub(crate) fn append(
    store: &Store,
    user: UserId,
    name: &Name<'_>,
    flags: &[Flag<'_>],
    date: Option<&DateTime>,
    message: &LiteralOrLiteral8<'_>,
) -> Answer {
    let LiteralOrLiteral8::Literal(literal) = message else {
        return Answer::bad("BINARY is not offered");
    };
    let received = match date.map(AsRef::as_ref) {
        Some(at) => instant(at.timestamp(), at.offset().local_minus_utc()),
        None => Some(now()),
    };
    let Some(received) = received else { return Answer::bad("no such date") };
    let raw = Bytes::copy_from_slice(literal.data());
    let name = name_of(name).ok_or(Refusal::NoSuchMailbox);
    match name.and_then(|name| store.append(user, &name, raw, &words(flags), received)) {
        Ok(uid) => Answer::Ok(format!("[APPENDUID {UIDVALIDITY} {uid}] appended").into()),
        Err(refusal) => into_target(refusal),
    }
}
