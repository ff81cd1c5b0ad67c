//! JSON of requests that change a message.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::member::Optional;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Change {
    pub flags: Optional<Flags>,
    /// Moves the message to this mailbox: a name, or a role such as \Archive
    #[schemars(length(min = 1, max = 1000))]
    pub mailbox: Optional<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline, extend("minProperties" = 1))]
pub struct Flags {
    #[schemars(with = "Optional<Vec<Flag>>", length(max = 100))]
    pub add: Optional<Vec<String>>,
    #[schemars(with = "Optional<Vec<Flag>>", length(max = 100))]
    pub remove: Optional<Vec<String>>,
    /// Replaces all flags; excludes the other two
    #[schemars(with = "Optional<Vec<Flag>>", length(max = 100))]
    pub set: Optional<Vec<String>>,
}

/// \Seen, \Answered, \Flagged, \Deleted, \Draft, or a keyword without a backslash
#[derive(Debug, JsonSchema)]
pub struct Flag(
    #[schemars(regex(pattern = r"^\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[\^_`a-z|}~]{1,255}$"))] pub String,
);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A mailbox by name, or by role: \Archive
    #[schemars(length(min = 1, max = 1000))]
    pub mailbox: String,
}
