//! OAuth 2.0 authorization code flow: from the start of a consent to the authorization response.
//!
//! A consent is started for one account, expires after ten minutes, and accepts one response. It is
//! kept in memory: after a restart of the host it has to be started again.
//!
//! Invariants: a response is accepted only with the state that was sent (RFC 6749 §10.12), and its
//! code is worthless without the verifier, which never left this host (RFC 7636 §4).

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::account::{Account, Credentials, OAuth, TokenSource};
use model::instant::Timestamp;
use model::port::clock::{Clock, Entropy};
use model::problem::{Code, Problem};
use model::secret::Secret;
use sha2::{Digest, Sha256};

use crate::oauth::credentials::CredentialProvider;
use crate::oauth::token_response::TokenError;

const LASTS: Duration = Duration::from_secs(600);
/// Maximum number of pending consents on the host.
const MOST: usize = 10_000;
/// And of one tenant, so that it does not block other tenants.
const MOST_OF_TENANT: usize = 500;

/// The start of a consent.
#[derive(Clone, Debug)]
pub struct StartedConsent {
    /// The authorization URL, to be opened in a browser.
    pub address: String,
    /// The expiry; then it has to be started again.
    pub expires: Timestamp,
}

#[derive(Debug)]
struct Pending {
    account: Account,
    provider: String,
    verifier: Secret,
    expires: Timestamp,
}

/// Pending consents.
#[derive(Debug)]
pub(crate) struct PendingConsents {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    pending: Mutex<HashMap<String, Pending>>,
}

impl PendingConsents {
    pub(crate) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, pending: Mutex::default() }
    }

    pub(crate) fn begin(
        &self,
        bearers: &CredentialProvider,
        account: &Account,
        stored: &Credentials,
    ) -> Result<StartedConsent, Problem> {
        let provider = match stored {
            Credentials::OAuth(OAuth { source: TokenSource::Provider(name), .. }) => name.clone(),
            Credentials::OAuth(_) | Credentials::Password(_) => {
                let detail = "the account has no authorization server: connect it with `\"oauth\": {\"provider\": …}`";
                return Err(Problem::new(Code::NotConfigured, detail));
            }
        };
        let server = bearers.server(&provider)?;
        let (state, verifier) = (self.random(), self.random());
        let now = self.clock.now();
        let expires = now.after(LASTS);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let scopes = server.scopes.join(" ");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&server.parameters);
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", &server.client_id),
            ("redirect_uri", bearers.redirect()),
            ("scope", &scopes),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("login_hint", account.email.as_str()),
        ]);
        let joint = if server.authorize.contains('?') { '&' } else { '?' };
        let address = format!("{}{joint}{}", server.authorize, query.finish());
        let verifier = Secret::new(verifier);
        let mut pending = self.pending.lock();
        pending.retain(|_, one| one.expires > now);
        let of_tenant = pending.values().filter(|one| one.account.tenant == account.tenant).count();
        if pending.len() >= MOST || of_tenant >= MOST_OF_TENANT {
            let detail = format!(
                "{of_tenant} consents of this tenant are begun and not ended; it may have {MOST_OF_TENANT}, and all tenants together {MOST}"
            );
            return Err(Problem::new(Code::TooManyRequests, detail).with_retry_after(LASTS));
        }
        // The last one is valid: starting again invalidates the one before.
        pending.retain(|_, one| {
            (&one.account.tenant, &one.account.id) != (&account.tenant, &account.id)
        });
        pending.insert(state, Pending { account: account.clone(), provider, verifier, expires });
        Ok(StartedConsent { address, expires })
    }

    /// Completes a consent; returns the account whose tokens are stored now.
    pub(crate) async fn end(
        &self,
        bearers: &Arc<CredentialProvider>,
        state: &str,
        code: &str,
    ) -> Result<Account, Problem> {
        let pending = self.pending.lock().remove(state);
        let pending = pending.filter(|one| one.expires > self.clock.now()).ok_or_else(|| {
            let detail = "this consent was not begun here, has ended, or was used before: ask the sender of the link to start again";
            Problem::new(Code::InvalidConsent, detail)
        })?;
        let Pending { account, provider, verifier, .. } = &pending;
        let (code, verifier) = (code.to_owned(), verifier.clone());
        match bearers.consented(account, provider, code, verifier).await {
            Ok(()) => Ok(pending.account),
            Err(TokenError::Grant) => {
                let detail = "the authorization server does not accept the code: ask the sender of the link to start again";
                Err(Problem::new(Code::InvalidConsent, detail))
            }
            // The same response may succeed later.
            Err(TokenError::Other(busy)) if busy.code == Code::AuthorizationUnavailable => {
                self.pending.lock().insert(state.to_owned(), pending);
                Err(busy)
            }
            Err(TokenError::Other(gone)) if gone.code == Code::NoSuchAccount => {
                let detail = "the account was changed since this consent was begun: ask the sender of the link to start again";
                Err(Problem::new(Code::InvalidConsent, detail))
            }
            Err(TokenError::Other(problem)) => Err(problem),
        }
    }

    /// Drops a consent; returns its account.
    pub(crate) fn give_up(&self, state: &str) -> Option<Account> {
        let pending = self.pending.lock().remove(state)?;
        (pending.expires > self.clock.now()).then_some(pending.account)
    }

    /// 256 random bits in the characters that RFC 7636 §4.1 allows.
    fn random(&self) -> String {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}
