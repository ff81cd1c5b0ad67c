//! Writes a data directory as this release leaves it behind when it is killed.
//!
//! To be run once for each release, before the first change to a schema:
//! `RELEASE=2026-11-30 cargo test -p store writes_a_data_directory -- --ignored`
//! makes `host/store/released/2026-11-30`, which is checked in and never changed.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::account::{Account, Credentials, OAuth, TokenSource};
use model::caller::Scope;
use model::health::{Health, HealthIssue, HealthIssueKind, LastLogin};
use model::ids::TokenId;
use model::port::accounts::Accounts;
use model::port::outbox::{AttemptStep, Claim, Outbox};
use model::port::tokens::{Token, Tokens};
use model::secret::Secret;
use model::submission::{Idempotency, IdempotencyKey, NewSubmission, RecipientVerdict, State};
use sha2::{Digest, Sha256};

use crate::sqlite::Sqlite;
use crate::tests::fixture::{Bench, TestClock, id, key, octets, tenant};

/// The secret half of the operator's token.
const SECRET: &str = "a-secret-that-every-reader-of-this-file-knows";
/// Larger than bodies in the database.
const LARGE: usize = 100_000;

#[tokio::test]
#[ignore = "writes into the source tree; once for each release"]
async fn writes_a_data_directory() {
    let release = std::env::var("RELEASE").expect("RELEASE names the directory");
    let home = super::home().join(release);
    fs::create_dir(&home).unwrap();
    let work = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let open = || Sqlite::open(work.path(), key(), Arc::clone(&clock) as _).unwrap();
    let bench = |store| Bench { store, clock: Arc::clone(&clock), dir: None };

    let first = bench(open());
    people(&first.store).await;
    write_early(&first).await;
    // What is written so far goes from the log into the database.
    drop(first);
    let second = bench(open());
    write_late(&second).await;
    // As after a kill: the log holds the rest, and claims are held.
    copy(work.path(), &home);
    let text = |name: &str, text: String| fs::write(home.join(name), text + "\n").unwrap();
    text("master.key", STANDARD.encode([7; 32]));
    let word = TokenId::generate([1; 10]);
    let word = word.as_str().trim_start_matches(TokenId::PREFIX);
    text("operator.token", format!("plt_{word}_{SECRET}"));
}

/// Accounts, their health, and tokens.
async fn people(store: &Sqlite) {
    let password = fakes::account::password("secret");
    let ann = account("acme", "ann");
    Accounts::create(store, &ann, &password).await.unwrap();
    let at = super::at(0);
    let trouble = HealthIssue {
        kind: HealthIssueKind::Refused,
        code: "credentials-refused".to_owned(),
        detail: "the mail server refused the credentials".to_owned(),
    };
    let health = Health {
        imap: Some(LastLogin { at, trouble: None }),
        smtp: Some(LastLogin { at, trouble: Some(trouble) }),
    };
    store.note(&ann, &health).await.unwrap();
    let reader = Account { smtp: None, ..account("acme", "reader") };
    Accounts::create(store, &reader, &password).await.unwrap();
    let oauth = Credentials::OAuth(OAuth {
        source: TokenSource::Provider("corp".to_owned()),
        access: Some(Secret::new("an access token".to_owned())),
        expires: Some(super::at(3600)),
        refresh: Some(Secret::new("a refresh token".to_owned())),
    });
    Accounts::create(store, &account("globex", "ann"), &oauth).await.unwrap();
    let operator = Token {
        id: TokenId::generate([1; 10]),
        tenant: tenant("acme"),
        name: Some("operator".to_owned()),
        digest: Sha256::digest(SECRET).into(),
        scopes: Scope::EVERY.to_vec(),
        accounts: None,
        created: at,
        expires: None,
    };
    Tokens::create(store, &operator).await.unwrap();
    let narrow = Token {
        id: TokenId::generate([2; 10]),
        tenant: tenant("globex"),
        name: None,
        digest: [2; 32],
        scopes: vec![Scope::Send],
        accounts: Some(vec!["ann".parse().unwrap()]),
        created: at,
        expires: Some(super::at(86_400)),
    };
    Tokens::create(store, &narrow).await.unwrap();
}

/// Submissions that have ended.
async fn write_early(bench: &Bench<Sqlite>) {
    for (number, state) in
        [(1, State::Sent), (2, State::Failed), (3, State::Expired), (4, State::Cancelled)]
    {
        let mut new = draft(bench, number, state.as_str());
        new.idempotency = keyed(&format!("key-{number}"), number);
        let claim = claimed(bench, new).await;
        record(bench, &claim, ended(bench, &claim, state, state, 0)).await;
    }
    // Of an account that was deleted since.
    let mut new = draft(bench, 5, "deleted account");
    new.account = "gone".parse().unwrap();
    let claim = claimed(bench, new).await;
    record(bench, &claim, ended(bench, &claim, State::Sent, State::Sent, 0)).await;
}

