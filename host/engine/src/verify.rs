//! Trying an account's servers without storing anything.
//!
//! Both at once and apart from each other: a wrong SMTP port must not hide that
//! reading works.

use std::future::Future;
use std::time::Duration;

use futures_util::future;
use model::account::{Account, Credentials};
use model::problem::Problem;

use crate::problems;
use crate::works::Works;

/// What each of the account's servers said to a login.
#[derive(Clone, Debug)]
pub struct Verification {
    /// None when the account has no IMAP server.
    pub imap: Option<Probe>,
    /// None when the account has no SMTP server.
    pub smtp: Option<Probe>,
}

/// One login.
#[derive(Clone, Debug)]
pub struct Probe {
    /// It worked, or why not.
    pub result: Result<(), Problem>,
    /// How long it took.
    pub took: Duration,
}

/// Logs in and out again.
pub(crate) async fn verify(
    works: &Works,
    account: &Account,
    credentials: &Credentials,
) -> Verification {
    let imap = async {
        let server = account.imap.as_ref()?;
        let login = async {
            let session = works.ports.imap.connect(server, credentials).await;
            session.map_err(problems::imap_login)
        };
        let (session, took) = timed(works, login).await;
        Some(Probe { result: leave(session, |session| session.logout()).await, took })
    };
    let smtp = async {
        let server = account.smtp.as_ref()?;
        let login = async {
            let session = works.ports.smtp.connect(server, credentials).await;
            session.map_err(problems::smtp)
        };
        let (session, took) = timed(works, login).await;
        Some(Probe { result: leave(session, |session| session.quit()).await, took })
    };
    let (imap, smtp) = future::join(imap, smtp).await;
    Verification { imap, smtp }
}

async fn timed<T>(works: &Works, work: impl Future<Output = T>) -> (T, Duration) {
    let before = works.ports.clock.monotonic();
    let value = work.await;
    (value, works.ports.clock.monotonic().saturating_sub(before))
}

async fn leave<S, F: Future<Output = ()>>(
    session: Result<S, Problem>,
    goodbye: impl FnOnce(S) -> F,
) -> Result<(), Problem> {
    goodbye(session?).await;
    Ok(())
}
