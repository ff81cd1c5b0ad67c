//! The built-in `mailboxes` component: lists an account's mailboxes.
//!
//! Compiles natively too, without its exports, so that code that needs no host is tested both
//! natively and in WebAssembly.

use kit::bindings::exports::postlet::mail::describe::Operation;
use kit::bindings::postlet::mail::mailboxes;
use kit::bindings::postlet::mail::mailboxes::{Mailbox, Role};
use kit::describe::{self, Scope, operation, parameter};
use kit::problem::Problem;
use kit::request::{Request, Verb};
use kit::response::Answer;
use shapes::mailboxes as json;
use shapes::member::Optional;

kit::endpoint!(operations, answer);

fn operations() -> Vec<Operation> {
    vec![Operation {
        parameters: vec![parameter(
            "counters",
            r#"{"type":"boolean","default":false}"#,
            "Include the numbers of messages and of unseen messages; costs a STATUS command for each mailbox",
        )],
        answers: vec![describe::json(200, kit::schema!("mailboxes"), "The mailboxes")],
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
    Answer::json(200, &json::Mailboxes { mailboxes: found.iter().map(row).collect() })
}

fn row(mailbox: &Mailbox) -> json::Row<'_> {
    json::Row {
        name: &mailbox.name,
        path: &mailbox.path,
        role: mailbox.role.map(role),
        role_source: mailbox.role_source.as_deref(),
        selectable: mailbox.selectable,
        messages: Optional(mailbox.counters.map(|counters| counters.messages)),
        unseen: Optional(mailbox.counters.map(|counters| counters.unseen)),
    }
}

fn role(role: Role) -> json::Role {
    match role {
        Role::Inbox => json::Role::Inbox,
        Role::Sent => json::Role::Sent,
        Role::Drafts => json::Role::Drafts,
        Role::Trash => json::Role::Trash,
        Role::Junk => json::Role::Junk,
        Role::Archive => json::Role::Archive,
        Role::All => json::Role::All,
        Role::Flagged => json::Role::Flagged,
    }
}

#[cfg(test)]
mod tests {
    use kit::bindings::postlet::mail::mailboxes::Counters;
    use serde_json::json;

    use super::*;

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
        assert_eq!(serde_json::to_value(row(&mailbox)).unwrap(), plain);
        mailbox.counters = Some(Counters { messages: 3, unseen: 1 });
        let counted = serde_json::to_value(row(&mailbox)).unwrap();
        assert_eq!((&counted["messages"], &counted["unseen"]), (&json!(3), &json!(1)));
    }
}
