//! Handlers that list, show and delete accounts, and what all account handlers share.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::engine::Engine;
use http::{Response, StatusCode};
use model::account::Account;
use model::caller::Caller;
use model::ids::{AccountId, TenantId};
use model::paging::ListFingerprint;
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
const PAGE: u32 = 100;

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
        let list = list(caller);
        let after = cursor.map(|cursor| last_id(list, cursor)).transpose()?;
        // One more row than is shown, to know whether there is another page.
        let rows = match &caller.accounts {
            None => self.accounts.list(&caller.tenant, after.as_ref(), PAGE + 1).await,
            Some(named) => self.named(&caller.tenant, named, after.as_ref()).await,
        };
        let page =
            list.page(rows.map_err(stored)?, PAGE, |last| last.id.as_str().as_bytes().to_vec());
        let mut accounts = Vec::with_capacity(page.rows.len());
        for account in &page.rows {
            accounts.push(self.show(account).await?);
        }
        Ok(response::json(
            StatusCode::OK,
            &json!({"accounts": accounts, "nextCursor": page.next_cursor}),
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
        after: Option<&AccountId>,
    ) -> Result<Vec<Account>, StoreError> {
        let known: BTreeSet<&AccountId> =
            named.iter().filter(|id| after.is_none_or(|after| *id > after)).collect();
        let mut rows = Vec::new();
        for id in known {
            rows.extend(self.accounts.get(tenant, id).await?);
            if rows.len() > PAGE as usize {
                break;
            }
        }
        Ok(rows)
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

/// The list of the accounts that the caller may open.
fn list(caller: &Caller) -> ListFingerprint {
    let named: BTreeSet<&AccountId> = caller.accounts.iter().flatten().collect();
    // Distinguishes a token for no account from one for all accounts.
    let all = [u8::from(caller.accounts.is_none())];
    let named = named.into_iter().map(|id| id.as_str().as_bytes());
    let parameters: Vec<&[u8]> =
        [caller.tenant.as_str().as_bytes(), &all].into_iter().chain(named).collect();
    ListFingerprint::of("accounts", &parameters)
}

/// The last id of the previous page.
fn last_id(list: ListFingerprint, cursor: &str) -> Result<AccountId, Problem> {
    let position = list.position(cursor).and_then(|position| String::from_utf8(position).ok());
    position.and_then(|id| id.parse().ok()).ok_or_else(|| {
        let detail = "the cursor is not one of this list; start without one";
        Problem::new(Code::InvalidCursor, detail)
    })
}
