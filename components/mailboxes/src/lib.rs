//! The built-in `mailboxes` component: lists an account's mailboxes.
//!
//! Built for wasm32-wasip2 only.
#![cfg(target_family = "wasm")]

use kit::answer::{Answer, serve};
use kit::bindings::exports::postlet::mail::describe::{Guest, Operation};
use kit::bindings::postlet::mail::mailboxes;
use kit::bindings::postlet::mail::mailboxes::{Mailbox, Role};
use kit::describe::{Scope, json, operation, parameter};
use kit::problem::Problem;
use kit::request::{Request, Verb};
use serde::Serialize;
use wasip2::exports::http::incoming_handler;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

struct Component;

kit::bindings::export_describe!(Component);
wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn operations() -> Vec<Operation> {
        vec![Operation {
            parameters: vec![parameter(
                "counters",
                r#"{"type":"boolean","default":false}"#,
                "Count messages and unseen ones, which costs a STATUS for each mailbox",
            )],
            answers: vec![json(200, include_str!("../schema/list.json"), "Every mailbox")],
            ..operation(
                "GET",
                "/v1/accounts/:account/mailboxes",
                Scope::Read,
                "List the mailboxes of an account",
            )
        }]
    }
}

impl incoming_handler::Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        serve(request, out, answer);
    }
}

fn answer(request: &Request) -> Result<Answer, Problem> {
    if request.verb() != Verb::Get {
        return Err(Problem::method_not_allowed("GET"));
    }
    let counters = request.query(&["counters"])?.flag("counters")?;
    let found = mailboxes::all(&request.account()?, counters)?;
    Answer::json(200, &List { mailboxes: found.iter().map(Row::new).collect() })
}

#[derive(Serialize)]
struct List<'a> {
    mailboxes: Vec<Row<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    name: &'a str,
    path: &'a [String],
    role: Option<&'static str>,
    role_source: Option<&'a str>,
    selectable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unseen: Option<u32>,
}

impl<'a> Row<'a> {
    fn new(mailbox: &'a Mailbox) -> Self {
        Self {
            name: &mailbox.name,
            path: &mailbox.path,
            role: mailbox.role.map(word),
            role_source: mailbox.role_source.as_deref(),
            selectable: mailbox.selectable,
            messages: mailbox.counters.map(|counters| counters.messages),
            unseen: mailbox.counters.map(|counters| counters.unseen),
        }
    }
}

/// RFC 6154 section 2; `\Inbox` is Postlet's own, since INBOX has a name and no attribute.
fn word(role: Role) -> &'static str {
    match role {
        Role::Inbox => "\\Inbox",
        Role::Sent => "\\Sent",
        Role::Drafts => "\\Drafts",
        Role::Trash => "\\Trash",
        Role::Junk => "\\Junk",
        Role::Archive => "\\Archive",
        Role::All => "\\All",
        Role::Flagged => "\\Flagged",
    }
}
