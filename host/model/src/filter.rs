//! Before-send filters: verdicts, edits, and how a manifest binds a filter.
//!
//! The types of `wit/filtering.wit` and `wit/before-send.wit`. How a verdict is applied is the
//! engine's policy.

use std::collections::BTreeSet;
use std::fmt;

use crate::mail::message::Header;

/// A filter's verdict about a message before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it unchanged.
    Accept,
    /// Send it with these edits, applied in order.
    Modify(Vec<Edit>),
    /// Do not send it.
    Reject(Refusal),
}

/// The reason of a rejection, in the filter's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A short code for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// One edit of a composed message. Unchecked: `mime` checks each when it applies them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Adds one field.
    AddHeader(Header),
    /// Removes every field of that name.
    RemoveHeader(String),
    /// Replaces the subject.
    SetSubject(String),
    /// Replaces the text body.
    SetText(String),
    /// Replaces the HTML body.
    SetHtml(String),
    /// Appends to every body.
    AddFooter(Footer),
    /// Adds to the envelope only.
    AddRecipient(String),
    /// Removes from the envelope only.
    RemoveRecipient(String),
}

/// Text appended to every body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// For the text body.
    pub text: String,
    /// A fragment for the HTML body; made from `text` when none.
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
    /// The grant that it needs.
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
    /// Fail open: it is sent without the filter, and its sender gets a warning.
    Open,
    /// Fail closed: it is not accepted.
    Closed,
}

/// Whether a verdict is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Enforced.
    Live,
    /// Logged only.
    Shadow,
}

/// How a manifest binds a filter to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The component's name in the manifest; part of the problems that callers see.
    pub name: String,
    /// Filters run from the lowest to the highest; equals in the order of the manifest.
    pub order: i64,
    /// What a failure means.
    pub on_error: OnError,
    /// Whether its verdict is enforced.
    pub mode: Mode,
    /// The edits that it may make.
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
