//! JSON of an account's mailboxes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::member::{Optional, words};

#[derive(Debug, JsonSchema, Serialize)]
pub struct Mailboxes<'a> {
    pub mailboxes: Vec<Row<'a>>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Row<'a> {
    pub name: &'a str,
    /// The name split at the server's hierarchy delimiter
    pub path: &'a [String],
    pub role: Option<Role>,
    /// special-use for an attribute of the server (RFC 6154), name for a well-known name
    pub role_source: Option<&'a str>,
    pub selectable: bool,
    /// Only with counters=true
    #[serde(skip_serializing_if = "Optional::is_absent")]
    pub messages: Optional<u32>,
    /// Only with counters=true
    #[serde(skip_serializing_if = "Optional::is_absent")]
    pub unseen: Optional<u32>,
}

words! {
    // The special-use attribute of a role (RFC 6154 section 2); `\Inbox` is Postlet's own, since
    // INBOX has a name and no attribute.
    #[schemars(inline)]
    pub enum Role {
        "\\Inbox" Inbox,
        "\\Sent" Sent,
        "\\Drafts" Drafts,
        "\\Trash" Trash,
        "\\Junk" Junk,
        "\\Archive" Archive,
        "\\All" All,
        "\\Flagged" Flagged,
    }
}
