//! An outgoing message before it is bytes.
//!
//! Nothing here is checked: the `mime` component checks every field when it
//! composes, and answers with pointers into this shape.

use crate::mail::address::{Address, EmailAddress};
use crate::mail::message::Header;
use crate::octets::Octets;

/// What a caller wants to send.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// One of the account's identities; none means the first.
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
    /// References, likewise.
    pub references: Vec<String>,
    /// Additional fields.
    pub headers: Vec<Header>,
}

/// A file that goes with a draft.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The name that the recipient sees.
    pub filename: Option<String>,
    /// `type/subtype`, perhaps with parameters.
    pub content_type: String,
    /// How it is shown.
    pub disposition: Disposition,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// The bytes.
    pub content: Octets,
}

/// Content-Disposition (RFC 2183 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// A file beside the text.
    Attachment,
    /// Part of what is shown.
    Inline,
}

/// The finished message and its envelope.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The bytes, with CRLF line ends.
    pub raw: Octets,
    /// RFC 5321 envelope.
    pub envelope: Envelope,
}

/// RFC 5321 §2.3.1: who sends and who receives, whatever the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// MAIL FROM.
    pub sender: EmailAddress,
    /// RCPT TO, without repetitions.
    pub recipients: Vec<EmailAddress>,
}
