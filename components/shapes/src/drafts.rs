//! JSON of a draft, and the fields of a draft as a form.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::member::Optional;

/// The most entries in a list of a draft. The host gives an instance 1,024 handles, and an
/// attachment takes one.
pub const MOST: usize = 1_000;

// A form may have `to` as a field beside the draft, so it is optional for serde.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("required" = ["to"]))]
pub struct Draft<'a> {
    /// One of the account's identities; the default one when absent
    pub from: Optional<Address>,
    #[schemars(length(max = MOST))]
    pub reply_to: Vec<Address>,
    #[schemars(length(max = MOST))]
    pub to: Vec<Address>,
    #[schemars(length(max = MOST))]
    pub cc: Vec<Address>,
    /// Never written into the message
    #[schemars(length(max = MOST))]
    pub bcc: Vec<Address>,
    pub subject: Optional<String>,
    /// The plain text body
    pub text: Optional<String>,
    /// The HTML body
    pub html: Optional<String>,
    /// The `messageId` of the message that this one replies to, with or without angle brackets
    pub in_reply_to: Ids,
    /// The conversation: `references` of the message that this one replies to, then its `messageId`
    pub references: Ids,
    /// Additional header fields; those that Postlet writes are refused
    #[schemars(length(max = MOST))]
    pub headers: Vec<Header>,
    #[serde(borrow)]
    #[schemars(length(max = MOST))]
    pub attachments: Vec<Attachment<'a>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    pub name: Option<String>,
    /// One address, without a display name
    #[schemars(length(min = 1))]
    pub email: String,
}

// Message ids as a list, or as a header field value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Ids {
    Several(Vec<String>),
    Line(String),
}

impl Default for Ids {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

/// Without `anyOf`, so that an error names the place within the list.
impl JsonSchema for Ids {
    fn schema_name() -> Cow<'static, str> {
        "Ids".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["array", "string"],
            "maxItems": MOST,
            "items": {"type": "string", "minLength": 1},
            "minLength": 1,
        })
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Header {
    #[schemars(length(min = 1))]
    pub name: String,
    pub value: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Attachment<'a> {
    #[serde(default)]
    pub filename: Optional<String>,
    /// application/octet-stream when absent
    #[serde(default)]
    pub content_type: Optional<String>,
    #[serde(default)]
    pub disposition: Disposition,
    /// Without angle brackets; the HTML refers to it as cid:…
    #[serde(default)]
    pub content_id: Optional<String>,
    /// Base64, standard alphabet, padded, without white space
    #[serde(borrow)]
    #[schemars(extend("contentEncoding" = "base64"))]
    pub content: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Disposition {
    #[default]
    Attachment,
    Inline,
}

// Only published: a form is read field by field while it arrives.
#[derive(Debug, Default, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DraftForm {
    pub to: Vec<AddressField>,
    pub cc: Vec<AddressField>,
    pub bcc: Vec<AddressField>,
    pub reply_to: Vec<AddressField>,
    /// One address; the account's default identity when absent
    pub from: Optional<String>,
    pub subject: Optional<String>,
    pub text: Optional<String>,
    pub html: Optional<String>,
    /// Files, each with its file name
    pub attachment: Vec<File>,
    /// Files that the HTML refers to as `cid:` and their file name
    pub inline: Vec<File>,
    /// A whole draft, to which the other fields add
    #[schemars(extend("contentMediaType" = "application/json"))]
    pub json: Optional<String>,
}

/// `a@b` or `Name <a@b>`
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
pub struct AddressField(pub String);

#[derive(Debug, JsonSchema)]
#[schemars(inline, extend("format" = "binary"))]
pub struct File(pub String);