/// Submissions that have not.
async fn write_late(bench: &Bench<Sqlite>) {
    // A claim begins the attempt; earlier releases had a state in between.
    claimed(bench, draft(bench, 10, "claimed")).await;
    claimed(bench, draft(bench, 11, "dialing")).await;

    let claim = claimed(bench, draft(bench, 12, "dot-sent")).await;
    record(bench, &claim, AttemptStep::DotSent).await;

    let mut new = draft(bench, 13, "deferred");
    new.idempotency = keyed("key-13", 13);
    let claim = claimed(bench, new).await;
    record(bench, &claim, ended(bench, &claim, State::Deferred, State::Deferred, 30)).await;

    let claim = claimed(bench, draft(bench, 14, "uncertain")).await;
    record(bench, &claim, AttemptStep::DotSent).await;
    record(bench, &claim, ended(bench, &claim, State::Uncertain, State::Uncertain, 30)).await;

    // One recipient has it, the other does not.
    let claim = claimed(bench, draft(bench, 15, "half")).await;
    record(bench, &claim, ended(bench, &claim, State::Deferred, State::Sent, 30)).await;

    let claim = claimed(bench, large(bench, 16, "large and deferred")).await;
    record(bench, &claim, ended(bench, &claim, State::Deferred, State::Deferred, 30)).await;

    let mut new = draft(bench, 17, "accepted");
    new.idempotency =
        Some(Idempotency { key: IdempotencyKey::Public("key-17".into()), digest: [17; 32] });
    new.warnings = vec!["a filter took too long".to_owned(), "and was left out".to_owned()];
    bench.accepted(new).await;
    bench.accepted(large(bench, 18, "large and accepted")).await;
}

fn account(tenant_id: &str, name: &str) -> Account {
    let email = format!("{name}@x.test");
    let server = |port| Some(fakes::account::server("mail.x.test", port, &email));
    Account {
        tenant: tenant(tenant_id),
        name: Some("A Person".to_owned()),
        imap: server(993),
        smtp: server(465),
        generation: 7,
        ..fakes::account::account(name, &email)
    }
}

fn draft(bench: &Bench<Sqlite>, number: u8, subject: &str) -> NewSubmission {
    let raw = message(number, subject, "hello\r\n");
    NewSubmission {
        id: id(number),
        tenant: tenant("acme"),
        account: "ann".parse().unwrap(),
        generation: 7,
        message_id: format!("{number}@x.test"),
        sender: "ann@x.test".parse().unwrap(),
        recipients: vec!["bo@x.test".parse().unwrap(), "cy@x.test".parse().unwrap()],
        raw: octets(raw.as_bytes()),
        created: bench.now(),
        due: bench.now(),
        warnings: Vec::new(),
        idempotency: None,
    }
}

fn large(bench: &Bench<Sqlite>, number: u8, subject: &str) -> NewSubmission {
    let line = format!("line {number} of a body that is a file of its own\r\n");
    let raw = message(number, subject, &line.repeat(LARGE / line.len()));
    NewSubmission { raw: octets(raw.as_bytes()), ..draft(bench, number, subject) }
}

fn message(number: u8, subject: &str, body: &str) -> String {
    format!(
        "From: ann@x.test\r\nTo: bo@x.test, cy@x.test\r\nSubject: {subject}\r\n\
         Message-ID: <{number}@x.test>\r\nDate: Mon, 23 Nov 2026 00:00:00 +0000\r\n\r\n{body}"
    )
}

fn keyed(key: &str, digest: u8) -> Option<Idempotency> {
    Some(Idempotency { key: IdempotencyKey::Token(key.into()), digest: [digest; 32] })
}

async fn claimed(bench: &Bench<Sqlite>, new: NewSubmission) -> Claim {
    let id = new.id.clone();
    bench.accepted(new).await;
    let mut claims = bench.claims(1).await;
    let claim = claims.remove(0);
    assert_eq!(claim.id, id);
    claim
}

async fn record(bench: &Bench<Sqlite>, claim: &Claim, step: AttemptStep) {
    bench.store.record(&claim.id, claim.epoch, step).await.unwrap();
}

/// The first recipient ends as `first`, the other as the whole.
fn ended(
    bench: &Bench<Sqlite>,
    claim: &Claim,
    state: State,
    first: State,
    wait: u64,
) -> AttemptStep {
    let reply = if state == State::Sent {
        "250 2.0.0 queued"
    } else if state == State::Failed {
        "550 5.1.1 no such user"
    } else {
        "451 4.7.1 try again later"
    };
    let verdict = |(position, one): (usize, &RecipientVerdict)| RecipientVerdict {
        recipient: one.recipient.clone(),
        state: if position == 0 { first } else { state },
        reply: Some(reply.to_owned()),
        at: Some(bench.now()),
    };
    AttemptStep::Ended {
        state,
        recipients: claim.recipients.iter().enumerate().map(verdict).collect(),
        due: bench.now().after(Duration::from_secs(wait)),
        last_error: (state != State::Sent).then(|| reply.to_owned()),
    }
}

/// All but what a start creates anew.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if fs::read_dir(&path).unwrap().next().is_some() {
                fs::create_dir(to.join(name)).unwrap();
                copy(&path, &to.join(name));
            }
        } else if name != "lock"
            && !name.ends_with("-shm")
            && fs::metadata(&path).unwrap().len() > 0
        {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
