//! Tests of `postlet doctor`, beside a running host and beside one that cannot start: its findings,
//! and that it changes nothing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::Command;

use rig::{Certificate, Options, Rig};
use serde_json::Value;

use testkit::process::binary;
use testkit::site::{Site, addresses, connect, own_user, rig, tls_account};

#[test]
fn a_working_host_passes_every_check_while_it_runs() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    connect(&mut site.operator(&host), &tls_account(rig, own_user()));
    let seen = Seen::of(&site, &["--offline"]);
    assert!(seen.ok, "{}", seen.text);
    for name in ["configuration", "data", "key", "store", "clock", "build", "providers"] {
        assert_eq!(seen.state(name), "ok", "{name}: {}", seen.text);
    }
    assert!(seen.told("store").contains("accounts: 1, a host runs on it"), "{}", seen.text);
    assert_eq!(seen.state("network"), "skipped");
}

#[test]
fn the_mail_servers_of_accounts_are_connected_to_and_a_missing_one_is_reported() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let mut account = tls_account(rig, own_user());
    connect(&mut site.operator(&host), &account);
    let imap = format!("localhost:{}", rig.imaps_port());
    let seen = Seen::of(&site, &[]);
    assert_eq!(seen.state(&imap), "ok", "{}", seen.text);
    // The name servers of this machine need not respond; the mail servers are on loopback.
    let failed = seen.failed();
    assert!(failed.is_empty() || failed == ["dns"], "{}", seen.text);

    account["id"] = "gone".into();
    account["smtp"]["pin"] = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    account["smtp"]["host"] = "127.0.0.1".into();
    connect(&mut site.operator(&host), &account);
    let seen = Seen::of(&site, &[]);
    let smtp = format!("127.0.0.1:{}", rig.submissions_port());
    // A tenant's mail server is not the operator's to repair.
    assert_eq!((seen.failed(), seen.state(&smtp)), (failed.clone(), "warning"), "{}", seen.text);
    assert!(seen.told(&smtp).contains("pinned"), "{}", seen.text);

    // TLS on a STARTTLS port.
    account["id"] = "plain".into();
    account["imap"]["port"] = rig.imap_port().into();
    connect(&mut site.operator(&host), &account);
    let seen = Seen::of(&site, &[]);
    let imap = format!("localhost:{}", rig.imap_port());
    assert_eq!((seen.failed(), seen.state(&imap)), (failed, "warning"), "{}", seen.text);
    assert!(seen.advice(&imap).contains("`starttls`"), "{}", seen.text);
}

/// A TLS handshake with each configured token endpoint; nothing else is sent.
#[test]
fn the_operators_authorization_servers_are_checked() {
    let Some(rig) = rig() else { return };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = |name: &str, token: &str| {
        format!(
            "[oauth.server.{name}]\nclient-id = \"x\"\nauthorize = \"https://login.test/\"\ntoken = \"https://{token}/token\"\n"
        )
    };
    let more = [
        "imap-idle-secs = 20\n[oauth]\nredirect = \"https://mail.test/-/oauth/callback\"\n"
            .to_owned(),
        server("good", &format!("localhost:{}", rig.imaps_port())),
        server("closed", &format!("localhost:{closed}")),
        server("plain", &format!("localhost:{}", rig.imap_port())),
        server("inside", "10.0.0.1"),
    ];
    let mut allow = addresses(rig);
    allow.push(format!("127.0.0.1:{closed}"));
    let site = Site::with(Some(rig.ca_pem()), &allow, &more.concat());
    let seen = Seen::of(&site, &[]);
    assert_eq!(seen.state("oauth.server.good"), "ok", "{}", seen.text);
    for (name, words) in [
        ("oauth.server.closed", "cannot connect"),
        ("oauth.server.plain", "does not answer with TLS"),
        ("oauth.server.inside", "`egress.allow`"),
    ] {
        assert_eq!(seen.state(name), "failed", "{}", seen.text);
        assert!(seen.told(name).contains(words), "{}", seen.text);
    }
}

#[test]
fn a_certificate_that_ends_soon_is_a_warning() {
    let Some(rig) = Rig::showing(Certificate::EndsSoon, Options { users: 1 }) else { return };
    let site = Site::on(&rig);
    let host = site.start();
    connect(&mut site.operator(&host), &tls_account(&rig, 1));
    let seen = Seen::of(&site, &[]);
    let imap = format!("localhost:{}", rig.imaps_port());
    assert_eq!(seen.state(&imap), "warning", "{}", seen.text);
    assert!(seen.told(&imap).contains("expires on"), "{}", seen.text);
}

