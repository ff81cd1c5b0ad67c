//! `/v1/tokens`: handlers that create, list and revoke API tokens.
//!
//! The text of a token is in the response to its creation, and nowhere else.

use std::str::FromStr;

use http::{Response, StatusCode};
use model::caller::{Caller, Scope};
use model::ids::{AccountId, TenantId};
use model::instant::Timestamp;
use model::port::accounts::Accounts;
use model::port::tokens::Token;
use model::problem::{Code, Fault, Problem};
use runtime::body::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::host_request::{JsonBody, from_body};
use crate::auth::authenticator::{Authenticator, unavailable};
use crate::http::content_type::JSON;
use crate::http::response;
use crate::schema::invalid;
use crate::schema::own_schema::OwnSchema;

/// The body of `POST /v1/tokens`.
pub(crate) static NEW_TOKEN: JsonBody =
    JsonBody { schema: OwnSchema::new(SCHEMA), example: EXAMPLE, content_types: &[JSON] };

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "NewToken",
  "type": "object", "additionalProperties": false, "required": ["scopes"],
  "properties": {
    "tenant": {"type": "string", "minLength": 1, "maxLength": 63},
    "name": {"type": "string", "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$"},
    "scopes": {"type": "array", "minItems": 1, "maxItems": 5, "uniqueItems": true, "items": {"type": "string", "enum": ["read", "change", "send", "accounts", "operate"]}},
    "accounts": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"type": "string"}},
    "expires": {"type": "string", "format": "date-time"}
  }
}"#;

const EXAMPLE: &str = r#"{"name": "newsletter", "scopes": ["read", "send"], "accounts": ["me"]}"#;

#[derive(Deserialize)]
struct TokenRequest {
    tenant: Option<String>,
    name: Option<String>,
    scopes: Vec<Scope>,
    accounts: Option<Vec<String>>,
    expires: Option<String>,
}

/// `POST /v1/tokens`: 201 with the token's text.
///
/// # Errors
/// [`Code::Forbidden`] for a token limited to accounts; [`Code::InvalidBody`]; [`Code::StoreUnavailable`].
pub(crate) async fn create(
    host: &Authenticator,
    accounts: &dyn Accounts,
    caller: &Caller,
    body: &Value,
) -> Result<Response<Body>, Problem> {
    if caller.accounts.is_some() {
        let detail = "a token that is limited to accounts cannot create tokens";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let written: TokenRequest = from_body(body)?;
    let tenant = match written.tenant {
        Some(text) => host
            .tenant(&text)
            .ok_or_else(|| faulty("/tenant", "unknown", "there is no such tenant"))?,
        None => caller.tenant.clone(),
    };
    let named = match written.accounts {
        Some(ids) => Some(account_ids(&ids)?),
        None => None,
    };
    let expires = match written.expires {
        Some(text) => Some(Timestamp::parse(&text).ok_or_else(|| {
            let detail = "is not a time such as 2026-01-31T12:00:00Z (RFC 3339)";
            faulty("/expires", "format", detail)
        })?),
        None => None,
    };
    if expires.is_some_and(|end| end <= host.now()) {
        return Err(faulty("/expires", "past", "is in the past; give a later time"));
    }
    let unknown = unknown_accounts(accounts, &tenant, named.as_deref().unwrap_or_default()).await?;
    let (token, text) = host.make(tenant, written.name, written.scopes, named, expires).await?;
    let mut value = shown(&token);
    if let Some(members) = value.as_object_mut() {
        members.insert("token".to_owned(), json!(text.reveal()));
        if !unknown.is_empty() {
            members.insert("unknownAccounts".to_owned(), json!(unknown));
        }
    }
    Ok(response::json(StatusCode::CREATED, &value))
}

/// `GET /v1/tokens`: the tokens of all tenants, without their texts.
pub(crate) async fn list(host: &Authenticator) -> Result<Response<Body>, Problem> {
    let rows: Vec<Value> = host.all().await?.iter().map(shown).collect();
    Ok(response::json(StatusCode::OK, &json!({"tokens": rows, "nextCursor": null})))
}

/// `DELETE /v1/tokens/{token}`: 204, and the token is invalid at once.
///
/// # Errors
/// [`Code::NoSuchToken`].
pub(crate) async fn revoke(host: &Authenticator, id: &str) -> Result<Response<Body>, Problem> {
    host.revoke(id).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// The accounts that do not exist. A token may be created before its account, but a typing error should
/// be visible in the response.
async fn unknown_accounts(
    accounts: &dyn Accounts,
    tenant: &TenantId,
    named: &[AccountId],
) -> Result<Vec<AccountId>, Problem> {
    let mut unknown = Vec::new();
    for id in named {
        if accounts.get(tenant, id).await.map_err(unavailable)?.is_none() {
            unknown.push(id.clone());
        }
    }
    Ok(unknown)
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

fn shown(token: &Token) -> Value {
    json!({
        "id": token.id, "tenant": token.tenant, "name": token.name, "scopes": token.scopes, "accounts": token.accounts,
        "created": token.created.to_string(), "expires": token.expires.map(|at| at.to_string()),
    })
}
