//! Model-based test: both stores, side by side, under the same random history.
//!
//! The in-memory store is simple enough to be the reference: both return the same results for every
//! operation. Only the text of an error is not compared.

use std::sync::Arc;
use std::time::Duration;

use model::ids::TenantId;
use model::port::outbox::{AttemptStep, Claim};
use model::submission::State;
use proptest::prelude::*;

use crate::tests::fixture::{
    Bench, Store, TestClock, account, bytes_of, ended, memory, octets, person, sqlite, tenant, used,
};

/// A random operation.
#[derive(Clone, Debug)]
enum Event {
    Accept {
        number: u8,
        tenant: u8,
        account: u8,
        key: Option<u8>,
        digest: u8,
        wait: u8,
        large: bool,
    },
    Claim {
        limit: u8,
        each: u8,
        anna: u8,
        wait: u8,
    },
    Dot {
        claim: usize,
    },
    End {
        claim: usize,
        state: usize,
        wait: u8,
        counted: bool,
    },
    Void,
    Pass {
        seconds: u32,
    },
    Page {
        tenant: u8,
        limit: u8,
        state: Option<usize>,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let accept = (
        0..20_u8,
        0..3_u8,
        0..2_u8,
        proptest::option::of(0..4_u8),
        0..2_u8,
        0..4_u8,
        any::<bool>(),
    );
    prop_oneof![
        4 => accept.prop_map(|(number, tenant, account, key, digest, wait, large)| {
            Event::Accept { number, tenant, account, key, digest, wait, large: large && number == 0 }
        }),
        3 => (0..5_u8, 0..3_u8, 0..3_u8, 0..200_u8)
            .prop_map(|(limit, each, anna, wait)| Event::Claim { limit, each, anna, wait }),
        1 => any::<usize>().prop_map(|claim| Event::Dot { claim }),
        2 => (any::<usize>(), 0..State::EVERY.len(), 0..200_u8, any::<bool>())
            .prop_map(|(claim, state, wait, counted)| Event::End { claim, state, wait, counted }),
        1 => Just(Event::Void),
        2 => (0..300_u32).prop_map(|seconds| Event::Pass { seconds }),
        // Long enough for keys to expire.
        1 => Just(Event::Pass { seconds: 100_000 }),
        1 => (0..3_u8, 1..5_u8, proptest::option::of(0..State::EVERY.len()))
            .prop_map(|(tenant, limit, state)| Event::Page { tenant, limit, state }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn both_stores_return_the_same_results(history in proptest::collection::vec(event(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (twin, host) = (memory(), sqlite());
            let (mut twin, mut host) = (Side::new(twin), Side::new(host));
            for event in history {
                let (want, got) = (twin.play(&event).await, host.play(&event).await);
                assert_eq!(want, got, "{event:?}");
            }
        });
    }
}

struct Side<S> {
    bench: Bench<S>,
    clock: Arc<TestClock>,
    claims: Vec<Claim>,
}

impl<S: Store> Side<S> {
    fn new(bench: Bench<S>) -> Self {
        Self { clock: Arc::clone(&bench.clock), bench, claims: Vec::new() }
    }

    /// Runs an operation and returns everything that can be observed of it.
    async fn play(&mut self, event: &Event) -> String {
        let store = self.bench.store.clone();
        let after = |seconds: u8| self.bench.now().after(Duration::from_secs(seconds.into()));
        let seen = match event {
            Event::Accept { number, tenant, account: who, key, digest, wait, large } => {
                let mut new = self.bench.draft(*number);
                (new.tenant, new.due) = (nth(*tenant), after(*wait));
                new.account = account(ACCOUNTS[usize::from(*who)]);
                new.idempotency = key.and_then(|key| used(&key.to_string(), *digest));
                if *large {
                    new.raw = octets(&[b'x'; 70_000]);
                }
                plain(store.accept(new).await)
            }
            Event::Claim { limit, each, anna, wait } => {
                let mut wish = self.bench.wish((*limit).into());
                wish.room.each = (*each).into();
                wish.room.accounts = [((nth(0), account("anna")), (*anna).into())].into();
                let pause = Duration::from_secs((*wait).into());
                wish.pauses = vec![pause, pause * 2];
                let claimed = store.claim(wish).await.unwrap();
                let mut seen = format!("{} ", claimed.more);
                for claim in claimed.claims {
                    let bytes = bytes_of(&claim.raw).await.len();
                    seen += &format!(
                        "{} {} {} {:?} {:?} {} {} {bytes};",
                        claim.id,
                        claim.tenant,
                        claim.epoch,
                        claim.recipients,
                        claim.found,
                        claim.attempts,
                        claim.possible_duplicate
                    );
                    self.claims.push(claim);
                }
                seen
            }
            Event::Dot { claim } => self.record(*claim, |_| AttemptStep::DotSent).await,
            Event::End { claim, state, wait, counted } => {
                let due = after(*wait);
                let ended = |claim: &Claim| match ended(claim, State::EVERY[*state], due) {
                    AttemptStep::Ended { state, recipients, due, last_error } if !counted => {
                        AttemptStep::Uncounted { state, recipients, due, last_error }
                    }
                    step @ (AttemptStep::DotSent
                    | AttemptStep::Ended { .. }
                    | AttemptStep::Uncounted { .. }
                    | AttemptStep::Damaged { .. }) => step,
                };
                self.record(*claim, ended).await
            }
            Event::Void => plain(store.release_claims().await),
            Event::Pass { seconds } => {
                self.clock.advance(Duration::from_secs((*seconds).into()));
                String::new()
            }
            Event::Page { tenant, limit, state } => {
                let states: Vec<_> = state.map(|state| State::EVERY[state]).into_iter().collect();
                let (anna, mut cursor) =
                    (person(NAMES[usize::from(*tenant)], "anna"), None::<String>);
                let mut seen = String::new();
                loop {
                    let cursor_now = cursor.as_deref();
                    let limit = (*limit).into();
                    let page = store.find(&anna, &states, cursor_now, limit).await;
                    let page = page.unwrap();
                    seen += &format!("{page:?}");
                    match page.next_cursor {
                        Some(next) => cursor = Some(next),
                        None => break seen,
                    }
                }
            }
        };
        let mut keys = Vec::new();
        for key in 0..4_u8 {
            let key = used(&key.to_string(), 0).unwrap();
            keys.push(plain(store.lookup(&person(NAMES[0], "anna"), &key).await));
        }
        format!("{seen} {:?} {keys:?}", store.next_due(self.bench.now()).await.unwrap())
    }

    async fn record(&self, claim: usize, step: impl FnOnce(&Claim) -> AttemptStep) -> String {
        let Some(claim) = self.claims.get(claim % self.claims.len().max(1)) else {
            return String::new();
        };
        plain(self.bench.store.record(&claim.id, claim.epoch, step(claim)).await)
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];
const ACCOUNTS: [&str; 2] = ["anna", "bo"];

fn nth(number: u8) -> TenantId {
    tenant(NAMES[usize::from(number)])
}

fn plain<T: std::fmt::Debug>(outcome: Result<T, model::port::store_error::StoreError>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error}"),
    }
}
