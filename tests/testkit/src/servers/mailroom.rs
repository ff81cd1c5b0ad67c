//! The mailroom in this process, for the binary to connect to, with fault injection.

use mailroom::{Config, Fault, FaultScript, Mailroom, Protocol, Rule, User};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::site::server;

/// The addresses of its mailboxes.
pub const ANN: &str = "ann@x.test";
pub const BO: &str = "bo@x.test";

/// A running mailroom; it ends when it is dropped.
pub struct Room {
    pub mailroom: Mailroom,
    _runtime: Runtime,
}

impl Room {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let user = |email: &str| User { email: email.to_owned(), password: "secret".to_owned() };
        let config = Config { users: vec![user(ANN), user(BO)], hostname: "x.test".to_owned() };
        let mailroom = runtime.block_on(Mailroom::start(config)).unwrap();
        Self { mailroom, _runtime: runtime }
    }

    /// The addresses that a host must allow.
    pub fn addresses(&self) -> Vec<String> {
        let room = &self.mailroom;
        vec![room.imaps().to_string(), room.submissions().to_string()]
    }

    /// Ann's account, for a host.
    pub fn account(&self) -> Value {
        let mut account = json!({
            "id": "ann", "email": ANN, "password": "secret",
            "imap": server("127.0.0.1", self.mailroom.imaps().port(), "tls"),
            "smtp": server("127.0.0.1", self.mailroom.submissions().port(), "tls"),
        });
        for half in ["imap", "smtp"] {
            account[half]["pin"] = json!(self.mailroom.spki_pin());
        }
        account
    }

    /// Adds a fault, for so many times; `None` is always.
    pub fn fails(&self, protocol: Protocol, step: &str, fault: Fault, times: Option<u32>) {
        let rule = Rule { protocol, step: step.to_owned(), fault, times };
        self.mailroom.misbehave(FaultScript { rules: vec![rule], ..FaultScript::default() });
    }

    /// Ends all faults.
    pub fn recovers(&self) {
        self.mailroom.misbehave(FaultScript::default());
    }

    /// The number of messages in Bo's INBOX.
    pub fn arrived(&self) -> usize {
        self.mailroom.messages(BO, "INBOX").len()
    }
}
