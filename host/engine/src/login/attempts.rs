//! Rate limit of refused logins: after several refusals a login is suspended.
//!
//! A caller that verifies servers may send any password to any login, and so may one that stores
//! one password after the other and reads; neither must serve for guessing, nor lock a mailbox at
//! its service. A change of an account clears nothing here. Verification and stored credentials are
//! counted separately, and of the latter each set counts once however often it is used, so that
//! neither delays the other.
//!
//! Invariant: each tenant has counters of its own; the attempts of one delay no other.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::account::{Account, MailServer};
use model::ids::TenantId;
use model::port::clock::Clock;
use model::problem::{Code, Problem};

use crate::login::lockout::Lockout;

/// A counter that was not used for so long is reset.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Expired counters are removed when there are so many; how fast they grow is limited by the
/// callers' own rate limits.
const CROWD: usize = 1024;

/// A login name at a host, whatever the protocol: usually one password opens both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Login {
    tenant: TenantId,
    host: String,
    username: String,
}

#[derive(Debug, Default)]
struct Count {
    lockout: Lockout,
    /// The last attempt.
    at: Duration,
}

/// The counters of every tenant.
#[derive(Debug)]
pub(crate) struct LoginAttempts {
    clock: Arc<dyn Clock>,
    counts: Mutex<HashMap<Login, Count>>,
}

impl LoginAttempts {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    /// How long the account's logins remain suspended; none when they may be tried.
    pub(crate) fn left(&self, account: &Account) -> Option<Duration> {
        let now = self.clock.monotonic();
        let counts = self.counts.lock();
        let left = |server| counts.get(&Login::of(account, server))?.lockout.left(now);
        account.imap.iter().chain(&account.smtp).filter_map(left).max()
    }

    /// An error while one of the account's logins is suspended.
    pub(crate) fn check(&self, account: &Account) -> Result<(), Problem> {
        let Some(left) = self.left(account) else { return Ok(()) };
        let detail = format!(
            "the mail server refused this login several times in a row, and is left alone for {} seconds more, also with another password: more tries could lock the mailbox",
            left.as_secs().max(1)
        );
        Err(Problem::new(Code::TooManyRequests, detail).with_retry_after(left))
    }

    /// Records one attempt: for each server that answered, whether it refused the login. Two
    /// servers with one login name count once.
    pub(crate) fn record<'a>(
        &self,
        account: &Account,
        answers: impl IntoIterator<Item = (&'a MailServer, LoginOutcome)>,
    ) {
        let now = self.clock.monotonic();
        let mut of_logins: HashMap<Login, LoginOutcome> = HashMap::new();
        for (server, answer) in answers {
            let known = of_logins.entry(Login::of(account, server)).or_insert(answer);
            if answer == LoginOutcome::Refused {
                *known = LoginOutcome::Refused;
            }
        }
        let mut counts = self.counts.lock();
        if counts.len() >= CROWD {
            counts.retain(|_, count| now.saturating_sub(count.at) < REMEMBERED);
        }
        for (login, answer) in of_logins {
            match answer {
                LoginOutcome::Accepted => drop(counts.remove(&login)),
                LoginOutcome::Refused => {
                    let count = counts.entry(login).or_default();
                    if now.saturating_sub(count.at) >= REMEMBERED {
                        count.lockout.accepted();
                    }
                    count.lockout.refused(now);
                    count.at = now;
                }
            }
        }
    }
}

/// The outcome of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginOutcome {
    Accepted,
    Refused,
}

impl LoginOutcome {
    /// None where the login was not judged.
    pub(crate) fn of<T>(result: &Result<T, Problem>) -> Option<Self> {
        match result {
            Ok(_) => Some(Self::Accepted),
            Err(problem) if problem.code == Code::CredentialsRefused => Some(Self::Refused),
            Err(_) => None,
        }
    }
}

impl Login {
    fn of(account: &Account, server: &MailServer) -> Self {
        let host = server.host.trim_end_matches('.').to_ascii_lowercase();
        let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
        Self {
            tenant: account.tenant.clone(),
            host: address.map_or(host, |address| address.to_canonical().to_string()),
            // Mail services compare login names without case.
            username: server.username.to_lowercase(),
        }
    }
}
