//! Draft: an outgoing message as the caller described it, before validation.

use crate::header::address_list::Address;
use crate::octets::Octets;
use crate::read::Header;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Attachment,
    Inline,
}

/// A file, or an inline picture of the HTML.
pub struct Attachment {
    pub filename: Option<String>,
    pub content_type: String,
    pub disposition: Disposition,
    /// Without the angle brackets.
    pub content_id: Option<String>,
    pub content: Box<dyn Octets>,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Attachment");
        shown.field("filename", &self.filename).field("content_type", &self.content_type);
        shown.finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub struct Draft {
    pub sender: Option<Address>,
    pub reply_to: Vec<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub bcc: Vec<Address>,
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    /// Message ids, with or without angle brackets.
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    pub headers: Vec<Header>,
}

/// The Message-ID without angle brackets, and the date in milliseconds since 1970; the host chooses
/// both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub message_id: String,
    pub date: i64,
}
