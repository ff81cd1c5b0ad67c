//! Submissions: the state of every message accepted for sending.
//!
//! Invariant: a state never says more than is known. After the final dot and before a reply it is
//! unknown whether the server accepted the message; that is [`State::Uncertain`], never `sent` and
//! never `failed`.
//!
//! Standards: RFC 5321 §4.5.4 (retry), RFC 1047 (the window after the dot).

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, SubmissionId, TenantId};
use crate::instant::Timestamp;
use crate::mail::address::EmailAddress;
use crate::octets::Octets;

/// The state of a submission, or of one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Durable, waiting for its first attempt.
    Accepted,
    /// Claimed by a worker.
    Claimed,
    /// The attempt is recorded and the connection is being opened.
    Dialing,
    /// Everything but the final dot was sent; durable before the dot itself.
    DotSent,
    /// Every recipient was accepted by the server.
    Sent,
    /// At least one recipient waits for the next attempt.
    Deferred,
    /// At least one recipient was refused permanently by the server, and none is left to try.
    Failed,
    /// The dot was sent and no reply was received.
    Uncertain,
    /// Cancelled before it was sent.
    Cancelled,
    /// Ended after too many attempts.
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

    /// Whether the state is final.
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

/// The state of the copy in the mailbox with the role `\Sent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentCopy {
    /// Not made yet.
    Pending,
    /// The mailbox has one.
    Done,
    /// Every try to make it failed.
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

/// The response to an accepted submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub submission: SubmissionId,
    /// Message-ID without angle brackets; the same for every attempt.
    pub message_id: String,
    /// The current state.
    pub state: State,
    /// When the next (or first) attempt is due; when it ended, once the state is final.
    pub due: Timestamp,
    /// Warnings for the sender of an accepted message, a sentence each. Usually empty.
    pub warnings: Vec<String>,
}

/// The result of `submit`: a submission, accepted now or by an earlier request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its receipt, with the current state.
    pub receipt: Receipt,
    /// Whether an earlier request with the same Idempotency-Key submitted it.
    pub is_replay: bool,
}

/// The state of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientVerdict {
    /// RCPT TO.
    pub recipient: EmailAddress,
    /// Never `claimed` or `dialing`: recipients are accepted, deferred, sent, failed, uncertain, cancelled or expired.
    pub state: State,
    /// The server's reply, cut to 200 printable characters.
    pub reply: Option<String>,
    /// When the reply was received.
    pub at: Option<Timestamp>,
}

/// A submission as callers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionStatus {
    /// Its receipt, with the current state.
    pub receipt: Receipt,
    /// Attempts begun.
    pub attempts: u32,
    /// Every recipient, in the order of the envelope.
    pub recipients: Vec<RecipientVerdict>,
    /// An attempt ended after the dot without a reply, and another one was made.
    pub possible_duplicate: bool,
    /// The last error in one line.
    pub last_error: Option<String>,
    /// The copy in the account's sent mail; none until it was sent, or where none is wanted.
    pub sent_copy: Option<SentCopy>,
    /// When it was accepted.
    pub created: Timestamp,
}

/// A submission that is about to be stored.
#[derive(Clone, Debug)]
pub struct NewSubmission {
    /// Its id.
    pub id: SubmissionId,
    /// The tenant of the account.
    pub tenant: TenantId,
    /// The account that sends it.
    pub account: AccountId,
    /// The account's generation at that time.
    pub generation: u32,
    /// Without angle brackets.
    pub message_id: String,
    /// MAIL FROM.
    pub sender: EmailAddress,
    /// RCPT TO.
    pub recipients: Vec<EmailAddress>,
    /// The message; the same for every attempt.
    pub raw: Octets,
    /// When it was accepted.
    pub created: Timestamp,
    /// When the first attempt is due.
    pub due: Timestamp,
    /// For the receipt, and every later one: none has a line break.
    pub warnings: Vec<String>,
    /// The caller's Idempotency-Key and the digest of its request.
    pub idempotency: Option<Idempotency>,
}

/// An Idempotency-Key, 1 to 255 printable ASCII characters, and its namespace.
///
/// Two namespaces: a key of an anonymous request never equals one of a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdempotencyKey {
    /// Of a request with a token.
    Token(Box<str>),
    /// Of an anonymous request.
    Public(Box<str>),
}

impl IdempotencyKey {
    /// The maximum length in characters.
    pub const LONGEST: usize = 255;

    /// The value as sent.
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
    /// The caller's key.
    pub key: IdempotencyKey,
    /// SHA-256 of draft and options.
    pub digest: [u8; 32],
}
