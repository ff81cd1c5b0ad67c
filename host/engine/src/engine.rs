//! The engine's public interface: the capabilities of components, the outbox driver, and the calls
//! of the control plane.
//!
//! Every capability checks its scope here, in one place, before anything else.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future;
use model::account::{Account, Credentials};
use model::caller::{Caller, Grant, Party, Scope};
use model::discovery::DiscoveryResult;
use model::ids::{AccountId, TenantId};
use model::mail::draft::Draft;
use model::mail::mailbox::Mailbox;
use model::mail::message::{FlagChange, MessageQuery, Moved, Page, Summary};
use model::port::accounts::Accounts;
use model::port::capabilities::{
    AccountAccess, Answer, Answers, Mailboxes, Message, Messages, Providers, Submissions, Uploads,
};
use model::port::spool::{Spool, Spools};
use model::problem::{Code, Problem, Protocol};
use model::submission::{Accepted, State, SubmissionStatus};
use rules::foreign_text::printable;

use crate::account_check::checker::Checker;
use crate::account_check::self_test::{self, SelfTest};
use crate::account_check::verify::{self, Verification};
use crate::discovery::Discovery;
use crate::discovery::rate_limit::LookupLimiter;
use crate::imap_pool::Pool;
use crate::imap_pool::account_pool::Connector;
use crate::login::account_ref::AccountRef;
use crate::login::attempts::LoginAttempts;
use crate::login::health::HealthRecorder;
use crate::logins::Logins;
use crate::messages::reader::Reader;
use crate::messages::{change, list, mailboxes, open};
use crate::oauth::consent::{PendingConsents, StartedConsent};
use crate::oauth::credentials::{self, CredentialProvider, Endpoints};
use crate::oauth::servers::Server;
use crate::oauth::token_response::TokenError;
use crate::outbox::delivery_slots::DeliverySlots;
use crate::outbox::worker::Worker;
use crate::outbox::{driver, maintenance};
use crate::ports::Ports;
use crate::problems;
use crate::settings::Settings;
use crate::submit::filter_registry::ActiveFilter;
use crate::submit::submitter::{self, Submitter};
use crate::withheld;

/// The policy of the product, over ports.
pub struct Engine {
    settings: Settings,
    accounts: Arc<dyn Accounts>,
    spools: Arc<dyn Spools>,
    discovery: Arc<Discovery>,
    /// Rate limit of discovery over the network.
    lookups: LookupLimiter,
    logins: Logins,
    /// OAuth consents that are pending.
    consents: PendingConsents,
    pub(crate) reader: Arc<Reader>,
    submitter: Submitter,
    worker: Worker,
    checker: Checker,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates the engine. Starts nothing: deliveries begin with [`Self::deliver_forever`].
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Arc<Self> {
        let clock = &ports.clock;
        let healths = Arc::new(HealthRecorder::new(Arc::clone(&ports.accounts), Arc::clone(clock)));
        let logins = Logins {
            bearers: Arc::new(CredentialProvider::new(
                Arc::clone(&ports.accounts),
                Arc::clone(clock),
                Arc::clone(&ports.background),
                Endpoints {
                    servers: Arc::clone(&ports.tokens),
                    own: Arc::clone(&ports.own_tokens),
                },
                Arc::clone(&ports.authorization),
            )),
            healths: Arc::clone(&healths),
            guesses: Arc::new(LoginAttempts::new(Arc::clone(clock))),
        };
        let connector = Connector {
            clock: Arc::clone(clock),
            imap: Arc::clone(&ports.imap),
            logins: logins.clone(),
        };
        let pool = Arc::new(Pool::new(connector, settings.clone()));
        let mime = Arc::clone(&ports.mime);
        let reader = Reader::new(Arc::clone(&pool), mime, Arc::clone(clock), settings.clone());
        let slots = Arc::new(DeliverySlots::new(&settings));
        let submitter = Submitter::new(&ports, Arc::clone(&slots), settings.clone());
        Arc::new(Self {
            checker: Checker::new(&ports, healths),
            consents: PendingConsents::new(Arc::clone(clock), Arc::clone(&ports.entropy)),
            lookups: LookupLimiter::new(settings.lookups, Arc::clone(clock)),
            worker: Worker::new(&ports, logins.clone(), pool, slots, settings.clone()),
            reader: Arc::new(reader),
            submitter,
            logins,
            accounts: ports.accounts,
            spools: ports.spools,
            discovery: ports.discovery,
            settings,
        })
    }

