//! Handlers that list, show and delete accounts, and what all account handlers share.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::engine::Engine;
use http::{Response, StatusCode};
use model::account::Account;
use model::caller::Caller;
use model::ids::{AccountId, TenantId};
use model::mail::message::Page;
use model::port::accounts::Accounts;
use model::port::clock::Entropy;
use model::port::store_error::StoreError;
use model::problem::{Code, Problem};
use net::dial::Dialer;
use net::https_fetch::Fetcher;
use runtime::body::Body;
use serde_json::{Value, json};

use crate::api::accounts::errors::{stored, unknown};
use crate::api::accounts::json;
use crate::api::accounts::rate_limit::VerifyRateLimiter;
use crate::api::host_request::QueryParameter;
use crate::http::response;
use crate::schema::own_schema::OwnSchema;

/// Maximum number of accounts in one response.
const PAGE: usize = 100;
/// Prefix of a cursor; the last id of the page follows.
const AFTER: &str = "after:";

/// The query parameter of `GET /v1/accounts`.
pub(crate) const CURSOR: &str = "cursor";

/// The query of `GET /v1/accounts`.
pub(crate) static LIST: [QueryParameter; 1] = [QueryParameter {
    name: CURSOR,
    schema: OwnSchema::new(r#"{"type":"string","maxLength":4000}"#),
    required: false,
    summary: "`nextCursor` of the page before",
}];

/// The account handlers and their dependencies.
#[derive(Debug)]
pub(crate) struct AccountsApi {
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) dialer: Arc<Dialer>,
    /// Fetches tokens from tenants' own URLs.
    pub(crate) own_tokens: Arc<Fetcher>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tries: VerifyRateLimiter,
}

impl AccountsApi {
    /// One page of the accounts that the caller may use, ordered by id.
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
    ) -> Result<Response<Body>, Problem> {
        let cursor = cursor.map(last_id).transpose()?;
        let page = match &caller.accounts {
            None => {
                self.accounts.list(&caller.tenant, cursor, PAGE as u32).await.map_err(stored)?
            }
            Some(named) => self.named(&caller.tenant, named, cursor).await?,
        };
        let mut accounts = Vec::with_capacity(page.rows.len());
        for account in &page.rows {
            accounts.push(self.show(account).await?);
        }
        Ok(response::json(
            StatusCode::OK,
            &json!({
                "accounts": accounts,
                "nextCursor": page.next_cursor.map(|last| format!("{AFTER}{last}")),
            }),
        ))
    }

    /// An account as JSON, with its state and kind of credentials.
    pub(crate) async fn show(&self, account: &Account) -> Result<Value, Problem> {
        let health = self.accounts.health(account).await.map_err(stored)?;
        let credentials = match self.accounts.credentials(account).await {
            Ok(credentials) => credentials,
            // Credentials that cannot be decrypted must not hide the other accounts of a list.
            Err(StoreError::Sealed) => {
                tracing::error!(account = %account.id, "the stored credentials cannot be decrypted");
                None
            }
            Err(error) => return Err(stored(error)),
        };
        Ok(json::account(account, &health, credentials.as_ref()))
    }

    /// The accounts that a token is limited to, in the store's order.
    async fn named(
        &self,
        tenant: &TenantId,
        named: &[AccountId],
        cursor: Option<&str>,
    ) -> Result<Page<Account>, Problem> {
        let known: BTreeSet<&AccountId> =
            named.iter().filter(|id| cursor.is_none_or(|cursor| id.as_str() > cursor)).collect();
        let mut rows = Vec::new();
        for id in &known {
            rows.extend(self.accounts.get(tenant, id).await.map_err(stored)?);
            if rows.len() == PAGE {
                break;
            }
        }
        let last = rows.last().filter(|_| rows.len() == PAGE).map(|account| &account.id);
        let more = last.is_some_and(|last| known.iter().any(|id| *id > last));
        let next_cursor = last.filter(|_| more).map(|last| last.as_str().to_owned());
        Ok(Page { rows, next_cursor })
    }

    /// `GET /v1/accounts/{account}`.
    pub(crate) async fn get(&self, caller: &Caller, id: &str) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        Ok(response::json(StatusCode::OK, &self.show(&account).await?))
    }

    /// Deletes an account and closes its sessions. 204.
    pub(crate) async fn delete(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        self.accounts.delete(&caller.tenant, &account.id).await.map_err(stored)?;
        self.engine.forget(&caller.tenant, &account.id).await;
        Ok(response::empty(StatusCode::NO_CONTENT))
    }

    /// The account with this id.
    ///
    /// # Errors
    /// [`Code::NoSuchAccount`](model::problem::Code::NoSuchAccount), also if the token may not open it.
    pub(crate) async fn find(&self, caller: &Caller, id: &str) -> Result<Account, Problem> {
        let parsed: AccountId = id.parse().map_err(|_| unknown(id))?;
        if !caller.may_open(&parsed) {
            return Err(unknown(id));
        }
        self.accounts.get(&caller.tenant, &parsed).await.map_err(stored)?.ok_or_else(|| unknown(id))
    }
}

/// The last id of the page before, from its cursor.
fn last_id(cursor: &str) -> Result<&str, Problem> {
    let last = cursor.strip_prefix(AFTER).filter(|last| last.parse::<AccountId>().is_ok());
    last.ok_or_else(|| {
        let detail = "the cursor is not one of this list; start without one";
        Problem::new(Code::InvalidCursor, detail)
    })
}
