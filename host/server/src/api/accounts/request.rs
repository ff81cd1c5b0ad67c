//! Request bodies of the account routes, and their JSON Schemas.
//!
//! A change is a merge patch (RFC 7396): it is applied to the stored account, and the result has to be
//! a valid body for a new account. So every rule for new accounts holds after changes too.

use model::account::Security;
use model::problem::Problem;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::host_request::{JsonBody, from_body};
use crate::http::content_type::{JSON, MERGE_PATCH};
use crate::schema::own_schema::OwnSchema;

/// The body of `POST /v1/accounts` and `POST /v1/accounts/verify`.
pub(crate) static NEW_ACCOUNT: JsonBody =
    JsonBody { schema: OwnSchema::new(SCHEMA), example: EXAMPLE, content_types: &[JSON] };

const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "NewAccount",
  "type": "object", "additionalProperties": false, "required": ["email"],
  "properties": {
    "id": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "not": {"const": "verify"}, "description": "1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends; not `verify`"},
    "email": {"type": "string", "minLength": 3, "maxLength": 320},
    "name": {"type": "string", "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "description": "text without control characters"},
    "password": {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": "^[^\\x00\\r\\n]*$", "description": "text without line breaks and NUL"},
    "oauth": {
      "type": "object", "additionalProperties": false,
      "description": "Instead of a password: `provider`, an authorization server that the operator configured, or `tokenUrl`, a URL of your own that returns `{\"access_token\", \"expires_in\"}`",
      "properties": {
        "provider": {"type": "string", "minLength": 1, "maxLength": 64},
        "tokenUrl": {"type": "string", "maxLength": 2000, "pattern": "^https://", "description": "an https URL"},
        "secret": {"type": "string", "minLength": 1, "maxLength": 4000, "pattern": "^[\\x21-\\x7e]+$", "description": "visible ASCII; sent to `tokenUrl` as `Authorization: Bearer`"}
      }
    },
    "imap": {"$ref": "#/$defs/server"},
    "smtp": {"$ref": "#/$defs/server"},
    "confirm": {"type": "boolean"},
    "verify": {"type": "boolean", "description": "`true`: the servers are verified first, and nothing is stored unless both accept the login"},
    "identities": {"type": "array", "maxItems": 50, "items": {
      "type": "object", "additionalProperties": false, "required": ["email"],
      "properties": {"name": {"type": "string", "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "description": "text without control characters"}, "email": {"type": "string", "minLength": 3, "maxLength": 320}}
    }}
  },
  "$defs": {"server": {
    "type": "object", "additionalProperties": false, "required": ["host", "port", "security"],
    "properties": {
      "host": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^([A-Za-z0-9._-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*|\\[[0-9A-Fa-f:.]+\\])$", "description": "a name such as imap.example.com, or an address; no scheme, no path, and no port, which is the member `port`"},
      "port": {"type": "integer", "minimum": 1, "maximum": 65535},
      "security": {"type": "string", "enum": ["tls", "starttls"]},
      "username": {"type": "string", "minLength": 1, "maxLength": 320, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "description": "text without control characters"},
      "pin": {"type": "string", "pattern": "^sha256/[A-Za-z0-9+/]{43}=$", "description": "`sha256/` and 44 characters of base64, the last one `=`"}
    }
  }}
}"##;

const EXAMPLE: &str = r#"{"id": "me", "email": "you@example.com", "password": "an app password", "imap": {"host": "imap.example.com", "port": 993, "security": "tls"}, "smtp": {"host": "smtp.example.com", "port": 465, "security": "tls"}}"#;

/// The body of `PATCH /v1/accounts/{account}`: every member is optional, and `null` removes one.
pub(crate) static ACCOUNT_CHANGE: JsonBody = JsonBody {
    schema: OwnSchema::new(CHANGE_SCHEMA),
    example: CHANGE_EXAMPLE,
    content_types: &[JSON, MERGE_PATCH],
};

const CHANGE_SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "AccountChange",
  "type": "object", "additionalProperties": false, "minProperties": 1,
  "properties": {
    "name": {"type": ["string", "null"], "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "description": "text without control characters"},
    "id": {"not": {}, "description": "it is part of every URL; connect the mailbox again under another id"},
    "email": {"not": {}, "description": "an account is one mailbox. To send as another address, add it to `identities`; to read another mailbox, connect it by `POST /v1/accounts`"},
    "password": {"type": ["string", "null"], "minLength": 1, "maxLength": 1000, "pattern": "^[^\\x00\\r\\n]*$", "description": "text without line breaks and NUL"},
    "oauth": {
      "type": ["object", "null"], "additionalProperties": false, "minProperties": 1,
      "description": "Replaces the credentials: `provider` needs its owner's consent again; a new `tokenUrl` needs `secret` again, if there was one",
      "properties": {
        "provider": {"type": ["string", "null"], "minLength": 1, "maxLength": 64},
        "tokenUrl": {"type": ["string", "null"], "maxLength": 2000, "pattern": "^https://", "description": "an https URL"},
        "secret": {"type": ["string", "null"], "minLength": 1, "maxLength": 4000, "pattern": "^[\\x21-\\x7e]+$", "description": "visible ASCII; sent to `tokenUrl` as `Authorization: Bearer`"}
      }
    },
    "imap": {"$ref": "#/$defs/server"},
    "smtp": {"$ref": "#/$defs/server"},
    "identities": {"type": "array", "minItems": 1, "maxItems": 50, "items": {
      "type": "object", "additionalProperties": false, "required": ["email"],
      "properties": {"name": {"type": "string", "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "description": "text without control characters"}, "email": {"type": "string", "minLength": 3, "maxLength": 320}}
    }}
  },
  "$defs": {"server": {
    "type": ["object", "null"], "additionalProperties": false,
    "properties": {
      "host": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^([A-Za-z0-9._-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*|\\[[0-9A-Fa-f:.]+\\])$", "description": "a name such as imap.example.com, or an address; no scheme, no path, and no port, which is the member `port`"},
      "port": {"type": "integer", "minimum": 1, "maximum": 65535},
      "security": {"type": "string", "enum": ["tls", "starttls"]},
      "username": {"type": ["string", "null"], "minLength": 1, "maxLength": 320, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "description": "text without control characters"},
      "pin": {"type": ["string", "null"], "pattern": "^sha256/[A-Za-z0-9+/]{43}=$", "description": "`sha256/` and 44 characters of base64, the last one `=`"}
    }
  }}
}"##;

const CHANGE_EXAMPLE: &str = r#"{"name": "Ann", "password": "a new app password"}"#;

/// The body of `PUT /v1/accounts/{account}/identities`.
pub(crate) static NEW_IDENTITIES: JsonBody = JsonBody {
    schema: OwnSchema::new(IDENTITIES_SCHEMA),
    example: IDENTITIES_EXAMPLE,
    content_types: &[JSON],
};

const IDENTITIES_SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "NewIdentities",
  "type": "object", "additionalProperties": false, "required": ["identities"],
  "properties": {"identities": {"type": "array", "minItems": 1, "maxItems": 50, "items": {
    "type": "object", "additionalProperties": false, "required": ["email"],
    "properties": {"name": {"type": ["string", "null"], "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "description": "text without control characters"}, "email": {"type": "string", "minLength": 3, "maxLength": 320}}
  }}}
}"##;

const IDENTITIES_EXAMPLE: &str = r#"{"identities": [{"name": "Ann", "email": "ann@example.com"}, {"name": "Sales", "email": "sales@example.com"}]}"#;

/// A new account.
#[derive(Deserialize)]
pub(crate) struct AccountRequest {
    pub(crate) id: Option<String>,
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) oauth: Option<OAuthRequest>,
    pub(crate) imap: Option<ServerRequest>,
    pub(crate) smtp: Option<ServerRequest>,
    pub(crate) identities: Option<Vec<IdentityRequest>>,
    #[serde(default)]
    pub(crate) confirm: bool,
    #[serde(default)]
    pub(crate) verify: bool,
    /// Set from `oauth`: providers that accept no passwords are allowed.
    #[serde(skip)]
    pub(crate) takes_tokens: bool,
}

/// A source of tokens: an authorization server of the configuration, or a URL with its secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OAuthRequest {
    pub(crate) provider: Option<String>,
    pub(crate) token_url: Option<String>,
    pub(crate) secret: Option<String>,
}

/// A mail server.
#[derive(Deserialize)]
pub(crate) struct ServerRequest {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) username: Option<String>,
    pub(crate) pin: Option<String>,
}

/// An identity: an address to send from.
#[derive(Deserialize)]
pub(crate) struct IdentityRequest {
    pub(crate) name: Option<String>,
    pub(crate) email: String,
}

/// The credentials of a change: `None` for an absent member, `Some(None)` for `null`.
#[derive(Debug)]
pub(crate) struct CredentialsRequest {
    pub(crate) password: Option<Option<String>>,
    pub(crate) oauth: Option<Option<Map<String, Value>>>,
}

/// A merge patch for an account, checked against its schema.
#[derive(Debug)]
pub(crate) struct AccountChangeRequest(Map<String, Value>);

impl AccountChangeRequest {
    /// From a request's body.
    pub(crate) fn parse(body: &Value) -> Result<Self, Problem> {
        from_body(body).map(Self)
    }

    /// The credentials in the patch.
    pub(crate) fn proof(&self) -> Result<CredentialsRequest, Problem> {
        let oauth = match self.0.get("oauth") {
            Some(Value::Object(members)) => Some(Some(members.clone())),
            Some(_) => Some(None),
            None => None,
        };
        let password = self.0.get("password").map(from_body).transpose()?;
        Ok(CredentialsRequest { password, oauth })
    }

    /// Whether the patch replaces the identities.
    pub(crate) fn has_identities(&self) -> bool {
        self.0.contains_key("identities")
    }

    /// Applies the patch to `base`; the result has to be a valid body for a new account.
    pub(crate) fn over(self, mut base: Value) -> Result<AccountRequest, Problem> {
        let mut change = self.0;
        // Credentials are handled separately; `-` satisfies the schema.
        change.remove("oauth");
        change.insert("password".to_owned(), Value::from("-"));
        merge(&mut base, Value::Object(change));
        from_body(&NEW_ACCOUNT.schema.check(base.to_string().as_bytes())?)
    }
}

/// Applies a merge patch (RFC 7396 §2).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[derive(Deserialize)]
struct IdentitiesRequest {
    identities: Vec<IdentityRequest>,
}

/// Parses the body of `PUT /v1/accounts/{account}/identities`.
pub(crate) fn identities(body: &Value) -> Result<Vec<IdentityRequest>, Problem> {
    from_body(body).map(|written: IdentitiesRequest| written.identities)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396 appendix A that apply to accounts.
    #[test]
    fn a_patch_is_merged_as_the_standard_says() {
        let check = |mut target: Value, patch: Value, want: Value| {
            merge(&mut target, patch);
            assert_eq!(target, want);
        };
        check(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}));
        check(json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"}));
        check(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
        check(
            json!({"a": {"b": "c"}}),
            json!({"a": {"b": "d", "c": null}}),
            json!({"a": {"b": "d"}}),
        );
        check(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}));
        check(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}));
    }
}
