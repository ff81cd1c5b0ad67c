//! `operationId`s, tags and path parameter descriptions of the OpenAPI document.
//!
//! Client generators turn each `operationId` into a function. Those of the host's own operations are in
//! its route table. WIT has no field for one, so those of the default application are listed here, and
//! those of other components are derived from method and path.
//!
//! Independent of what an operation does.

/// Method, path and `operationId` of the operations of the default application.
const NAMED: &[(&str, &str, &str)] = &[
    ("POST", "/v1/accounts/:account/send", "sendMessage"),
    ("GET", "/v1/accounts/:account/submissions", "listSubmissions"),
    ("GET", "/v1/accounts/:account/submissions/:submission", "getSubmission"),
    ("GET", "/v1/accounts/:account/mailboxes", "listMailboxes"),
    ("GET", "/v1/accounts/:account/messages", "listMessages"),
    ("GET", "/v1/accounts/:account/messages/:message", "getMessage"),
    ("PATCH", "/v1/accounts/:account/messages/:message", "updateMessage"),
    ("DELETE", "/v1/accounts/:account/messages/:message", "deleteMessage"),
    ("GET", "/v1/accounts/:account/messages/:message/text", "getMessageText"),
    ("GET", "/v1/accounts/:account/messages/:message/html", "getMessageHtml"),
    ("GET", "/v1/accounts/:account/messages/:message/raw", "getMessageRaw"),
    ("GET", "/v1/accounts/:account/messages/:message/parts/:path", "getPart"),
    ("GET", "/v1/accounts/:account/messages/:message/attachments/:n", "getAttachment"),
    ("POST", "/v1/accounts/:account/messages/:message/move", "moveMessage"),
    ("POST", "/v1/accounts/:account/messages/:message/copy", "copyMessage"),
    ("GET", "/v1/providers", "findProvider"),
    ("GET", "/v1/providers/:domain", "getProvider"),
];

/// Tags of the host's own operations: the prefix of a path, the tag's name, and its description.
pub(crate) const HEADINGS: &[(&str, &str, &str)] = &[
    ("/v1/accounts", "accounts", "Connects and verifies mailboxes"),
    ("/v1/tokens", "tokens", "Creates and revokes tokens"),
    ("/", "host", "The host itself"),
];

/// Descriptions of the path parameters of the host and the default application.
const PARAMETERS: &[(&str, &str)] = &[
    ("account", "The id of an account"),
    ("message", "The id of a message, from a list or a move"),
    ("submission", "`submissionId`, from the response to a send"),
    ("path", "The path of a part, from `part` of a message: `1.2`"),
    ("n", "The `number` of an attachment, counted from 1"),
    ("token", "The id of a token, from the list"),
    ("domain", "The domain of an address: what follows the `@`"),
    ("file", "The name of a file, from the list"),
];

/// The `operationId` of an operation of the default application.
pub(crate) fn known(method: &str, path: &str) -> Option<&'static str> {
    let found = NAMED.iter().find(|(verb, route, _)| (*verb, *route) == (method, path));
    found.map(|(.., name)| *name)
}

/// An `operationId` from method and path: `GET /things/:id` is `getThingsById`.
pub(crate) fn derived(method: &str, path: &str) -> String {
    let mut name = method.to_ascii_lowercase();
    for segment in path.split('/') {
        if segment.starts_with(':') {
            name += "By";
        }
        for word in segment.split(|c: char| !c.is_ascii_alphanumeric()) {
            let (first, rest) = word.split_at(word.len().min(1));
            name += &first.to_ascii_uppercase();
            name += rest;
        }
    }
    name
}

/// The tag of one of the host's own operations.
pub(crate) fn heading(path: &str) -> &'static str {
    let found = HEADINGS.iter().find(|(start, ..)| path.starts_with(start));
    found.map_or("host", |(_, noun, _)| noun)
}

/// The description of a path parameter of an operation of Postlet's own.
pub(crate) fn parameter(name: &str) -> Option<&'static str> {
    PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_names_are_alike() {
        let names: HashSet<&str> = NAMED.iter().map(|(.., name)| *name).collect();
        assert_eq!(names.len(), NAMED.len());
    }

    #[test]
    fn other_operations_are_named_after_their_path() {
        assert_eq!(derived("GET", "/things/:id/by-day.json"), "getThingsByIdByDayJson");
        assert_eq!(derived("PUT", "/"), "put");
        assert_eq!(known("GET", "/v1/providers/:domain"), Some("getProvider"));
        assert_eq!(known("GET", "/things/:domain"), None);
    }
}
