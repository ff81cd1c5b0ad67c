//! Conversion of a request body to an account, with all checks that need no connection.
//!
//! Hosts are checked against the egress rules here, and again at every connection.

use engine::login::advice;
use model::account::{Account, Credentials, Identity, MailServer, OAuth, TokenSource};
use model::caller::Caller;
use model::ids::AccountId;
use model::mail::address::EmailAddress;
use model::port::clock::ten_bytes;
use model::port::dial::DialError;
use model::port::lookup::FetchError;
use model::problem::{Code, Problem};
use model::secret::Secret;
use serde_json::Value;

use crate::api::accounts::errors::{address, faulty, not_allowed};
use crate::api::accounts::find_servers;
use crate::api::accounts::handlers::AccountsApi;
use crate::api::accounts::request::{AccountRequest, IdentityRequest, OAuthRequest, ServerRequest};
use crate::api::host_request::from_body;
use crate::config::oauth;

/// A port that the egress rules allow for every permitted host.
const IMAPS: u16 = 993;

/// A parsed request body.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) account: Account,
    pub(crate) credentials: Credentials,
    /// Store it only after a successful check.
    pub(crate) verify: bool,
}

impl AccountsApi {
    /// Parses the body of a new account, and discovers its servers if it names none.
    pub(crate) async fn read(
        &self,
        caller: &Caller,
        accept: &str,
        body: &Value,
    ) -> Result<Wanted, Problem> {
        let mut written: AccountRequest = from_body(body)?;
        let email = address("/email", &written.email)?;
        let mut identities = identities(written.identities.take().unwrap_or_default())?;
        if identities.is_empty() {
            identities.push(Identity { name: written.name.clone(), email: email.clone() });
        }
        let id = match written.id.take() {
            Some(id) => id.parse().map_err(|error: model::ids::InvalidId| {
                faulty("/id", "pattern", &error.to_string())
            })?,
            None => AccountId::generate(ten_bytes(&*self.entropy)),
        };
        if !caller.may_open(&id) {
            let detail = "the token is limited to other accounts";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let credentials = self.credentials(&mut written)?;
        self.vet_tokens(&credentials).await?;
        find_servers::find_missing_servers(&self.engine, caller, accept, &email, &mut written)
            .await?;
        let imap = server("/imap", written.imap, &email)?;
        let smtp = server("/smtp", written.smtp, &email)?;
        self.check_served(&credentials, imap.as_ref(), smtp.as_ref())?;
        let account = Account {
            id,
            tenant: caller.tenant.clone(),
            email,
            name: written.name,
            imap,
            smtp,
            identities,
            generation: self.generation(),
        };
        Ok(Wanted { account, credentials, verify: written.verify })
    }

    /// Checks that the tokens of a configured authorization server are for these mail servers.
    pub(crate) fn check_served(
        &self,
        credentials: &Credentials,
        imap: Option<&MailServer>,
        smtp: Option<&MailServer>,
    ) -> Result<(), Problem> {
        let Credentials::OAuth(OAuth { source: TokenSource::Provider(name), .. }) = credentials
        else {
            return Ok(());
        };
        let server = self.engine.authorization_server(name)?;
        for (pointer, half) in [("/imap/host", imap), ("/smtp/host", smtp)] {
            if let Some(strange) = half.filter(|half| !server.serves(&half.host)) {
                let detail = format!(
                    "tokens of `{name}` are not valid for {}; they are valid for {}",
                    strange.host,
                    server.hosts.join(", ")
                );
                return Err(faulty(pointer, "excluded", &detail));
            }
        }
        Ok(())
    }

    /// A password, or a source of tokens.
    fn credentials(&self, written: &mut AccountRequest) -> Result<Credentials, Problem> {
        let oauth = match (written.password.take(), written.oauth.take()) {
            (Some(password), None) => return Ok(Credentials::Password(Secret::new(password))),
            (None, Some(oauth)) => oauth,
            (None, None) => {
                return Err(faulty("/password", "missing", "is required, or `oauth` instead"));
            }
            (Some(_), Some(_)) => {
                return Err(faulty("/oauth", "excluded", "give `password` or `oauth`, not both"));
            }
        };
        written.takes_tokens = true;
        self.by_tokens(oauth)
    }

    /// Credentials with a source of tokens, and no token yet.
    pub(crate) fn by_tokens(&self, oauth: OAuthRequest) -> Result<Credentials, Problem> {
        let source = match (oauth.provider, oauth.token_url) {
            (Some(name), None) if oauth.secret.is_none() => {
                self.engine.authorization_server(&name).map_err(|unknown| {
                    let way = format!(
                        "{}; another one needs `redirect` in [oauth] and an [oauth.server.NAME] in its configuration, as docs/oauth.md shows",
                        unknown.detail
                    );
                    faulty("/oauth/provider", "unknown", &way)
                })?;
                TokenSource::Provider(name)
            }
            (None, Some(url)) if !oauth::is_https(&url) || url.contains('@') => {
                let detail = "it is not an https URL such as https://tokens.example.com/mail";
                return Err(faulty("/oauth/tokenUrl", "pattern", detail));
            }
            (None, Some(url)) => TokenSource::Url { url, secret: oauth.secret.map(Secret::new) },
            (Some(_), None) => {
                return Err(faulty(
                    "/oauth/secret",
                    "excluded",
                    "it is allowed with `tokenUrl` only",
                ));
            }
            (None, None) | (Some(_), Some(_)) => {
                return Err(faulty("/oauth", "one-of", "give `provider` or `tokenUrl`"));
            }
        };
        Ok(Credentials::OAuth(OAuth { source, access: None, expires: None, refresh: None }))
    }

    /// Checks a token URL against the egress rules. A host that does not exist is refused too: the URL is
    /// used later, when no person sees the error.
    pub(crate) async fn vet_tokens(&self, credentials: &Credentials) -> Result<(), Problem> {
        const POINTER: &str = "/oauth/tokenUrl";
        let Credentials::OAuth(OAuth { source: TokenSource::Url { url, .. }, .. }) = credentials
        else {
            return Ok(());
        };
        match self.own_tokens.check_egress(url).await {
            Err(FetchError::Dial(error @ DialError::NotAllowed { .. })) => {
                let detail = format!(
                    "{error}. If it is the operator's own, `[egress] fetch` in the configuration lets it in."
                );
                Err(not_allowed(POINTER, detail))
            }
            Err(FetchError::Dial(error @ DialError::NotFound { .. })) => {
                let detail = format!("{error}: check its spelling, or create its DNS record first");
                Err(faulty(POINTER, "host-not-found", &detail))
            }
            // A temporary failure of the name servers says nothing about the URL.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A random generation. A new account with the id of a deleted one must have other message ids.
    pub(crate) fn generation(&self) -> u32 {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        u32::from_be_bytes(bytes) >> 1
    }

    /// Checks a server against the egress rules. A name that does not resolve is accepted; one that
    /// resolves to an internal address is not.
    pub(crate) async fn vet(
        &self,
        pointer: &str,
        server: Option<&MailServer>,
    ) -> Result<(), Problem> {
        let Some(MailServer { host, port, .. }) = server else { return Ok(()) };
        let refusal = async |port| match self.dialer.check_egress(host, port).await {
            Err(DialError::NotAllowed { reason, .. }) => Some(reason),
            Err(_) | Ok(()) => None,
        };
        let Some(reason) = refusal(*port).await else { return Ok(()) };
        // If the host is allowed with a mail port, the port is what has to change.
        let (member, reason) = match refusal(IMAPS).await {
            Some(reason) => ("host", reason),
            None => ("port", reason),
        };
        let detail = advice::not_allowed(host, *port, reason);
        Err(not_allowed(&format!("{pointer}/{member}"), detail))
    }
}

/// A mail server of a request; `pointer` (RFC 6901) names its member. The user name defaults to the
/// address.
pub(crate) fn server(
    pointer: &str,
    written: Option<ServerRequest>,
    email: &EmailAddress,
) -> Result<Option<MailServer>, Problem> {
    let Some(written) = written else { return Ok(None) };
    let pin = match written.pin {
        Some(pin) => Some(pin.parse().map_err(|error: model::account::InvalidPin| {
            faulty(&format!("{pointer}/pin"), "pattern", &error.to_string())
        })?),
        None => None,
    };
    let username = written.username.unwrap_or_else(|| email.as_str().to_owned());
    Ok(Some(MailServer {
        host: written.host,
        port: written.port,
        security: written.security,
        username,
        pin,
    }))
}

/// The identities of a request: valid addresses, each once.
pub(crate) fn identities(written: Vec<IdentityRequest>) -> Result<Vec<Identity>, Problem> {
    let read = |(index, identity): (usize, IdentityRequest)| {
        let email = address(&format!("/identities/{index}/email"), &identity.email)?;
        Ok(Identity { name: identity.name, email })
    };
    let read: Vec<Identity> =
        written.into_iter().enumerate().map(read).collect::<Result<_, Problem>>()?;
    let twice = (1..read.len()).find(|index| {
        let (before, from) = read.split_at(*index);
        from.first().is_some_and(|one| before.iter().any(|other| other.email.same_as(&one.email)))
    });
    match twice {
        None => Ok(read),
        Some(index) => {
            let detail = "this address is already listed; domains are compared without case";
            Err(faulty(&format!("/identities/{index}/email"), "repeated", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_identity_once() {
        check(&["u@x.test", "v@x.test", "U@x.test"], None);
        check(&["u@x.test", "v@x.test", "u@X.test"], Some("/identities/2/email"));
        check(&["u@x.test", "u@x.test"], Some("/identities/1/email"));
    }

    #[track_caller]
    fn check(emails: &[&str], want: Option<&str>) {
        let written = emails
            .iter()
            .map(|email| serde_json::from_value(serde_json::json!({"email": email})).unwrap());
        let found = identities(written.collect()).err();
        let found = found.map(|problem| problem.faults.first().unwrap().pointer.clone());
        assert_eq!(found.as_deref(), want, "{emails:?}");
    }
}
