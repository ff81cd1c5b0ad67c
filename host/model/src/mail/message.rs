//! Messages as parsed facts.
//!
//! These are the answers of the `mime` component, carried from the runtime to
//! the engine's cache and on to the endpoints. No bytes of mail are read here.
//!
//! Standards: RFC 5322 (fields), RFC 9051 §2.3 (message attributes).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::instant::Timestamp;
use crate::mail::address::Address;
use crate::problem::Fault;

/// An IMAP flag or keyword, safe on the wire: `\Seen`, `$Forwarded`, `Perso/Travail`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Flag(Box<str>);

/// In bytes, without the backslash.
const LONGEST_FLAG: usize = 255;

/// Not a flag that we would send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a flag is 1 to 255 printable characters of ASCII without space and `( ) {{ ] % * \" \\`, with `\\` only in front"
)]
pub struct InvalidFlag;

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
        let word = text.strip_prefix('\\').unwrap_or(text);
        // RFC 9051 §9, `atom`: what a server may list has to be settable.
        let is_atom = |byte: u8| byte.is_ascii_graphic() && !b"(){]%*\"\\".contains(&byte);
        let fits = (1..=LONGEST_FLAG).contains(&word.len()) && word.bytes().all(is_atom);
        if fits { Ok(Self(text.into())) } else { Err(InvalidFlag) }
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

/// What a list row needs. Missing and unreadable fields are none or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderSummary {
    /// Without angle brackets.
    pub message_id: Option<String>,
    /// Digest of the thread's root Message-ID; empty when there is none.
    pub thread_id: String,
    /// The Date field, when it is a real date.
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

/// What a fetched message shows beyond [`Facts`].
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
    /// IMAP's part number ("1.2").
    pub path: String,
    /// Lower case, without parameters.
    pub content_type: String,
    /// As labelled.
    pub charset: Option<String>,
    /// A label, cleaned: never a path.
    pub filename: Option<String>,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// `attachment` or `inline`.
    pub disposition: Option<String>,
    /// Decoded size in bytes.
    pub size: u64,
    /// The parameter of that name of text/calendar (RFC 6047 §2.4).
    pub method: Option<String>,
    /// What it is for; none for a multipart.
    pub usage: Option<Usage>,
}

/// What a leaf of a message is for (RFC 8621 §4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    /// The message's own words.
    Body,
    /// Another rendering of the same words.
    Alternative,
    /// What the HTML shows.
    Inline,
    /// Everything else.
    Attachment,
}

/// Bodies that go on beyond the limit that they were read with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// See [`Reading::text`].
    pub text: bool,
    /// See [`Reading::html`].
    pub html: bool,
    /// See [`Reading::html_as_sent`].
    pub html_as_sent: bool,
}

/// What [`crate::port::mime::Mime::read`] should fill in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent wishes, always built by field name"
)]
pub struct ParseOptions {
    /// Every header field.
    pub headers: bool,
    /// [`Details`].
    pub details: bool,
    /// Every [`Part`].
    pub structure: bool,
    /// The text body.
    pub text: bool,
    /// The HTML body, sanitised.
    pub html: bool,
    /// The HTML body untouched.
    pub html_as_sent: bool,
    /// The first 200 characters of the text.
    pub preview: bool,
}

/// What a whole message says, as far as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedMessage {
    /// Always there.
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
    /// Always there.
    pub has_attachments: bool,
    /// Which bodies end too early.
    pub cut: Cut,
    /// What could not be read or shown, and why: `/html` is the pointer of the HTML body.
    pub faults: Vec<Fault>,
}

/// Where a message lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxPosition {
    /// The opaque id.
    pub key: String,
    /// The mailbox's decoded name.
    pub mailbox: String,
    /// UID.
    pub uid: u32,
    /// INTERNALDATE; none where the server tells none that can be read.
    pub received: Option<Timestamp>,
    /// Flags as the server spells them.
    pub keywords: Vec<String>,
}

/// One row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// None for a message that is still on its way out.
    pub stored: Option<MailboxPosition>,
    /// What it says.
    pub facts: HeaderSummary,
    /// RFC822.SIZE; none where the server does not tell.
    pub size: Option<u64>,
    /// Only when asked for.
    pub preview: Option<String>,
    /// Only when asked for.
    pub has_attachments: Option<bool>,
    /// The parser gave up on it.
    pub unparsed: bool,
    /// The mail server does not give it out.
    pub unavailable: bool,
}

/// A page of rows, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageQuery {
    /// A name or a role with a backslash.
    pub mailbox: String,
    /// Fill in [`Summary::preview`].
    pub preview: bool,
    /// Fill in [`Summary::has_attachments`].
    pub attachments: bool,
    /// From the page before.
    pub cursor: Option<String>,
    /// 1 to 100.
    pub limit: u32,
}

/// One page of anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next_cursor: Option<String>,
}

/// A change of flags. `Set` replaces every flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// Add some and remove others.
    Edit {
        /// Set these.
        add: Vec<Flag>,
        /// Clear these.
        remove: Vec<Flag>,
    },
    /// Exactly these afterwards.
    Set(Vec<Flag>),
}

/// A message that got a new place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The key that was given.
    pub key: String,
    /// The key in the new mailbox, where the server told it (RFC 4315 §3).
    pub now: Option<String>,
    /// The new mailbox's decoded name, also when it was asked for by role.
    pub mailbox: String,
}
