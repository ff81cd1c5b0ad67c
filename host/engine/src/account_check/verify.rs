//! Verification of an account's servers, without storing anything.
//!
//! Both at once and separately: a wrong SMTP port must not hide that reading works. Each is tried
//! as far as it will be used: IMAP to the list of mailboxes, SMTP to a recipient. No message is
//! sent.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use model::account::{Account, Credentials, MailServer};
use model::instant::Timestamp;
use model::port::smtp::Activity;
use model::problem::{Code, Problem, Protocol};
use model::provider::Localised;

use crate::account_check::checker::Checker;
use crate::login::advice::{self, AuthKind, ServerAttempt};
use crate::login::attempts::LoginOutcome;
use crate::login::trace::{ConnectionReport, Step, StepRecorder};
use crate::problems;

/// A certificate that expires sooner than this gets a warning: automatic renewals come a month
/// before.
pub const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The result of verifying an account's servers.
#[derive(Clone, Debug)]
pub struct Verification {
    /// None when the account has no IMAP server.
    pub imap: Option<Probe>,
    /// None when the account has no SMTP server.
    pub smtp: Option<Probe>,
    /// What the service requires for a login, should one have been refused; one text in each
    /// language.
    pub help: Vec<Localised>,
    /// The service's own help page.
    pub help_url: Option<String>,
}

impl Verification {
    /// The probes that were made, each with its protocol.
    pub fn probes(&self) -> impl Iterator<Item = (Protocol, &Probe)> {
        let halves = [(Protocol::Imap, &self.imap), (Protocol::Smtp, &self.smtp)];
        halves.into_iter().filter_map(|(protocol, half)| Some((protocol, half.as_ref()?)))
    }

    /// The login outcome of each server that judged the login.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&MailServer, LoginOutcome)> {
        self.probes()
            .filter_map(|(_, probe)| Some((&probe.server, LoginOutcome::of(&probe.result)?)))
    }

    /// The first problem; none when all succeeded.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.probes().find_map(|(_, probe)| probe.result.as_ref().err())
    }

    /// Whether a server refused the login.
    pub(crate) fn is_refused(&self) -> bool {
        let refused = |probe: &Probe| {
            probe.result.as_ref().is_err_and(|problem| problem.code == Code::CredentialsRefused)
        };
        self.probes().any(|(_, probe)| refused(probe))
    }
}

/// The result of verifying one server.
#[derive(Clone, Debug)]
pub struct Probe {
    pub server: MailServer,
    pub result: Result<(), Problem>,
    pub took: Duration,
    /// In order; the last one failed, if any.
    pub steps: Vec<Step>,
    /// The parameters of the connection.
    pub report: ConnectionReport,
    /// The expiry of the certificate, if it is soon.
    pub ends_soon: Option<Timestamp>,
}

/// Logs in at each server, lists or checks, and logs out.
pub(crate) async fn verify(
    checker: &Checker,
    account: &Account,
    credentials: &Credentials,
) -> Verification {
    let imap = async {
        let server = account.imap.as_ref()?;
        let watch = StepRecorder::new(&*checker.clock, Protocol::Imap, server.security);
        let result = imap(checker, server, credentials, &watch).await;
        Some(probe(
            checker,
            tried(checker, Protocol::Imap, credentials, server),
            server,
            watch,
            result,
        ))
    };
    let smtp = async {
        let server = account.smtp.as_ref()?;
        let watch = StepRecorder::new(&*checker.clock, Protocol::Smtp, server.security);
        let result = smtp(checker, account, server, credentials, &watch).await;
        Some(probe(
            checker,
            tried(checker, Protocol::Smtp, credentials, server),
            server,
            watch,
            result,
        ))
    };
    let (imap, smtp) = future::join(imap, smtp).await;
    // What services publish concerns passwords.
    let (help, help_url) = match AuthKind::by(credentials) {
        AuthKind::Password => checker.discovery.help(&account.tenant, account.email.domain()),
        AuthKind::Consent | AuthKind::TokenAddress | AuthKind::Any => (Vec::new(), None),
    };
    Verification { imap, smtp, help, help_url }
}

async fn imap(
    checker: &Checker,
    server: &MailServer,
    credentials: &Credentials,
    watch: &StepRecorder<'_>,
) -> Result<(), Problem> {
    let connected = checker.imap.connect(server, credentials, watch).await;
    let mut session =
        connected.map_err(|error| problems::imap_login(error, AuthKind::by(credentials)))?;
    session.list().await.map_err(problems::imap)?;
    watch.done();
    session.logout().await;
    Ok(())
}

async fn smtp(
    checker: &Checker,
    account: &Account,
    server: &MailServer,
    credentials: &Credentials,
    watch: &StepRecorder<'_>,
) -> Result<(), Problem> {
    let activity = Activity::new(Arc::clone(&checker.clock));
    let connected = checker.smtp.connect(server, credentials, watch, &activity).await;
    let mut session = connected.map_err(problems::smtp)?;
    let rehearsed = session.check_recipient(&account.email).await;
    session.quit().await;
    rehearsed.map_err(problems::smtp)?;
    watch.done();
    Ok(())
}

/// The context of an attempt, for a caller that may see the server's name.
pub(crate) fn tried<'a>(
    checker: &'a Checker,
    protocol: Protocol,
    credentials: &Credentials,
    server: &'a MailServer,
) -> ServerAttempt<'a> {
    let is_known = checker.profiles.knows(&server.host);
    ServerAttempt { protocol, login: AuthKind::by(credentials), server: Some(server), is_known }
}

fn probe(
    checker: &Checker,
    tried: ServerAttempt<'_>,
    server: &MailServer,
    watch: StepRecorder<'_>,
    result: Result<(), Problem>,
) -> Probe {
    let at = watch.at();
    let result = result.map_err(|problem| {
        watch.failed();
        advice::explain(problem, at, tried)
    });
    let (steps, report, took) = watch.end();
    let ends = report.encryption.as_ref().and_then(|found| found.certificate_expires);
    let now = checker.clock.now();
    let ends_soon = ends.filter(|ends| ends.since(now) < SOON);
    Probe { server: server.clone(), result, took, steps, report, ends_soon }
}
