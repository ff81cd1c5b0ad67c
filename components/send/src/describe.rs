//! The operations of the component, for the host's schema validation and for OpenAPI.

use kit::bindings::exports::postlet::mail::describe::Operation;
use kit::describe::{CURSOR, Scope, json, operation, parameter, with_form, words};
use kit::schema;
use shapes::submissions::SubmissionState;

use crate::json_draft::SCHEMA;

pub(crate) fn operations() -> Vec<Operation> {
    vec![send(), list(), show()]
}

fn send() -> Operation {
    Operation {
        body_schema: Some(with_form(SCHEMA, schema!("form"))),
        body_example: Some(include_str!("../draft-example.json").to_owned()),
        other_content_types: vec!["multipart/form-data".to_owned()],
        answers: vec![json(
            202,
            schema!("receipt"),
            "Stored for delivery; Location is the path of the submission",
        )],
        ..operation(
            "POST",
            "/v1/accounts/:account/send",
            Scope::Send,
            "Send a message. As a form: fields from, replyTo, to, cc, bcc (repeated for several addresses, `Name <a@b>` is accepted), \
             subject, text, html, inReplyTo, references, files attachment and inline (shown as cid:filename), and json with a whole draft.",
        )
    }
}

fn list() -> Operation {
    Operation {
        parameters: vec![
            parameter(
                "state",
                &words(SubmissionState::WORDS),
                "The states to list, separated by commas",
            ),
            parameter("cursor", CURSOR, "`nextCursor` of the page before"),
            parameter(
                "limit",
                r#"{"type":"integer","minimum":1,"maximum":100,"default":20}"#,
                "Submissions in a page",
            ),
        ],
        answers: vec![json(200, schema!("submissions"), "A page, newest first")],
        ..operation(
            "GET",
            "/v1/accounts/:account/submissions",
            Scope::Send,
            "List the submissions and their status",
        )
    }
}

fn show() -> Operation {
    Operation {
        answers: vec![json(200, schema!("submission"), "The submission")],
        ..operation(
            "GET",
            "/v1/accounts/:account/submissions/:submission",
            Scope::Send,
            "Show the status of a submission and of each of its recipients",
        )
    }
}