    /// Delivers accepted submissions until `stop`; then claims no more, finishes the transactions
    /// that are under way, and returns. Dropping it instead is as safe as a crash.
    ///
    /// Only one may run on a data directory: it begins by voiding every claim.
    pub async fn deliver_forever(self: Arc<Self>, stop: impl Future<Output = ()> + Send) {
        let driver = pin!(driver::run(&self.worker, stop));
        // It never ends, and nothing is lost when it is dropped.
        let upkeep = pin!(maintenance::run(&self.worker));
        future::select(driver, upkeep).await;
    }

    /// Verifies the account's servers by a login at each. Nothing is stored, and refusals of stored
    /// credentials are counted separately.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`] while a login is suspended after repeated refusals.
    pub async fn verify(
        &self,
        account: &Account,
        credentials: &Credentials,
    ) -> Result<Verification, Problem> {
        self.checker.refusals.check(account)?;
        let verification = verify::verify(&self.checker, account, credentials).await;
        self.checker.refusals.record(account, verification.answers());
        Ok(verification)
    }

    /// As [`Self::verify`], with the stored credentials; the outcome is recorded as the account's
    /// health.
    ///
    /// # Errors
    /// As for [`Self::verify`], and when the store fails, or the account is gone.
    pub async fn verify_stored(&self, account: &Account) -> Result<Verification, Problem> {
        self.checker.refusals.check(account)?;
        let credentials = self.credentials(account).await?;
        let mut verification = verify::verify(&self.checker, account, &credentials).await;
        if verification.is_refused()
            && let Some(other) =
                self.logins.bearers.refresh_after_refusal(account, &credentials).await?
        {
            verification = verify::verify(&self.checker, account, &other).await;
        }
        self.checker.refusals.record(account, verification.answers());
        self.record_verification(account, &verification).await;
        Ok(verification)
    }

    /// Records the outcome of a verification as the account's health.
    pub async fn record_verification(&self, account: &Account, verification: &Verification) {
        for (protocol, probe) in verification.probes() {
            self.logins.healths.record(account, protocol, probe.result.as_ref().err()).await;
        }
    }

    /// Self-test: sends a message from the account to itself, waits for its arrival, and removes
    /// it.
    ///
    /// # Errors
    /// As for [`Self::verify_stored`]. Errors of the servers are in the result.
    pub async fn self_test(&self, account: &Account) -> Result<SelfTest, Problem> {
        self.checker.refusals.check(account)?;
        let credentials = self.credentials(account).await?;
        let wait = self.settings.trial_wait;
        Ok(self_test::run(&self.checker, account, &credentials, wait).await)
    }

    /// Server discovery for a domain, independent of the caller's scopes.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`] when the caller's tenant exceeds its rate of lookups.
    pub async fn find_servers(
        &self,
        caller: &Caller,
        domain: &str,
    ) -> Result<DiscoveryResult, Problem> {
        let discovery = &self.discovery;
        if discovery.asks(&caller.tenant, domain) {
            self.lookups.take(caller)?;
        }
        Ok(discovery.find(&caller.tenant, domain).await)
    }

    async fn credentials(&self, account: &Account) -> Result<Credentials, Problem> {
        let found = self.logins.bearers.current(account).await;
        if found.as_ref().is_err_and(|problem| problem.code == Code::ReauthRequired) {
            self.awaits_consent(account).await;
        }
        found
    }

    /// Resolves credentials that are not stored: requests a token where they name a token address.
    ///
    /// # Errors
    /// The error of the token address.
    pub async fn resolve_credentials(
        &self,
        tenant: &TenantId,
        credentials: Credentials,
    ) -> Result<Credentials, Problem> {
        self.logins.bearers.unstored(tenant, credentials).await
    }

    /// Begins an OAuth consent; returns the authorization URL for the owner of the mailbox.
    ///
    /// # Errors
    /// [`Code::NotConfigured`] when the account has no authorization server, or it is not
    /// configured on this host.
    pub async fn begin_consent(&self, account: &Account) -> Result<StartedConsent, Problem> {
        let stored = self.logins.bearers.stored(account).await?;
        self.consents.begin(&self.logins.bearers, account, &stored)
    }

