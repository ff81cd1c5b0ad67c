//! Test fixture: a host with an authorization server, and Ann's mailbox: in the mailroom, which
//! accepts no tokens (how far a login gets shows whether there was one), or at servers that accept
//! them.

use std::net::SocketAddr;

use mailroom::{Config as RoomConfig, Mailroom, User};
use model::caller::Scope;
use rig::Rig;
use serde_json::{Value, json};
use server::config::Config;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::oauth::authorization_server::{Authority, CLIENT, CLIENT_SECRET, NAME};
use crate::oauth::log_capture::{self, Journal};
use testkit::command::command;
use testkit::in_process_host::{Serving, serve, stores};
use testkit::raw_http::{Answer, ask, ask_with};
use testkit::servers::dns::Zone;
use testkit::servers::web::Web;

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) authority: Authority,
    pub(crate) web: Web,
    pub(crate) mail: Mail,
    directory: TempDir,
    _journal: Journal,
}

/// Ann's mailbox and its servers.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) email: String,
    pub(crate) imap: SocketAddr,
    pub(crate) smtp: SocketAddr,
    /// The pin of both servers, unless a certificate authority is trusted.
    pub(crate) pin: Option<String>,
    pub(crate) authority: String,
    #[expect(dead_code, reason = "it runs as long as it is kept")]
    pub(crate) mailroom: Option<Mailroom>,
}

impl Mail {
    /// The first mailbox of servers that accept tokens.
    pub(crate) fn at(rig: &Rig) -> Self {
        let at = |port: u16| ([127, 0, 0, 1], port).into();
        Self {
            email: rig.user(1).0,
            imap: at(rig.imaps_port()),
            smtp: at(rig.submissions_port()),
            pin: None,
            authority: std::fs::read_to_string(rig.ca_pem()).unwrap(),
            mailroom: None,
        }
    }

    async fn in_the_mailroom() -> Self {
        let user = User { email: "ann@x.test".to_owned(), password: "secret".to_owned() };
        let room = RoomConfig { users: vec![user], hostname: "x.test".to_owned() };
        let mailroom = Mailroom::start(room).await.unwrap();
        Self {
            email: "ann@x.test".to_owned(),
            imap: mailroom.imaps(),
            smtp: mailroom.submissions(),
            pin: Some(mailroom.spki_pin().to_owned()),
            authority: String::new(),
            mailroom: Some(mailroom),
        }
    }
}

impl Site {
    /// Tenants may use token URLs on this machine.
    pub(crate) async fn start() -> Self {
        Self::before(Mail::in_the_mailroom().await).await
    }

    pub(crate) async fn before(mail: Mail) -> Self {
        Self::build(mail, |web| format!("fetch = [\"{web}\"]")).await
    }

    /// `fetching` returns the egress rules for tenants' URLs, given the address of the web server.
    pub(crate) async fn with(fetching: impl Fn(SocketAddr) -> String) -> Self {
        Self::build(Mail::in_the_mailroom().await, fetching).await
    }

