//! Credentials of an account after a change: a password, or a source of OAuth 2 tokens.
//!
//! Each replaces the other. Members of a token source that are left out keep their value.
//!
//! Invariant: a stored secret is never sent to a URL that it was not given for.

use model::account::{Credentials, OAuth, TokenSource};
use model::problem::Problem;
use model::secret::Secret;
use serde_json::{Map, Value};

use crate::api::accounts::errors::faulty;
use crate::api::accounts::handlers::AccountsApi;
use crate::api::accounts::request::{CredentialsRequest, OAuthRequest};

/// How a change affects the stored credentials.
#[derive(Debug)]
pub(crate) enum CredentialsUpdate {
    /// They stay.
    Kept,
    /// Some of them stay, which are valid only for the servers that they were given for.
    Amended(Credentials),
    /// They are replaced completely by credentials of the request.
    Given(Credentials),
}

impl AccountsApi {
    /// The credentials after a change; `asked` are those of the request.
    ///
    /// # Errors
    /// [`Code::InvalidBody`](model::problem::Code::InvalidBody) if none would be left, both kinds are
    /// given, or a stored secret would be sent to another URL.
    pub(crate) fn proof(
        &self,
        stored: &Credentials,
        asked: CredentialsRequest,
    ) -> Result<CredentialsUpdate, Problem> {
        match (asked.password, asked.oauth) {
            (Some(Some(_)), Some(Some(_))) => {
                Err(faulty("/oauth", "excluded", "give `password` or `oauth`, not both"))
            }
            (Some(Some(password)), _) => {
                Ok(CredentialsUpdate::Given(Credentials::Password(Secret::new(password))))
            }
            (_, Some(Some(members))) => self.by_oauth(stored, &members),
            (Some(None), _) if matches!(stored, Credentials::Password(_)) => Err(faulty(
                "/password",
                "missing",
                "an account needs credentials: give `oauth` instead of the password",
            )),
            (_, Some(None)) if matches!(stored, Credentials::OAuth(_)) => Err(faulty(
                "/oauth",
                "missing",
                "an account needs credentials: give `password` instead of the tokens",
            )),
            (Some(None) | None, Some(None) | None) => Ok(CredentialsUpdate::Kept),
        }
    }

    fn by_oauth(
        &self,
        stored: &Credentials,
        members: &Map<String, Value>,
    ) -> Result<CredentialsUpdate, Problem> {
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let (provider, token_url) = (text("provider"), text("tokenUrl"));
        let known = match stored {
            Credentials::OAuth(OAuth { source, .. }) => Some(source),
            Credentials::Password(_) => None,
        };
        // A secret without a URL is for the stored URL.
        let Some(TokenSource::Url { url, secret }) = known.filter(|_| provider.is_none()) else {
            let same = matches!(known, Some(TokenSource::Provider(name)) if Some(name) == provider.as_ref());
            let written = OAuthRequest { provider, token_url, secret: text("secret") };
            let given = self.by_tokens(written)?;
            return Ok(if same {
                CredentialsUpdate::Kept
            } else {
                CredentialsUpdate::Given(given)
            });
        };
        let has_secret = members.contains_key("secret");
        let moved = token_url.as_ref().is_some_and(|given| given != url);
        if moved && !has_secret && secret.is_some() {
            let detail = "the stored `secret` was given for another URL: send `secret` with a new `tokenUrl`, or `null` if it needs none";
            return Err(faulty("/oauth/secret", "missing", detail));
        }
        let all_given = token_url.is_some() && (has_secret || secret.is_none());
        let away = matches!(members.get("tokenUrl"), Some(Value::Null));
        let token_url = token_url.or_else(|| Some(url.clone()).filter(|_| !away));
        let written = OAuthRequest { provider, token_url, secret: text("secret") };
        let mut given = self.by_tokens(written)?;
        if let Credentials::OAuth(OAuth { source: TokenSource::Url { secret: there, .. }, .. }) =
            &mut given
            && !has_secret
        {
            there.clone_from(secret);
        }
        let same = matches!(&given, Credentials::OAuth(oauth) if Some(&oauth.source) == known);
        Ok(match (all_given, same) {
            (true, _) => CredentialsUpdate::Given(given),
            (false, true) => CredentialsUpdate::Kept,
            (false, false) => CredentialsUpdate::Amended(given),
        })
    }
}
