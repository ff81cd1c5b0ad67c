//! Message drafts, and the message composed from one.
//!
//! Nothing here is checked: the `mime` component checks every field when it composes, and returns
//! pointers into this structure.

use crate::mail::address::{Address, EmailAddress};
use crate::mail::message::Header;
use crate::octets::Octets;

/// A message that a caller wants to send.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// From: one of the account's identities; none means the first.
    pub sender: Option<Address>,
    /// Reply-To.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// In the envelope, never in the header.
    pub bcc: Vec<Address>,
    /// Subject.
    pub subject: Option<String>,
    /// The text body.
    pub text: Option<String>,
    /// The HTML body.
    pub html: Option<String>,
    /// Attachments and inline parts.
    pub attachments: Vec<Attachment>,
    /// In-Reply-To (RFC 5322 §3.6.4): Message-IDs, with or without angle brackets.
    pub in_reply_to: Vec<String>,
    /// References (RFC 5322 §3.6.4), likewise.
    pub references: Vec<String>,
    /// Additional header fields.
    pub headers: Vec<Header>,
}

/// A MIME part that is sent with a draft.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The name that the recipient sees.
    pub filename: Option<String>,
    /// The media type, `type/subtype`, with parameters if any.
    pub content_type: String,
    /// How it is shown.
    pub disposition: Disposition,
    /// Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// The bytes before transfer encoding.
    pub content: Octets,
}

/// Content-Disposition (RFC 2183 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// A file beside the text.
    Attachment,
    /// Displayed as part of a body.
    Inline,
}

/// A composed message and its envelope.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The message (RFC 5322), with CRLF line ends.
    pub raw: Octets,
    /// The envelope.
    pub envelope: Envelope,
}

/// The SMTP envelope (RFC 5321 §2.3.1); independent of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// MAIL FROM.
    pub sender: EmailAddress,
    /// RCPT TO, without duplicates.
    pub recipients: Vec<EmailAddress>,
}
