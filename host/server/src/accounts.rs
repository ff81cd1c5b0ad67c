//! `/v1/accounts`: connecting mailboxes, by explicit servers.
//!
//! Passwords come in and never go out. A host that may not be dialled is
//! refused when the account is made, and again whenever it is dialled.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use engine::engine::Engine;
use engine::verify::{Probe, Verification};
use http::{Response, StatusCode, header};
use model::account::{Account, Credentials, Identity, MailServer, Security};
use model::address::EmailAddress;
use model::caller::Caller;
use model::ids::{AccountId, TenantId};
use model::message::Page;
use model::port::accounts::Accounts;
use model::port::clock::{Entropy, ten_bytes};
use model::port::dial::DialError;
use model::port::store::StoreError;
use model::problem::{Code, Fault, Problem};
use model::secret::Secret;
use net::dial::Dialer;
use runtime::body::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer;
use crate::schema::Schema;

/// What connects a mailbox.
pub(crate) const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false, "required": ["email", "password"],
  "properties": {
    "id": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "not": {"const": "verify"}},
    "email": {"type": "string", "minLength": 3, "maxLength": 320},
    "name": {"type": "string", "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f]*$"},
    "password": {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": "^[^\\x00\\r\\n]*$"},
    "imap": {"$ref": "#/$defs/server"},
    "smtp": {"$ref": "#/$defs/server"},
    "identities": {"type": "array", "maxItems": 50, "items": {
      "type": "object", "additionalProperties": false, "required": ["email"],
      "properties": {"name": {"type": "string", "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f]*$"}, "email": {"type": "string", "minLength": 3, "maxLength": 320}}
    }}
  },
  "$defs": {"server": {
    "type": "object", "additionalProperties": false, "required": ["host", "port", "security"],
    "properties": {
      "host": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[A-Za-z0-9.:_\\[\\]-]+$"},
      "port": {"type": "integer", "minimum": 1, "maximum": 65535},
      "security": {"enum": ["tls", "starttls"]},
      "username": {"type": "string", "minLength": 1, "maxLength": 320, "pattern": "^[^\\x00-\\x1f\\x7f]*$"},
      "pin": {"type": "string", "pattern": "^sha256/[A-Za-z0-9+/]{43}=$"}
    }
  }}
}"##;

/// A body that fits [`SCHEMA`].
pub(crate) const EXAMPLE: &str = r#"{"id": "me", "email": "you@example.com", "password": "an app password", "imap": {"host": "imap.example.com", "port": 993, "security": "tls"}, "smtp": {"host": "smtp.example.com", "port": 465, "security": "tls"}}"#;

static BODY: LazyLock<Option<Schema>> = LazyLock::new(|| {
    Schema::compile(SCHEMA)
        .inspect_err(|error| tracing::error!(%error, "the accounts' schema"))
        .ok()
});

/// Accounts in one answer.
const PAGE: usize = 100;

/// What the handlers need.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

#[derive(Deserialize)]
struct Written {
    id: Option<String>,
    email: String,
    name: Option<String>,
    password: String,
    imap: Option<WrittenServer>,
    smtp: Option<WrittenServer>,
    identities: Option<Vec<WrittenIdentity>>,
}

#[derive(Deserialize)]
struct WrittenServer {
    host: String,
    port: u16,
    security: Security,
    username: Option<String>,
    pin: Option<String>,
}

#[derive(Deserialize)]
struct WrittenIdentity {
    name: Option<String>,
    email: String,
}