#[test]
fn each_failed_check_is_reported_with_a_correction() {
    let site = Site::new(None, &[]);
    let seen = Seen::of(&site, &["--offline"]);
    assert!(seen.ok, "there is no data directory yet: {}", seen.text);
    let data = site.token_file().parent().unwrap().to_owned();
    assert!(!data.exists(), "the check created a file or directory");

    site.start().stop();
    let key = data.join("master.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let seen = Seen::of(&site, &["--offline"]);
    seen.blames("key", "chmod 600");
    assert!(!seen.told("key").contains("chmod"), "said twice: {}", seen.text);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    let good = fs::read(&key).unwrap();
    fs::write(&key, "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n").unwrap();
    Seen::of(&site, &["--offline"]).blames("key", "restore the key");
    fs::remove_file(&key).unwrap();
    Seen::of(&site, &["--offline"]).blames("key", "restore the key");
    assert!(!key.exists(), "the check created a file or directory");
    fs::write(&key, good).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(Seen::of(&site, &["--offline"]).ok);

    // An interrupted rotation of the master key.
    let next = data.join("master.key.next");
    fs::copy(&key, &next).unwrap();
    let seen = Seen::of(&site, &["--offline"]);
    assert_eq!((seen.ok, seen.state("key")), (true, "warning"), "{}", seen.text);
    assert!(seen.told("key").contains("master.key.next"), "{}", seen.text);
    fs::remove_file(&next).unwrap();

    let outbox = fs::OpenOptions::new().write(true).open(data.join("outbox.db")).unwrap();
    let size = outbox.metadata().unwrap().len();
    for page in 1..size / 4096 {
        outbox.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
    }
    Seen::of(&site, &["--offline"]).blames("store", "backup");

    let config = data.with_file_name("postlet.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("listen", "lisen")).unwrap();
    let seen = Seen::of(&site, &["--offline"]);
    seen.blames("configuration", "docs/configuration.md");
    assert!(seen.told("configuration").contains("lisen"), "{}", seen.text);
    fs::remove_file(&config).unwrap();
    let seen = Seen::of(&site, &["--offline"]);
    seen.blames("configuration", "\n[[tenant]]\nid = \"acme\"");
}

/// An application that `up` would not serve is an error.
#[test]
fn an_application_whose_component_cannot_be_read_is_reported() {
    let application = "spin_manifest_version = 2\n[application]\nname = \"own\"\n\
        [[trigger.http]]\nroute = \"/own\"\ncomponent = \"own\"\n\
        [component.own]\nsource = \"own.wasm\"\n";
    let site = Site::new(None, &[]).with_application(application, b"\0asm");
    let name = "application of acme";
    let seen = Seen::of(&site, &["--offline"]);
    assert_eq!(seen.state(name), "ok", "{}", seen.text);
    let wasm = site.config().with_file_name("own.wasm");
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), b"\0asm").unwrap();
    let pipe = || assert!(Command::new("mkfifo").arg(&wasm).status().unwrap().success());
    let link = || std::os::unix::fs::symlink(outside.path(), &wasm).unwrap();
    // (how to cause it, expected finding)
    let ways: [(&dyn Fn(), &str); 4] = [
        (&|| (), "No such file"),
        (&|| fs::write(&wasm, b"").unwrap(), "the file is empty"),
        (&pipe, "it is not a regular file"),
        (&link, "it is outside of the directory"),
    ];
    for (make, want) in ways {
        let _ = fs::remove_file(&wasm);
        make();
        let seen = Seen::of(&site, &["--offline"]);
        seen.blames(name, "build the application");
        let told = seen.told(name);
        assert!(told.contains(":8: `component.own.source`: ") && told.contains(want), "{told}");
    }
}

