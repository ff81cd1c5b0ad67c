//! JSON of accounts and verifications. Neither contains secrets.

use engine::account_check::self_test::SelfTest;
use engine::account_check::verify::{Probe, Verification};
use engine::login::trace::Step;
use http::{Response, StatusCode, Uri};
use model::account::{Account, Credentials, Identity, MailServer, TokenSource};
use model::health::Health;
use model::ids::RequestId;
use model::problem::{Code, Problem, Protocol};
use model::provider::Localised;
use runtime::body::Body;
use serde_json::{Map, Value, json};

use crate::http::response;

/// The JSON of an account.
pub(crate) fn account(
    account: &Account,
    health: &Health,
    credentials: Option<&Credentials>,
) -> Value {
    let last_error = health.last_error().map(|(protocol, at, trouble)| {
        json!({"protocol": word(protocol), "code": trouble.code, "detail": trouble.detail, "at": at.to_string()})
    });
    let auth = credentials.map(|credentials| match credentials {
        Credentials::Password(_) => "password",
        Credentials::OAuth(_) => "oauth2",
    });
    json!({
        "id": account.id, "email": account.email, "name": account.name,
        "auth": auth, "oauth": credentials.and_then(source),
        "imap": account.imap.as_ref().map(server), "smtp": account.smtp.as_ref().map(server),
        "identities": identities(&account.identities),
        "state": health.state().as_str(), "lastError": last_error,
    })
}

/// The source of tokens. Only the host of a URL is shown: its path and query may be secret.
fn source(credentials: &Credentials) -> Option<Value> {
    let Credentials::OAuth(oauth) = credentials else { return None };
    Some(match &oauth.source {
        TokenSource::Provider(name) => json!({"provider": name, "tokenHost": null}),
        TokenSource::Url { url, .. } => {
            let url: Option<Uri> = url.parse().ok();
            json!({"provider": null, "tokenHost": url.as_ref().and_then(Uri::host)})
        }
    })
}

/// An account as a request body without credentials: the target of a merge patch (RFC 7396).
pub(crate) fn base(account: &Account) -> Value {
    let mut base = Map::new();
    base.insert("id".to_owned(), json!(account.id));
    base.insert("email".to_owned(), json!(account.email));
    let halves = [("imap", &account.imap), ("smtp", &account.smtp)];
    base.extend(
        halves
            .into_iter()
            .filter_map(|(name, half)| Some((name.to_owned(), half.as_ref().map(server)?))),
    );
    base.extend(account.name.as_ref().map(|name| ("name".to_owned(), json!(name))));
    Value::Object(base)
}

/// The JSON of identities.
pub(crate) fn identities(identities: &[Identity]) -> Vec<Value> {
    let shown = |identity: &Identity| json!({"name": identity.name, "email": identity.email});
    identities.iter().map(shown).collect()
}

fn server(server: &MailServer) -> Value {
    let mut shown = json!({"host": server.host, "port": server.port, "security": server.security, "username": server.username});
    if let (Some(pin), Some(members)) = (server.pin, shown.as_object_mut()) {
        members.insert("pin".to_owned(), json!(pin.to_string()));
    }
    shown
}

const fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "imap",
        Protocol::Smtp => "smtp",
    }
}

/// The response of a self-test: its steps, and whether the message arrived.
pub(crate) fn tried_out(test: &SelfTest) -> Response<Body> {
    let steps: Vec<Value> = test
        .steps
        .iter()
        .map(
            |step| json!({"step": step.name, "ok": step.ok, "milliseconds": step.took.as_millis()}),
        )
        .collect();
    let arrived = test.arrived.as_ref();
    let mut shown = json!({
        "ok": test.problem.is_none(), "messageId": test.message_id, "steps": steps,
        "mailbox": arrived.map(|arrival| &arrival.mailbox),
        "junk": arrived.is_some_and(|arrival| arrival.junk), "removed": test.removed,
    });
    if let (Some(problem), Some(members)) = (&test.problem, shown.as_object_mut()) {
        members.insert("code".to_owned(), json!(problem.code.as_str()));
        members.insert("title".to_owned(), json!(problem.code.title()));
        members.insert("detail".to_owned(), json!(problem.detail));
        let reply = problem.upstream.as_ref().map(|upstream| &upstream.reply);
        members.insert("reply".to_owned(), json!(reply));
    }
    response::json(StatusCode::OK, &shown)
}

/// The response of a verification; advice is in the language that `accept` (Accept-Language) prefers.
pub(crate) fn verified(tried: &Verification, accept: &str) -> Response<Body> {
    response::json(StatusCode::OK, &verification(tried, accept))
}

/// The JSON of a verification, to be a member of another document.
pub(crate) fn verification(tried: &Verification, accept: &str) -> Value {
    let help =
        Help { text: Localised::preferred(&tried.help, accept), url: tried.help_url.as_deref() };
    let half = |half: &Option<Probe>| half.as_ref().map(|half| probe(half, &help));
    json!({"ok": tried.problem().is_none(), "imap": half(&tried.imap), "smtp": half(&tried.smtp)})
}

