//! Credential provider: valid credentials for a login, with tokens refreshed as needed.
//!
//! Every login gets its credentials here. A token that expires soon is refreshed first, and one
//! that a mail server refused is refreshed once.
//!
//! Invariants: of all callers that need a new token for an account one requests it, and the others
//! use its result; a new refresh token is durable before its access token is used, since the old
//! one may be void by then (RFC 9700 §4.14.2).

use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use model::account::{Account, Credentials, OAuth, TokenSource};
use model::ids::TenantId;
use model::port::accounts::Accounts;
use model::port::clock::Clock;
use model::port::spawner::Spawner;
use model::port::token_endpoint::{TokenEndpoint, TokenRequest};
use model::problem::{Code, Problem};
use model::secret::Secret;
use tokio::sync::{Mutex as Turn, oneshot};

use crate::login::account_ref::AccountRef;
use crate::oauth::backoff::{Address, TokenEndpointBackoff};
use crate::oauth::servers::{Server, Servers};
use crate::oauth::token_response::{self, TokenError, TokenGrant};
use crate::problems;

/// A token that expires sooner is refreshed before it is used: a login takes a while, and clocks
/// differ.
const LEEWAY: Duration = Duration::from_secs(60);
/// Unused locks are removed when there are so many.
const CROWD: usize = 256;

/// Why the stored token does not do.
enum Need {
    /// It expires soon, or has expired.
    Fresh,
    /// A mail server refused this one.
    Other(Option<Secret>),
}

/// Token endpoints: those of the operator may be at addresses where no tenant's may be.
#[derive(Debug)]
pub(crate) struct Endpoints {
    /// Authorization servers of the configuration.
    pub(crate) servers: Arc<dyn TokenEndpoint>,
    /// Token URLs of tenants.
    pub(crate) own: Arc<dyn TokenEndpoint>,
}

/// Provides credentials, for every account.
#[derive(Debug)]
pub(crate) struct CredentialProvider {
    accounts: Arc<dyn Accounts>,
    clock: Arc<dyn Clock>,
    background: Arc<dyn Spawner>,
    endpoints: Endpoints,
    servers: Arc<Servers>,
    pauses: TokenEndpointBackoff,
    turns: Mutex<HashMap<AccountRef, Weak<Turn<()>>>>,
}

impl CredentialProvider {
    pub(crate) fn new(
        accounts: Arc<dyn Accounts>,
        clock: Arc<dyn Clock>,
        background: Arc<dyn Spawner>,
        endpoints: Endpoints,
        servers: Arc<Servers>,
    ) -> Self {
        let pauses = TokenEndpointBackoff::new(Arc::clone(&clock));
        Self { accounts, clock, background, endpoints, servers, pauses, turns: Mutex::default() }
    }

    /// The current credentials of the account.
    pub(crate) async fn current(
        self: &Arc<Self>,
        account: &Account,
    ) -> Result<Credentials, Problem> {
        match self.stored(account).await? {
            Credentials::OAuth(oauth) if !self.is_fresh(&oauth) => {
                self.renewed(account, Need::Fresh).await
            }
            good @ (Credentials::Password(_) | Credentials::OAuth(_)) => Ok(good),
        }
    }

    /// Credentials other than `refused`, which a mail server did not accept; none for a password.
    pub(crate) async fn refresh_after_refusal(
        self: &Arc<Self>,
        account: &Account,
        refused: &Credentials,
    ) -> Result<Option<Credentials>, Problem> {
        let Credentials::OAuth(refused) = refused else { return Ok(None) };
        self.renewed(account, Need::Other(refused.access.clone())).await.map(Some)
    }

    /// For credentials that are not stored yet.
    pub(crate) async fn unstored(
        &self,
        tenant: &TenantId,
        credentials: Credentials,
    ) -> Result<Credentials, Problem> {
        match credentials {
            Credentials::OAuth(oauth) if !self.is_fresh(&oauth) => {
                let given = self.ask(tenant, &oauth).await.map_err(withheld)?;
                Ok(Credentials::OAuth(self.with(&oauth, given)))
            }
            good @ (Credentials::Password(_) | Credentials::OAuth(_)) => Ok(good),
        }
    }