    /// Completes a consent with the authorization response, and stores the tokens; returns the
    /// account.
    ///
    /// # Errors
    /// [`Code::InvalidConsent`], and errors of the token endpoint.
    pub async fn end_consent(&self, state: &str, code: &str) -> Result<Account, Problem> {
        let account = self.consents.end(&self.logins.bearers, state, code).await?;
        self.logins.healths.consented(&account).await;
        self.forget(&account.tenant, &account.id).await;
        Ok(account)
    }

    /// Ends a consent that was denied; the error of the authorization server becomes the account's
    /// last error.
    pub async fn refuse_consent(&self, state: &str, said: &str) {
        let Some(account) = self.consents.give_up(state) else { return };
        let stored = self.logins.bearers.stored(&account).await;
        // An account with valid tokens keeps using them.
        if !matches!(stored, Ok(Credentials::OAuth(oauth)) if oauth.needs_authorization()) {
            return;
        }
        let detail = format!(
            "the owner of the mailbox did not agree: the authorization server says `{}`",
            printable(said)
        );
        let problem = Problem::new(Code::ReauthRequired, detail);
        self.logins.healths.refused(&account, protocol_of(&account), &problem).await;
        self.logins.healths.forget(&AccountRef::of(&account));
    }

    /// Looks up an authorization server by name.
    ///
    /// # Errors
    /// [`Code::NotConfigured`], with the names of those that are configured.
    pub fn authorization_server(&self, name: &str) -> Result<&Server, Problem> {
        self.logins.bearers.server(name)
    }

    /// The name of the authorization server that issues tokens for this mail server.
    #[must_use]
    pub fn authorization_server_for(&self, host: &str) -> Option<&str> {
        self.logins.bearers.server_for(host)
    }

    /// Records that the account waits for its owner's consent.
    pub async fn awaits_consent(&self, account: &Account) {
        let problem = credentials::withheld(TokenError::Grant);
        self.logins.healths.record(account, protocol_of(account), Some(&problem)).await;
    }

    /// Closes the account's sessions and drops cached data and lock-outs. To be called after an
    /// account was changed or deleted.
    pub async fn forget(&self, tenant: &TenantId, account: &AccountId) {
        let owner = AccountRef { tenant: tenant.clone(), account: account.clone() };
        self.worker.slots.forget(&owner);
        self.logins.healths.forget(&owner);
        self.reader.pool.forget(&owner).await;
        self.reader.cache.evict_account(&owner);
    }

    /// Replaces the tenant's before-send filters, in their order; a message that is being filtered
    /// finishes with the filters that it began with.
    pub fn set_filters(&self, tenant: TenantId, filters: Vec<ActiveFilter>) {
        self.submitter.filters.set(tenant, filters);
    }

    /// Logs out every idle session, once token refreshes under way are stored.
    pub async fn close(&self) {
        self.logins.bearers.wait_for_refreshes().await;
        self.reader.pool.close().await;
    }

    async fn open(&self, caller: &Arc<Caller>, id: &str) -> Result<Grant, Problem> {
        let missing = || withheld::no_such_account(caller);
        let id: AccountId = id.parse().map_err(|_| missing())?;
        if !caller.may_open(&id) {
            return Err(missing());
        }
        let found = self.accounts.get(&caller.tenant, &id).await;
        let account = found.map_err(problems::store)?.ok_or_else(missing)?;
        // The store looks accounts up by tenant; an error there must not give access to another
        // tenant's account.
        if account.tenant != caller.tenant {
            return Err(missing());
        }
        Ok(Grant { caller: Arc::clone(caller), account: Arc::new(account) })
    }
}

/// The granted account, if the token has the scope.
fn allow(grant: &Grant, scope: Scope) -> Result<&Account, Problem> {
    let caller = &grant.caller;
    if caller.may(scope) { Ok(&grant.account) } else { Err(withheld::forbidden(caller, scope)) }
}

fn denied<T>(keys: &[String], problem: &Problem) -> Vec<Result<T, Problem>> {
    keys.iter().map(|_| Err(problem.clone())).collect()
}

impl AccountAccess for Engine {
    fn open_account<'a>(&'a self, caller: &'a Arc<Caller>, id: &'a str) -> Answer<'a, Grant> {
        Box::pin(self.open(caller, id))
    }
}

