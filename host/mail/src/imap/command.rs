//! IMAP command encoder, from typed values only.
//!
//! The one place where command text is composed. Input from outside is a number, a checked flag, or
//! a string that is quoted or sent as a literal.
//!
//! Invariant: no string from outside can end its command or begin another.
//!
//! Standard: RFC 9051 §6, RFC 3501 §6, RFC 2971 (ID), RFC 5258 (LIST RETURN).

use std::fmt::Write;

use model::mail::mailbox::MailboxName;
use model::mail::message::Flag;
use model::octets::Octets;
use model::port::imap::{FetchItem, Messages};

/// Servers need not accept lines of more than 8,000 bytes (RFC 7162 §4); mailbox names and items
/// need some of that.
const LONGEST_SET: usize = 6000;

/// Maximum literal, in bytes, of a response without message content.
const SMALL: u64 = 16 * 1024;

/// The limit of the parser for the header fields of one message, in bytes.
const HEADER: u64 = 256 * 1024;

/// The start of a message, in bytes: its header and the text, in most mail.
const START: u64 = 256 * 1024;

/// One command, without its tag.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) parts: Vec<Part>,
    /// The longest literal allowed in the response.
    pub(crate) literal: u64,
}

/// A piece of a command.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    Literal(Vec<u8>),
    Message(Octets),
}

impl Command {
    fn new(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(text.into())], literal: SMALL }
    }

    fn push(mut self, more: &str) -> Self {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(more),
            _ => self.parts.push(Part::Text(more.to_owned())),
        }
        self
    }

    /// A string: quoted where possible, else as a literal.
    fn string(mut self, text: &str) -> Self {
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let mut quoted = String::with_capacity(text.len() + 2);
            quoted.push('"');
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    quoted.push('\\');
                }
                quoted.push(c);
            }
            quoted.push('"');
            self.push(&quoted)
        } else {
            self.parts.push(Part::Literal(text.as_bytes().to_vec()));
            self
        }
    }
}

pub(crate) fn capability() -> Command {
    Command::new("CAPABILITY")
}

pub(crate) fn noop() -> Command {
    Command::new("NOOP")
}

pub(crate) fn logout() -> Command {
    Command::new("LOGOUT")
}

/// NetEase's servers refuse SELECT to clients that have not sent ID.
pub(crate) fn id() -> Command {
    Command::new(concat!(
        "ID (\"name\" \"Postlet\" \"version\" \"",
        env!("CARGO_PKG_VERSION"),
        "\" \"vendor\" \"Postlet\")"
    ))
}

pub(crate) fn login(username: &str, password: &str) -> Command {
    Command::new("LOGIN ").string(username).push(" ").string(password)
}

/// The response follows the server's continuation request: some servers that offer SASL-IR refuse
/// it (Coremail).
pub(crate) fn authenticate_plain() -> Command {
    Command::new("AUTHENTICATE PLAIN")
}

/// With a token; the initial response is included where the server supports SASL-IR (RFC 4959).
pub(crate) fn authenticate_bearer(mechanism: &str, first: Option<&str>) -> Command {
    let command = Command::new("AUTHENTICATE ").push(mechanism);
    match first {
        Some(response) => command.push(" ").push(response),
        None => command,
    }
}

pub(crate) fn select(mailbox: &MailboxName) -> Command {
    Command::new("SELECT ").string(mailbox.wire())
}

/// Whether LIST requests special-use attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roles {
    /// The server supports RFC 5258 and RFC 6154.
    Asked,
    /// The server sends them without a request, or has none.
    Unasked,
}

pub(crate) fn list(roles: Roles) -> Command {
    Command::new(match roles {
        Roles::Asked => "LIST \"\" \"*\" RETURN (SPECIAL-USE)",
        Roles::Unasked => "LIST \"\" \"*\"",
    })
}

pub(crate) fn status(mailbox: &MailboxName) -> Command {
    Command::new("STATUS ").string(mailbox.wire()).push(" (MESSAGES UNSEEN)")
}

/// FETCH; more than one command where the UIDs do not fit into a line.
pub(crate) fn fetch(messages: &Messages, items: &[FetchItem]) -> Vec<Command> {
    let mut list = "UID".to_owned();
    let mut literal = SMALL;
    for item in items {
        match item {
            FetchItem::Flags => list.push_str(" FLAGS"),
            FetchItem::Received => list.push_str(" INTERNALDATE"),
            FetchItem::Size => list.push_str(" RFC822.SIZE"),
            FetchItem::HeaderFields(fields) => {
                let _ = write!(list, " BODY.PEEK[HEADER.FIELDS ({})]", fields.join(" "));
                literal = literal.max(HEADER);
            }
            FetchItem::HeaderFieldsStart(fields) => {
                let fields = fields.join(" ");
                let _ = write!(list, " BODY.PEEK[HEADER.FIELDS ({fields})]<0.{HEADER}>");
                literal = literal.max(HEADER);
            }
            FetchItem::Whole => {
                list.push_str(" BODY.PEEK[]");
                literal = u64::MAX;
            }
            FetchItem::WholeStart => {
                let _ = write!(list, " BODY.PEEK[]<0.{START}>");
                literal = literal.max(START);
            }
        }
    }
    let command = |text: String| Command { literal, ..Command::new(text) };
    match messages {
        Messages::Sequence(range) => {
            vec![command(format!("FETCH {}:{} ({list})", range.start(), range.end()))]
        }
        Messages::Uids(uids) => uid_sets(uids)
            .into_iter()
            .map(|set| command(format!("UID FETCH {set} ({list})")))
            .collect(),
    }
}

