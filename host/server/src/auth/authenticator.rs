//! Bearer token authentication (RFC 6750): from the Authorization field to a caller.
//!
//! Invariant: only digests of tokens are stored. This process is their only writer, so a token that is
//! revoked here is unknown at once.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use http::{Method, header, request};
use model::caller::{Caller, Scope};
use model::ids::{AccountId, RequestId, TenantId, TokenId};
use model::instant::Timestamp;
use model::port::clock::{Clock, Entropy};
use model::port::store_error::StoreError;
use model::port::tokens::{Token, Tokens};
use model::problem::{Code, Problem};
use model::secret::Secret;
use model::submission::IdempotencyKey;

use crate::auth::token_format::{PresentedToken, mint};

/// Maximum number of cached tokens; the cache is cleared when it is full.
const MOST_CACHED: usize = 10_000;

/// Authentication by token, and management of tokens.
#[derive(Debug)]
pub(crate) struct Authenticator {
    tokens: Arc<dyn Tokens>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tenants: Vec<TenantId>,
    /// This process is the only writer, so what is cached is what is stored.
    cache: Mutex<Cache>,
}

/// Tokens in use, and the number of revocations: a token that was read before a revocation is not
/// cached.
#[derive(Debug, Default)]
struct Cache {
    tokens: HashMap<TokenId, Token>,
    revocations: u64,
}

impl Authenticator {
    pub(crate) fn new(
        tokens: Arc<dyn Tokens>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        tenants: Vec<TenantId>,
    ) -> Self {
        Self { tokens, clock, entropy, tenants, cache: Mutex::default() }
    }

    /// The tenant with this id, if the host serves it.
    pub(crate) fn tenant(&self, id: &str) -> Option<TenantId> {
        self.tenants.iter().find(|tenant| tenant.as_str() == id).cloned()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The caller that the Authorization field proves.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] for a token that is missing, malformed, unknown, revoked or expired.
    pub(crate) async fn caller(
        &self,
        headers: &http::HeaderMap,
        method: &Method,
        request: RequestId,
    ) -> Result<Caller, Problem> {
        let refuse = |detail: &str| Problem::new(Code::Unauthenticated, detail);
        let changes = !matches!(*method, Method::GET | Method::HEAD);
        let header = headers
            .get(header::AUTHORIZATION)
            .ok_or_else(|| refuse("send the header `Authorization: Bearer <token>`"))?;
        let shown =
            header.to_str().ok().and_then(PresentedToken::parse).ok_or_else(|| {
                refuse("the Authorization header does not hold a token of this host")
            })?;
        let stored = self.find(&shown.id).await?;
        if !shown.proves(stored.as_ref()) {
            return Err(unknown_token());
        }
        let Some(token) = stored.filter(|token| {
            token.expires.is_none_or(|end| self.clock.now() < end)
                && self.tenants.contains(&token.tenant)
        }) else {
            return Err(unknown_token());
        };
        // Safe methods (RFC 9110 §9.2.1) ignore the key.
        let idempotency_key = match headers.get("idempotency-key").filter(|_| changes) {
            Some(value) => Some(IdempotencyKey::Token(idempotency_key(value)?)),
            None => None,
        };
        Ok(Caller {
            tenant: token.tenant,
            token: Some(token.id),
            scopes: token.scopes,
            accounts: token.accounts,
            request,
            idempotency_key,
            confined: None,
        })
    }

    /// The caller of a request without a token: it has no scopes and no accounts.
    ///
    /// # Errors
    /// [`Code::InvalidIdempotencyKey`].
    pub(crate) fn anonymous(
        tenant: &TenantId,
        head: &request::Parts,
        request: RequestId,
    ) -> Result<Caller, Problem> {
        // Separate from the keys of tokens, which anonymous callers must not use up.
        let key = head.headers.get("idempotency-key").map(idempotency_key).transpose()?;
        Ok(Caller {
            tenant: tenant.clone(),
            token: None,
            scopes: Vec::new(),
            accounts: Some(Vec::new()),
            request,
            idempotency_key: key.map(IdempotencyKey::Public),
            confined: None,
        })
    }

