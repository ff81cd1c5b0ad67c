//! Step recorder of a login: each step with its duration.
//!
//! Independent of what a failure means.

use parking_lot::Mutex;
use std::time::Duration;

use model::account::Security;
use model::port::clock::Clock;
use model::port::dial::Encryption;
use model::port::login_observer::LoginObserver;
use model::problem::Protocol;

/// A step of verifying a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepName {
    /// DNS resolution, the check by the egress guard, and the TCP connection.
    Connect,
    /// The TLS handshake, implicit or after STARTTLS.
    Tls,
    /// The server's greeting.
    Greeting,
    /// Authentication.
    Auth,
    /// The IMAP capabilities.
    Capabilities,
    /// The list of mailboxes.
    Folders,
    /// SMTP accepts the account's address as sender and recipient.
    Mail,
}

impl StepName {
    /// As the API shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Auth => "auth",
            Self::Capabilities => "capabilities",
            Self::Folders => "folders",
            Self::Mail => "mail",
        }
    }
}

/// One step, completed or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: StepName,
    pub ok: bool,
    /// Time since the step before it.
    pub took: Duration,
}

/// The negotiated parameters of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionReport {
    /// None before TLS.
    pub encryption: Option<Encryption>,
    /// None before the login.
    pub mechanism: Option<&'static str>,
}

/// Records the steps.
#[derive(Debug)]
pub(crate) struct StepRecorder<'a> {
    clock: &'a dyn Clock,
    order: &'static [StepName],
    began: Duration,
    inside: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Duration,
    steps: Vec<Step>,
    report: ConnectionReport,
}

impl<'a> StepRecorder<'a> {
    pub(crate) fn new(clock: &'a dyn Clock, protocol: Protocol, security: Security) -> Self {
        use StepName::{Auth, Capabilities, Connect, Folders, Greeting, Mail, Tls};
        let order: &[StepName] = match (protocol, security) {
            (Protocol::Imap, Security::Tls) => {
                &[Connect, Tls, Greeting, Auth, Capabilities, Folders]
            }
            (Protocol::Imap, Security::StartTls) => {
                &[Connect, Greeting, Tls, Auth, Capabilities, Folders]
            }
            (Protocol::Smtp, Security::Tls) => &[Connect, Tls, Greeting, Auth, Mail],
            (Protocol::Smtp, Security::StartTls) => &[Connect, Greeting, Tls, Auth, Mail],
        };
        let began = clock.monotonic();
        let inside = State { last: began, steps: Vec::new(), report: ConnectionReport::default() };
        Self { clock, order, began, inside: Mutex::new(inside) }
    }

    /// The step under way; the last one when all are completed.
    pub(crate) fn at(&self) -> StepName {
        let done = self.inside.lock().steps.len();
        self.order.get(done).or(self.order.last()).copied().unwrap_or(StepName::Connect)
    }

    /// Marks the step under way as completed.
    pub(crate) fn done(&self) {
        self.write(true);
    }

    /// Marks the step under way as failed.
    pub(crate) fn failed(&self) {
        self.write(false);
    }

    /// The steps, the report, and the total duration.
    pub(crate) fn end(self) -> (Vec<Step>, ConnectionReport, Duration) {
        let took = self.clock.monotonic().saturating_sub(self.began);
        let inside = self.inside.into_inner();
        (inside.steps, inside.report, took)
    }

    fn write(&self, ok: bool) {
        let (name, now) = (self.at(), self.clock.monotonic());
        let mut inside = self.inside.lock();
        let took = now.saturating_sub(inside.last);
        inside.steps.push(Step { name, ok, took });
        inside.last = now;
    }
}

impl LoginObserver for StepRecorder<'_> {
    fn connected(&self) {
        self.done();
    }

    fn encrypted(&self, how: Option<Encryption>) {
        self.inside.lock().report.encryption = how;
        self.done();
    }

    fn greeted(&self) {
        self.done();
    }

    fn authenticated(&self, mechanism: &'static str) {
        self.inside.lock().report.mechanism = Some(mechanism);
        self.done();
    }

    fn capabilities_read(&self) {
        self.done();
    }
}
