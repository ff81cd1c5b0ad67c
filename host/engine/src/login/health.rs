//! Health recorder: the last login outcome at the servers of each account.
//!
//! The store is written only when an outcome differs from the one before, so that requests cause no
//! writes. Outcomes from before this process are read once.
//!
//! Invariant: a failure to record is logged and fails no request.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use model::account::Account;
use model::health::{Health, HealthIssue, HealthIssueKind};
use model::port::accounts::Accounts;
use model::port::clock::Clock;
use model::problem::{Code, Problem, Protocol};

use crate::login::account_ref::AccountRef;

/// The health of every account that logged in recently.
#[derive(Debug)]
pub(crate) struct HealthRecorder {
    accounts: Arc<dyn Accounts>,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<(AccountRef, u32), Health>>,
}

impl HealthRecorder {
    pub(crate) fn new(accounts: Arc<dyn Accounts>, clock: Arc<dyn Clock>) -> Self {
        Self { accounts, clock, known: Mutex::default() }
    }

    /// Records the outcome of a login.
    pub(crate) async fn record(&self, account: &Account, protocol: Protocol, no: Option<&Problem>) {
        let key = (AccountRef::of(account), account.generation);
        let known = self.known.lock().get(&key).cloned();
        let before = match known {
            Some(known) => known,
            None => match self.accounts.health(account).await {
                Ok(health) => health,
                Err(error) => {
                    return tracing::warn!(account = %account.id, %error, "its state cannot be read");
                }
            },
        };
        let news = {
            let mut known = self.known.lock();
            let health = known.entry(key).or_insert(before);
            let changed = health.see(protocol, self.clock.now(), no.map(trouble));
            changed.then(|| health.clone())
        };
        let Some(health) = news else { return };
        self.keep(account, &health).await;
    }

    /// Records a consent: its issue is cleared, and the next login gives the rest.
    pub(crate) async fn consented(&self, account: &Account) {
        self.keep(account, &Health::default()).await;
    }

    /// Records a consent that was denied.
    pub(crate) async fn refused(&self, account: &Account, protocol: Protocol, no: &Problem) {
        let mut health = Health::default();
        health.see(protocol, self.clock.now(), Some(trouble(no)));
        self.keep(account, &health).await;
    }

    async fn keep(&self, account: &Account, health: &Health) {
        if let Err(error) = self.accounts.note(account, health).await {
            tracing::warn!(account = %account.id, %error, "its state cannot be kept");
        }
    }

    /// To be called when the account was changed or deleted.
    pub(crate) fn forget(&self, owner: &AccountRef) {
        self.known.lock().retain(|(of, _), _| of != owner);
    }
}

fn trouble(no: &Problem) -> HealthIssue {
    let refused = matches!(
        no.code,
        Code::CredentialsRefused | Code::AccessOff | Code::AuthUnsupported | Code::OAuthNeeded
    );
    let kind = if no.code == Code::ReauthRequired {
        HealthIssueKind::Reauth
    } else if refused {
        HealthIssueKind::Refused
    } else {
        HealthIssueKind::Unreachable
    };
    let said = no.upstream.as_ref().map(|upstream| upstream.reply.as_str());
    let detail = match said {
        Some(said) => format!("{} The server said: {said}", no.detail),
        None => no.detail.clone(),
    };
    HealthIssue { kind, code: no.code.as_str().to_owned(), detail }
}
