//! IMAP sessions as typed commands. `mail` implements these; `engine` calls them.
//!
//! Invariant: a command whose tagged answer is not OK is an error. After any
//! error but [`ImapError::No`] the session is finished and must be dropped.
//!
//! Standards: RFC 3501, RFC 9051, RFC 4315 (UIDPLUS), RFC 6851 (MOVE).

use std::fmt;
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::account::{Credentials, MailServer};
use crate::future::BoxFuture;
use crate::instant::Timestamp;
use crate::mail::mailbox::{Counters, Mailbox, MailboxName};
use crate::mail::message::{Flag, FlagChange};
use crate::octets::Octets;
use crate::port::dial::DialError;
use crate::port::login_observer::LoginObserver;

/// Logs in.
pub trait ImapConnect: Send + Sync + fmt::Debug {
    /// Connects, upgrades to TLS, logs in and reads the capabilities; `steps` is told each.
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        credentials: &'a Credentials,
        steps: &'a dyn LoginObserver,
    ) -> BoxFuture<'a, Result<Box<dyn ImapSession>, ImapError>>;
}

/// A logged-in session. Every method sends one command (or the few that stand for it) and reads
/// its tagged answer. Not cancel-safe: a session whose future was dropped must be dropped too.
pub trait ImapSession: Send + fmt::Debug {
    /// The server offers the capability (compared without case).
    fn has(&self, capability: &str) -> bool;
    /// What is selected now, with EXISTS kept up to date from every answer.
    fn selected(&self) -> Option<&Selected>;
    /// SELECT.
    fn select<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Selected, ImapError>>;
    /// LIST of everything, with roles from SPECIAL-USE where the server has it.
    fn list(&mut self) -> BoxFuture<'_, Result<Vec<Mailbox>, ImapError>>;
    /// STATUS (MESSAGES UNSEEN).
    fn counters<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Counters, ImapError>>;
    /// NOOP: lets the server tell what changed.
    fn noop(&mut self) -> BoxFuture<'_, Result<(), ImapError>>;
    /// FETCH or UID FETCH. Rows are added to `rows` as the server sends them, those before a NO or the end
    /// of the session too; ones without a UID are dropped.
    fn fetch<'a>(
        &'a mut self,
        messages: &'a Messages,
        items: &'a [FetchItem],
        rows: &'a mut Vec<FetchRow>,
    ) -> BoxFuture<'a, Result<(), ImapError>>;
    /// UID STORE; the flags afterwards, as far as the server tells them.
    fn store<'a>(
        &'a mut self,
        uids: &'a [u32],
        change: &'a FlagChange,
    ) -> BoxFuture<'a, Result<Vec<UidFlags>, ImapError>>;
    /// UID MOVE, or UID COPY, UID STORE \Deleted and UID EXPUNGE where the server lacks MOVE.
    /// [`ImapError::Unsupported`] where it lacks UIDPLUS too.
    fn move_to<'a>(
        &'a mut self,
        uids: &'a [u32],
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Option<CopyUid>, ImapError>>;
    /// UID COPY.
    fn copy_to<'a>(
        &'a mut self,
        uids: &'a [u32],
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Option<CopyUid>, ImapError>>;
    /// UID STORE \Deleted and UID EXPUNGE. [`ImapError::Unsupported`] without UIDPLUS.
    fn expunge_forever<'a>(&'a mut self, uids: &'a [u32]) -> BoxFuture<'a, Result<(), ImapError>>;
    /// The same, also without UIDPLUS: there UID STORE \Deleted, and EXPUNGE where no other message of the
    /// mailbox is marked, since that removes all that are.
    fn remove<'a>(&'a mut self, uids: &'a [u32]) -> BoxFuture<'a, Result<Removal, ImapError>>;
    /// APPEND; where the new message lies, if the server has UIDPLUS.
    fn append<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
        flags: &'a [Flag],
        raw: &'a Octets,
    ) -> BoxFuture<'a, Result<Option<AppendUid>, ImapError>>;
    /// UID SEARCH HEADER in the selected mailbox: the UIDs of messages whose header field `field` holds
    /// `text` (RFC 3501 §6.4.4).
    fn search_header<'a>(
        &'a mut self,
        field: &'static str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u32>, ImapError>>;
    /// LOGOUT, politely and within a second.
    fn logout(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// The selected mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Which.
    pub mailbox: MailboxName,
    /// Unique per mailbox only (RFC 9051 §2.3.1.1).
    pub uid_validity: u32,
    /// Number of messages, kept up to date.
    pub exists: u32,
    /// PERMANENTFLAGS: what outlives the session (RFC 9051 §7.1). None where the server did not tell: then
    /// everything does.
    pub keeps: Option<Vec<String>>,
}

