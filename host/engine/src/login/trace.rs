//! A login, watched: each step with its time.
//!
//! Refuses to know what a failure means.

use parking_lot::Mutex;
use std::time::Duration;

use model::account::Security;
use model::port::clock::Clock;
use model::port::dial::Encryption;
use model::port::login_observer::LoginObserver;
use model::problem::Protocol;

/// A step of trying a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepName {
    /// The name is looked up, passes the egress guard, and TCP connects.
    Connect,
    /// TLS, by its first byte or by STARTTLS.
    Tls,
    /// The server greets as one of its protocol.
    Greeting,
    /// The login.
    Auth,
    /// IMAP's capabilities are read.
    Capabilities,
    /// The mailboxes are listed.
    Folders,
    /// SMTP takes the account's address as sender and recipient.
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

/// One step, done or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// It was done.
    pub ok: bool,
    /// Since the step before it.
    pub took: Duration,
}

/// What was agreed on with a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionReport {
    /// None before TLS.
    pub encryption: Option<Encryption>,
    /// None before the login.
    pub mechanism: Option<&'static str>,
}

/// Writes the steps down.
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

    /// The step that is under way; the last one when all were done.
    pub(crate) fn at(&self) -> StepName {
        let done = self.inside.lock().steps.len();
        self.order.get(done).or(self.order.last()).copied().unwrap_or(StepName::Connect)
    }

    /// The step that is under way was done.
    pub(crate) fn done(&self) {
        self.write(true);
    }

    /// The step that is under way failed.
    pub(crate) fn failed(&self) {
        self.write(false);
    }

    /// All of it, with the time since the beginning.
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