    /// After a consent: exchanges the code for tokens, and stores them in place of the credentials,
    /// provided the account is still the one that the consent was started for and still uses that
    /// authorization server.
    pub(crate) async fn consented(
        self: &Arc<Self>,
        account: &Account,
        provider: &str,
        code: String,
        verifier: Secret,
    ) -> Result<(), TokenError> {
        let (this, account, provider) = (Arc::clone(self), account.clone(), provider.to_owned());
        self.to_the_end(async move {
            let turn = this.turn(&account);
            let _turn = turn.lock().await;
            let stored = this.stored(&account).await.map_err(TokenError::Other)?;
            let oauth = match &stored {
                Credentials::OAuth(oauth)
                    if oauth.source == TokenSource::Provider(provider.clone()) =>
                {
                    oauth.clone()
                }
                Credentials::OAuth(_) | Credentials::Password(_) => {
                    return Err(TokenError::Other(gone()));
                }
            };
            let server = this.server(&provider).map_err(TokenError::Other)?;
            let given = this.exchange(server, &code, &verifier).await?;
            let after = Credentials::OAuth(this.with(&oauth, given));
            this.swap(&account, &stored, after).await.map(drop).map_err(TokenError::Other)
        })
        .await
        .unwrap_or_else(|| Err(TokenError::Other(ending())))
    }

    /// Waits for refreshes under way: tokens that were issued must not be lost.
    pub(crate) async fn wait_for_refreshes(&self) {
        let turns: Vec<_> = self.turns.lock().values().filter_map(Weak::upgrade).collect();
        for turn in turns {
            drop(turn.lock().await);
        }
    }

