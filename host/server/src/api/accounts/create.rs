//! `POST /v1/accounts`: creates an account, on request only after its servers were checked.
//!
//! Invariant: an account whose requested check failed is not stored.

use http::{Response, StatusCode, header};
use model::account::{Account, Credentials};
use model::caller::Caller;
use model::ids::AccountId;
use model::port::store_error::StoreError;
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::Value;

use crate::api::accounts::errors::{faulty, stored};
use crate::api::accounts::handlers::AccountsApi;
use crate::api::accounts::json;
use crate::api::accounts::parse::Wanted;
use crate::http::response;

impl AccountsApi {
    /// Creates an account. 201 with `Location`; 422 `verification-failed` if `verify` was requested and
    /// failed.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        accept: &str,
        body: &Value,
    ) -> Result<Response<Body>, Problem> {
        let Wanted { account, mut credentials, verify } = self.read(caller, accept, body).await?;
        self.vet("/imap", account.imap.as_ref()).await?;
        self.vet("/smtp", account.smtp.as_ref()).await?;
        let mut verification = None;
        if verify {
            let _try = self.tries.begin(&caller.tenant)?;
            credentials = self.presentable(&account, credentials).await?;
            let tried = self.engine.verify(&account, &credentials).await?;
            if let Some(problem) = tried.problem() {
                return Ok(json::not_stored(&tried, problem, accept, &caller.request));
            }
            verification = Some(tried);
        }
        self.store(&account, &credentials).await?;
        if needs_consent(&credentials) {
            self.engine.awaits_consent(&account).await;
        }
        if let Some(tried) = &verification {
            self.engine.record_verification(&account, tried).await;
        }
        let mut made = self.show(&account).await?;
        if let (Some(tried), Some(members)) = (&verification, made.as_object_mut()) {
            members.insert("verification".to_owned(), json::verification(tried, accept));
        }
        let mut answer = response::json(StatusCode::CREATED, &made);
        if let Ok(location) = format!("/v1/accounts/{}", account.id).parse() {
            answer.headers_mut().insert(header::LOCATION, location);
        }
        Ok(answer)
    }

    /// Credentials that can be verified now.
    async fn presentable(
        &self,
        account: &Account,
        credentials: Credentials,
    ) -> Result<Credentials, Problem> {
        if needs_consent(&credentials) {
            let detail = "there is no access token yet: leave `verify` out, have the owner of the mailbox give consent (`POST /v1/accounts/{account}/oauth`), then `POST /v1/accounts/{account}/verify`";
            return Err(faulty("/verify", "excluded", detail));
        }
        // An id that is taken is refused without connecting to servers.
        if self.accounts.get(&account.tenant, &account.id).await.map_err(stored)?.is_some() {
            return Err(taken(&account.id));
        }
        self.engine.resolve_credentials(&account.tenant, credentials).await
    }

    async fn store(&self, account: &Account, credentials: &Credentials) -> Result<(), Problem> {
        self.accounts.create(account, credentials).await.map_err(|error| match error {
            StoreError::Exists => taken(&account.id),
            StoreError::Cursor
            | StoreError::LostClaim
            | StoreError::Sealed
            | StoreError::Full
            | StoreError::Failed(_) => stored(error),
        })
    }
}

/// Whether the mailbox owner's consent is needed before there is a token.
pub(crate) fn needs_consent(credentials: &Credentials) -> bool {
    matches!(credentials, Credentials::OAuth(oauth) if oauth.needs_authorization())
}

fn taken(id: &AccountId) -> Problem {
    Problem::new(Code::AlreadyExists, format!("the account `{id}` already exists"))
}
