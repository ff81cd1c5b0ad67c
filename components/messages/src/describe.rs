//! The operations of the component, for the host's schema validation and for OpenAPI.

use kit::bindings::exports::postlet::mail::describe::{Answer, Operation};
use kit::describe::{CURSOR, Scope, json, operation, other, parameter, words, words_beside};
use kit::schema;
use shapes::messages::{Message, Summary};

use crate::read::EXPANSIONS;

const MESSAGES: &str = "/v1/accounts/:account/messages";
const MESSAGE: &str = "/v1/accounts/:account/messages/:message";

pub(crate) fn operations() -> Vec<Operation> {
    let moved = || json(200, schema!("moved"), "The id and mailbox of the message afterwards");
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
            "Download a part by its path, such as 1.2, without its transfer encoding; Range is honoured",
            "*/*",
        ),
        download(
            "/attachments/:n",
            "Download an attachment by its number in `attachments`, counted from 1; Range is honoured",
            "*/*",
        ),
        Operation {
            body_schema: Some(schema!("change").to_owned()),
            body_example: Some(r#"{"flags":{"add":["\\Seen"]}}"#.to_owned()),
            answers: vec![json(200, schema!("changed"), "The message afterwards")],
            ..operation("PATCH", MESSAGE, Scope::Change, "Change a message's flags, or move it")
        },
        Operation { answers: vec![moved()], ..transfer("/move", "Move a message") },
        Operation { answers: vec![moved()], ..transfer("/copy", "Copy a message") },
        Operation {
            parameters: vec![parameter(
                "permanent",
                r#"{"type":"boolean","default":false}"#,
                "Delete permanently, instead of moving to the trash",
            )],
            answers: vec![
                moved(),
                Answer {
                    schema: None,
                    ..other(204, "", "Deleted permanently, with permanent=true")
                },
            ],
            ..operation(
                "DELETE",
                MESSAGE,
                Scope::Change,
                "Move a message to the trash, or delete it permanently; one that is in the trash already stays there",
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
                &words_beside(Summary::MEMBERS, &others()),
                "The members of each message to return, separated by commas; those of `expand` are added",
            ),
            parameter(
                "expand",
                &words(&EXPANSIONS),
                "preview, attachments or both, separated by commas; the first request fetches each message",
            ),
        ],
        answers: vec![json(200, schema!("messages"), "A page, newest first")],
        ..operation("GET", MESSAGES, Scope::Read, "List the messages of a mailbox")
    }
}

/// Members that `fields` of a list does not have, with what to use instead.
fn others() -> Vec<(&'static str, &'static str)> {
    let mut others = vec![
        ("preview", "`expand=preview` adds it"),
        ("hasAttachments", "`expand=attachments` adds it"),
        (
            "attachments",
            "`expand=attachments` adds whether there are any; only a single message has them",
        ),
    ];
    let alone = Message::members().into_iter();
    let alone = alone.filter(|name| !Summary::MEMBERS.contains(name) && *name != "attachments");
    others.extend(alone.map(|name| (name, "only a single message has it")));
    others
}

fn one() -> Operation {
    Operation {
        parameters: vec![parameter(
            "fields",
            &words(&Message::members()),
            "The members to return, separated by commas; others are not fetched",
        )],
        answers: vec![
            json(200, schema!("message"), "The message"),
            other(200, "text/plain; charset=utf-8", "The text body only, with Accept: text/plain"),
        ],
        ..operation("GET", MESSAGE, Scope::Read, "Show a message")
    }
}

/// As it was sent, it is a download.
fn html() -> Operation {
    let mut answers = vec![other(200, "text/html; charset=utf-8", "The content")];
    answers.extend(parts_of_downloads("text/html"));
    Operation {
        parameters: vec![parameter(
            "as",
            r#"{"type":"string","const":"sent"}"#,
            "`sent`: without sanitising, in its own charset, as a download",
        )],
        answers,
        ..operation(
            "GET",
            &format!("{MESSAGE}/html"),
            Scope::Read,
            "Show the HTML body, sanitised: no script, no remote content that loads automatically; as=sent: the bytes of its \
             first HTML part, where Range is honoured",
        )
    }
}

/// A download of a message or a part, whole or a range (RFC 9110 sections 13.1.2 and 14).
fn download(tail: &str, summary: &str, content_type: &str) -> Operation {
    let mut answers = vec![other(200, content_type, "The content")];
    answers.extend(parts_of_downloads(content_type));
    Operation { answers, ..operation("GET", &format!("{MESSAGE}{tail}"), Scope::Read, summary) }
}

/// The responses of a download besides 200; the host takes from them which header fields to
/// document.
fn parts_of_downloads(content_type: &str) -> [Answer; 2] {
    [
        other(206, content_type, "The requested range"),
        other(304, "", "Not modified: If-None-Match has the current entity tag"),
    ]
}

fn transfer(tail: &str, summary: &str) -> Operation {
    Operation {
        body_schema: Some(schema!("target").to_owned()),
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
