//! Tests of silent servers: which mail waits for them, and which does not.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use model::account::Account;
use model::ids::{SubmissionId, TenantId};
use model::instant::Timestamp;
use model::octets::in_memory;
use model::port::capabilities::Submissions;
use model::port::clock::Clock;
use model::port::outbox::{Acceptance, AttemptStep, ClaimCapacity, ClaimRequest, Outbox};
use model::submission::{NewSubmission, State};
use store::{MasterKey, Memory};

use crate::settings::Settings;
use crate::tests::account::account;
use crate::tests::host::{Host, settle};
use crate::tests::sending::draft;
use crate::tests::smtp::Point;

const MOMENT: Duration = Duration::from_secs(1);

/// A thousand accounts of one tenant at silent servers, and one of another at a server that
/// responds.
async fn check(servers: usize, point: Point) {
    let mut host = Host::new();
    let store = Arc::new(Memory::new(MasterKey::from_bytes([7; 32]), Arc::clone(&host.clock) as _));
    host.move_to(Arc::clone(&store) as _);
    host.smtp.change(|state| state.silent = Some(point));
    for number in 0..1_000 {
        let account =
            person(&host, "acme", &format!("a{number}"), &format!("silent-{}", number % servers));
        accept(&host, &*store, &account, number).await;
        accept(&host, &*store, &account, 1_000 + number).await;
    }
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    for _ in 0..10 {
        settle(driver.as_mut());
        host.clock.advance(MOMENT);
    }
    let zoe = person(&host, "zoe", "zoe", "mail.example");
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(accept(&host, &*store, &zoe, 10_000 + number).await);
    }
    for _ in 0..40 {
        settle(driver.as_mut());
        host.clock.advance(MOMENT);
    }
    settle(driver.as_mut());
    for id in ids {
        let entry = Outbox::get(&*store, &zoe, &id).await.unwrap().unwrap();
        assert_eq!(entry.receipt.state, State::Sent, "{servers} servers silent at {point:?}");
    }
    // Deliveries without a slow slot were not at the dot.
    host.smtp.go_on();
    for _ in 0..40 {
        settle(driver.as_mut());
        host.clock.advance(5 * MOMENT);
    }
    let taken = host.smtp.change(|state| state.taken.clone());
    let distinct: HashSet<_> = taken.iter().map(|(message, _)| message.clone()).collect();
    assert_eq!((taken.len(), distinct.len()), (2_050, 2_050), "{servers} servers, {point:?}");
}

#[tokio::test]
async fn silent_servers_of_one_tenant_delay_no_other() {
    check(1_000, Point::Connect).await;
}

#[tokio::test]
async fn one_silent_server_with_a_thousand_accounts_delays_no_other() {
    check(1, Point::Connect).await;
}

#[tokio::test]
async fn servers_that_are_silent_at_the_dot_delay_no_other_and_nothing_is_sent_twice() {
    check(1_000, Point::Verdict).await;
    check(7, Point::Verdict).await;
}

#[tokio::test]
async fn a_silent_server_gets_one_delivery_at_a_time_where_no_more_may_wait() {
    let settings =
        Settings { slow_deliveries: 4, deliveries_per_account: 1, ..Settings::default() };
    let host = Host::with(settings);
    host.smtp.change(|state| state.silent = Some(Point::Connect));
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    for number in 0..30 {
        let account = person(&host, "acme", &format!("a{number}"), "silent");
        accept(&host, &*host.outbox, &account, number).await;
    }
    let mut pass = |seconds: u32| {
        for _ in 0..seconds {
            settle(driver.as_mut());
            host.clock.advance(MOMENT);
        }
        settle(driver.as_mut());
    };
    pass(10);
    // One has the server's limit of four; the others were aborted.
    assert_eq!(host.smtp.change(|state| state.connecting.0), 1);
    host.smtp.change(|state| state.connecting.1 = 1);
    pass(300);
    assert_eq!(host.smtp.change(|state| state.connecting), (1, 1));
    host.smtp.go_on();
    pass(600);
    assert_eq!(host.smtp.taken(), 30);
}

