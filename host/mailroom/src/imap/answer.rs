//! The tagged response of a command.
//!
//! Standards: RFC 3501 §7.1, RFC 5530 (response codes).

use std::borrow::Cow;

use crate::store::Refusal;

/// The result of a command; the text may begin with a response code in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Ok(Cow<'static, str>),
    No(Cow<'static, str>),
    Bad(Cow<'static, str>),
    /// No response: the script has sent it.
    Given,
}

impl Answer {
    pub(crate) const fn ok(text: &'static str) -> Self {
        Self::Ok(Cow::Borrowed(text))
    }

    pub(crate) const fn no(text: &'static str) -> Self {
        Self::No(Cow::Borrowed(text))
    }

    pub(crate) const fn bad(text: &'static str) -> Self {
        Self::Bad(Cow::Borrowed(text))
    }

    /// Writes the line.
    pub(crate) fn write(&self, out: &mut Vec<u8>, tag: &str) {
        let (word, text) = match self {
            Self::Ok(text) => ("OK", text),
            Self::No(text) => ("NO", text),
            Self::Bad(text) => ("BAD", text),
            Self::Given => return,
        };
        out.extend_from_slice(format!("{tag} {word} {text}\r\n").as_bytes());
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::no(match refusal {
            Refusal::NoSuchMailbox => "[NONEXISTENT] no such mailbox",
            Refusal::AlreadyExists => "[ALREADYEXISTS] the mailbox exists",
            Refusal::HasChildren => "[HASCHILDREN] there are mailboxes below it",
            Refusal::Cannot => "[CANNOT] not with this name",
            Refusal::OverQuota => "[OVERQUOTA] the store is full",
        })
    }
}

/// As [`Answer::from`], for commands that put messages into a mailbox: with TRYCREATE, their client
/// may create it and try again (RFC 3501 §7.1).
pub(crate) fn into_target(refusal: Refusal) -> Answer {
    if refusal == Refusal::NoSuchMailbox {
        return Answer::no("[TRYCREATE] no such mailbox");
    }
    refusal.into()
}
