//! What this component serves, for the host's schema check and for OpenAPI.

use kit::bindings::exports::postlet::mail::describe::{Answer, Operation};
use kit::describe::{CURSOR, Scope, json, operation, other, parameter, words, words_beside};

use crate::read::{EXPANSIONS, FIELDS, IN_LISTS};

const MESSAGES: &str = "/v1/accounts/:account/messages";
const MESSAGE: &str = "/v1/accounts/:account/messages/:message";

pub(crate) fn operations() -> Vec<Operation> {
    let moved = || json(200, include_str!("../schema/moved.json"), "Where the message is now");
    vec![
        list(),
        one(),
        Operation {
            answers: vec![other(200, "text/plain; charset=utf-8", "The content")],
            ..operation("GET", &format!("{MESSAGE}/text"), Scope::Read, "Show the plain text body")
        },
        html(),
        download("/raw", "Download the message byte for byte; Range is honoured", "message/rfc822"),
        download(
            "/parts/:path",
            "Download a part by its path, such as 1.2, with its transfer encoding undone; Range is honoured",
            "*/*",
        ),
        download(
            "/attachments/:n",
            "Download an attachment by its place in `attachments`, counted from 1; Range is honoured",
            "*/*",
        ),
        Operation {
            body_schema: Some(include_str!("../schema/patch.json").to_owned()),
            body_example: Some(r#"{"flags":{"add":["\\Seen"]}}"#.to_owned()),
            answers: vec![json(
                200,
                include_str!("../schema/patched.json"),
                "The message afterwards",
            )],
            ..operation("PATCH", MESSAGE, Scope::Change, "Change a message's flags, or move it")
        },
        Operation { answers: vec![moved()], ..transfer("/move", "Move a message") },
        Operation { answers: vec![moved()], ..transfer("/copy", "Copy a message") },
        Operation {
            parameters: vec![parameter(
                "permanent",
                r#"{"type":"boolean","default":false}"#,
                "Destroy it; there is no way back",
            )],
            answers: vec![
                moved(),
                Answer { schema: None, ..other(204, "", "Destroyed, with permanent=true") },
            ],
            ..operation(
                "DELETE",
                MESSAGE,
                Scope::Change,
                "Move a message to the trash, where one that lies there already stays; or destroy it",
            )
        },
    ]
}

fn list() -> Operation {
    Operation {
        parameters: vec![
            parameter(
                "mailbox",
                r#"{"type":"string","maxLength":1000,"default":"INBOX"}"#,
                "A mailbox by name, or by role: \\Sent",
            ),
            parameter("cursor", CURSOR, "`nextCursor` of the page before"),
            parameter(
                "limit",
                r#"{"type":"integer","minimum":1,"maximum":100,"default":20}"#,
                "Messages in a page",
            ),
            parameter(
                "fields",
                &words_beside(FIELDS.get(..IN_LISTS).unwrap_or_default(), &others()),
                "Only these members of each message, separated by commas; what `expand` adds is there too",
            ),
            parameter(
                "expand",
                &words(&EXPANSIONS),
                "preview, attachments or both, separated by commas; the first time costs a fetch of each message",
            ),
        ],
        answers: vec![json(200, include_str!("../schema/list.json"), "A page, newest first")],
        ..operation("GET", MESSAGES, Scope::Read, "List a mailbox")
    }
}

/// What is asked of a list by `fields`, and has another place.
fn others() -> Vec<(&'static str, &'static str)> {
    let mut others = vec![
        ("preview", "`expand=preview` adds it"),
        ("hasAttachments", "`expand=attachments` adds it"),
        (
            "attachments",
            "`expand=attachments` adds whether there are any; a message alone has them",
        ),
    ];
    let whole = FIELDS.get(IN_LISTS..).unwrap_or_default().iter();
    let alone = whole.filter(|field| **field != "attachments");
    others.extend(alone.map(|field| (*field, "a list has it not; a message alone has it")));
    others
}

fn one() -> Operation {
    Operation {
        parameters: vec![parameter(
            "fields",
            &words(&FIELDS),
            "Only these members, separated by commas; what is not named is not fetched",
        )],
        answers: vec![
            json(200, include_str!("../schema/message.json"), "The message"),
            other(200, "text/plain; charset=utf-8", "Its text alone, with Accept: text/plain"),
        ],
        ..operation("GET", MESSAGE, Scope::Read, "Show a message")
    }
}

/// As it was sent it is a download.
fn html() -> Operation {
    let mut answers = vec![other(200, "text/html; charset=utf-8", "The content")];
    answers.extend(parts_of_downloads("text/html"));
    Operation {
        parameters: vec![parameter(
            "as",
            r#"{"type":"string","const":"sent"}"#,
            "`sent`: not sanitised, in its own charset, as a download",
        )],
        answers,
        ..operation(
            "GET",
            &format!("{MESSAGE}/html"),
            Scope::Read,
            "Show the HTML body, sanitised: no script, no remote content that loads by itself; as=sent: the bytes of its \
             first HTML part, where Range is honoured",
        )
    }
}

/// Bytes as they lie in the message, whole or in part (RFC 9110 sections 13.1.2 and 14).
fn download(tail: &str, summary: &str, content_type: &str) -> Operation {
    let mut answers = vec![other(200, content_type, "The content")];
    answers.extend(parts_of_downloads(content_type));
    Operation { answers, ..operation("GET", &format!("{MESSAGE}{tail}"), Scope::Read, summary) }
}

/// By these the host knows which header fields to show.
fn parts_of_downloads(content_type: &str) -> [Answer; 2] {
    [
        other(206, content_type, "The part of it that Range asks for"),
        other(304, "", "The client has it, as its If-None-Match says"),
    ]
}

fn transfer(tail: &str, summary: &str) -> Operation {
    Operation {
        body_schema: Some(include_str!("../schema/target.json").to_owned()),
        body_example: Some(r#"{"mailbox":"\\Archive"}"#.to_owned()),
        ..operation("POST", &format!("{MESSAGE}{tail}"), Scope::Change, summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_json() {
        for operation in operations() {
            let parameters = operation.parameters.iter().map(|parameter| parameter.schema.as_str());
            let answers = operation.answers.iter().filter_map(|answer| answer.schema.as_deref());
            for schema in parameters.chain(answers).chain(operation.body_schema.as_deref()) {
                let read = serde_json::from_str::<serde_json::Value>(schema);
                assert!(read.is_ok(), "{} {}: {schema}", operation.method, operation.path);
            }
        }
    }
}
