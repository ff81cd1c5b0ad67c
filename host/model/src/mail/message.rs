//! Parsed messages: summaries, structure, bodies and flags.
//!
//! The results of the `mime` component, carried from the runtime to the engine's cache and on to
//! the endpoints. No mail is parsed here.
//!
//! Standards: RFC 5322 (fields), RFC 9051 §2.3 (message attributes).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use rules::flag::InvalidFlag;

use crate::instant::Timestamp;
use crate::mail::address::Address;
use crate::problem::Fault;

/// An IMAP flag that a client may set, and so safe in a command: `\Seen`, `$Forwarded`, `Perso/Travail`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Flag(Box<str>);

impl Flag {
    /// The flag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Flags compare without case (RFC 9051 §2.3.2).
    #[must_use]
    pub fn same_as(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl FromStr for Flag {
    type Err = InvalidFlag;
    fn from_str(text: &str) -> Result<Self, InvalidFlag> {
        rules::flag::check(text)?;
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Flag {
    type Error = InvalidFlag;
    fn try_from(text: String) -> Result<Self, InvalidFlag> {
        text.parse()
    }
}

impl From<Flag> for String {
    fn from(flag: Flag) -> String {
        flag.0.into()
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One header field, value unfolded and decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The name as written.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Header fields of a list row. Missing and unreadable fields are none or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderSummary {
    /// Without angle brackets.
    pub message_id: Option<String>,
    /// Digest of the thread's root Message-ID; empty when there is none.
    pub thread_id: String,
    /// The Date field, when it is a valid date.
    pub date: Option<Timestamp>,
    /// From.
    pub sender: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Subject, decoded.
    pub subject: Option<String>,
}

/// Header fields of a fetched message beyond [`HeaderSummary`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyHeaders {
    /// Reply-To.
    pub reply_to: Vec<Address>,
    /// Bcc, as it stands in drafts and sent mail.
    pub bcc: Vec<Address>,
    /// Message-IDs without angle brackets.
    pub in_reply_to: Vec<String>,
    /// Message-IDs without angle brackets, oldest first.
    pub references: Vec<String>,
}

/// One node of the MIME structure, depth first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// IMAP part number ("1.2").
    pub path: String,
    /// Lower case, without parameters.
    pub content_type: String,
    /// As declared by the part, unchecked.
    pub charset: Option<String>,
    /// Sanitised: never a path.
    pub filename: Option<String>,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// `attachment` or `inline`.
    pub disposition: Option<String>,
    /// Decoded size in bytes.
    pub size: u64,
    /// The `method` parameter of text/calendar (RFC 6047 §2.4).
    pub method: Option<String>,
    /// Its role in the message; none for a multipart.
    pub usage: Option<Usage>,
}

/// The role of a leaf part (RFC 8621 §4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    /// A body of the message.
    Body,
    /// An alternative rendering of the same body.
    Alternative,
    /// Displayed as part of the HTML body.
    Inline,
    /// Everything else.
    Attachment,
}

/// Which bodies were truncated at the requested limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// See [`ParsedMessage::text`].
    pub text: bool,
    /// See [`ParsedMessage::html`].
    pub html: bool,
    /// See [`ParsedMessage::html_as_sent`].
    pub html_as_sent: bool,
}

/// What [`crate::port::mime::Mime::read`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent wishes, always built by field name"
)]
pub struct ParseOptions {
    /// Every header field.
    pub headers: bool,
    /// [`ReplyHeaders`].
    pub details: bool,
    /// Every [`Part`].
    pub structure: bool,
    /// The text body.
    pub text: bool,
    /// The HTML body, sanitised.
    pub html: bool,
    /// The HTML body, not sanitised.
    pub html_as_sent: bool,
    /// The first 200 characters of the text.
    pub preview: bool,
}

impl ParseOptions {
    /// What nearly every reader of a message asks for, so that one parse serves all its calls.
    pub const USUAL: Self = Self {
        headers: true,
        details: true,
        structure: true,
        text: true,
        html: true,
        html_as_sent: false,
        preview: false,
    };
}

/// A parsed message: the fields that were requested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedMessage {
    /// Always present.
    pub facts: HeaderSummary,
    /// See [`ParseOptions::headers`].
    pub headers: Vec<Header>,
    /// See [`ParseOptions::details`].
    pub details: Option<ReplyHeaders>,
    /// See [`ParseOptions::structure`].
    pub parts: Vec<Part>,
    /// See [`ParseOptions::text`].
    pub text: Option<String>,
    /// See [`ParseOptions::html`].
    pub html: Option<String>,
    /// See [`ParseOptions::html_as_sent`].
    pub html_as_sent: Option<String>,
    /// See [`ParseOptions::preview`].
    pub preview: Option<String>,
    /// Always present.
    pub has_attachments: bool,
    /// Which bodies were truncated.
    pub cut: Cut,
    /// What could not be parsed or shown, and why: `/html` is the pointer of the HTML body.
    pub faults: Vec<Fault>,
}

/// Location and attributes of a message in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxPosition {
    /// The opaque message id of the API.
    pub key: String,
    /// The mailbox's decoded name.
    pub mailbox: String,
    /// UID.
    pub uid: u32,
    /// INTERNALDATE; none where the server sends none that can be parsed.
    pub received: Option<Timestamp>,
    /// Flags as the server spells them.
    pub keywords: Vec<String>,
}

/// One row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// None for a message that is still being sent.
    pub stored: Option<MailboxPosition>,
    /// Its header fields.
    pub facts: HeaderSummary,
    /// RFC822.SIZE; none where the server sends none.
    pub size: Option<u64>,
    /// On request only.
    pub preview: Option<String>,
    /// On request only.
    pub has_attachments: Option<bool>,
    /// The parser failed on it.
    pub unparsed: bool,
    /// The server does not return it.
    pub unavailable: bool,
}

/// A request for a page of messages, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageQuery {
    /// A mailbox name, or a role with a backslash.
    pub mailbox: String,
    /// Fill in [`Summary::preview`].
    pub preview: bool,
    /// Fill in [`Summary::has_attachments`].
    pub attachments: bool,
    /// The cursor of the previous page.
    pub cursor: Option<String>,
    /// 1 to 100.
    pub limit: u32,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The cursor of the next page; none at the end.
    pub next_cursor: Option<String>,
}

/// A change of flags (RFC 9051 §6.4.6). `Set` replaces every flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// Adds some and removes others.
    Edit {
        /// Flags to add.
        add: Vec<Flag>,
        /// Flags to remove.
        remove: Vec<Flag>,
    },
    /// Replaces all flags by these.
    Set(Vec<Flag>),
}

/// The result of moving or copying a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The message id in the request.
    pub key: String,
    /// The message id in the new mailbox, where the server returned COPYUID (RFC 4315 §3).
    pub now: Option<String>,
    /// The new mailbox's decoded name, also when it was requested by role.
    pub mailbox: String,
}