    async fn build(mail: Mail, fetching: impl Fn(SocketAddr) -> String) -> Self {
        let journal = log_capture::begin();
        let (zone, web) = (Zone::default(), Web::start(&[NAME, "own.test"]).await);
        for name in [NAME, "own.test"] {
            zone.address(name, "127.0.0.1");
        }
        for address in ["8.8.8.8", "127.0.0.1"] {
            zone.address("moving.test", address);
        }
        zone.fail("sick.test");
        let authority = Authority::at(&web);
        let directory = tempfile::tempdir().unwrap();
        let roots = format!("{}\n{}", web.authority, mail.authority);
        std::fs::write(directory.path().join("ca.pem"), roots).unwrap();
        std::fs::write(directory.path().join("secret"), format!("{CLIENT_SECRET}\n")).unwrap();
        let port = web.address.port();
        let text = format!(
            r#"data = "."
[dns]
servers = ["{}"]
[egress]
allow = ["{}", "{}", "127.0.0.1:{port}"]
{}
[tls]
extra-roots = "ca.pem"
[limits]
tries-at-once = 50
tries-burst = 500
[oauth]
redirect = "https://mail.test/-/oauth/callback"
[oauth.server.corp]
client-id = "{CLIENT}"
client-secret-file = "secret"
authorize = "https://{NAME}:{port}/authorize"
token = "https://{NAME}:{port}/token"
scopes = ["mail", "offline"]
hosts = ["127.0.0.1"]
[[tenant]]
id = "acme"
"#,
            zone.serve().await,
            mail.imap,
            mail.smtp,
            fetching(web.address),
        );
        let config = Config::parse(&text, directory.path()).unwrap();
        let stores = stores(directory.path());
        let Serving { host, address, mut tokens } = serve(config, stores, &Scope::EVERY).await;
        #[expect(clippy::disallowed_methods, reason = "a test ends with its tasks")]
        tokio::spawn(host.deliver(std::future::pending()));
        let token = tokens.remove(0);
        Self { address, token, authority, web, mail, directory, _journal: journal }
    }

    /// Creates Ann's account with these tokens.
    pub(crate) async fn connect(&self, oauth: Value) -> Answer {
        self.ask("POST", "/v1/accounts", Some(&self.ann(&oauth))).await
    }

    /// Verifies Ann's servers with these tokens, and stores nothing.
    pub(crate) async fn try_with(&self, oauth: Value) -> Answer {
        self.ask("POST", "/v1/accounts/verify", Some(&self.ann(&oauth))).await
    }

    fn ann(&self, oauth: &Value) -> Value {
        let Mail { email, imap, smtp, pin, .. } = &self.mail;
        let server = |at: &SocketAddr| {
            let mut server = json!({"host": "127.0.0.1", "port": at.port(), "security": "tls"});
            if let Some(pin) = pin {
                server["pin"] = json!(pin);
            }
            server
        };
        json!({"id": "ann", "email": email, "oauth": oauth, "imap": server(imap), "smtp": server(smtp)})
    }

    /// Gives the owner's consent; returns the page that the browser gets.
    pub(crate) async fn consent(&self) -> Answer {
        let begun = self.ask("POST", "/v1/accounts/ann/oauth", None).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let address = begun.json()["authorizeUrl"].as_str().unwrap().to_owned();
        self.browse(&self.authority.agree(&address)).await
    }

    /// A callback by a program instead of a browser, without a token.
    pub(crate) async fn come_back(&self, query: &str) -> Answer {
        self.come_back_for("application/problem+json", query).await
    }

    /// A callback by a browser, without a token.
    pub(crate) async fn browse(&self, query: &str) -> Answer {
        self.come_back_for("text/html,application/xml;q=0.9,*/*;q=0.8", query).await
    }

    async fn come_back_for(&self, accept: &str, query: &str) -> Answer {
        let path = format!("/-/oauth/callback?{query}");
        ask_with(self.address, "test", &[("accept", accept)], "GET", &path, None).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        ask(self.address, Some(&self.token), method, path, body.as_deref()).await
    }

    /// Begins a verification and disconnects before the response.
    pub(crate) async fn leave(&self) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST /v1/accounts/ann/verify HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        while self.authority.refreshes() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Runs the command line against this host; returns whether it succeeded, and its output on
    /// both streams.
    pub(crate) async fn command(&self, args: &str) -> (bool, String) {
        command(self.address, &self.token, &args.split(' ').collect::<Vec<_>>()).await
    }

    pub(crate) async fn verify(&self) -> Answer {
        self.ask("POST", "/v1/accounts/ann/verify", None).await
    }

    pub(crate) async fn state(&self) -> String {
        let account = self.ask("GET", "/v1/accounts/ann", None).await.json();
        account["state"].as_str().unwrap().to_owned()
    }

    /// The directory of the configuration and of everything that the tests write.
    pub(crate) fn scratch(&self) -> &std::path::Path {
        self.directory.path()
    }
}
