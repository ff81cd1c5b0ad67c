//! The port of SMTP submission sessions. `mail` implements these; `engine` calls them.
//!
//! Invariant: an `Err` of [`SmtpSession::deliver`] means that the final dot was never sent and that
//! no recipient has a result, so that a retry cannot duplicate. Doubt after the dot is a value:
//! [`Data::Lost`].
//!
//! Standards: RFC 5321, RFC 6409, RFC 4954 (AUTH), RFC 3463 (enhanced codes).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::account::{Credentials, MailServer};
use crate::future::BoxFuture;
use crate::mail::address::EmailAddress;
use crate::mail::draft::Envelope;
use crate::octets::Octets;
use crate::port::clock::Clock;
use crate::port::dial::DialError;
use crate::port::login_observer::LoginObserver;
use crate::port::store_error::StoreError;
use crate::problem::Problem;

/// Opens authenticated sessions.
pub trait SmtpConnect: Send + Sync + fmt::Debug {
    /// Connects, upgrades to TLS, sends EHLO and authenticates; `steps` observes each step. The
    /// session keeps `activity` and records there all activity of the server, from here on.
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        credentials: &'a Credentials,
        steps: &'a dyn LoginObserver,
        activity: &'a Activity,
    ) -> BoxFuture<'a, Result<Box<dyn SmtpSession>, SmtpError>>;
}

/// Measures how long a server has been silent: shared between a session, which records activity,
/// and the supervisor of an idle timeout.
///
/// Activity is an established connection or TLS, a complete reply, or a piece of the message that
/// was accepted. Single bytes do not count: a reply that trickles is as slow as one that does not
/// come.
#[derive(Clone, Debug)]
pub struct Activity {
    clock: Arc<dyn Clock>,
    /// On the monotonic clock, in nanoseconds.
    last: Arc<AtomicU64>,
}

impl Activity {
    /// The silence begins now.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let activity = Self { clock, last: Arc::default() };
        activity.note();
        activity
    }

    /// The server was active, or a request to it begins only now: the silence begins again.
    pub fn note(&self) {
        let now = u64::try_from(self.clock.monotonic().as_nanos()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Time since the last activity.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        self.clock.monotonic().saturating_sub(last)
    }

    /// Ready when the server has been silent for `limit` without interruption.
    pub async fn silence(&self, limit: Duration) {
        loop {
            let left = limit.saturating_sub(self.silent_for());
            if left.is_zero() {
                return;
            }
            self.clock.sleep(left).await;
        }
    }
}

/// Runs when everything but the final dot was sent. On an error the dot is not sent.
pub type BeforeDot<'a> = Box<dyn FnOnce() -> BoxFuture<'a, Result<(), StoreError>> + Send + 'a>;

/// An authenticated session. After an error it must be dropped.
pub trait SmtpSession: Send + fmt::Debug {
    /// One transaction: MAIL, RCPT for each, DATA when a recipient was accepted, `before_dot`, the
    /// dot.
    fn deliver<'a>(
        &'a mut self,
        envelope: &'a Envelope,
        raw: &'a Octets,
        before_dot: BeforeDot<'a>,
    ) -> BoxFuture<'a, Result<Delivery, SmtpError>>;
    /// MAIL and RCPT, both with this address, and RSET: whether the server would accept a message
    /// from the account to itself. Nothing is sent. A refusal is [`SmtpError::Refused`].
    fn check_recipient<'a>(
        &'a mut self,
        address: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<(), SmtpError>>;
    /// The activity that the session was connected with.
    fn activity(&self) -> &Activity;
    /// QUIT, within a second.
    fn quit(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// The result of a transaction.
#[derive(Debug)]
pub struct Delivery {
    /// The reply to each RCPT, in the order of the envelope. Only [`Data::Ended`] may leave some
    /// without.
    pub recipients: Vec<Reply>,
    /// The reply to the message, for those recipients whose RCPT was positive.
    pub data: Data,
}

/// The outcome of DATA.
#[derive(Debug)]
pub enum Data {
    /// No recipient was accepted: nothing was sent.
    Skipped,
    /// The server's reply; to the DATA command itself when that was refused. A refusal may also
    /// come before the dot, which then was never sent.
    Replied(Reply),
    /// The session ended between RCPT and the final dot, which was never sent: 421 (RFC 5321 §3.8),
    /// or the connection was lost or timed out. Recipients refused by then are refused; those that
    /// were accepted, or have no reply, were not tried.
    Ended(SmtpError),
    /// The dot was sent, and then the connection was lost or timed out.
    Lost(SmtpError),
}

impl Delivery {
    /// Whether the session may be used for another transaction.
    #[must_use]
    pub const fn leaves_session(&self) -> bool {
        match &self.data {
            Data::Skipped => true,
            Data::Replied(reply) => !reply.is_about_session(),
            Data::Ended(_) | Data::Lost(_) => false,
        }
    }
}

/// One SMTP reply (RFC 5321 §4.2), all lines of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// The enhanced status code (RFC 3463), where the server sent one.
    pub enhanced: Option<String>,
    /// The text, lines joined by a space, cut to 200 printable characters.
    pub text: String,
}

impl Reply {
    /// 2yz.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code >= 200 && self.code < 300
    }

    /// 5yz: permanent. Every other reply that is not positive is worth another try.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.code >= 500 && self.code < 600
    }

    /// About the session, not the command: the order of commands (RFC 5321 §4.2.3) or a login that
    /// is missing, too weak or void (RFC 4954 §6). Another session may succeed.
    #[must_use]
    pub const fn is_about_session(&self) -> bool {
        matches!(self.code, 421 | 503 | 530 | 534 | 535 | 538)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// Why a session failed before the final dot (or, inside [`Data::Lost`], after it).
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// No connection.
    #[error("cannot reach the SMTP server")]
    Dial(#[source] DialError),
    /// No credentials can be obtained; the reason, as a caller may see it.
    #[error("{}", .0.detail)]
    NoCredentials(Box<Problem>),
    /// 535 and similar replies.
    #[error("the SMTP server refused the credentials")]
    Credentials(Reply),
    /// STARTTLS is missing.
    #[error("the SMTP server offers no safe TLS")]
    NoTls,
    /// The server offers no supported mechanism.
    #[error("the SMTP server offers no login that Postlet can make")]
    NoMechanism,
    /// The server refused a step that concerns every recipient: greeting, EHLO, MAIL.
    #[error("the SMTP server refused {step}")]
    Refused {
        /// The command.
        step: &'static str,
        /// The server's reply.
        reply: Reply,
    },
    /// The connection was lost.
    #[error("lost the connection to the SMTP server")]
    Lost(#[source] std::io::Error),
    /// No reply within the time limit.
    #[error("the SMTP server did not answer {step} in time")]
    Timeout {
        /// The command.
        step: &'static str,
    },
    /// A protocol violation, or more than the client's limits allow.
    #[error("the SMTP server did not keep to its protocol: {0}")]
    Protocol(&'static str),
    /// The message is larger than the server accepts (SIZE, RFC 1870).
    #[error("the message is larger than the server takes ({limit} bytes)")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The record before the dot could not be written, so the dot was not sent.
    #[error("the attempt could not be recorded")]
    Unrecorded(#[source] StoreError),
    /// The message is not in a form that may be sent; no command was sent.
    #[error("the stored message cannot be sent as it is: {0}")]
    Malformed(&'static str),
    /// The message could not be read.
    #[error("the stored message cannot be read")]
    Unreadable(#[source] std::io::Error),
}
