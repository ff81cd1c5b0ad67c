//! Tests of the command line: it waits for a consent that is given in a browser.

use std::process::Stdio;
use std::time::Duration;

use rig::{Mechanism, Options, Rig};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::oauth::site::{Mail, Site};

/// `postlet account …`, waiting for the consent.
struct Waiting {
    child: Child,
    told: Lines<BufReader<ChildStderr>>,
    /// The authorization URL.
    address: String,
}

impl Site {
    /// Connects Ann's mailbox in the mailroom, by IMAP alone.
    fn add(&self) -> String {
        let Mail { email, imap, pin, .. } = &self.mail;
        let pin = pin.as_deref().unwrap();
        format!(
            "account add {email} --id ann --oauth corp --imap {imap} --imap-security tls --imap-pin {pin} --json"
        )
    }
}

impl Waiting {
    async fn run(site: &Site, args: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postlet"))
            .args(args.split(' '))
            .env("POSTLET_URL", format!("http://{}", site.address))
            .env("POSTLET_TOKEN", &site.token)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = told
                .next_line()
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("no authorization URL was printed"));
            if line.starts_with("https://") {
                break line;
            }
        };
        let until = told.next_line().await.unwrap().unwrap();
        assert_eq!(until, "It is valid for 10 minutes.");
        Self { child, told, address }
    }

    /// Whether it succeeded, its JSON document, and its messages since.
    async fn ends(mut self) -> (bool, Value, String) {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        let mut told = String::new();
        while let Some(line) = self.told.next_line().await.unwrap() {
            told += &format!("{line}\n");
        }
        let ended = self.child.wait().await.unwrap();
        let document = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"));
        (ended.success(), document, told)
    }
}

/// A host with the servers of Ann's mailbox, which accept the next token.
async fn site_of(rig: &Rig) -> (Site, String) {
    let site = Site::before(Mail::at(rig)).await;
    site.authority.stock(&[rig.token(1, Duration::from_secs(3600))]);
    let Mail { email, imap, smtp, .. } = &site.mail;
    let add =
        format!("account add {email} --id ann --oauth corp --imap {imap} --smtp {smtp} --json");
    (site, add)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_connected_from_the_command_line_without_a_password() {
    let Some(rig) = Rig::taking(Mechanism::XOAuth2, Options { users: 1 }) else { return };
    let (site, add) = site_of(&rig).await;
    let waiting = Waiting::run(&site, &add).await;
    assert_eq!(site.state().await, "reauthRequired");
    let page = site.come_back(&site.authority.agree(&waiting.address)).await;
    assert_eq!(page.status, 200, "{page:?}");
    let (ok, made, told) = waiting.ends().await;
    assert!(ok && told.contains("The owner has agreed.") && told.contains("SMTP  mail"), "{told}");
    assert_eq!((&made["id"], &made["state"]), (&"ann".into(), &"connected".into()), "{made:#}");
    assert!(!told.contains("canary") && !made.to_string().contains("canary"), "{told}{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_token_is_refused_is_removed() {
    let site = Site::start().await;
    // The mailroom accepts passwords only.
    let add = site.add();
    let waiting = Waiting::run(&site, &add).await;
    let page = site.come_back(&site.authority.agree(&waiting.address)).await;
    assert_eq!(page.status, 200, "{page:?}");
    let (ok, document, told) = waiting.ends().await;
    assert!(!ok && told.contains("nothing was stored"), "{told}");
    assert_eq!(document["imap"]["code"], "auth-unsupported", "{document:#}");
    assert_eq!(site.ask("GET", "/v1/accounts/ann", None).await.status, 404);

    let unknown = add.replace("corp", "nobody");
    let refused = site.command(&unknown).await;
    assert!(!refused.0 && refused.1.contains("the operator has configured: corp"), "{refused:?}");
}

/// Ctrl-C, which a shell sends as SIGINT.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_wait_leaves_nothing_behind() {
    let site = Site::start().await;
    let waiting = Waiting::run(&site, &site.add()).await;
    let pid = waiting.child.id().unwrap().to_string();
    let told = Command::new("kill").args(["-s", "INT", &pid]).status().await.unwrap();
    assert!(told.success());
    let (ok, document, told) = waiting.ends().await;
    assert!(!ok && told.contains("nothing was stored: interrupted"), "{told}");
    assert_eq!(document["code"], Value::Null, "{document:#}");
    assert_eq!(site.ask("GET", "/v1/accounts/ann", None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_consent_ends_the_wait() {
    let site = Site::start().await;
    let waiting = Waiting::run(&site, &site.add()).await;
    // It is waiting: it has polled once.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let state = waiting.address.split_once("state=").unwrap().1.split('&').next().unwrap();
    let page = site.come_back(&format!("error=access_denied&state={state}")).await;
    assert_eq!(page.code(), "invalid-consent");
    let (ok, _, told) = waiting.ends().await;
    assert!(!ok && told.contains("did not agree") && told.contains("access_denied"), "{told}");
    assert_eq!(site.ask("GET", "/v1/accounts/ann", None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_consent_can_be_given_again() {
    let Some(rig) = Rig::taking(Mechanism::OAuthBearer, Options { users: 1 }) else { return };
    let (site, _) = site_of(&rig).await;
    assert_eq!(site.connect(json!({"provider": "corp"})).await.status, 201);
    let waiting = Waiting::run(&site, "account consent ann --json").await;
    let page = site.come_back(&site.authority.agree(&waiting.address)).await;
    assert_eq!(page.status, 200, "{page:?}");
    let (ok, document, told) = waiting.ends().await;
    assert!(ok && document["smtp"]["ok"] == true, "{document:#}{told}");
    assert_eq!(site.state().await, "connected");
}
