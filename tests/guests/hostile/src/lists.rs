//! Oversized arguments of host calls, and domain lookups.

use kit::bindings::postlet::mail::drafts::Draft;
use kit::bindings::postlet::mail::grants::Account;
use kit::bindings::postlet::mail::messages::FlagChange;
use kit::bindings::postlet::mail::types::{self, Address, Header};
use kit::bindings::postlet::mail::{accounts, messages, providers, submission};
use kit::problem::Problem;
use kit::response::Answer;
use serde_json::{Value, json};

/// `{"answers", "code", "detail"}` of a call with `count` entries in one of its lists, or as many
/// bytes in one of its strings.
pub(crate) fn hand(account: &str, what: &str, count: usize) -> Result<Answer, Problem> {
    let account = accounts::open(account)?;
    let key = || "k".repeat(20);
    let told = match what {
        "keys" => batch(&messages::trash(&account, &vec![key(); count])),
        "moved" => batch(&messages::move_(&account, &vec![key(); count], "INBOX")),
        "flags" => {
            let add = vec!["a".to_owned(); count];
            let change = FlagChange { add, remove: Vec::new(), set: None };
            batch(&messages::change_flags(&account, &[key()], &change))
        }
        "mailbox" => batch(&messages::copy(&account, &[key()], &"m".repeat(count))),
        "to" => {
            let person = Address { name: None, email: "a@b.test".to_owned() };
            submit(&account, Draft { to: vec![person; count], ..draft() })
        }
        "headers" => {
            let header = Header { name: "x-a".to_owned(), value: "v".to_owned() };
            submit(&account, Draft { headers: vec![header; count], ..draft() })
        }
        "subject" => submit(&account, Draft { subject: Some("s".repeat(count)), ..draft() }),
        _ => json!(null),
    };
    Answer::json(200, &told)
}

/// The results of both lookups of a domain.
pub(crate) fn look_up(domain: &str) -> Result<Answer, Problem> {
    let old = providers::discover(domain);
    let told = match providers::look_up(domain) {
        Ok(found) => json!({ "found": found.profile.is_some() }),
        Err(problem) => problem_of(&problem),
    };
    let steps: Vec<&str> = old.steps.iter().map(|step| step.reason.as_str()).collect();
    Answer::json(200, &json!({ "lookUp": told, "discover": steps }))
}

fn batch<T>(answers: &[Result<T, types::Problem>]) -> Value {
    let mut told = match answers.first() {
        Some(Err(problem)) => problem_of(problem),
        Some(Ok(_)) | None => json!({}),
    };
    if let Some(told) = told.as_object_mut() {
        told.insert("answers".to_owned(), json!(answers.len()));
    }
    told
}

fn submit(account: &Account, draft: Draft) -> Value {
    submission::submit(account, draft).map_or_else(|problem| problem_of(&problem), |_| json!({}))
}

fn problem_of(problem: &types::Problem) -> Value {
    json!({ "code": problem.code, "detail": problem.detail })
}

fn draft() -> Draft {
    Draft {
        sender: None,
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        subject: None,
        text: None,
        html: None,
        attachments: Vec::new(),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        headers: Vec::new(),
    }
}