impl Selected {
    /// Whether the server keeps a flag that is set. `\*` means any keyword.
    #[must_use]
    pub fn keeps(&self, flag: &Flag) -> bool {
        let is_keyword = !flag.as_str().starts_with('\\');
        self.keeps.as_ref().is_none_or(|kept| {
            kept.iter().any(|known| flag.same_as(known) || (is_keyword && known == "\\*"))
        })
    }
}

/// Which messages a command means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Messages {
    /// By sequence number.
    Sequence(RangeInclusive<u32>),
    /// By UID.
    Uids(Vec<u32>),
}

/// What to fetch. UID always comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// FLAGS.
    Flags,
    /// INTERNALDATE.
    Received,
    /// RFC822.SIZE.
    Size,
    /// BODY.PEEK[HEADER.FIELDS (...)]: at most one for each fetch.
    HeaderFields(&'static [&'static str]),
    /// The same, and no more than the server may be asked to send of it at once (RFC 9051 §6.4.5, partial).
    HeaderFieldsStart(&'static [&'static str]),
    /// BODY.PEEK[]: the whole message.
    Whole,
    /// Its first 256 KiB, in the place of the whole (RFC 9051 §6.4.5, partial).
    WholeStart,
}

/// One message of a fetch's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchRow {
    /// Sequence number at the time.
    pub sequence: u32,
    /// UID.
    pub uid: u32,
    /// FLAGS.
    pub flags: Option<Vec<String>>,
    /// INTERNALDATE.
    pub received: Option<Timestamp>,
    /// RFC822.SIZE.
    pub size: Option<u64>,
    /// The header fields that were asked for.
    pub header: Option<Bytes>,
    /// The whole message.
    pub whole: Option<Bytes>,
    /// The header fields were longer than what is taken of one message, or NIL.
    pub header_unread: bool,
}

/// What became of messages that were to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// They are not there any more.
    Gone,
    /// They bear \Deleted and wait for whoever expunges the mailbox.
    Marked,
}

/// The flags of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UidFlags {
    /// UID.
    pub uid: u32,
    /// As the server spells them.
    pub flags: Vec<String>,
}

/// COPYUID (RFC 4315 §3): where each UID went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyUid {
    /// UIDVALIDITY of the target.
    pub uid_validity: u32,
    /// Old UID and new UID.
    pub pairs: Vec<(u32, u32)>,
}

/// APPENDUID (RFC 4315 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendUid {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: u32,
    /// The new UID.
    pub uid: u32,
}

/// The response code of a NO (RFC 5530, RFC 9051 §7.1), as far as anyone decides on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCode {
    /// NONEXISTENT or TRYCREATE.
    NoSuchMailbox,
    /// OVERQUOTA.
    OverQuota,
    /// UNAVAILABLE, INUSE, LIMIT, SERVERBUG: try later.
    Busy,
    /// Any other, or none.
    Other,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ImapError {
    /// No connection.
    #[error("cannot reach the IMAP server")]
    Dial(#[source] DialError),
    /// The server refused the login (AUTHENTICATIONFAILED or a plain NO).
    #[error("the IMAP server refused the credentials")]
    Credentials {
        /// The server's words.
        reply: String,
    },
    /// STARTTLS is missing, or the server wants a login in the clear.
    #[error("the IMAP server offers no safe TLS")]
    NoTls,
    /// It offers no way to log in that we have.
    #[error("the IMAP server offers no login that Postlet can make")]
    NoMechanism,
    /// A tagged NO. The session can go on.
    #[error("the IMAP server said NO")]
    No {
        /// What kind.
        code: NoCode,
        /// The server's words.
        reply: String,
    },
    /// A tagged BAD.
    #[error("the IMAP server did not understand the command")]
    Bad {
        /// The server's words.
        reply: String,
    },
    /// A BYE that nobody asked for, in place of a greeting or of an answer.
    #[error("the IMAP server ended the session")]
    Bye {
        /// The server's words.
        reply: String,
    },
    /// The connection broke.
    #[error("lost the connection to the IMAP server")]
    Lost(#[source] std::io::Error),
    /// No answer in time.
    #[error("the IMAP server did not answer in time")]
    Timeout,
    /// Not IMAP, or beyond our caps.
    #[error("the IMAP server did not keep to its protocol: {0}")]
    Protocol(&'static str),
    /// The server lacks what the command needs.
    #[error("the IMAP server lacks {0}")]
    Unsupported(&'static str),
}
