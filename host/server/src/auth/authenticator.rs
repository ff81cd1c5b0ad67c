//! `/v1/tokens`: API keys. The text of a token is in the answer that made it, and nowhere else.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use http::{Method, Response, StatusCode, header, request};
use model::caller::{Caller, Scope};
use model::ids::{AccountId, RequestId, TenantId, TokenId};
use model::instant::Timestamp;
use model::port::accounts::Accounts;
use model::port::clock::{Clock, Entropy};
use model::port::store_error::StoreError;
use model::port::tokens::{Token, Tokens};
use model::problem::{Code, Fault, Problem};
use model::submission::IdempotencyKey;
use runtime::body::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::token_format::{PresentedToken, mint};
use crate::http::response;
use crate::schema::{Schema, invalid};

/// What makes a token.
pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "NewToken",
  "type": "object", "additionalProperties": false, "required": ["scopes"],
  "properties": {
    "tenant": {"type": "string", "minLength": 1, "maxLength": 63},
    "name": {"type": "string", "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$"},
    "scopes": {"type": "array", "minItems": 1, "maxItems": 5, "uniqueItems": true, "items": {"enum": ["read", "change", "send", "accounts", "operate"]}},
    "accounts": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"type": "string"}},
    "expires": {"type": "string", "format": "date-time"}
  }
}"#;

/// A body that fits [`SCHEMA`].
pub(crate) const EXAMPLE: &str =
    r#"{"name": "newsletter", "scopes": ["read", "send"], "accounts": ["me"]}"#;

static BODY: LazyLock<Option<Schema>> = LazyLock::new(|| {
    Schema::compile(SCHEMA).inspect_err(|error| tracing::error!(%error, "the tokens' schema")).ok()
});

/// More tokens than this in use at once, and the cache starts over.
const MOST_CACHED: usize = 10_000;

/// Tokens, looked up and managed.
#[derive(Debug)]
pub(crate) struct Authenticator {
    tokens: Arc<dyn Tokens>,
    accounts: Arc<dyn Accounts>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tenants: Vec<TenantId>,
    /// This process is the only writer, so what is cached is what is stored.
    cache: Mutex<Cache>,
}

/// Tokens in use, and how many were revoked: what was read before a revocation is not kept.
#[derive(Debug, Default)]
struct Cache {
    tokens: HashMap<TokenId, Token>,
    revocations: u64,
}

#[derive(Deserialize)]
struct TokenRequest {
    tenant: Option<String>,
    name: Option<String>,
    scopes: Vec<Scope>,
    accounts: Option<Vec<String>>,
    expires: Option<String>,
}

impl Authenticator {
    pub(crate) fn new(
        tokens: Arc<dyn Tokens>,
        accounts: Arc<dyn Accounts>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        tenants: Vec<TenantId>,
    ) -> Self {
        Self { tokens, accounts, clock, entropy, tenants, cache: Mutex::default() }
    }

    /// Who is calling.
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
        // A read repeats nothing, so a stray key does no harm there.
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

