//! Tests of a message on its way through real filters: the engine's filter chain, the runtime's
//! instances and the `mime` component. Only the mail server is a fake, and it is never connected
//! to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use engine::discovery::Discovery;
use engine::engine::Engine;
use engine::ports::Ports;
use engine::settings::Settings as EngineSettings;
use engine::submit::filter_registry::ActiveFilter;
use fakes::clock::TokioClock;
use fakes::entropy::Counting;
use fakes::no_mail_server::NoMailServer;
use fakes::spool::InMemory;
use model::account::Account;
use model::caller::Scope;
use model::filter::{Binding, EditKind, Mode, OnError};
use model::mail::address::Address;
use model::mail::draft::Draft;
use model::port::accounts::Accounts;
use model::port::capabilities::{AccountAccess, Submissions};
use model::port::clock::Clock;
use model::port::outbox::{ClaimCapacity, ClaimRequest, Outbox};
use model::problem::{Code, Problem};
use model::submission::Receipt;
use runtime::Runtime;
use runtime::limits::{Limits, Settings};
use store::keys::seal::MasterKey;
use store::memory::Memory;

struct Host {
    runtime: Runtime,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    store: Memory,
}

impl Host {
    async fn new() -> Self {
        let settings = Settings {
            instances: 2,
            mime_instances: 2,
            filter_instances: 2,
            ..Settings::default()
        };
        let runtime = Runtime::new(settings).unwrap();
        let mime = runtime.component("mime", components::MIME).unwrap();
        let mime = runtime.mime(&mime, Arc::new(InMemory)).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
        let store = Memory::new(MasterKey::from_bytes([1; 32]), Arc::clone(&clock));
        let credentials = fakes::account::password("x");
        Accounts::create(&store, &account(), &credentials).await.unwrap();
        let profiles = Arc::new(engine::providers::Profiles::embedded().unwrap());
        let discovery = Discovery::new(profiles.clone(), HashMap::new(), None, clock.clone());
        let ports = Ports {
            background: Arc::new(()),
            tokens: Arc::new(()),
            own_tokens: Arc::new(()),
            authorization: Arc::default(),
            clock: Arc::clone(&clock),
            entropy: Arc::new(Counting::default()),
            imap: Arc::new(NoMailServer),
            smtp: Arc::new(NoMailServer),
            mime: Arc::new(mime),
            outbox: Arc::new(store.clone()),
            accounts: Arc::new(store.clone()),
            spools: Arc::new(InMemory),
            profiles,
            discovery: Arc::new(discovery),
        };
        let engine = Engine::new(ports, EngineSettings::default());
        Self { runtime, engine, clock, store }
    }

    fn bind(&self, on_error: OnError, edits: &[EditKind]) {
        let component = self.runtime.component("odd", guests::HOSTILE_FILTER).unwrap();
        let limits = Limits { cpu: Duration::from_millis(300), ..Limits::for_filter() };
        let judge = Arc::new(self.runtime.filter(&component, &[], limits).unwrap());
        let edits: BTreeSet<_> = edits.iter().copied().collect();
        let binding =
            Binding { name: "odd".to_owned(), order: 0, on_error, mode: Mode::Live, edits };
        let tenant = "acme".parse().unwrap();
        self.engine.set_filters(tenant, vec![ActiveFilter { binding, judge }]);
    }

    async fn send(&self, subject: &str) -> Result<Receipt, Problem> {
        let caller = Arc::new(fakes::caller::caller("acme", &Scope::EVERY));
        let grant = self.engine.open_account(&caller, "anna").await.unwrap();
        let draft = Draft {
            to: vec![Address { name: None, email: "bo@example.net".to_owned() }],
            subject: Some(subject.to_owned()),
            text: Some("hello\n".to_owned()),
            ..Draft::default()
        };
        self.engine.submit(&grant, draft).await.map(|accepted| accepted.receipt)
    }

    /// The bytes that would be sent.
    async fn accepted(&self) -> Vec<String> {
        let now = self.clock.now();
        let (owner, lease, room) =
            ("test".to_owned(), Duration::from_secs(60), ClaimCapacity::of(10));
        let wish = ClaimRequest { owner, now, lease, room, pauses: Vec::new() };
        let claimed = self.store.claim(wish).await.unwrap();
        let mut texts = Vec::new();
        for claim in claimed.claims {
            let bytes = claim.raw.read_at(0, 1 << 20).await.unwrap();
            texts.push(String::from_utf8(bytes.to_vec()).unwrap());
        }
        texts
    }
}

fn account() -> Account {
    let smtp = Some(fakes::account::server("mail.example", 465, "anna"));
    Account { smtp, ..fakes::account::account("anna", "anna@example.com") }
}

#[tokio::test]
async fn the_edited_message_is_sent() {
    let host = Host::new().await;
    host.bind(OnError::Closed, &EditKind::EVERY);
    assert!(host.send("edit").await.unwrap().warnings.is_empty());
    let sent = host.accepted().await;
    let [sent] = sent.as_slice() else { panic!("{sent:?}") };
    for want in ["Subject: edited\r\n", "X-Seen: 6\r\n", "hello\r\n\r\n-- below\r\n"] {
        assert!(sent.contains(want), "{want:?} in {sent}");
    }
}

#[tokio::test]
async fn every_filter_failure_has_the_declared_outcome_and_is_reported_to_the_sender() {
    let host = Host::new().await;
    let closed = [
        ("reject", Code::RejectedByFilter),
        ("recipient", Code::EditNotGranted),
        ("inject", Code::FilterBroken),
        ("everything", Code::FilterBroken),
        ("trap", Code::FilterBroken),
        ("loop", Code::FilterFailed),
        ("eat", Code::FilterFailed),
        ("hold", Code::FilterFailed),
    ];
    let granted = [EditKind::AddHeader, EditKind::SetSubject];
    host.bind(OnError::Closed, &granted);
    for (subject, want) in closed {
        let problem = host.send(subject).await.unwrap_err();
        assert_eq!(problem.code, want, "{subject}: {problem:?}");
        let named = problem.extras.iter().any(|(name, value)| name == "filter" && value == "odd");
        assert!(named, "{subject}: {problem:?}");
    }
    assert!(host.accepted().await.is_empty());
    host.bind(OnError::Open, &granted);
    for (subject, want) in closed {
        let answer = host.send(subject).await;
        if matches!(want, Code::FilterFailed | Code::FilterBroken) {
            let warnings = answer.unwrap().warnings;
            assert!(warnings[0].contains("`odd` was passed over"), "{subject}: {warnings:?}");
            let sent = host.accepted().await;
            assert!(sent[0].contains("hello\r\n") && !sent[0].contains("X-A"), "{sent:?}");
        } else {
            assert_eq!(
                answer.unwrap_err().code,
                want,
                "{subject}: a filter that fails open changes nothing"
            );
        }
    }
}
