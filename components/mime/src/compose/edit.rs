//! Edits of a filter, before validation.

use crate::read::Header;

/// Text to append to every body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    pub text: String,
    /// An HTML fragment; made from `text` when none.
    pub html: Option<String>,
}

/// One edit of a finished message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    AddHeader(Header),
    RemoveHeader(String),
    SetSubject(String),
    SetText(String),
    SetHtml(String),
    AddFooter(Footer),
    AddRecipient(String),
    RemoveRecipient(String),
}
