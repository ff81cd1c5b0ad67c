//! The built-in `mailboxes` component: lists an account's mailboxes.
//!
//! Compiles natively too, without its exports, so that code that needs no host is tested both
//! natively and in WebAssembly.

use kit::bindings::exports::postlet::mail::describe::Operation;
use kit::bindings::postlet::mail::mailboxes;
use kit::bindings::postlet::mail::mailboxes::{Mailbox, Role};
use kit::describe::{Scope, json, operation, parameter};
use kit::problem::Problem;
use kit::request::{Request, Verb};
use kit::response::Answer;
use serde::Serialize;

kit::endpoint!(operations, answer);

fn operations() -> Vec<Operation> {
    vec![Operation {
        parameters: vec![parameter(
            "counters",
            r#"{"type":"boolean","default":false}"#,
            "Include the numbers of messages and of unseen messages; costs a STATUS command for each mailbox",
        )],
        answers: vec![json(200, include_str!("../schema/list.json"), "The mailboxes")],
        ..operation(
            "GET",
            "/v1/accounts/:account/mailboxes",
            Scope::Read,
            "List the mailboxes of an account",
        )
    }]
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

/// The special-use attribute of a role (RFC 6154 section 2); `\Inbox` is Postlet's own, since INBOX
/// has a name and no attribute.
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

#[cfg(test)]
mod tests {
    use kit::bindings::postlet::mail::mailboxes::Counters;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_role_is_one_that_the_schema_names() {
        let schema: Value = serde_json::from_str(include_str!("../schema/list.json")).unwrap();
        let row = &schema["properties"]["mailboxes"]["items"]["properties"];
        let named = row["role"]["enum"].as_array().unwrap();
        for role in [
            Role::Inbox,
            Role::Sent,
            Role::Drafts,
            Role::Trash,
            Role::Junk,
            Role::Archive,
            Role::All,
            Role::Flagged,
        ] {
            assert!(named.contains(&json!(word(role))), "{role:?}");
        }
    }

    #[test]
    fn counters_that_were_not_asked_for_are_left_out() {
        let mut mailbox = Mailbox {
            name: "Work/2026".to_owned(),
            path: vec!["Work".to_owned(), "2026".to_owned()],
            role: None,
            role_source: None,
            selectable: true,
            counters: None,
        };
        let plain = json!({
            "name": "Work/2026", "path": ["Work", "2026"], "role": null, "roleSource": null, "selectable": true
        });
        assert_eq!(serde_json::to_value(Row::new(&mailbox)).unwrap(), plain);
        mailbox.counters = Some(Counters { messages: 3, unseen: 1 });
        let counted = serde_json::to_value(Row::new(&mailbox)).unwrap();
        assert_eq!((&counted["messages"], &counted["unseen"]), (&json!(3), &json!(1)));
    }
}
