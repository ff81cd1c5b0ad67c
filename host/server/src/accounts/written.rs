//! What a caller writes to connect a mailbox, and its schema.

use std::sync::LazyLock;

use model::account::Security;
use model::problem::{Code, Problem};
use serde::Deserialize;

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

#[derive(Deserialize)]
pub(crate) struct Written {
    pub(crate) id: Option<String>,
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) password: String,
    pub(crate) imap: Option<WrittenServer>,
    pub(crate) smtp: Option<WrittenServer>,
    pub(crate) identities: Option<Vec<WrittenIdentity>>,
}

#[derive(Deserialize)]
pub(crate) struct WrittenServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) username: Option<String>,
    pub(crate) pin: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct WrittenIdentity {
    pub(crate) name: Option<String>,
    pub(crate) email: String,
}

impl Written {
    /// From a request's body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let schema = BODY
            .as_ref()
            .ok_or_else(|| Problem::new(Code::Internal, "the accounts' schema is broken"))?;
        serde_json::from_value(schema.check(body)?)
            .map_err(|error| Problem::new(Code::InvalidBody, error.to_string()))
    }
}