/// A disk that is mounted read-only after an error, a full one, one of another user, and a mount within.
#[test]
fn a_data_directory_that_cannot_be_written_is_reported() {
    let doctor = "\"$2\" doctor --json --offline --config \"$3\"";
    let data =
        |options: &str| format!("mount -t tmpfs -o mode=700,{options} none \"$1\" || exit 77; ");
    // (preparation, the check that fails, its finding, its advice)
    for (before, name, told, advice) in [
        (data("ro"), "data", "mounted read-only", "mount it for writing"),
        (
            data("size=256k") + "dd if=/dev/zero of=\"$1/all\" bs=4k 2>/dev/null; ",
            "data",
            "is full: 0 KiB are free",
            "free disk space",
        ),
        (data("nr_inodes=1"), "data", "is full: no inode is free", "`df -i`"),
        (
            "sed -i s,\\\"data\\\",\\\"data/in\\\", \"$3\"; ".to_owned() + &data("ro"),
            "data",
            "does not exist, and cannot be created in ",
            "install -d",
        ),
        (
            data("size=8m") + "mkdir \"$1/spool\"; mount -t tmpfs -o ro none \"$1/spool\"; ",
            "spool",
            "mounted read-only",
            "until then no upload is accepted",
        ),
        (
            "chmod 755 \"$1/..\"; setpriv --reuid 65534 --clear-groups test -x \"$2\" || exit 77; \
             setpriv --reuid 65534 --clear-groups "
                .to_owned(),
            "data",
            "this user may not write to",
            "chown -R USER",
        ),
    ] {
        let site = Site::new(None, &[]);
        fs::create_dir(site.data()).unwrap();
        let script = before + doctor;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]).arg(site.data()).arg(binary());
        let output = command.arg(site.config()).output().unwrap();
        // This user may not mount, or no other user may run the binary.
        if output.status.code() == Some(77) {
            continue;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let seen: Value = serde_json::from_str(&text).unwrap();
        let checks = seen["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!(check["state"], "failed", "{script}: {text}");
        assert!(check["told"].as_str().unwrap().contains(told), "{script}: {text}");
        assert!(check["advice"].as_str().unwrap().contains(advice), "{script}: {text}");
    }
}

/// A directory that is not there yet.
#[test]
fn a_data_directory_that_the_first_start_makes_is_no_fault_unless_a_file_is_in_its_place() {
    let site = Site::new(None, &[]);
    let text = fs::read_to_string(site.config()).unwrap();
    let within = |above: &str| {
        fs::write(site.config(), text.replace("\"data\"", &format!("\"{above}/data\""))).unwrap();
    };
    within("spin.toml");
    fs::write(site.config().with_file_name("spin.toml"), "").unwrap();
    let seen = Seen::of(&site, &["--offline"]);
    assert_eq!(seen.state("data"), "failed", "{}", seen.text);
    assert!(seen.advice("data").contains("another path"), "{}", seen.text);
    within("not/yet");
    assert_eq!(Seen::of(&site, &["--offline"]).state("data"), "ok");
}

/// The output of the command.
struct Seen {
    ok: bool,
    checks: Vec<Value>,
    text: String,
}

impl Seen {
    fn of(site: &Site, more: &[&str]) -> Self {
        let config = site.token_file().parent().unwrap().with_file_name("postlet.toml");
        let config = config.to_str().unwrap();
        let args = [&["doctor", "--json", "--config", config], more].concat();
        let output = Command::new(binary()).args(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let told: Value = serde_json::from_str(&text).unwrap();
        let ok = told["ok"].as_bool().unwrap();
        assert_eq!(output.status.success(), ok, "{text}");
        Self { ok, checks: told["checks"].as_array().unwrap().clone(), text }
    }

    #[track_caller]
    fn check(&self, name: &str) -> &Value {
        let check = self.checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    #[track_caller]
    fn state(&self, name: &str) -> &str {
        self.check(name)["state"].as_str().unwrap()
    }

    #[track_caller]
    fn told(&self, name: &str) -> &str {
        self.check(name)["told"].as_str().unwrap()
    }

    #[track_caller]
    fn advice(&self, name: &str) -> &str {
        self.check(name)["advice"].as_str().unwrap()
    }

    fn failed(&self) -> Vec<&str> {
        let failed = self.checks.iter().filter(|check| check["state"] == "failed");
        failed.map(|check| check["name"].as_str().unwrap()).collect()
    }

    /// Asserts the only finding.
    #[track_caller]
    fn blames(&self, name: &str, advice: &str) {
        assert_eq!(self.failed(), [name], "{}", self.text);
        let given = self.check(name)["advice"].as_str().unwrap();
        assert!(given.contains(advice), "{}", self.text);
    }
}
