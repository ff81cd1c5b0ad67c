//! Changes of an account: `PATCH`, and its identities separately.
//!
//! Invariants: stored credentials are never sent to a host that they were not given for; an account
//! that reads another mailbox than before gets another generation.

use http::{Response, StatusCode};
use model::account::{Account, Credentials, MailServer, OAuth, TokenSource};
use model::caller::Caller;
use model::health::Health;
use model::port::accounts::CredentialSwap;
use model::problem::{Code, Problem};
use runtime::body::Body;
use serde_json::{Value, json};

use crate::api::accounts::create::needs_consent;
use crate::api::accounts::credentials::CredentialsUpdate;
use crate::api::accounts::errors::{faulty, stored};
use crate::api::accounts::handlers::AccountsApi;
use crate::api::accounts::{json, parse, request};
use crate::http::response;

impl AccountsApi {
    /// Applies a merge patch (RFC 7396) to an account.
    ///
    /// # Errors
    /// [`Code::ChangedMeanwhile`] if the account was changed concurrently; [`Code::InvalidBody`] if the
    /// patched account is invalid or the credentials are needed again.
    pub(crate) async fn change(
        &self,
        caller: &Caller,
        id: &str,
        body: &Value,
    ) -> Result<Response<Body>, Problem> {
        let change = request::AccountChangeRequest::parse(body)?;
        let before = self.find(caller, id).await?;
        let (asked, own) = (change.proof()?, change.has_identities());
        let written = change.over(json::base(&before))?;
        if written.imap.is_none() && written.smtp.is_none() {
            return Err(faulty("", "missing", "an account needs `imap`, `smtp` or both"));
        }
        let email = before.email.clone();
        let mut after = Account {
            name: written.name,
            imap: parse::server("/imap", written.imap, &email)?,
            smtp: parse::server("/smtp", written.smtp, &email)?,
            ..before.clone()
        };
        for (pointer, before, after) in
            [("/imap", &before.imap, &after.imap), ("/smtp", &before.smtp, &after.smtp)]
        {
            self.vet(pointer, after.as_ref().filter(|_| before != after)).await?;
        }
        if own {
            after.identities = parse::identities(written.identities.unwrap_or_default())?;
        }
        let stored = self.accounts.credentials(&before).await.map_err(stored)?;
        let stored = stored.ok_or_else(changed_meanwhile)?;
        let proof = self.proof(&stored, asked)?;
        if !matches!(proof, CredentialsUpdate::Given(_)) {
            trusted(&before.imap, &after.imap, &stored)?;
            trusted(&before.smtp, &after.smtp, &stored)?;
        }
        if mailbox(&before) != mailbox(&after) {
            after.generation = self.generation();
        }
        let credentials = match &proof {
            CredentialsUpdate::Kept => None,
            CredentialsUpdate::Amended(credentials) | CredentialsUpdate::Given(credentials) => {
                Some(credentials)
            }
        };
        if let Some(credentials) = credentials {
            self.vet_tokens(credentials).await?;
            self.check_served(credentials, after.imap.as_ref(), after.smtp.as_ref())?;
        }
        let exchange = credentials.map(|after| CredentialSwap { before: &stored, after });
        self.replace(&before, &after, exchange).await?;
        if credentials.is_some_and(needs_consent) {
            self.engine.awaits_consent(&after).await;
        }
        Ok(response::json(StatusCode::OK, &self.show(&after).await?))
    }

    /// `GET /v1/accounts/{account}/identities`.
    pub(crate) async fn identities(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        Ok(those_of(&self.find(caller, id).await?))
    }

    /// Replaces the identities.
    pub(crate) async fn set_identities(
        &self,
        caller: &Caller,
        id: &str,
        body: &Value,
    ) -> Result<Response<Body>, Problem> {
        let identities = parse::identities(request::identities(body)?)?;
        let before = self.find(caller, id).await?;
        let after = Account { identities, ..before.clone() };
        self.replace(&before, &after, None).await?;
        Ok(those_of(&after))
    }

    async fn replace(
        &self,
        before: &Account,
        after: &Account,
        credentials: Option<CredentialSwap<'_>>,
    ) -> Result<(), Problem> {
        let is_other = credentials.is_some();
        let replaced = self.accounts.update(before, after, credentials).await;
        if !replaced.map_err(stored)? {
            return Err(changed_meanwhile());
        }
        // Results of the previous login say nothing about the new one.
        if is_other || (&before.imap, &before.smtp) != (&after.imap, &after.smtp) {
            self.accounts.note(after, &Health::default()).await.map_err(stored)?;
        }
        // Open sessions use the previous servers and credentials.
        self.engine.forget(&before.tenant, &before.id).await;
        Ok(())
    }
}

fn those_of(account: &Account) -> Response<Body> {
    response::json(StatusCode::OK, &json!({"identities": json::identities(&account.identities)}))
}

fn changed_meanwhile() -> Problem {
    let detail = "the account was changed or removed during this change: read it again";
    Problem::new(Code::ChangedMeanwhile, detail)
}

/// Refuses stored credentials that were not given for this host and protocol.
fn trusted(
    before: &Option<MailServer>,
    after: &Option<MailServer>,
    stored: &Credentials,
) -> Result<(), Problem> {
    let Some(after) = after else { return Ok(()) };
    if before.as_ref().is_some_and(|known| is_same(known, after)) {
        return Ok(());
    }
    let host = &after.host;
    let (pointer, code, detail) = match stored {
        Credentials::Password(_) => (
            "/password",
            "missing",
            format!(
                "the stored password was not given for {host} as it is now; send `password` with a new `host`, `pin` or unusual `port`"
            ),
        ),
        Credentials::OAuth(OAuth { source: TokenSource::Url { .. }, .. }) => (
            "/oauth",
            "missing",
            format!(
                "the stored tokens were not given for {host} as it is now; send `oauth` with `tokenUrl` and `secret` too"
            ),
        ),
        Credentials::OAuth(OAuth { source: TokenSource::Provider(_), .. }) => (
            "",
            "excluded",
            format!(
                "the stored tokens were not given for {host} as it is now: remove the account and connect it again"
            ),
        ),
    };
    Err(faulty(pointer, code, &detail))
}

/// Whether credentials for one server may be sent to the other: same host and pin, and the same port or
/// a standard mail port. On any other port, another user of the host may be listening.
fn is_same(before: &MailServer, after: &MailServer) -> bool {
    before.host.eq_ignore_ascii_case(&after.host)
        && before.pin == after.pin
        && (before.port == after.port || [143, 465, 587, 993].contains(&after.port))
}

/// The identity of the mailbox, which message ids depend on.
fn mailbox(account: &Account) -> Option<(String, &str)> {
    let server = account.imap.as_ref()?;
    Some((server.host.to_ascii_lowercase(), &server.username))
}
