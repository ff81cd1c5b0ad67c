//! Listing, showing and removing accounts.

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
use crate::http::response;

/// Accounts in one answer.
const PAGE: u32 = 100;

/// What the handlers need.
#[derive(Debug)]
pub(crate) struct AccountsApi {
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) dialer: Arc<Dialer>,
    /// Where tenants' own addresses give tokens.
    pub(crate) own_tokens: Arc<Fetcher>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tries: VerifyRateLimiter,
}

impl AccountsApi {
    pub(crate) async fn list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
    ) -> Result<Response<Body>, Problem> {
        let list = list(caller);
        let after = cursor.map(|cursor| last_id(list, cursor)).transpose()?;
        // One more than is shown says whether there is another page.
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

    /// With its state, and how it logs in.
    pub(crate) async fn show(&self, account: &Account) -> Result<Value, Problem> {
        let health = self.accounts.health(account).await.map_err(stored)?;
        let credentials = match self.accounts.credentials(account).await {
            Ok(credentials) => credentials,
            // One that cannot be opened must not hide the others of a list.
            Err(StoreError::Sealed) => {
                tracing::error!(account = %account.id, "what is stored of it cannot be opened");
                None
            }
            Err(error) => return Err(stored(error)),
        };
        Ok(json::account(account, &health, credentials.as_ref()))
    }

    /// Those that a token names, as the store would list them.
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

    pub(crate) async fn get(&self, caller: &Caller, id: &str) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        Ok(response::json(StatusCode::OK, &self.show(&account).await?))
    }

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

    pub(crate) async fn find(&self, caller: &Caller, id: &str) -> Result<Account, Problem> {
        let parsed: AccountId = id.parse().map_err(|_| unknown(id))?;
        if !caller.may_open(&parsed) {
            return Err(unknown(id));
        }
        self.accounts.get(&caller.tenant, &parsed).await.map_err(stored)?.ok_or_else(|| unknown(id))
    }
}

/// The accounts that the caller may open.
fn list(caller: &Caller) -> ListFingerprint {
    let named: BTreeSet<&AccountId> = caller.accounts.iter().flatten().collect();
    // A token for no account has another list than one for all of them.
    let all = [u8::from(caller.accounts.is_none())];
    let named = named.into_iter().map(|id| id.as_str().as_bytes());
    let parameters: Vec<&[u8]> =
        [caller.tenant.as_str().as_bytes(), &all].into_iter().chain(named).collect();
    ListFingerprint::of("accounts", &parameters)
}

/// The last id of the page before.
fn last_id(list: ListFingerprint, cursor: &str) -> Result<AccountId, Problem> {
    let position = list.position(cursor).and_then(|position| String::from_utf8(position).ok());
    position.and_then(|id| id.parse().ok()).ok_or_else(|| {
        let detail = "the cursor is not one of this list; start without one";
        Problem::new(Code::InvalidCursor, detail)
    })
}
