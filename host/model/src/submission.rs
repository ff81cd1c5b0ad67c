//! Submissions: what became of every message that was accepted for sending.
//!
//! Invariant: a state never says more than is known. After the final dot and
//! before a verdict nobody knows whether the server took the message; that is
//! [`State::Uncertain`], never `sent` and never `failed`.
//!
//! Standards: RFC 5321 §4.5.4 (retry), RFC 1047 (the window after the dot).

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, SubmissionId, TenantId};
use crate::instant::Timestamp;
use crate::mail::address::EmailAddress;
use crate::octets::Octets;

/// Where a submission, or one recipient of it, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// On disk, waiting for its first attempt.
    Accepted,
    /// A worker holds it.
    Claimed,
    /// The attempt is recorded and the connection is being made.
    Dialing,
    /// Everything but the final dot was sent; durable before the dot itself.
    DotSent,
    /// Every recipient was accepted by the server.
    Sent,
    /// Some recipient waits for the next attempt.
    Deferred,
    /// Refused for good by the server for at least one recipient, and nobody is left to try.
    Failed,
    /// The dot was sent and no verdict heard.
    Uncertain,
    /// Taken back before it was sent.
    Cancelled,
    /// Gave up after too many attempts.
    Expired,
}

impl State {
    /// Every state, in the order of a submission's life.
    pub const EVERY: [Self; 10] = [
        Self::Accepted,
        Self::Claimed,
        Self::Dialing,
        Self::DotSent,
        Self::Sent,
        Self::Deferred,
        Self::Failed,
        Self::Uncertain,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Nothing will change any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Sent | Self::Failed | Self::Cancelled | Self::Expired)
    }

    /// As the store writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Claimed => "claimed",
            Self::Dialing => "dialing",
            Self::DotSent => "dot-sent",
            Self::Sent => "sent",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Uncertain => "uncertain",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Reads what [`State::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|state| state.as_str() == text)
    }
}

/// What became of the copy in the mailbox with the role `\Sent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentCopy {
    /// To be made, or being made.
    Pending,
    /// The mailbox has one.
    Done,
    /// It could not be made, however often it was tried.
    GivenUp,
}

impl SentCopy {
    /// As the store writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::GivenUp => "given-up",
        }
    }

    /// Reads what [`SentCopy::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let every = [Self::Pending, Self::Done, Self::GivenUp];
        every.into_iter().find(|copy| copy.as_str() == text)
    }
}

/// The first answer to a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub submission: SubmissionId,
    /// Message-ID without angle brackets; the same for every attempt.
    pub message_id: String,
    /// Where it stands.
    pub state: State,
    /// When the next (or first) attempt is due; when it ended, once the state is final.
    pub due: Timestamp,
    /// What the sender should know although the message was accepted, a sentence each. As a rule empty.
    pub warnings: Vec<String>,
}

/// What is known about one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientVerdict {
    /// RCPT TO.
    pub recipient: EmailAddress,
    /// Never `claimed` or `dialing`: recipients are accepted, deferred, sent, failed, uncertain, cancelled or expired.
    pub state: State,
    /// The server's reply, cut to 200 printable characters.
    pub reply: Option<String>,
    /// When it was said.
    pub at: Option<Timestamp>,
}

/// A submission as callers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionStatus {
    /// Its receipt, with the state as of now.
    pub receipt: Receipt,
    /// Attempts begun.
    pub attempts: u32,
    /// Every recipient, in the order of the envelope.
    pub recipients: Vec<RecipientVerdict>,
    /// An attempt ended after the dot without a verdict, and another one was made.
    pub possible_duplicate: bool,
    /// The last trouble in one line.
    pub last_error: Option<String>,
    /// Its copy among the account's sent mail; none while it was not sent, or where none is wanted.
    pub sent_copy: Option<SentCopy>,
    /// When it was accepted.
    pub created: Timestamp,
}

/// What is about to become durable.
#[derive(Clone, Debug)]
pub struct NewSubmission {
    /// Its id.
    pub id: SubmissionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which mailbox sends it.
    pub account: AccountId,
    /// Of the account as it was then.
    pub generation: u32,
    /// Without angle brackets.
    pub message_id: String,
    /// MAIL FROM.
    pub sender: EmailAddress,
    /// RCPT TO.
    pub recipients: Vec<EmailAddress>,
    /// The bytes of every attempt.
    pub raw: Octets,
    /// When it was accepted.
    pub created: Timestamp,
    /// When to try first.
    pub due: Timestamp,
    /// For the receipt, and every later one: none has a line break.
    pub warnings: Vec<String>,
    /// The caller's Idempotency-Key and the digest of what came with it.
    pub idempotency: Option<Idempotency>,
}

/// An Idempotency-Key as it was sent, 1 to 255 printable ASCII characters, and by whom.
///
/// Two namespaces: whatever a stranger sends, it is no key of a token's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdempotencyKey {
    /// By somebody who showed a token.
    Token(Box<str>),
    /// By somebody who showed none.
    Public(Box<str>),
}

impl IdempotencyKey {
    /// Characters.
    pub const LONGEST: usize = 255;

    /// As it was sent.
    #[must_use]
    pub const fn text(&self) -> &str {
        match self {
            Self::Token(text) | Self::Public(text) => text,
        }
    }

    /// Both namespaces in one column: no text that can be sent begins with a control character.
    #[must_use]
    pub fn column(&self) -> String {
        match self {
            Self::Token(text) => text.to_string(),
            Self::Public(text) => format!("\u{1}{text}"),
        }
    }
}

/// One use of an Idempotency-Key, scoped to one generation of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's.
    pub key: IdempotencyKey,
    /// SHA-256 over draft and options.
    pub digest: [u8; 32],
}
