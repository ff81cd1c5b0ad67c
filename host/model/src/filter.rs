//! Filters: what a tenant's component may say about a message.
//!
//! The words of `wit/filtering.wit` and `wit/before-send.wit`, and how a manifest
//! binds a filter. What becomes of a verdict is the engine's business.

use std::collections::BTreeSet;
use std::fmt;

use crate::mail::message::Header;

/// What a filter says about a message that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it is.
    Accept,
    /// With these changes, in order.
    Modify(Vec<Edit>),
    /// Not at all.
    Reject(Refusal),
}

/// Why a message is not accepted, in the filter's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A short word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// One change to a finished message. Unchecked: `mime` checks each when it applies them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// One more field.
    AddHeader(Header),
    /// Every field of that name.
    RemoveHeader(String),
    /// Another subject.
    SetSubject(String),
    /// Another text body.
    SetText(String),
    /// Another HTML body.
    SetHtml(String),
    /// Words below every body.
    AddFooter(Footer),
    /// To the envelope only.
    AddRecipient(String),
    /// From the envelope only.
    RemoveRecipient(String),
}

/// Words below every body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// For the text.
    pub text: String,
    /// A fragment for the HTML; made from `text` when none.
    pub html: Option<String>,
}

/// The kinds of edit, as a manifest grants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EditKind {
    /// [`Edit::AddHeader`].
    AddHeader,
    /// [`Edit::RemoveHeader`].
    RemoveHeader,
    /// [`Edit::SetSubject`].
    SetSubject,
    /// [`Edit::SetText`].
    SetText,
    /// [`Edit::SetHtml`].
    SetHtml,
    /// [`Edit::AddFooter`].
    AddFooter,
    /// [`Edit::AddRecipient`].
    AddRecipient,
    /// [`Edit::RemoveRecipient`].
    RemoveRecipient,
}

impl EditKind {
    /// Every kind.
    pub const EVERY: [Self; 8] = [
        Self::AddHeader,
        Self::RemoveHeader,
        Self::SetSubject,
        Self::SetText,
        Self::SetHtml,
        Self::AddFooter,
        Self::AddRecipient,
        Self::RemoveRecipient,
    ];

    /// As WIT and manifests spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddHeader => "add-header",
            Self::RemoveHeader => "remove-header",
            Self::SetSubject => "set-subject",
            Self::SetText => "set-text",
            Self::SetHtml => "set-html",
            Self::AddFooter => "add-footer",
            Self::AddRecipient => "add-recipient",
            Self::RemoveRecipient => "remove-recipient",
        }
    }

    /// Reads what [`EditKind::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for EditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Edit {
    /// Which grant it needs.
    #[must_use]
    pub const fn kind(&self) -> EditKind {
        match self {
            Self::AddHeader(_) => EditKind::AddHeader,
            Self::RemoveHeader(_) => EditKind::RemoveHeader,
            Self::SetSubject(_) => EditKind::SetSubject,
            Self::SetText(_) => EditKind::SetText,
            Self::SetHtml(_) => EditKind::SetHtml,
            Self::AddFooter(_) => EditKind::AddFooter,
            Self::AddRecipient(_) => EditKind::AddRecipient,
            Self::RemoveRecipient(_) => EditKind::RemoveRecipient,
        }
    }
}

/// What happens to a message when its filter fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnError {
    /// It goes on without the filter, and its sender is told.
    Open,
    /// It is not accepted.
    Closed,
}

/// Whether verdicts count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// They do.
    Live,
    /// They are only logged.
    Shadow,
}

/// How a manifest binds a filter to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The component's name in the manifest; callers are told it.
    pub name: String,
    /// Filters run from the lowest to the highest; equals in the order of the manifest.
    pub order: i64,
    /// When it fails.
    pub on_error: OnError,
    /// Whether it counts.
    pub mode: Mode,
    /// What it may change.
    pub edits: BTreeSet<EditKind>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        for kind in EditKind::EVERY {
            assert_eq!(EditKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(EditKind::parse("add-attachment"), None);
    }
}
