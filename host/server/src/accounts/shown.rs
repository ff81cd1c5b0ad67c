//! Accounts and verifications as JSON. A password is in neither.

use engine::verify::{Probe, Verification};
use http::{Response, StatusCode};
use model::account::{Account, MailServer};
use runtime::body::Body;
use serde_json::{Value, json};

use crate::answer;

pub(crate) fn shown(account: &Account) -> Value {
    let server = |server: &Option<MailServer>| {
        server.as_ref().map(|server| {
            let mut shown = json!({"host": server.host, "port": server.port, "security": server.security, "username": server.username});
            if let (Some(pin), Some(members)) = (server.pin, shown.as_object_mut()) {
                members.insert("pin".to_owned(), json!(pin.to_string()));
            }
            shown
        })
    };
    let identities: Vec<Value> = account
        .identities
        .iter()
        .map(|identity| json!({"name": identity.name, "email": identity.email}))
        .collect();
    json!({"id": account.id, "email": account.email, "name": account.name, "imap": server(&account.imap), "smtp": server(&account.smtp), "identities": identities})
}

pub(crate) fn verified(verification: &Verification) -> Response<Body> {
    let half = |half: &Option<Probe>| {
        half.as_ref().map(|half| match &half.result {
            Ok(()) => json!({"ok": true, "milliseconds": half.took.as_millis()}),
            Err(problem) => json!({
                "ok": false, "milliseconds": half.took.as_millis(), "code": problem.code.as_str(), "title": problem.code.title(), "detail": problem.detail,
                "reply": problem.upstream.as_ref().map(|upstream| upstream.reply.clone()),
            }),
        })
    };
    let ok = [&verification.imap, &verification.smtp]
        .into_iter()
        .flatten()
        .all(|half| half.result.is_ok());
    answer::json(
        StatusCode::OK,
        &json!({"ok": ok, "imap": half(&verification.imap), "smtp": half(&verification.smtp)}),
    )
}