/// The problem of an account that was not stored because its verification failed; `problem` is the
/// verification's first.
pub(crate) fn not_stored(
    tried: &Verification,
    problem: &Problem,
    accept: &str,
    request: &RequestId,
) -> Response<Body> {
    let document = verification(tried, accept);
    let halves = ["imap", "smtp"].map(|name| document.get(name).cloned().unwrap_or_default());
    let detail = halves.iter().find_map(|half| half.get("detail")?.as_str());
    let mut refusal =
        Problem::new(Code::VerificationFailed, detail.unwrap_or(&problem.detail).to_owned());
    refusal.upstream = problem.upstream.clone();
    let [imap, smtp] = halves;
    let more = Map::from_iter([("imap".to_owned(), imap), ("smtp".to_owned(), smtp)]);
    response::problem_with(&refusal, request, more)
}

struct Help<'a> {
    text: Option<&'a str>,
    url: Option<&'a str>,
}

fn probe(probe: &Probe, help: &Help<'_>) -> Value {
    let steps: Vec<Value> = probe.steps.iter().map(step).collect();
    let mut shown = json!({
        "ok": probe.result.is_ok(), "milliseconds": probe.took.as_millis(), "steps": steps,
        "server": server(&probe.server), "security": security(probe),
    });
    let Some(members) = shown.as_object_mut() else { return shown };
    if let Some(ends) = probe.ends_soon {
        let warning = format!(
            "The certificate of {} expires on {ends}; after that nothing is sent or read until the server's operator renews it.",
            probe.server.host
        );
        members.insert("warnings".to_owned(), json!([warning]));
    }
    let Err(problem) = &probe.result else { return shown };
    let about_login =
        matches!(problem.code, Code::CredentialsRefused | Code::AccessOff | Code::AuthUnsupported);
    let detail = match help.text.filter(|_| about_login) {
        Some(text) => format!("{text} ({})", problem.detail),
        None => problem.detail.clone(),
    };
    members.insert("code".to_owned(), json!(problem.code.as_str()));
    members.insert("title".to_owned(), json!(problem.code.title()));
    members.insert("detail".to_owned(), json!(detail));
    let reply = problem.upstream.as_ref().map(|upstream| &upstream.reply);
    members.insert("reply".to_owned(), json!(reply));
    if let Some(url) = help.url.filter(|_| about_login) {
        members.insert("hintUrl".to_owned(), json!(url));
    }
    shown
}

fn step(step: &Step) -> Value {
    json!({"step": step.name.as_str(), "ok": step.ok, "milliseconds": step.took.as_millis()})
}

/// The TLS version, cipher and certificate of the connection; none before TLS.
fn security(probe: &Probe) -> Option<Value> {
    let found = probe.report.encryption.as_ref()?;
    let expires = found.certificate_expires.map(|at| at.to_string());
    Some(json!({
        "tlsVersion": found.tls_version, "cipher": found.cipher,
        "certificateExpires": expires, "mechanism": probe.report.mechanism,
    }))
}

#[cfg(test)]
mod tests {
    use model::account::OAuth;
    use model::secret::Secret;

    use super::*;
    use crate::openapi::host_schemas;
    use crate::schema::Schema;

    #[test]
    fn an_account_is_shown_as_it_is_documented_and_without_secrets() {
        let server = json!({"host": "mail.x.test", "port": 993, "security": "tls", "username": "a", "pin": null});
        let known: Account = serde_json::from_value(json!({
            "id": "ann", "tenant": "acme", "email": "ann@x.test", "name": null, "generation": 1,
            "imap": server, "smtp": null, "identities": [{"name": null, "email": "ann@x.test"}],
        }))
        .unwrap();
        let by = |source| {
            let given = || Some(Secret::new("canary".to_owned()));
            Credentials::OAuth(OAuth { source, access: given(), expires: None, refresh: given() })
        };
        let url = "https://tokens.x.test:8443/canary?key=canary".to_owned();
        let secret = Some(Secret::new("canary".to_owned()));
        for (credentials, auth, provider, host) in [
            (None, json!(null), json!(null), json!(null)),
            (
                Some(Credentials::Password(Secret::new("canary".to_owned()))),
                json!("password"),
                json!(null),
                json!(null),
            ),
            (
                Some(by(TokenSource::Provider("corp".to_owned()))),
                json!("oauth2"),
                json!("corp"),
                json!(null),
            ),
            (
                Some(by(TokenSource::Url { url, secret })),
                json!("oauth2"),
                json!(null),
                json!("tokens.x.test"),
            ),
        ] {
            let shown = account(&known, &Health::default(), credentials.as_ref());
            Schema::compile(&host_schemas::answer("Account"))
                .unwrap()
                .check(shown.to_string().as_bytes())
                .unwrap();
            assert_eq!((&shown["auth"], &shown["oauth"]["provider"]), (&auth, &provider));
            assert_eq!(shown["oauth"]["tokenHost"], host);
            assert!(!shown.to_string().contains("canary"), "{shown}");
        }
    }
}
