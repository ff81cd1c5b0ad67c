//! A filter's edits, as it asked for them. Nothing here is checked yet.

use crate::read::Header;

/// Words below every body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    pub text: String,
    /// A fragment; made from `text` when none.
    pub html: Option<String>,
}

/// One change to a finished message.
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
