//! JSON of messages, in a list and alone, and of what a change of one returns.
//!
//! A member that was not requested is left out; one that was requested and is unknown is null. Each
//! set of members is what one call of the host returns, so a set of which nothing was requested
//! costs no call.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Serialize;

use crate::instant::Instant;
use crate::member::{Optional, members};

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Messages<'a> {
    pub messages: Vec<Row<'a>>,
    pub next_cursor: Option<&'a str>,
}

// A message of a list.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Row<'a> {
    #[serde(flatten)]
    pub summary: Summary<'a>,
    /// Only on request; null where there is no text, or it is unavailable
    #[serde(skip_serializing_if = "Optional::is_absent")]
    pub preview: Optional<Option<&'a str>>,
    /// Only on request; null where it is unknown
    #[serde(skip_serializing_if = "Optional::is_absent")]
    pub has_attachments: Optional<Option<bool>>,
    #[serde(flatten)]
    pub defects: Defects,
}

/// With `fields`, only the members that it names
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message<'a> {
    #[serde(flatten)]
    pub summary: Summary<'a>,
    #[serde(flatten)]
    pub defects: Defects,
    #[serde(flatten)]
    pub details: Details<'a>,
    #[serde(flatten)]
    pub content: Content<'a>,
    #[serde(flatten)]
    pub structure: Structure<'a>,
    /// Faults in reading or converting the message; absent when there are none
    #[serde(skip_serializing_if = "Optional::is_absent")]
    pub incomplete: Optional<Vec<Fault<'a>>>,
}

impl Message<'_> {
    /// The members that `fields` selects from, in order.
    #[must_use]
    pub fn members() -> Vec<&'static str> {
        [Summary::MEMBERS, Details::MEMBERS, Content::MEMBERS, Structure::MEMBERS].concat()
    }
}

members! {
    // What a list and a single message share.
    pub struct Summary<'a> {
        /// Opaque; valid in URLs of this account
        "id" id: Option<&'a str>,
        "mailbox" mailbox: Option<&'a str>,
        "uid" uid: Option<u32>,
        /// Without angle brackets
        "messageId" message_id: Option<&'a str>,
        /// The date of the Date field
        "date" date: Option<Instant>,
        /// When the server received it (INTERNALDATE); null where the server does not report it
        "received" received: Option<Instant>,
        "from" from: Vec<MailAddress<'a>>,
        "to" to: Vec<MailAddress<'a>>,
        "cc" cc: Vec<MailAddress<'a>>,
        "subject" subject: Option<&'a str>,
        /// IMAP flags, such as \Seen
        "flags" flags: &'a [String],
        /// In bytes
        "size" size: Option<u64>,
        /// The same for each message of a conversation; null where the message has no usable ids
        "threadId" thread_id: Option<&'a str>,
    }
}

members! {
    pub struct Details<'a> {
        "replyTo" reply_to: Vec<MailAddress<'a>>,
        "bcc" bcc: Vec<MailAddress<'a>>,
        "inReplyTo" in_reply_to: &'a [String],
        "references" references: &'a [String],
    }
}

members! {
    pub struct Content<'a> {
        "headers" headers: Vec<Field<'a>>,
        /// The body as text, with HTML converted where there is no text; at most 2 MiB
        "text" text: Option<String>,
        /// The body as sanitised HTML, with text escaped where there is no HTML; null where no part
        /// of it is HTML; at most 2 MiB; without script and without remote content that loads
        /// automatically
        "html" html: Option<String>,
    }
}

members! {
    pub struct Structure<'a> {
        /// Every leaf part, in order, each with its use
        "parts" parts: Vec<Part<'a>>,
        /// The parts that the HTML refers to
        "inline" inline: Vec<Part<'a>>,
        /// The parts that are neither the body, nor another rendering of it, nor inline
        "attachments" attachments: Vec<Attachment<'a>>,
    }
}

#[derive(Clone, Copy, Debug, Default, JsonSchema, Serialize)]
pub struct Defects {
    /// The message cannot be parsed; only its mailbox, flags and size are valid
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(extend("const" = true))]
    pub unparsed: bool,
    /// The mail server lists the message but does not return it; only its mailbox and flags are
    /// valid
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(extend("const" = true))]
    pub unavailable: bool,
}

#[derive(Debug, JsonSchema, Serialize)]
pub struct MailAddress<'a> {
    pub name: Option<&'a str>,
    /// As it was written; null where there is no valid one
    pub email: Option<&'a str>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Field<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

// A part that is not a multipart.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Part<'a> {
    /// The {path} of /parts/{path}
    pub part: &'a str,
    #[serde(rename = "use")]
    pub usage: Usage,
    /// The file name given by the sender
    pub filename: Option<&'a str>,
    /// Without parameters
    pub content_type: &'a str,
    pub charset: Option<&'a str>,
    /// The parameter `method` of text/calendar, such as REQUEST (RFC 6047)
    pub method: Option<&'a str>,
    /// In bytes, without the transfer encoding
    pub size: u64,
    /// attachment or inline, as declared by the sender
    pub disposition: Option<&'a str>,
    /// Without angle brackets; the HTML refers to it as cid:
    pub content_id: Option<&'a str>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Attachment<'a> {
    /// The {n} of /attachments/{n}
    pub number: NonZeroU32,
    #[serde(flatten)]
    pub part: Part<'a>,
}

#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Usage {
    Body,
    Alternative,
    Inline,
    Attachment,
}

// A fault in reading or converting the message, in the format of a problem's `errors`.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Fault<'a> {
    /// /html, /text, /headers or /attachments
    pub pointer: &'a str,
    pub code: &'a str,
    pub detail: &'a str,
}

#[derive(Debug, JsonSchema, Serialize)]
pub struct Changed<'a> {
    /// After a move the new id; null when the server does not report it
    pub id: Option<&'a str>,
    /// After a move: its name, also when a role was given
    #[serde(skip_serializing_if = "Optional::is_absent")]
    pub mailbox: Optional<&'a str>,
    /// All flags, after a change of flags
    #[serde(skip_serializing_if = "Optional::is_absent")]
    pub flags: Optional<&'a [String]>,
}

#[derive(Debug, JsonSchema, Serialize)]
pub struct Moved<'a> {
    /// The id in the new mailbox; the same as `from` when the message was there already, null when
    /// the server does not report it
    pub id: Option<&'a str>,
    /// Its name, also when a role was given
    pub mailbox: &'a str,
    /// The previous id
    pub from: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(value: &bool) -> bool {
    !*value
}