    async fn find(&self, id: &TokenId) -> Result<Option<Token>, Problem> {
        let revocations = {
            let cache = self.cached();
            if let Some(token) = cache.tokens.get(id) {
                return Ok(Some(token.clone()));
            }
            cache.revocations
        };
        let stored = self.tokens.get(id).await.map_err(unavailable)?;
        if let Some(token) = &stored {
            let mut cache = self.cached();
            if cache.tokens.len() >= MOST_CACHED {
                cache.tokens.clear();
            }
            if cache.revocations == revocations {
                cache.tokens.insert(id.clone(), token.clone());
            }
        }
        Ok(stored)
    }

    fn cached(&self) -> parking_lot::MutexGuard<'_, Cache> {
        self.cache.lock()
    }

    /// Creates and stores a token; returns its row and its text.
    pub(crate) async fn make(
        &self,
        tenant: TenantId,
        name: Option<String>,
        scopes: Vec<Scope>,
        accounts: Option<Vec<AccountId>>,
        expires: Option<Timestamp>,
    ) -> Result<(Token, Secret), Problem> {
        let minted = mint(&*self.entropy);
        let token = Token {
            id: minted.id,
            tenant,
            name,
            digest: minted.digest,
            scopes,
            accounts,
            created: self.clock.now(),
            expires,
        };
        self.tokens.create(&token).await.map_err(unavailable)?;
        Ok((token, minted.text))
    }

    /// Every token of every tenant that this host serves.
    pub(crate) async fn all(&self) -> Result<Vec<Token>, Problem> {
        let mut all = Vec::new();
        for tenant in &self.tenants {
            all.extend(self.tokens.list(tenant).await.map_err(unavailable)?);
        }
        Ok(all)
    }

    /// Revokes a token; it is invalid at once, in the cache as well.
    ///
    /// # Errors
    /// [`Code::NoSuchToken`]; [`Code::StoreUnavailable`].
    pub(crate) async fn revoke(&self, id: &str) -> Result<(), Problem> {
        let unknown = || Problem::new(Code::NoSuchToken, "there is no such token");
        let id: TokenId = id.parse().map_err(|_| unknown())?;
        let token = self.tokens.get(&id).await.map_err(unavailable)?.ok_or_else(unknown)?;
        let gone = self.tokens.revoke(&token.tenant, &id).await.map_err(unavailable)?;
        let mut cache = self.cached();
        cache.revocations += 1;
        cache.tokens.remove(&id);
        drop(cache);
        if gone { Ok(()) } else { Err(unknown()) }
    }
}

/// The problem of an invalid token; does not reveal why it is invalid.
pub(crate) fn unknown_token() -> Problem {
    Problem::new(Code::Unauthenticated, "the token is unknown, revoked or expired")
}

fn idempotency_key(value: &http::HeaderValue) -> Result<Box<str>, Problem> {
    let text = value.to_str().unwrap_or_default().trim();
    let fits = (1..=IdempotencyKey::LONGEST).contains(&text.len())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let detail = "an Idempotency-Key has 1 to 255 printable ASCII characters";
    if fits { Ok(text.into()) } else { Err(Problem::new(Code::InvalidIdempotencyKey, detail)) }
}

/// [`Code::StoreUnavailable`], with the store's error as its cause.
pub(crate) fn unavailable(error: StoreError) -> Problem {
    Problem::new(Code::StoreUnavailable, "the tokens could not be read or written")
        .with_cause(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_an_anonymous_caller_is_public() {
        let tenant: TenantId = "acme".parse().unwrap();
        let anonymous = |key: &str| {
            let request = http::Request::post("/x").header("idempotency-key", key);
            let (head, ()) = request.body(()).unwrap().into_parts();
            Authenticator::anonymous(&tenant, &head, RequestId::generate([1; 10]))
        };
        for key in ["k", &"k".repeat(255)] {
            let want = Some(IdempotencyKey::Public(key.into()));
            assert_eq!(anonymous(key).unwrap().idempotency_key, want);
        }
        let code = anonymous(&"k".repeat(256)).unwrap_err().code;
        assert_eq!(code, Code::InvalidIdempotencyKey);
    }
}
