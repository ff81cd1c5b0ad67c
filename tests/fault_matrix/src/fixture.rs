//! Test fixture: one account at the mailroom, with the real engine, mail crate, store and parser.
//!
//! Each test has a new one, with a runtime of its own: a server that stalled stays stalled for as
//! long as the fixture lives.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use engine::discovery::Discovery;
use engine::engine::Engine;
use engine::ports::Ports;
use engine::providers::Profiles;
use engine::settings::Settings;
use fakes::clock::TokioClock;
use fakes::entropy::Counting;
use mail::imap::{Imap, ImapLimits};
use mail::smtp::{Smtp, SmtpLimits};
use mailroom::{Config, FaultScript, Mailroom, Protocol, Rule, User};
use model::account::{Account, Credentials, MailServer, Security};
use model::caller::{Grant, Scope};
use model::mail::message::MessageQuery;
use model::port::accounts::Accounts;
use model::port::capabilities::{AccountAccess, Messages};
use model::port::clock::Clock;
use model::port::outbox::Outbox;
use runtime::Runtime;
use runtime::mime::MimeComponent;
use store::files::spools::{FileSpools, SpoolLimits};
use store::keys::seal::MasterKey;
use store::memory::Memory;
use tempfile::TempDir;

use crate::pipe::Pipes;

/// The account that sends and reads.
pub const ANN: &str = "ann@x.test";
/// A recipient.
pub const BO: &str = "bo@x.test";

/// Another recipient.
pub const CY: &str = "cy@x.test";

/// The parser takes long to compile, so all fixtures share its code.
static CODE: LazyLock<(Vec<u8>, [u8; 32])> = LazyLock::new(|| {
    let runtime = Runtime::new(runtime::limits::Settings::default()).unwrap();
    let component = runtime.component("mime", components::MIME).unwrap();
    (component.code().unwrap(), component.digest())
});

type Parser = (Arc<MimeComponent>, Arc<FileSpools>, TempDir);

thread_local! {
    /// Guests of one runtime take turns, and a paused clock jumps while its thread waits for
    /// another's guest: so each thread, which has its own clock, has its own runtime.
    static MIME: Parser = {
        let directory = tempfile::tempdir().unwrap();
        let spools = Arc::new(FileSpools::new(directory.path(), SpoolLimits::default()).unwrap());
        let runtime = Runtime::new(runtime::limits::Settings::default()).unwrap();
        let component = runtime.adopt("mime", CODE.1, &CODE.0).unwrap();
        (Arc::new(runtime.mime(&component, spools.clone()).unwrap()), spools, directory)
    };
}

/// The settings of the account's servers.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The security of both servers.
    pub security: Security,
    /// Capabilities and keywords that the servers do not offer.
    pub without: &'static [&'static str],
}

impl Setting {
    /// Implicit TLS, with everything offered.
    pub const PLAIN: Self = Self::without(&[]);
    /// STARTTLS, with everything offered.
    pub const STARTTLS: Self = Self { security: Security::StartTls, without: &[] };

    /// Implicit TLS, without these capabilities and keywords.
    #[must_use]
    pub const fn without(without: &'static [&'static str]) -> Self {
        Self { security: Security::Tls, without }
    }
}

/// The fixture.
#[derive(Debug)]
pub struct Fixture {
    /// The servers.
    pub mailroom: Arc<Mailroom>,
    /// The engine under test.
    pub engine: Arc<Engine>,
    /// The account, opened with every scope.
    pub grant: Grant,
    /// The credentials, which `verify` takes beside the account.
    pub credentials: Credentials,
    without: &'static [&'static str],
}

/// Runs one test on a paused clock.
pub fn on_an_owned_clock(work: impl Future<Output = ()>) {
    MIME.with(|_| ());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(work);
}

impl Fixture {
    /// An account, with its outbox being delivered.
    pub async fn new(setting: Setting) -> Self {
        let clock = Arc::new(TokioClock::new());
        let memory = Memory::new(MasterKey::from_bytes([7; 32]), clock.clone());
        let credentials = fakes::account::password("secret");
        memory.create(&account(setting.security), &credentials).await.unwrap();
        Self::over(Arc::new(memory.clone()), Arc::new(memory), clock, setting.without).await
    }

