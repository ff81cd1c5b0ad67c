//! An outgoing message before it is bytes, as the caller described it. Nothing here is checked yet.

use crate::header::address_list::Address;
use crate::octets::Octets;
use crate::read::Header;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Attachment,
    Inline,
}

/// A file, or a picture that the HTML shows by `cid:`.
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

/// What the host decides about a message: its id without angle brackets, and its date in
/// milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub message_id: String,
    pub date: i64,
}