/// The operation of STORE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Add,
    Remove,
    Set,
}

/// Not silent, so that the flags are returned.
pub(crate) fn store(set: &str, mode: Mode, flags: &[Flag]) -> Command {
    let sign = match mode {
        Mode::Add => "+",
        Mode::Remove => "-",
        Mode::Set => "",
    };
    Command::new(format!("UID STORE {set} {sign}FLAGS ({})", listed(flags)))
}

pub(crate) fn mark_deleted(set: &str) -> Command {
    Command::new(format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"))
}

pub(crate) fn uid_move(set: &str, mailbox: &MailboxName) -> Command {
    Command::new(format!("UID MOVE {set} ")).string(mailbox.wire())
}

pub(crate) fn uid_copy(set: &str, mailbox: &MailboxName) -> Command {
    Command::new(format!("UID COPY {set} ")).string(mailbox.wire())
}

pub(crate) fn uid_expunge(set: &str) -> Command {
    Command::new(format!("UID EXPUNGE {set}"))
}

/// EXPUNGE of all messages marked \Deleted (RFC 3501 §6.4.3), whichever client marked them.
pub(crate) fn expunge() -> Command {
    Command::new("EXPUNGE")
}

pub(crate) fn search_deleted() -> Command {
    Command::new("UID SEARCH DELETED")
}

/// `field` is a constant of this program.
pub(crate) fn search_header(field: &'static str, text: &str) -> Command {
    Command::new("UID SEARCH HEADER ").push(field).push(" ").string(text)
}

pub(crate) fn append(mailbox: &MailboxName, flags: &[Flag], raw: &Octets) -> Command {
    let mut command = Command::new("APPEND ").string(mailbox.wire()).push(&if flags.is_empty() {
        " ".to_owned()
    } else {
        format!(" ({}) ", listed(flags))
    });
    command.parts.push(Part::Message(raw.clone()));
    command
}

fn listed(flags: &[Flag]) -> String {
    flags.iter().map(Flag::as_str).collect::<Vec<_>>().join(" ")
}

/// UIDs as sets with ranges, in ascending order, each short enough for a line. Zero is not a valid
/// UID.
pub(crate) fn uid_sets(uids: &[u32]) -> Vec<String> {
    let mut sorted: Vec<u32> = uids.iter().copied().filter(|&uid| uid > 0).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in sorted {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
            _ => ranges.push((uid, uid)),
        }
    }
    let mut sets: Vec<String> = Vec::new();
    for (first, last) in ranges {
        let range = if first == last { first.to_string() } else { format!("{first}:{last}") };
        match sets.last_mut() {
            Some(set) if set.len() + range.len() < LONGEST_SET => {
                set.push(',');
                set.push_str(&range);
            }
            _ => sets.push(range),
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_become_ranges_that_fit_into_a_line() {
        assert_eq!(uid_sets(&[5, 3, 4, 9, 4, 0, 7]), ["3:5,7,9"]);
        assert_eq!(uid_sets(&[u32::MAX, u32::MAX - 1]), ["4294967294:4294967295"]);
        assert!(uid_sets(&[]).is_empty());
        let sparse: Vec<u32> = (0..5000).map(|n| 4_000_000_000 + n * 2).collect();
        let sets = uid_sets(&sparse);
        assert!(sets.len() > 5 && sets.iter().all(|set| set.len() <= LONGEST_SET));
    }

    #[test]
    fn strings_are_quoted_or_sent_as_literals() {
        check("a b", "LOGIN \"a b\" \"\"");
        check("a\"b\\c{5}", "LOGIN \"a\\\"b\\\\c{5}\" \"\"");
        check("ü", "LOGIN {2} \"\"");
        check("a\r\nA2 DELETE x", "LOGIN {14} \"\"");
    }

    #[track_caller]
    fn check(username: &str, want: &str) {
        let text: String = login(username, "")
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Literal(bytes) => format!("{{{}}}", bytes.len()),
                Part::Message(_) => unreachable!("LOGIN has no message"),
            })
            .collect();
        assert_eq!(text, want);
    }
}
