//! IMAP session pool: few sessions for each account, reused, and never shared.
//!
//! A mail server limits connections for each user, so an account has at most n sessions, and
//! callers wait for one. A session keeps its mailbox selected and is lent next to a request for
//! that mailbox.
//!
//! Invariant: a session is returned only by [`Lease::keep`], after its last command was completed.
//! A request that is dropped half-way drops its session, because the port is not cancel-safe.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, Either};
use model::account::{Account, MailServer};
use model::mail::mailbox::MailboxName;
use model::port::imap::{ImapError, ImapSession};
use model::problem::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::imap_pool::account_pool::{AccountPool, Connector, IdleSession};
use crate::imap_pool::lease::Lease;
use crate::login::account_ref::AccountRef;
use crate::problems;
use crate::settings::Settings;

pub(crate) mod account_pool;
mod closed_session;
pub(crate) mod lease;

/// The pools of all accounts that were used recently.
#[derive(Debug)]
pub(crate) struct Pool {
    connector: Connector,
    settings: Settings,
    rooms: Mutex<HashMap<AccountRef, Arc<AccountPool>>>,
}

impl Pool {
    pub(crate) fn new(connector: Connector, settings: Settings) -> Self {
        Self { connector, settings, rooms: Mutex::new(HashMap::new()) }
    }

    /// Lends a session for one request, preferably with `mailbox` selected. Waits while all are in
    /// use.
    pub(crate) async fn lease(
        &self,
        account: &Account,
        mailbox: Option<&MailboxName>,
    ) -> Result<Lease, Problem> {
        let room = self.account_pool(account)?;
        room.check_lockout()?;
        let Settings { session_idle, freshness, session_wait, .. } = self.settings;
        let end = room.now() + session_wait;
        let permit = self.permit(&room).await?;
        loop {
            if let Some(IdleSession { session, synced, .. }) = room.take(mailbox, session_idle) {
                return Ok(Lease::reused(room, permit, session, synced, freshness));
            }
            // The server accepts no further connection: wait for one of the pool's.
            if !room.is_full() {
                let login = room.lend();
                match room.connect().await {
                    Ok(session) => {
                        return Ok(Lease::fresh(room, permit, login, session, freshness));
                    }
                    Err(no) => {
                        drop(login);
                        let waits = no.code == Code::UpstreamBusy && room.note_full();
                        if !waits || room.now() >= end {
                            return Err(no);
                        }
                        // One may have been returned meanwhile.
                        if room.has_idle() {
                            continue;
                        }
                    }
                }
            } else if room.now() >= end {
                return Err(problems::full());
            }
            room.returned().await;
        }
    }

    async fn permit(&self, room: &AccountPool) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(permit) = Arc::clone(&room.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let acquired = pin!(Arc::clone(&room.permits).acquire_owned());
        let expired = self.connector.clock.sleep(self.settings.session_wait);
        match future::select(acquired, expired).await {
            Either::Left((permit, _)) => permit.map_err(|_| closed()),
            Either::Right(((), _)) => Err(busy(self.settings.sessions_per_account)),
        }
    }

    /// The pool of one account.
    pub(crate) fn account_pool(&self, account: &Account) -> Result<Arc<AccountPool>, Problem> {
        let server = account.imap.as_ref().ok_or_else(|| {
            Problem::new(Code::NotConfigured, "the account has no IMAP server to read from")
        })?;
        let owner = AccountRef::of(account);
        let mut rooms = self.rooms.lock();
        if let Some(room) = rooms.get(&owner)
            && room.serves(server, account.generation)
        {
            return Ok(Arc::clone(room));
        }
        let room = Arc::new(self.build(account, server));
        rooms.insert(owner, Arc::clone(&room));
        Ok(room)
    }

    fn build(&self, account: &Account, server: &MailServer) -> AccountPool {
        let permits = Arc::new(Semaphore::new(self.settings.sessions_per_account.max(1)));
        AccountPool::new(account.clone(), server.clone(), permits, &self.connector)
    }

    /// The maximum age of a list of mailboxes that a role is looked up in.
    pub(crate) fn mailboxes_fresh(&self) -> Duration {
        self.settings.mailboxes_fresh
    }

    /// Closes the sessions of one account; those in use end with their request.
    pub(crate) async fn forget(&self, owner: &AccountRef) {
        let room = self.rooms.lock().remove(owner);
        if let Some(room) = room {
            logout(room.close()).await;
        }
    }

    /// Closes every idle session.
    pub(crate) async fn close(&self) {
        let rooms: Vec<Arc<AccountPool>> =
            self.rooms.lock().drain().map(|(_, room)| room).collect();
        logout(rooms.iter().flat_map(|room| room.close()).collect()).await;
    }

    /// Removes the sessions that were idle for too long; the caller logs them out.
    pub(crate) fn stale(&self) -> Vec<Box<dyn ImapSession>> {
        let mut stale = Vec::new();
        self.rooms.lock().retain(|_, room| {
            stale.extend(room.stale(self.settings.session_idle));
            !room.is_spent() || Arc::strong_count(room) > 1
        });
        stale
    }
}

/// Logs out all at once; each takes a second at most.
pub(crate) async fn logout(sessions: Vec<Box<dyn ImapSession>>) {
    future::join_all(sessions.into_iter().map(ImapSession::logout)).await;
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// No session could be opened.
    #[error("no session")]
    NoSession(#[source] Problem),
    /// The command failed at the server, or the connection did.
    #[error("the command failed")]
    Command(#[source] ImapError),
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NoSession(problem) => problem,
            SessionError::Command(error) => problems::imap(error),
        }
    }
}

fn busy(sessions: usize) -> Problem {
    let detail =
        format!("the account's {sessions} IMAP sessions are all in use: wait, then try again");
    Problem::new(Code::TooManyRequests, detail).with_retry_after(Duration::from_secs(5))
}

fn closed() -> Problem {
    Problem::new(Code::Unavailable, "the account's sessions are being closed")
}