impl Messages for Engine {
    fn find_messages<'a>(
        &'a self,
        grant: &'a Grant,
        query: MessageQuery,
    ) -> Answer<'a, Page<Summary>> {
        Box::pin(async move { list::find(&self.reader, allow(grant, Scope::Read)?, &query).await })
    }

    fn open_message<'a>(&'a self, grant: &'a Grant, key: &'a str) -> Answer<'a, Arc<dyn Message>> {
        Box::pin(async move {
            allow(grant, Scope::Read)?;
            open::open(&self.reader, &grant.account, key).await
        })
    }

    fn change_flags<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        change: FlagChange,
    ) -> Answers<'a, Vec<String>> {
        Box::pin(async move {
            match allow(grant, Scope::Change) {
                Ok(account) => change::change_flags(&self.reader, account, keys, &change).await,
                Err(problem) => denied(keys, &problem),
            }
        })
    }

    fn move_messages<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        mailbox: &'a str,
    ) -> Answers<'a, Moved> {
        Box::pin(async move {
            match allow(grant, Scope::Change) {
                Ok(account) => change::move_to(&self.reader, account, keys, mailbox).await,
                Err(problem) => denied(keys, &problem),
            }
        })
    }

    fn copy_messages<'a>(
        &'a self,
        grant: &'a Grant,
        keys: &'a [String],
        mailbox: &'a str,
    ) -> Answers<'a, Moved> {
        Box::pin(async move {
            match allow(grant, Scope::Change) {
                Ok(account) => change::copy_to(&self.reader, account, keys, mailbox).await,
                Err(problem) => denied(keys, &problem),
            }
        })
    }

    fn trash<'a>(&'a self, grant: &'a Grant, keys: &'a [String]) -> Answers<'a, Moved> {
        Box::pin(async move {
            match allow(grant, Scope::Change) {
                Ok(account) => change::trash(&self.reader, account, keys).await,
                Err(problem) => denied(keys, &problem),
            }
        })
    }

    fn expunge_forever<'a>(&'a self, grant: &'a Grant, keys: &'a [String]) -> Answers<'a, ()> {
        Box::pin(async move {
            match allow(grant, Scope::Change) {
                Ok(account) => change::expunge_forever(&self.reader, account, keys).await,
                Err(problem) => denied(keys, &problem),
            }
        })
    }
}

impl Mailboxes for Engine {
    fn mailboxes<'a>(&'a self, grant: &'a Grant, with_counters: bool) -> Answer<'a, Vec<Mailbox>> {
        Box::pin(async move {
            let account = allow(grant, Scope::Read)?;
            mailboxes::all(&self.reader.pool, account, with_counters).await
        })
    }
}

impl Submissions for Engine {
    fn submit<'a>(&'a self, grant: &'a Grant, draft: Draft) -> Answer<'a, Accepted> {
        Box::pin(async move {
            let account = allow(grant, Scope::Send)?;
            submitter::submit(&self.submitter, &grant.caller, account, draft).await
        })
    }

    fn submission<'a>(&'a self, grant: &'a Grant, id: &'a str) -> Answer<'a, SubmissionStatus> {
        Box::pin(
            async move { submitter::get(&self.submitter, allow(grant, Scope::Send)?, id).await },
        )
    }

    fn submissions<'a>(
        &'a self,
        grant: &'a Grant,
        states: &'a [State],
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Answer<'a, Page<SubmissionStatus>> {
        Box::pin(async move {
            let account = allow(grant, Scope::Send)?;
            submitter::find(&self.submitter, account, states, cursor, limit).await
        })
    }
}

impl Providers for Engine {
    fn discover<'a>(&'a self, caller: &'a Caller, domain: &'a str) -> Answer<'a, DiscoveryResult> {
        Box::pin(async move {
            if !caller.may(Scope::Read) {
                return Err(withheld::forbidden(caller, Scope::Read));
            }
            self.find_servers(caller, domain).await
        })
    }
}

impl Uploads for Engine {
    fn spool(&self, caller: &Caller) -> Result<Box<dyn Spool>, Problem> {
        self.spools.create(&Party::of(caller)).map_err(problems::spool)
    }
}

/// The protocol whose health shows a missing consent.
fn protocol_of(account: &Account) -> Protocol {
    if account.imap.is_some() { Protocol::Imap } else { Protocol::Smtp }
}
