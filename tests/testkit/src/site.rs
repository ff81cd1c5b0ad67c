//! Test fixture for `postlet up`: a configuration, a data directory, and real mail servers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use rig::{Options, Rig};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::code_cache;
use crate::http::Client;
use crate::process::{Host, binary};

const USERS: u16 = 80;

/// Dovecot and Postfix for every test that does not stop them; None where they are not installed.
pub fn rig() -> Option<&'static Rig> {
    static RIG: OnceLock<Option<Rig>> = OnceLock::new();
    RIG.get_or_init(|| Rig::start(Options { users: USERS })).as_ref()
}

/// A mailbox of the common rig that no other test uses.
pub fn own_user() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An application of one component, for every path without another route.
pub const APPLICATION: &str = "spin_manifest_version = 2\n[application]\nname = \"own\"\n\
    [[trigger.http]]\nroute = \"/...\"\ncomponent = \"own\"\n\
    [component.own]\nsource = \"own.wasm\"\n";

/// A configuration and its data, which outlive a host.
#[derive(Debug)]
pub struct Site {
    dir: TempDir,
}

impl Site {
    /// Two tenants, `acme` and `globex`. The host may connect to the addresses of `allow`, and
    /// trusts `roots`.
    pub fn new(roots: Option<&Path>, allow: &[String]) -> Self {
        Self::with(roots, allow, "imap-idle-secs = 20\nsmtp-step-secs = 20\n")
    }

    /// With short mail timeouts: three seconds for a reply and six for a whole response.
    pub fn impatient(allow: &[String]) -> Self {
        let times =
            "imap-idle-secs = 3\nimap-command-secs = 6\nsmtp-step-secs = 3\nfinal-dot-secs = 3\n";
        Self::with(None, allow, times)
    }

    /// `times` ends the configuration, in its table `[mail]`; other tables may follow.
    pub fn with(roots: Option<&Path>, allow: &[String], times: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut text = String::from("listen = \"127.0.0.1:0\"\ndata = \"data\"\n");
        text += "[[tenant]]\nid = \"acme\"\n[[tenant]]\nid = \"globex\"\n[egress]\nallow = [";
        for address in allow {
            write!(text, "{address:?}, ").unwrap();
        }
        text += "]\n";
        if let Some(roots) = roots {
            writeln!(text, "[tls]\nextra-roots = {:?}", roots.to_str().unwrap()).unwrap();
        }
        // A test of retries would otherwise wait for the first one.
        text += "[outbox]\nretry-secs = [1]\n[mail]\n";
        text += times;
        std::fs::write(dir.path().join("postlet.toml"), text).unwrap();
        Self { dir }
    }

    /// For the rig, with all its ports allowed and its authority trusted.
    pub fn on(rig: &Rig) -> Self {
        Self::new(Some(rig.ca_pem()), &addresses(rig))
    }

    /// With an application of `acme`.
    pub fn with_application(self, manifest: &str, wasm: &[u8]) -> Self {
        std::fs::write(self.dir.path().join("spin.toml"), manifest).unwrap();
        std::fs::write(self.dir.path().join("own.wasm"), wasm).unwrap();
        let acme = "id = \"acme\"\n";
        let text = std::fs::read_to_string(self.config()).unwrap();
        let text = text.replace(acme, &format!("{acme}application = \"spin.toml\"\n"));
        std::fs::write(self.config(), text).unwrap();
        self
    }

    /// Starts it on an empty directory, with the components that other test hosts have compiled.
    pub fn start(&self) -> Host {
        code_cache::lend(&self.data());
        let host = Host::up(&self.config());
        code_cache::keep(&self.data());
        host
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("postlet.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn token_file(&self) -> PathBuf {
        self.dir.path().join("data/operator.token")
    }

    /// With additional environment variables, on an empty directory without compiled components.
    pub fn start_in(&self, environment: &[(&str, &str)]) -> Host {
        let mut command = Command::new(binary());
        command.envs(environment.iter().copied());
        Host::up_by(command, &self.config())
    }

    /// A client of `acme` with every scope.
    pub fn operator(&self, host: &Host) -> Client {
        host.client(&self.token())
    }

    /// The operator's token, which the first start writes.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.token_file()).unwrap().trim().to_owned()
    }

    /// A client of the other tenant.
    pub fn stranger(&self, host: &Host) -> Client {
        let body = json!({"tenant": "globex", "scopes": ["read", "change", "send", "accounts"]});
        let made = self.operator(host).json("POST", "/v1/tokens", &body).expect(201);
        host.client(made["token"].as_str().unwrap())
    }
}

/// A host on the common rig, and a mailbox of its own as the only account.
pub struct Connected {
    pub rig: &'static Rig,
    /// The number of the mailbox.
    pub n: u16,
    /// A client of `acme` with every scope.
    pub client: Client,
    /// The id of the account.
    pub id: String,
    /// Keeps the host up.
    pub up: (Site, Host),
}

/// None where no mail servers are installed.
pub fn connected() -> Option<Connected> {
    let rig = rig()?;
    let site = Site::on(rig);
    let host = site.start();
    let mut client = site.operator(&host);
    let n = own_user();
    let id = connect(&mut client, &tls_account(rig, n));
    Some(Connected { rig, n, client, id, up: (site, host) })
}

/// Every address of the rig that an account may name.
pub fn addresses(rig: &Rig) -> Vec<String> {
    let tls = [rig.imaps_port(), rig.submissions_port()];
    let upgraded = [rig.imap_port(), rig.submission_port(), rig.smtp_plain_port()];
    [&tls[..], &upgraded].concat().into_iter().map(|port| format!("127.0.0.1:{port}")).collect()
}

/// A server of an account on loopback.
pub fn server(host: &str, port: u16, security: &str) -> Value {
    json!({"host": host, "port": port, "security": security})
}

/// The account of user `n` of the rig, with implicit TLS.
pub fn tls_account(rig: &Rig, n: u16) -> Value {
    let (email, password) = rig.user(n);
    json!({
        "id": format!("user{n:03}"), "email": email, "name": "王小明", "password": password,
        "imap": server("localhost", rig.imaps_port(), "tls"),
        "smtp": server("localhost", rig.submissions_port(), "tls"),
    })
}

/// The same with STARTTLS, and by address instead of by name.
pub fn starttls_account(rig: &Rig, n: u16) -> Value {
    let mut account = tls_account(rig, n);
    account["imap"] = server("127.0.0.1", rig.imap_port(), "starttls");
    account["smtp"] = server("127.0.0.1", rig.submission_port(), "starttls");
    account
}

/// Creates the account and returns its id.
#[track_caller]
pub fn connect(client: &mut Client, account: &Value) -> String {
    let made = client.json("POST", "/v1/accounts", account).expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// The path of a resource of this account.
pub fn under(id: &str, rest: &str) -> String {
    format!("/v1/accounts/{id}/{rest}")
}
