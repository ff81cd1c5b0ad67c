//! A data directory with a full outbox: accounts are created over the API, and the store itself
//! accepts the submissions while no host runs.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future;
use model::future::BoxFuture;
use model::ids::{AccountId, SubmissionId, TenantId};
use model::instant::Timestamp;
use model::octets::in_memory;
use model::port::accounts::Accounts;
use model::port::clock::Clock;
use model::port::outbox::{Acceptance, Outbox as _};
use model::submission::NewSubmission;
use rig::Rig;
use rusqlite::{Connection, OpenFlags};
use store::Sqlite;
use store::keys::key_file::KeyFile;

use crate::mail;
use testkit::site::{Site, connect, tls_account};

/// Submissions accepted concurrently.
const AT_ONCE: usize = 256;

/// Whether a copy of sent mail is filed at the account's own server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentCopy {
    /// None: the accounts have SMTP only.
    None,
    /// Filed: the accounts have IMAP, too.
    Kept,
}

/// A data directory with the accounts of the users `1..=accounts`, as a template for copies. It
/// contains compiled components, too.
pub(crate) fn template(rig: &Rig, accounts: u16, copy: SentCopy) -> Site {
    let site = Site::on(rig);
    let host = site.start();
    let mut operator = site.operator(&host);
    for user in 1..=accounts {
        let mut account = tls_account(rig, user);
        if copy == SentCopy::None {
            account.as_object_mut().unwrap().remove("imap");
        }
        connect(&mut operator, &account);
    }
    host.stop();
    site
}

/// A copy of the template with `count` submissions, due at once, round-robin over the users
/// `1..=accounts`.
pub(crate) fn filled(rig: &Rig, template: &Site, accounts: u16, count: usize) -> Site {
    let site = Site::on(rig);
    let copied = Command::new("cp").arg("-a").args([template.data(), site.data()]).status();
    assert!(copied.unwrap().success());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let keys = KeyFile::new(site.data().join("master.key")).load_or_create().unwrap();
        let store = Sqlite::open(&site.data(), keys, Arc::new(Wall)).unwrap();
        let tenant: TenantId = "acme".parse().unwrap();
        let mut from = Vec::new();
        for user in 1..=accounts {
            let id: AccountId = format!("user{user:03}").parse().unwrap();
            let account = Accounts::get(&store, &tenant, &id).await.unwrap().unwrap();
            from.push((id, account.generation, rig.user(user).0));
        }
        for first in (0..count).step_by(AT_ONCE) {
            let batch = (first..count.min(first + AT_ONCE)).map(|number| {
                let (account, generation, sender) = &from[number % from.len()];
                store.accept(submission(&tenant, account, *generation, sender, number))
            });
            for accepted in future::join_all(batch).await {
                assert!(matches!(accepted.unwrap(), Acceptance::Stored(_)));
            }
        }
    });
    // One host at a time locks the directory; the lock is released with the store's last thread.
    runtime.shutdown_timeout(Duration::from_secs(30));
    site
}

fn submission(
    tenant: &TenantId,
    account: &AccountId,
    generation: u32,
    sender: &str,
    number: usize,
) -> NewSubmission {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let message_id = format!("{number}.queued@example.test");
    let raw = Bytes::from(mail::message(&message_id, sender));
    let now = Wall.now();
    NewSubmission {
        id: SubmissionId::generate(random),
        tenant: tenant.clone(),
        account: account.clone(),
        generation,
        message_id,
        sender: sender.parse().unwrap(),
        recipients: vec![mail::RECIPIENT.parse().unwrap()],
        raw: in_memory(raw),
        created: now,
        due: now,
        warnings: Vec::new(),
        idempotency: None,
    }
}

/// The number of claims of all submissions: each claim increments the epoch of its submission.
pub(crate) fn claims(site: &Site) -> u64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let outbox = Connection::open_with_flags(site.data().join("outbox.db"), flags).unwrap();
    let sum = "SELECT coalesce(sum(epoch), 0) FROM submission";
    let sum: i64 = outbox.query_row(sum, [], |row| row.get(0)).unwrap();
    u64::try_from(sum).unwrap()
}

/// The system clock; nothing here waits for it.
#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "the host that follows uses the system clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