    /// Whoever shows no token: it may do nothing, and open nothing.
    pub(crate) fn anonymous(
        tenant: &TenantId,
        head: &request::Parts,
        request: RequestId,
    ) -> Result<Caller, Problem> {
        // Strangers must not use up the keys of those who have a token.
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

    fn cached(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn create(
        &self,
        caller: &Caller,
        body: &[u8],
    ) -> Result<Response<Body>, Problem> {
        if caller.accounts.is_some() {
            let detail = "a token that is limited to accounts makes no tokens";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let schema = BODY
            .as_ref()
            .ok_or_else(|| Problem::new(Code::Internal, "the tokens' schema is broken"))?;
        let written: TokenRequest = serde_json::from_value(schema.check(body)?)
            .map_err(|error| Problem::new(Code::InvalidBody, error.to_string()))?;
        let tenant = match written.tenant {
            Some(text) => self
                .tenants
                .iter()
                .find(|tenant| tenant.as_str() == text)
                .cloned()
                .ok_or_else(|| faulty("/tenant", "unknown", "there is no such tenant"))?,
            None => caller.tenant.clone(),
        };
        let accounts = match written.accounts {
            Some(ids) => Some(account_ids(&ids)?),
            None => None,
        };
        let expires = match written.expires {
            Some(text) => Some(Timestamp::parse(&text).ok_or_else(|| {
                let detail = "is not an instant such as 2026-01-31T12:00:00Z (RFC 3339)";
                faulty("/expires", "format", detail)
            })?),
            None => None,
        };
        if expires.is_some_and(|end| end <= self.clock.now()) {
            return Err(faulty("/expires", "past", "lies in the past; take a later instant"));
        }
        let unknown = self.unknown(&tenant, accounts.as_deref().unwrap_or_default()).await?;
        let (token, text) = self
            .make(tenant, written.name, written.scopes, accounts, expires)
            .await
            .map_err(unavailable)?;
        let mut value = shown(&token);
        if let Some(members) = value.as_object_mut() {
            members.insert("token".to_owned(), json!(text));
            if !unknown.is_empty() {
                members.insert("unknownAccounts".to_owned(), json!(unknown));
            }
        }
        Ok(response::json(StatusCode::CREATED, &value))
    }

    /// Those that do not exist. A token may be made before its account, but a slip should be seen.
    async fn unknown(
        &self,
        tenant: &TenantId,
        named: &[AccountId],
    ) -> Result<Vec<AccountId>, Problem> {
        let mut unknown = Vec::new();
        for id in named {
            if self.accounts.get(tenant, id).await.map_err(unavailable)?.is_none() {
                unknown.push(id.clone());
            }
        }
        Ok(unknown)
    }

    /// Makes and stores a token; answers its row and its text.
    pub(crate) async fn make(
        &self,
        tenant: TenantId,
        name: Option<String>,
        scopes: Vec<Scope>,
        accounts: Option<Vec<AccountId>>,
        expires: Option<Timestamp>,
    ) -> Result<(Token, String), StoreError> {
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
        self.tokens.create(&token).await?;
        Ok((token, minted.text.reveal().to_owned()))
    }

    pub(crate) async fn list(&self) -> Result<Response<Body>, Problem> {
        let mut rows = Vec::new();
        for tenant in &self.tenants {
            rows.extend(self.tokens.list(tenant).await.map_err(unavailable)?.iter().map(shown));
        }
        Ok(response::json(StatusCode::OK, &json!({"tokens": rows, "nextCursor": null})))
    }

    pub(crate) async fn revoke(&self, id: &str) -> Result<Response<Body>, Problem> {
        let unknown = || Problem::new(Code::NoSuchToken, "there is no such token");
        let id: TokenId = id.parse().map_err(|_| unknown())?;
        let token = self.tokens.get(&id).await.map_err(unavailable)?.ok_or_else(unknown)?;
        let gone = self.tokens.revoke(&token.tenant, &id).await.map_err(unavailable)?;
        let mut cache = self.cached();
        cache.revocations += 1;
        cache.tokens.remove(&id);
        drop(cache);
        if gone { Ok(response::empty(StatusCode::NO_CONTENT)) } else { Err(unknown()) }
    }
}

fn account_ids(texts: &[String]) -> Result<Vec<AccountId>, Problem> {
    let read = |(index, text): (usize, &String)| {
        let wrong = |error: <AccountId as FromStr>::Err| {
            faulty(&format!("/accounts/{index}"), "format", &error.to_string())
        };
        text.parse().map_err(wrong)
    };
    texts.iter().enumerate().map(read).collect()
}

fn faulty(pointer: &str, code: &str, detail: &str) -> Problem {
    invalid(vec![Fault {
        pointer: pointer.to_owned(),
        code: code.to_owned(),
        detail: detail.to_owned(),
    }])
}

/// Of a token that is not known here, for whatever reason.
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

fn unavailable(error: StoreError) -> Problem {
    Problem::new(Code::StoreUnavailable, "the tokens could not be read or written")
        .with_cause(error)
}

fn shown(token: &Token) -> Value {
    json!({
        "id": token.id, "tenant": token.tenant, "name": token.name, "scopes": token.scopes, "accounts": token.accounts,
        "created": token.created.to_string(), "expires": token.expires.map(|at| at.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_token_is_a_strangers() {
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