/// However old it is, its claim would be released again and again for as long as another waits for
/// the server.
#[tokio::test]
async fn an_old_message_expires_although_its_server_is_silent_and_others_wait_for_it() {
    let settings = Settings { slow_deliveries: 4, ..Settings::default() };
    let days = settings.give_up_after;
    let host = Host::with(settings);
    host.smtp.change(|state| state.silent = Some(Point::Connect));
    let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
    let (first, second) =
        (person(&host, "acme", "a", "silent"), person(&host, "acme", "b", "silent"));
    accept(&host, &*host.outbox, &first, 0).await;
    for _ in 0..5 {
        settle(driver.as_mut());
        host.clock.advance(MOMENT);
    }
    let age = i64::try_from(days.as_millis()).unwrap();
    let created = Timestamp::from_millis(host.clock.now().millis() - age);
    accept_at(&*host.outbox, &second, 1, created).await;
    for _ in 0..50 {
        fail_once(&host).await;
    }
    accept(&host, &*host.outbox, &second, 2).await;
    for _ in 0..60 {
        settle(driver.as_mut());
        host.clock.advance(MOMENT);
    }
    let states = host.outbox.states();
    assert_eq!(states, [State::Dialing, State::Expired, State::Accepted]);
    let all = host.outbox.all();
    assert_eq!((all[1].attempts, all[2].attempts), (50, 0), "none was made");
    assert!(all[1].last_error.as_ref().unwrap().contains("silent"));
}

/// With one place: it is free for another account only when its delivery has become slow.
#[tokio::test]
async fn a_server_that_answers_each_step_in_time_is_not_slow() {
    for (seconds, slow) in [(2, false), (4, true)] {
        let settings = Settings { deliveries: 1, ..Settings::default() };
        let host = Host::with(settings);
        let bela = host.grant("bela").await;
        let mut driver = pin!(Arc::clone(&host.engine).deliver_forever(future::pending()));
        host.submit(None, draft(&["bo@example.net"])).await.unwrap();
        for point in [Point::Connect, Point::Mail, Point::Verdict] {
            host.smtp.change(|state| state.wait = Some(point));
            settle(driver.as_mut());
            host.engine.submit(&bela, draft(&["bo@example.net"])).await.unwrap();
            for _ in 0..seconds {
                host.clock.advance(MOMENT);
                settle(driver.as_mut());
            }
            host.smtp.go_on_to(match point {
                Point::Connect => Some(Point::Mail),
                Point::Mail | Point::Dot => Some(Point::Verdict),
                Point::Verdict => None,
            });
            let others = host.outbox.states()[1..].iter().any(|state| *state != State::Accepted);
            assert_eq!(others, slow, "{seconds} seconds at {point:?}");
            if slow {
                break;
            }
            settle(driver.as_mut());
        }
        host.smtp.go_on();
        settle(driver.as_mut());
        host.clock.advance(MOMENT);
        settle(driver.as_mut());
        assert!(host.outbox.states().iter().all(|state| *state == State::Sent));
    }
}

fn person(host: &Host, tenant: &str, id: &str, server: &str) -> Account {
    let mut account = account(id);
    account.tenant = tenant.parse::<TenantId>().unwrap();
    account.imap = None;
    account.smtp.as_mut().unwrap().host = server.to_owned();
    host.shelf.0.lock().insert(account.id.clone(), account.clone());
    account
}

async fn accept(
    host: &Host,
    outbox: &dyn Outbox,
    account: &Account,
    number: usize,
) -> SubmissionId {
    accept_at(outbox, account, number, host.clock.now()).await
}

/// One attempt at what is due, which ends with another one due at once.
async fn fail_once(host: &Host) {
    let now = host.clock.now();
    let wish = ClaimRequest {
        owner: "test".to_owned(),
        now,
        lease: Duration::from_secs(60),
        room: ClaimCapacity { limit: 1, each: 1, accounts: HashMap::new() },
        pauses: vec![Duration::ZERO],
    };
    let claimed = host.outbox.claim(wish).await.unwrap().claims.remove(0);
    let step = AttemptStep::Ended {
        state: State::Deferred,
        recipients: claimed.recipients,
        due: now,
        last_error: None,
    };
    host.outbox.record(&claimed.id, claimed.epoch, step).await.unwrap();
}

async fn accept_at(
    outbox: &dyn Outbox,
    account: &Account,
    number: usize,
    now: Timestamp,
) -> SubmissionId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    let id = SubmissionId::generate(random);
    let stored = outbox.accept(NewSubmission {
        id: id.clone(),
        tenant: account.tenant.clone(),
        account: account.id.clone(),
        generation: account.generation,
        message_id: format!("{number}@example.com"),
        sender: account.email.clone(),
        recipients: vec!["bo@example.net".parse().unwrap()],
        raw: in_memory(format!("Subject: {number}\r\n\r\nhello\r\n").into()),
        created: now,
        due: now,
        warnings: Vec::new(),
        idempotency: None,
    });
    assert!(matches!(stored.await.unwrap(), Acceptance::Stored(_)));
    id
}
