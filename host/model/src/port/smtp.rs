//! SMTP submission sessions. `mail` implements these; `engine` calls them.
//!
//! Invariant: an `Err` of [`SmtpSession::deliver`] means that the final dot was
//! never sent and that nobody was answered, so that a retry cannot duplicate. Doubt
//! after the dot is a value: [`Data::Lost`].
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

/// Logs in.
pub trait SmtpConnect: Send + Sync + fmt::Debug {
    /// Connects, upgrades to TLS, says EHLO and authenticates; `steps` is told each. The session keeps
    /// `activity` and notes there whatever the server does, from here on.
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        credentials: &'a Credentials,
        steps: &'a dyn LoginObserver,
        activity: &'a Activity,
    ) -> BoxFuture<'a, Result<Box<dyn SmtpSession>, SmtpError>>;
}

/// How long a server has been silent in what is under way with it: shared between a session, which
/// notes what moves, and whoever has to know that nothing does.
///
/// What counts is a connection or TLS that stands, a whole reply, and a piece of the message that was
/// taken. Single bytes do not: a reply that trickles is as slow as one that does not come.
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

    /// The server did something, or is asked for something only now: the silence begins again.
    pub fn note(&self) {
        let now = u64::try_from(self.clock.monotonic().as_nanos()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// How long the server has been silent.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        self.clock.monotonic().saturating_sub(last)
    }

    /// Ready when the server has been silent for `limit` without a break.
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

/// Run when everything but the final dot was sent. An error keeps the dot back.
pub type BeforeDot<'a> = Box<dyn FnOnce() -> BoxFuture<'a, Result<(), StoreError>> + Send + 'a>;

/// An authenticated session. After an error it must be dropped.
pub trait SmtpSession: Send + fmt::Debug {
    /// One transaction: MAIL, RCPT for each, DATA when somebody was accepted, `before_dot`, the dot.
    fn deliver<'a>(
        &'a mut self,
        envelope: &'a Envelope,
        raw: &'a Octets,
        before_dot: BeforeDot<'a>,
    ) -> BoxFuture<'a, Result<Delivery, SmtpError>>;
    /// MAIL and RCPT, both with this address, and RSET: whether the server would take a message of
    /// the account's own. Nothing is sent. A refusal is [`SmtpError::Refused`].
    fn check_recipient<'a>(
        &'a mut self,
        address: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<(), SmtpError>>;
    /// What the session was connected with: it says how long the server has been silent.
    fn activity(&self) -> &Activity;
    /// QUIT, politely and within a second.
    fn quit(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// How a transaction went.
#[derive(Debug)]
pub struct Delivery {
    /// The answer to each RCPT, in the order of the envelope. Only [`Data::Ended`] may leave some without.
    pub recipients: Vec<Reply>,
    /// The answer to the message, for those recipients whose RCPT was positive.
    pub data: Data,
}

/// What is known after DATA.
#[derive(Debug)]
pub enum Data {
    /// No recipient was accepted: nothing was sent.
    Skipped,
    /// The server's verdict; to the DATA command itself when that was refused. A refusal may also
    /// come before the dot, which then never left.
    Replied(Reply),
    /// The session ended between RCPT and the final dot, which never left: 421 (RFC 5321 §3.8), or the
    /// connection or the time ran out. What was refused by then is refused; whoever was accepted, or
    /// has no answer, was not tried.
    Ended(SmtpError),
    /// The dot was sent, and then the connection or the time ran out.
    Lost(SmtpError),
}

impl Delivery {
    /// The session may serve another transaction.
    #[must_use]
    pub const fn leaves_session(&self) -> bool {
        match &self.data {
            Data::Skipped => true,
            Data::Replied(reply) => !reply.is_about_session(),
            Data::Ended(_) | Data::Lost(_) => false,
        }
    }
}

/// One SMTP reply, every line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// RFC 3463, where the server gave one.
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

    /// 5yz: final. Everything else that is not positive is worth another try.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.code >= 500 && self.code < 600
    }

    /// About the session, not about what was asked in it: the order of commands (RFC 5321 §4.2.3) or a
    /// login that is missing, too weak or void (RFC 4954 §6). Another session may do better.
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
    /// Nothing to log in with can be had; why, as a caller may see it.
    #[error("{}", .0.detail)]
    NoCredentials(Box<Problem>),
    /// 535 and its like.
    #[error("the SMTP server refused the credentials")]
    Credentials(Reply),
    /// STARTTLS is missing.
    #[error("the SMTP server offers no safe TLS")]
    NoTls,
    /// It offers no mechanism that we have.
    #[error("the SMTP server offers no login that Postlet can make")]
    NoMechanism,
    /// The server refused a step that concerns every recipient: greeting, EHLO, MAIL.
    #[error("the SMTP server refused {step}")]
    Refused {
        /// Which command.
        step: &'static str,
        /// What it said.
        reply: Reply,
    },
    /// The connection broke.
    #[error("lost the connection to the SMTP server")]
    Lost(#[source] std::io::Error),
    /// No answer in time.
    #[error("the SMTP server did not answer {step} in time")]
    Timeout {
        /// Which command.
        step: &'static str,
    },
    /// Not SMTP, or beyond our caps.
    #[error("the SMTP server did not keep to its protocol: {0}")]
    Protocol(&'static str),
    /// The message is larger than the server takes (SIZE, RFC 1870).
    #[error("the message is larger than the server takes ({limit} bytes)")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The record before the dot could not be written, so the dot was kept back.
    #[error("the attempt could not be recorded")]
    Unrecorded(#[source] StoreError),
    /// The message is not in a form that may be sent; nothing was said to the server.
    #[error("the stored message cannot be sent as it is: {0}")]
    Malformed(&'static str),
    /// The message could not be read.
    #[error("the stored message cannot be read")]
    Unreadable(#[source] std::io::Error),
}