impl Desk {
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        body: &[u8],
    ) -> Result<Response<Body>, Problem> {
        let (account, credentials) = self.read(caller, body).await?;
        match self.accounts.create(&account, &credentials).await {
            Ok(()) => {
                let mut answer = answer::json(StatusCode::CREATED, &shown(&account));
                if let Ok(location) = format!("/v1/accounts/{}", account.id).parse() {
                    answer.headers_mut().insert(header::LOCATION, location);
                }
                Ok(answer)
            }
            Err(StoreError::Exists) => Err(Problem::new(
                Code::AlreadyExists,
                format!("the account `{}` exists already", account.id),
            )),
            Err(error) => Err(stored(error)),
        }
    }

    pub(crate) async fn list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
    ) -> Result<Response<Body>, Problem> {
        let page = match &caller.accounts {
            None => {
                self.accounts.list(&caller.tenant, cursor, PAGE as u32).await.map_err(stored)?
            }
            Some(named) => self.named(&caller.tenant, named, cursor).await?,
        };
        let accounts: Vec<Value> = page.rows.iter().map(shown).collect();
        Ok(answer::json(
            StatusCode::OK,
            &json!({"accounts": accounts, "nextCursor": page.next_cursor}),
        ))
    }

    /// Those that a token names, as the store would list them.
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

    pub(crate) async fn get(&self, caller: &Caller, id: &str) -> Result<Response<Body>, Problem> {
        Ok(answer::json(StatusCode::OK, &shown(&self.find(caller, id).await?)))
    }

    pub(crate) async fn delete(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        self.accounts.delete(&caller.tenant, &account.id).await.map_err(stored)?;
        self.engine.forget(&caller.tenant, &account.id).await;
        Ok(answer::empty(StatusCode::NO_CONTENT))
    }

    /// Checks servers and credentials; nothing is stored.
    pub(crate) async fn verify_new(
        &self,
        caller: &Caller,
        body: &[u8],
    ) -> Result<Response<Body>, Problem> {
        let (account, credentials) = self.read(caller, body).await?;
        Ok(verified(&self.engine.verify(&account, &credentials).await))
    }

    pub(crate) async fn verify(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let account = self.find(caller, id).await?;
        let credentials = self
            .accounts
            .credentials(&account)
            .await
            .map_err(stored)?
            .ok_or_else(|| unknown(id))?;
        Ok(verified(&self.engine.verify(&account, &credentials).await))
    }

    async fn find(&self, caller: &Caller, id: &str) -> Result<Account, Problem> {
        let parsed: AccountId = id.parse().map_err(|_| unknown(id))?;
        if !caller.may_open(&parsed) {
            return Err(unknown(id));
        }
        self.accounts.get(&caller.tenant, &parsed).await.map_err(stored)?.ok_or_else(|| unknown(id))
    }

    async fn read(&self, caller: &Caller, body: &[u8]) -> Result<(Account, Credentials), Problem> {
        let schema = BODY
            .as_ref()
            .ok_or_else(|| Problem::new(Code::Internal, "the accounts' schema is broken"))?;
        let written: Written = serde_json::from_value(schema.check(body)?)
            .map_err(|error| Problem::new(Code::InvalidBody, error.to_string()))?;
        if written.imap.is_none() && written.smtp.is_none() {
            return Err(faulty("", "missing", "give `imap`, `smtp` or both"));
        }
        let email = address("/email", &written.email)?;
        let mut identities = Vec::new();
        for (index, identity) in written.identities.unwrap_or_default().into_iter().enumerate() {
            identities.push(Identity {
                name: identity.name,
                email: address(&format!("/identities/{index}/email"), &identity.email)?,
            });
        }
        if identities.is_empty() {
            identities.push(Identity { name: written.name.clone(), email: email.clone() });
        }
        let id = match written.id {
            Some(id) => id.parse().map_err(|error: model::ids::InvalidId| {
                faulty("/id", "pattern", &error.to_string())
            })?,
            None => AccountId::generate(ten_bytes(&*self.entropy)),
        };
        if !caller.may_open(&id) {
            let detail = "the token is limited to accounts, and this is not one of them";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let imap = self.server("/imap", written.imap, &email).await?;
        let smtp = self.server("/smtp", written.smtp, &email).await?;
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
        Ok((account, Credentials::Password(Secret::new(written.password))))
    }

    /// A new account under an old id is another account: its message ids must differ.
    fn generation(&self) -> u32 {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        u32::from_be_bytes(bytes) >> 1
    }

    async fn server(
        &self,
        pointer: &str,
        written: Option<WrittenServer>,
        email: &EmailAddress,
    ) -> Result<Option<MailServer>, Problem> {
        let Some(written) = written else { return Ok(None) };
        let pin = match written.pin {
            Some(pin) => Some(pin.parse().map_err(|error: model::account::InvalidPin| {
                faulty(&format!("{pointer}/pin"), "pattern", &error.to_string())
            })?),
            None => None,
        };
        // A name that does not resolve now may do so later; one that leads inside never may.
        if let Err(error @ DialError::NotAllowed { .. }) =
            self.dialer.vet(&written.host, written.port).await
        {
            let fault = Fault {
                pointer: format!("{pointer}/host"),
                code: "host-not-allowed".to_owned(),
                detail: error.to_string(),
            };
            return Err(
                Problem::new(Code::HostNotAllowed, error.to_string()).with_faults(vec![fault])
            );
        }
        let username = written.username.unwrap_or_else(|| email.as_str().to_owned());
        Ok(Some(MailServer {
            host: written.host,
            port: written.port,
            security: written.security,
            username,
            pin,
        }))
    }
}

fn address(pointer: &str, text: &str) -> Result<EmailAddress, Problem> {
    text.parse().map_err(|error: model::address::InvalidAddress| {
        faulty(pointer, "bad-address", &error.to_string())
    })
}

fn faulty(pointer: &str, code: &str, detail: &str) -> Problem {
    let fault =
        Fault { pointer: pointer.to_owned(), code: code.to_owned(), detail: detail.to_owned() };
    Problem::new(Code::InvalidBody, format!("{pointer}: {detail}")).with_faults(vec![fault])
}

fn unknown(id: &str) -> Problem {
    Problem::new(
        Code::NoSuchAccount,
        format!("no account `{}` belongs to this token", model::problem::printable(id)),
    )
}

fn stored(error: StoreError) -> Problem {
    Problem::new(Code::StoreUnavailable, "the account could not be read or written").because(error)
}

fn shown(account: &Account) -> Value {
    let server = |server: &Option<MailServer>| {
        server.as_ref().map(|server| {
            let mut shown = json!({"host": server.host, "port": server.port, "security": server.security, "username": server.username});
            if let (Some(pin), Some(members)) = (server.pin, shown.as_object_mut()) {
                members.insert("pin".to_owned(), json!(pin.to_string()));
            }
            shown
        })
    };
    let identities: Vec<Value> = account
        .identities
        .iter()
        .map(|identity| json!({"name": identity.name, "email": identity.email}))
        .collect();
    json!({"id": account.id, "email": account.email, "name": account.name, "imap": server(&account.imap), "smtp": server(&account.smtp), "identities": identities})
}

fn verified(verification: &Verification) -> Response<Body> {
    let half = |half: &Option<Probe>| {
        half.as_ref().map(|half| match &half.result {
            Ok(()) => json!({"ok": true, "milliseconds": half.took.as_millis()}),
            Err(problem) => json!({
                "ok": false, "milliseconds": half.took.as_millis(), "code": problem.code.as_str(), "title": problem.code.title(), "detail": problem.detail,
                "reply": problem.upstream.as_ref().map(|upstream| upstream.reply.clone()),
            }),
        })
    };
    let ok = [&verification.imap, &verification.smtp]
        .into_iter()
        .flatten()
        .all(|half| half.result.is_ok());
    answer::json(
        StatusCode::OK,
        &json!({"ok": ok, "imap": half(&verification.imap), "smtp": half(&verification.smtp)}),
    )
}
