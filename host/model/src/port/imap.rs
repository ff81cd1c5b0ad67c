//! The port of IMAP client sessions, as typed commands. `mail` implements these; `engine` calls
//! them.
//!
//! Invariant: a command whose tagged response is not OK is an error. After any error but
//! [`ImapError::No`] the session is finished and must be dropped.
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

/// Opens authenticated sessions.
pub trait ImapConnect: Send + Sync + fmt::Debug {
    /// Connects, upgrades to TLS, logs in and reads the capabilities; `steps` observes each step.
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        credentials: &'a Credentials,
        steps: &'a dyn LoginObserver,
    ) -> BoxFuture<'a, Result<Box<dyn ImapSession>, ImapError>>;
}

/// An authenticated session. Every method sends one command (or the few that replace it) and reads
/// the tagged response. Not cancel-safe: a session whose future was dropped must be dropped too.
pub trait ImapSession: Send + fmt::Debug {
    /// Whether the server advertises the capability (compared without case).
    fn has(&self, capability: &str) -> bool;
    /// The selected mailbox, with EXISTS kept up to date from every response.
    fn selected(&self) -> Option<&Selected>;
    /// SELECT.
    fn select<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Selected, ImapError>>;
    /// LIST of all mailboxes, with roles from SPECIAL-USE where the server supports it.
    fn list(&mut self) -> BoxFuture<'_, Result<Vec<Mailbox>, ImapError>>;
    /// STATUS (MESSAGES UNSEEN).
    fn counters<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Counters, ImapError>>;
    /// NOOP: polls for changes of the mailbox.
    fn noop(&mut self) -> BoxFuture<'_, Result<(), ImapError>>;
    /// FETCH or UID FETCH. Rows are added to `rows` as the server sends them, including those
    /// before a NO or the end of the session; rows without a UID are dropped.
    fn fetch<'a>(
        &'a mut self,
        messages: &'a Messages,
        items: &'a [FetchItem],
        rows: &'a mut Vec<FetchRow>,
    ) -> BoxFuture<'a, Result<(), ImapError>>;
    /// UID STORE; the flags afterwards, where the server returns them.
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
    /// As [`ImapSession::expunge_forever`], but also without UIDPLUS: then UID STORE \Deleted, and
    /// EXPUNGE where no other message of the mailbox is marked, since that removes all that are.
    fn remove<'a>(&'a mut self, uids: &'a [u32]) -> BoxFuture<'a, Result<Removal, ImapError>>;
    /// APPEND; the position of the new message, if the server has UIDPLUS.
    fn append<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
        flags: &'a [Flag],
        raw: &'a Octets,
    ) -> BoxFuture<'a, Result<Option<AppendUid>, ImapError>>;
    /// UID SEARCH HEADER in the selected mailbox: the UIDs of messages whose header field `field`
    /// contains `text` (RFC 3501 §6.4.4).
    fn search_header<'a>(
        &'a mut self,
        field: &'static str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u32>, ImapError>>;
    /// LOGOUT, within a second.
    fn logout(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// The selected mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Its name.
    pub mailbox: MailboxName,
    /// Unique per mailbox only (RFC 9051 §2.3.1.1).
    pub uid_validity: u32,
    /// Number of messages, kept up to date.
    pub exists: u32,
    /// PERMANENTFLAGS: the flags that outlive the session (RFC 9051 §7.1). None where the server
    /// sent no list: then all do.
    pub keeps: Option<Vec<String>>,
}

impl Selected {
    /// Whether the server stores a flag permanently. `\*` means any keyword.
    #[must_use]
    pub fn keeps(&self, flag: &Flag) -> bool {
        let is_keyword = !flag.as_str().starts_with('\\');
        self.keeps.as_ref().is_none_or(|kept| {
            kept.iter().any(|known| flag.same_as(known) || (is_keyword && known == "\\*"))
        })
    }
}

/// The message set of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Messages {
    /// By sequence number.
    Sequence(RangeInclusive<u32>),
    /// By UID.
    Uids(Vec<u32>),
}

/// A data item of FETCH. UID is always included.
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
    /// The same, limited to the octets that are requested of it at once (RFC 9051 §6.4.5, partial).
    HeaderFieldsStart(&'static [&'static str]),
    /// BODY.PEEK[]: the whole message.
    Whole,
    /// Its first 256 KiB, instead of the whole (RFC 9051 §6.4.5, partial).
    WholeStart,
}

/// One message of a FETCH response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchRow {
    /// The sequence number at that time.
    pub sequence: u32,
    /// UID.
    pub uid: u32,
    /// FLAGS.
    pub flags: Option<Vec<String>>,
    /// INTERNALDATE.
    pub received: Option<Timestamp>,
    /// RFC822.SIZE.
    pub size: Option<u64>,
    /// The requested header fields.
    pub header: Option<Bytes>,
    /// The whole message.
    pub whole: Option<Bytes>,
    /// The header fields were longer than the limit for one message, or NIL.
    pub header_unread: bool,
}

/// The result of removing messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// They were expunged.
    Gone,
    /// They have \Deleted set and wait for an EXPUNGE.
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

/// COPYUID (RFC 4315 §3): source and target UIDs.
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

/// The response code of a NO (RFC 5530, RFC 9051 §7.1), as far as callers distinguish them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCode {
    /// NONEXISTENT or TRYCREATE.
    NoSuchMailbox,
    /// OVERQUOTA.
    OverQuota,
    /// UNAVAILABLE, INUSE, LIMIT, SERVERBUG: temporary.
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
        /// The text of the response.
        reply: String,
    },
    /// STARTTLS is missing, or the server requires a login in plain text.
    #[error("the IMAP server offers no safe TLS")]
    NoTls,
    /// The server offers no supported authentication mechanism.
    #[error("the IMAP server offers no login that Postlet can make")]
    NoMechanism,
    /// A tagged NO. The session can go on.
    #[error("the IMAP server said NO")]
    No {
        /// The response code.
        code: NoCode,
        /// The text of the response.
        reply: String,
    },
    /// A tagged BAD.
    #[error("the IMAP server did not understand the command")]
    Bad {
        /// The text of the response.
        reply: String,
    },
    /// An unsolicited BYE, in place of a greeting or a response.
    #[error("the IMAP server ended the session")]
    Bye {
        /// The text of the response.
        reply: String,
    },
    /// The connection was lost.
    #[error("lost the connection to the IMAP server")]
    Lost(#[source] std::io::Error),
    /// No response within the time limit.
    #[error("the IMAP server did not answer in time")]
    Timeout,
    /// A protocol violation, or more than the client's limits allow.
    #[error("the IMAP server did not keep to its protocol: {0}")]
    Protocol(&'static str),
    /// The server lacks an extension that the command needs.
    #[error("the IMAP server lacks {0}")]
    Unsupported(&'static str),
}