    /// As above, over a store that has the account already.
    pub async fn over(
        outbox: Arc<dyn Outbox>,
        accounts: Arc<dyn Accounts>,
        clock: Arc<dyn Clock>,
        without: &'static [&'static str],
    ) -> Self {
        let user = |email: &str| User { email: email.to_owned(), password: "secret".to_owned() };
        let users = vec![user(ANN), user(BO), user(CY)];
        let config = Config { users, hostname: "mail.x.test".to_owned() };
        let mailroom = Arc::new(Mailroom::start(config).await.unwrap());
        let dial = Arc::new(Pipes::new(Arc::clone(&mailroom)));
        let profiles = Arc::new(Profiles::embedded().unwrap());
        let discovery =
            Discovery::new(Arc::clone(&profiles), HashMap::new(), None, Arc::clone(&clock));
        let ports = Ports {
            background: Arc::new(()),
            tokens: Arc::new(()),
            own_tokens: Arc::new(()),
            authorization: Arc::default(),
            clock,
            entropy: Arc::new(Counting::default()),
            imap: Arc::new(Imap::new(dial.clone(), ImapLimits::default())),
            smtp: Arc::new(Smtp::new(dial, "localhost", SmtpLimits::default())),
            mime: MIME.with(|(mime, ..)| Arc::clone(mime)),
            outbox,
            accounts,
            spools: MIME.with(|(_, spools, _)| Arc::clone(spools)),
            profiles,
            discovery: Arc::new(discovery),
        };
        let engine = Engine::new(ports, Settings::default());
        let credentials = fakes::account::password("secret");
        let caller = Arc::new(fakes::caller::caller("acme", &Scope::EVERY));
        let grant = engine.open_account(&caller, "ann").await.unwrap();
        let fixture = Self { mailroom, engine, grant, credentials, without };
        fixture.behave();
        let courier = Arc::clone(&fixture.engine).deliver_forever(std::future::pending());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(Pin::from(Box::new(courier)));
        fixture
    }

    /// Sets a fault.
    pub fn misbehave(&self, rule: Rule) {
        self.go_by(vec![rule]);
    }

    /// Ends all faults.
    pub fn behave(&self) {
        self.go_by(Vec::new());
    }

    fn go_by(&self, rules: Vec<Rule>) {
        let without = self.without.iter().map(|name| (*name).to_owned()).collect();
        self.mailroom.misbehave(FaultScript { rules, without });
    }

    /// The length of the mailroom's log.
    pub fn mark(&self) -> usize {
        self.mailroom.asked().len()
    }

    /// The steps that the mailroom reached since a mark.
    pub fn steps_since(&self, mark: usize, protocol: Protocol) -> BTreeSet<&'static str> {
        let asked = self.mailroom.asked();
        let since = asked.get(mark..).unwrap_or_default();
        let reached = |step: &&&str| since.iter().any(|own| own.is(protocol, step));
        steps(protocol).iter().filter(reached).copied().collect()
    }

    /// The number of messages with this subject in a mailbox.
    pub fn count(&self, email: &str, mailbox: &str, subject: &str) -> usize {
        self.flags(email, mailbox, subject).len()
    }

    /// The flags of each message with this subject.
    pub fn flags(&self, email: &str, mailbox: &str, subject: &str) -> Vec<Vec<String>> {
        let line = format!("Subject: {subject}\r\n");
        let all = self.mailroom.messages(email, mailbox).into_iter();
        let named = all.filter(|(raw, _)| String::from_utf8_lossy(raw).contains(&line));
        named.map(|(_, flags)| flags).collect()
    }

    /// The id of the message with this subject in INBOX.
    pub async fn key(&self, subject: &str) -> String {
        let page = self.engine.find_messages(&self.grant, inbox()).await.unwrap();
        let mut rows = page.rows.into_iter();
        let row = rows.find(|row| row.facts.subject.as_deref() == Some(subject)).unwrap();
        row.stored.unwrap().key
    }
}

/// The steps of a protocol, in the order of a dialogue.
#[must_use]
pub const fn steps(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Imap => mailroom::IMAP_STEPS,
        Protocol::Smtp => mailroom::SMTP_STEPS,
    }
}

/// The first page of INBOX.
#[must_use]
pub fn inbox() -> MessageQuery {
    MessageQuery {
        mailbox: "INBOX".to_owned(),
        preview: false,
        attachments: false,
        cursor: None,
        limit: 50,
    }
}

fn account(security: Security) -> Account {
    let (imap, smtp) = match security {
        Security::Tls => (993, 465),
        Security::StartTls => (143, 587),
    };
    let server = |port| MailServer { security, ..fakes::account::server("mail.x.test", port, ANN) };
    let (imap, smtp) = (Some(server(imap)), Some(server(smtp)));
    Account { imap, smtp, ..fakes::account::account("ann", ANN) }
}