    /// Runs to the end even if the caller is dropped; a token that was issued is stored all the
    /// same.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let work = async move { drop(tell.send(work.await)) };
        self.background.run("token", Box::pin(work));
        told.await.ok()
    }

    /// The stored credentials, valid or not.
    pub(crate) async fn stored(&self, account: &Account) -> Result<Credentials, Problem> {
        let stored = self.accounts.credentials(account).await.map_err(problems::store)?;
        stored.ok_or_else(gone)
    }

    /// One refresh at a time for each account; later callers see its result.
    async fn renewed(
        self: &Arc<Self>,
        account: &Account,
        need: Need,
    ) -> Result<Credentials, Problem> {
        let (this, account) = (Arc::clone(self), account.clone());
        let renewal = async move { this.renew(&account, &need).await };
        self.to_the_end(renewal).await.unwrap_or_else(|| Err(ending()))
    }

    async fn renew(&self, account: &Account, need: &Need) -> Result<Credentials, Problem> {
        let turn = self.turn(account);
        let _turn = turn.lock().await;
        let stored = self.stored(account).await?;
        let is_good = |oauth: &OAuth| match need {
            Need::Fresh => self.is_fresh(oauth),
            Need::Other(refused) => oauth.access.is_some() && oauth.access != *refused,
        };
        let oauth = match stored.clone() {
            Credentials::OAuth(oauth) if !is_good(&oauth) => oauth,
            good @ (Credentials::Password(_) | Credentials::OAuth(_)) => return Ok(good),
        };
        match self.ask(&account.tenant, &oauth).await {
            Ok(given) => {
                self.swap(account, &stored, Credentials::OAuth(self.with(&oauth, given))).await
            }
            Err(TokenError::Grant) => {
                // It will never be valid again: record that, so that no second request is sent.
                let void = OAuth { access: None, refresh: None, ..oauth };
                self.swap(account, &stored, Credentials::OAuth(void)).await?;
                Err(withheld(TokenError::Grant))
            }
            Err(other) => Err(withheld(other)),
        }
    }

    /// Credentials changed meanwhile stay: they are newer than the response.
    async fn swap(
        &self,
        account: &Account,
        before: &Credentials,
        after: Credentials,
    ) -> Result<Credentials, Problem> {
        match self.accounts.renew(account, before, &after).await.map_err(problems::store)? {
            // The token was not issued for servers that changed during the request.
            true => self.stored(account).await,
            false => Err(gone()),
        }
    }

    async fn ask(&self, tenant: &TenantId, oauth: &OAuth) -> Result<TokenGrant, TokenError> {
        match &oauth.source {
            TokenSource::Provider(name) => {
                let refresh = oauth.refresh.as_ref().ok_or(TokenError::Grant)?;
                let server = self.server(name).map_err(TokenError::Other)?;
                let form = form(
                    server,
                    &[("grant_type", "refresh_token"), ("refresh_token", refresh.reveal())],
                );
                // A server that is busy or unreachable is paused for all of the tenant's mailboxes;
                // one that refuses, for the mailbox in question.
                let whole = Address::new(&server.token, None);
                let one = Address::new(&server.token, Some(refresh));
                self.pauses.check_all(tenant, &[&whole, &one]).map_err(TokenError::Other)?;
                let told =
                    self.endpoints.servers.ask(&server.token, TokenRequest::Form(&form)).await;
                let asked = told.as_ref().ok().and_then(|told| told.retry_after);
                let read = token_response::read(told, &server.name);
                let Err(TokenError::Other(problem)) = read else {
                    self.pauses.clear(tenant, &whole);
                    self.pauses.clear(tenant, &one);
                    return read;
                };
                let address = if problem.code == Code::AuthorizationUnavailable {
                    whole
                } else {
                    self.pauses.clear(tenant, &whole);
                    one
                };
                Err(TokenError::Other(self.pauses.failed(tenant, address, problem, asked)))
            }
            TokenSource::Url { url, secret } => {
                let who = "The tenant's token address";
                let address = Address::new(url, secret.as_ref());
                self.pauses.check(tenant, &address).map_err(TokenError::Other)?;
                let told = self.endpoints.own.ask(url, TokenRequest::Get(secret.as_ref())).await;
                let asked = told.as_ref().ok().and_then(|told| told.retry_after);
                // There is no consent to renew there: every error is the tenant's to correct.
                let read = token_response::read(told, who).map_err(|withheld| match withheld {
                    TokenError::Grant => token_response::refused(who, "it says invalid_grant"),
                    other @ TokenError::Other(_) => other,
                });
                match read {
                    Ok(given) => {
                        self.pauses.clear(tenant, &address);
                        Ok(given)
                    }
                    Err(TokenError::Other(problem)) => {
                        Err(TokenError::Other(self.pauses.failed(tenant, address, problem, asked)))
                    }
                    Err(TokenError::Grant) => Err(TokenError::Grant),
                }
            }
        }
    }

    /// Exchanges code and verifier for tokens, after a consent.
    async fn exchange(
        &self,
        server: &Server,
        code: &str,
        verifier: &Secret,
    ) -> Result<TokenGrant, TokenError> {
        let form = form(
            server,
            &[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", &self.servers.redirect),
                ("code_verifier", verifier.reveal()),
            ],
        );
        let told = self.endpoints.servers.ask(&server.token, TokenRequest::Form(&form)).await;
        token_response::read(told, &server.name)
    }

    pub(crate) fn server(&self, name: &str) -> Result<&Server, Problem> {
        self.servers.by_name.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.servers.by_name.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let detail = format!(
                "this host knows no authorization server `{}`; the operator has configured: {known}",
                rules::foreign_text::printable(name)
            );
            Problem::new(Code::NotConfigured, detail)
        })
    }

    /// The name of the authorization server whose tokens are for this mail server.
    pub(crate) fn server_for(&self, host: &str) -> Option<&str> {
        let all = self.servers.by_name.iter();
        let mut fitting = all.filter(|(_, server)| !server.hosts.is_empty() && server.serves(host));
        fitting.next().map(|(name, _)| name.as_str())
    }

    pub(crate) fn redirect(&self) -> &str {
        &self.servers.redirect
    }

    fn with(&self, old: &OAuth, given: TokenGrant) -> OAuth {
        OAuth {
            source: old.source.clone(),
            access: Some(given.access),
            expires: given.lasts.map(|lasts| self.clock.now().after(lasts)),
            // A server that returns none leaves the old one valid (RFC 6749 §6).
            refresh: given.refresh.or_else(|| old.refresh.clone()),
        }
    }

    fn is_fresh(&self, oauth: &OAuth) -> bool {
        let soon = self.clock.now().after(LEEWAY);
        oauth.access.is_some() && oauth.expires.is_none_or(|expires| expires > soon)
    }

    fn turn(&self, account: &Account) -> Arc<Turn<()>> {
        let mut turns = self.turns.lock();
        if turns.len() >= CROWD {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = turns.entry(AccountRef::of(account)).or_default();
        turn.upgrade().unwrap_or_else(|| {
            let fresh = Arc::default();
            *turn = Arc::downgrade(&fresh);
            fresh
        })
    }
}

/// The form, with client id and secret. Both are in the body, as RFC 6749 §2.3.1 allows and all of
/// the large services accept.
fn form(server: &Server, fields: &[(&str, &str)]) -> Secret {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.append_pair("client_id", &server.client_id);
    if let Some(secret) = &server.client_secret {
        form.append_pair("client_secret", secret.reveal());
    }
    Secret::new(form.finish())
}

pub(crate) fn withheld(withheld: TokenError) -> Problem {
    match withheld {
        TokenError::Grant => Problem::new(
            Code::ReauthRequired,
            "the owner of the mailbox has to agree: `POST /v1/accounts/{account}/oauth` answers the address where he does",
        ),
        TokenError::Other(problem) => problem,
    }
}

fn ending() -> Problem {
    Problem::new(Code::Unavailable, "the host is stopping")
}

fn gone() -> Problem {
    Problem::new(Code::NoSuchAccount, "the account was changed or deleted meanwhile")
}
