//! Test fixture: the real engine, SMTP client and outbox with a scripted server, in one thread, on
//! a paused clock.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use engine::discovery::Discovery;
use engine::engine::Engine;
use engine::ports::Ports;
use engine::providers::Profiles;
use engine::settings::Settings;
use fakes::clock::TokioClock;
use fakes::entropy::Counting;
use fakes::no_mail_server::NoMailServer;
use fakes::wire::{PipeWire, boxed};
use mail::smtp::{Smtp, SmtpLimits};
use model::account::Account;
use model::caller::Party;
use model::filter::Edit;
use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::mail::draft::{Composed, Draft};
use model::mail::message::{HeaderSummary, ParseOptions, ParsedMessage};
use model::octets::{Octets, in_memory};
use model::port::BoxFuture;
use model::port::accounts::Accounts;
use model::port::clock::Clock;
use model::port::dial::{Dial, DialError, Target, Wire};
use model::port::mime::{Mime, MimeError};
use model::port::outbox::{Acceptance, Outbox};
use model::port::spool::{Spool, SpoolError, Spools};
use model::submission::{NewSubmission, SubmissionStatus};
use scripted::smtp::Server;
use store::keys::seal::MasterKey;
use store::memory::Memory;
use tokio::time::Instant;

/// Parsed once, since every fixture needs them.
static PROFILES: LazyLock<Arc<Profiles>> =
    LazyLock::new(|| Arc::new(Profiles::embedded().unwrap()));

/// The final status of a submission.
pub(crate) type Seen = SubmissionStatus;

/// Submits a message for `r0@example.net` and so on, and waits until it is final, at most `within`.
pub(crate) fn submit(server: &Server, count: usize, within: Duration) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = Arc::new(TokioClock::new());
        let memory = Memory::new(MasterKey::from_bytes([7; 32]), clock.clone());
        let account = account();
        let credentials = fakes::account::password("secret");
        memory.create(&account, &credentials).await.unwrap();
        let engine = engine(server, &memory, &clock);
        let raw = in_memory(Bytes::from_static(b"Subject: hi\r\n\r\n.\r\n"));
        let new = NewSubmission {
            id: SubmissionId::generate([1; 10]),
            tenant: account.tenant.clone(),
            account: account.id.clone(),
            generation: account.generation,
            message_id: "1@example.net".to_owned(),
            sender: account.email.clone(),
            recipients: (0..count).map(|i| format!("r{i}@example.net").parse().unwrap()).collect(),
            raw,
            created: clock.now(),
            due: clock.now(),
            warnings: Vec::new(),
            idempotency: None,
        };
        let id = new.id.clone();
        assert!(matches!(memory.accept(new).await, Ok(Acceptance::Stored(_))));
        spawn(engine.deliver_forever(std::future::pending()));
        let begun = Instant::now();
        loop {
            let entry = Outbox::get(&memory, &account, &id).await.unwrap().unwrap();
            if entry.receipt.state.is_final() || begun.elapsed() > within {
                return entry;
            }
            tokio::time::sleep((begun.elapsed() / 2).max(Duration::from_millis(10))).await;
        }
    })
}

fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(work);
}

fn account() -> Account {
    let smtp = Some(fakes::account::server("mail.example.net", 465, "ann"));
    Account { smtp, ..fakes::account::account("ann", "ann@example.net") }
}

fn engine(server: &Server, memory: &Memory, clock: &Arc<TokioClock>) -> Arc<Engine> {
    let nothing = Arc::new(Nothing);
    let profiles = Arc::clone(&PROFILES);
    let discovery = Discovery::new(profiles.clone(), HashMap::new(), None, clock.clone());
    let dial = Arc::new(Pipes(server.clone()));
    let ports = Ports {
        clock: clock.clone(),
        entropy: Arc::new(Counting::default()),
        imap: Arc::new(NoMailServer),
        smtp: Arc::new(Smtp::new(dial, "client.example.net", SmtpLimits::default())),
        mime: nothing.clone(),
        outbox: Arc::new(memory.clone()),
        accounts: Arc::new(memory.clone()),
        spools: nothing,
        background: Arc::new(()),
        tokens: Arc::new(()),
        own_tokens: Arc::new(()),
        authorization: Arc::default(),
        profiles,
        discovery: Arc::new(discovery),
    };
    Engine::new(ports, Settings::default())
}

/// Connects to the scripted server for every host.
#[derive(Debug)]
struct Pipes(Server);

impl Dial for Pipes {
    fn dial<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Result<Box<dyn Wire>, DialError>> {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(4 * 1024);
            let server = self.0.clone();
            spawn(async move {
                // A client that disconnects in the middle is part of some tests.
                let _ = server.serve(far).await;
            });
            // TLS belongs to `net`.
            Ok(boxed(PipeWire::encrypted(near)))
        })
    }
}

/// Ports that no delivery uses.
#[derive(Debug)]
struct Nothing;

const NOTHING: &str = "there is none here";

impl Spools for Nothing {
    fn create(&self, _: &Party) -> Result<Box<dyn Spool>, SpoolError> {
        Err(SpoolError::Full { limit: 0 })
    }
}

impl Mime for Nothing {
    fn digest(&self) -> [u8; 32] {
        [0; 32]
    }
    fn summarise(
        &self,
        _: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<Vec<Option<HeaderSummary>>, MimeError>> {
        Box::pin(async { Err(MimeError::Failed(NOTHING.to_owned())) })
    }
    fn read(
        &self,
        _: Octets,
        _: ParseOptions,
        _: u32,
    ) -> BoxFuture<'_, Result<ParsedMessage, MimeError>> {
        Box::pin(async { Err(MimeError::Failed(NOTHING.to_owned())) })
    }
    fn decode<'a>(&'a self, _: Octets, _: &'a str) -> BoxFuture<'a, Result<Octets, MimeError>> {
        Box::pin(async { Err(MimeError::Failed(NOTHING.to_owned())) })
    }
    fn compose<'a>(
        &'a self,
        _: Draft,
        _: &'a str,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Composed, MimeError>> {
        Box::pin(async { Err(MimeError::Failed(NOTHING.to_owned())) })
    }
    fn rewrite<'a>(
        &'a self,
        _: &'a Composed,
        _: &'a [Edit],
    ) -> BoxFuture<'a, Result<Composed, MimeError>> {
        Box::pin(async { Err(MimeError::Failed(NOTHING.to_owned())) })
    }
}
