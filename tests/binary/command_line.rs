//! Tests of the command line: tokens and accounts, with the password on standard input, against a
//! host that serves a configuration.

use std::fs;
use std::io::PipeWriter;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use testkit::command::run_with_input;
use testkit::process::{Host, binary};
use testkit::site::{Site, addresses, connect, own_user, rig, tls_account};
use testkit::terminal::Terminal;

#[test]
fn accounts_are_connected_listed_and_removed() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let shell = Shell { host: &host, site: &site };
    let n = own_user();
    let (email, password) = rig.user(n);
    let imap = format!("localhost:{}", rig.imap_port());
    let smtp = format!("127.0.0.1:{}", rig.submissions_port());
    let servers = ["--imap", &imap, "--imap-security", "starttls", "--smtp", &smtp];
    let add = [&["account", "add", &email, "--id", "ann"][..], &servers].concat();

    let refused = shell.run(&add, "wrong\n");
    assert!(!refused.status.success());
    assert!(
        said(&refused).contains("IMAP: ") && said(&refused).contains("SMTP: "),
        "{}",
        said(&refused)
    );
    assert!(
        !good(&shell.run(&["account", "list"], "")).contains("ann"),
        "the account was stored although the request was refused"
    );

    assert_eq!(
        good(&shell.run(&add, &format!("{password}\n"))),
        format!("{email} is connected as ann\n")
    );
    let listed = good(&shell.run(&["account", "list"], ""));
    assert!(listed.contains("ann") && listed.contains(&email), "{listed}");
    site.operator(&host).get("/v1/accounts/ann/messages").expect(200);

    let again = shell.run(&add, &format!("{password}\n"));
    assert!(!again.status.success() && said(&again).contains("already-exists"), "{}", said(&again));
    let json = good(&shell.run(&["account", "list", "--json"], ""));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["accounts"][0]["imap"]["security"], "starttls");
    assert!(!json.to_string().contains(&password), "a password is shown");

    let unasked = shell.run(&["account", "remove", "ann"], "y\n");
    assert!(!unasked.status.success() && said(&unasked).contains("--yes"), "{}", said(&unasked));
    good(&shell.run(&["account", "show", "ann"], ""));
    assert_eq!(good(&shell.run(&["account", "remove", "ann", "--yes"], "")), "ann is removed\n");
    assert_eq!(site.operator(&host).get("/v1/accounts/ann").status, 404);
    assert!(!shell.run(&["account", "remove", "ann", "--yes"], "").status.success());
}

#[test]
fn a_stored_account_is_shown_verified_and_removed_by_its_id() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let shell = Shell { host: &host, site: &site };
    let mut account = tls_account(rig, own_user());
    account["id"] = json!("ann");
    connect(&mut site.operator(&host), &account);
    let json = |args: &[&str]| -> Value {
        serde_json::from_str(&good(&shell.run(&[args, &["--json"]].concat(), ""))).unwrap()
    };
    let shown = good(&shell.run(&["account", "show", "ann"], ""));
    let email = account["email"].as_str().unwrap();
    let port = rig.imaps_port();
    for line in [
        "state       unverified".to_owned(),
        format!("imap        localhost:{port} (tls), login {email}"),
        "login       password".to_owned(),
        format!("sends as    王小明 <{email}>"),
        "last error  -".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is missing:\n{shown}");
    }
    let verified = shell.run(&["account", "verify", "ann"], "");
    assert_eq!(good(&verified), "ann is connected\n");
    assert!(said(&verified).contains("SMTP  mail          ok"), "{}", said(&verified));
    assert_eq!(json(&["account", "verify", "ann"])["imap"]["ok"], true);
    assert_eq!(json(&["account", "show", "ann"])["state"], "connected");
    let tested = shell.run(&["account", "test", "ann"], "");
    assert_eq!(good(&tested), "the message arrived in INBOX and is removed\n");
    assert_eq!(json(&["account", "test", "ann"])["removed"], true);

    // With a wrong login, each command reports it and exits with 1, and the account stays.
    let wrong = json!({"password": "wrong"});
    site.operator(&host).json("PATCH", "/v1/accounts/ann", &wrong).expect(200);
    for command in ["verify", "test"] {
        let failed = shell.run(&["account", command, "ann", "--json"], "");
        let document: Value = serde_json::from_slice(&failed.stdout).unwrap();
        assert_eq!((failed.status.code(), &document["ok"]), (Some(1), &json!(false)));
    }
    let shown = good(&shell.run(&["account", "show", "ann"], ""));
    assert!(
        shown.contains("authenticationFailed") && shown.contains("(credentials-refused)"),
        "{shown}"
    );
    let still = shell.run(&["account", "password", "ann"], "wrong, too\n");
    assert!(!still.status.success() && said(&still).contains("cannot log in with it"));
    let password = account["password"].as_str().unwrap();
    let mended = shell.run(&["account", "password", "ann"], &format!("{password}\n"));
    assert_eq!(good(&mended), "ann is connected\n");
    let needless = shell.run(&["account", "consent", "ann"], "");
    assert!(
        !needless.status.success() && said(&needless).contains("no consent"),
        "{}",
        said(&needless)
    );
    assert_eq!(json(&["account", "remove", "ann", "--yes"]), json!({"id": "ann", "removed": true}));
    let address = shell.run(&["account", "show", email], "");
    assert_eq!(address.status.code(), Some(2), "an address is not an id: {}", said(&address));
}

/// The commands of the page, as printed, with another server address.
#[test]
fn the_pins_of_the_documented_commands_are_accepted() {
    let Some(rig) = rig() else { return };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
    let page = std::fs::read_to_string(page).unwrap();
    let pins = page.split_once("## Pins").unwrap().1;
    let lines: Vec<&str> =
        pins.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [begun, upgraded] = lines[..] else { panic!("{} blocks", lines.len()) };
    let pin = |line: &str, example: &str, port: u16| {
        assert!(line.contains(example), "{line}");
        let line = line.replace(example, &format!("localhost:{port}"));
        let ended = Command::new("bash").args(["-c", &line]).output().unwrap();
        let pin = String::from_utf8(ended.stdout).unwrap();
        assert!(pin.starts_with("sha256/") && pin.trim().len() == 51, "{line}: {pin}");
        pin.trim().to_owned()
    };
    let imap = pin(begun, "imap.example.com:993", rig.imaps_port());
    let smtp = pin(upgraded, "smtp.example.com:587", rig.submission_port());

    // No trusted authority has signed the certificate.
    let site = Site::new(None, &addresses(rig));
    let host = site.start();
    let shell = Shell { host: &host, site: &site };
    let (email, password) = rig.user(own_user());
    let (imaps, submission) =
        (format!("localhost:{}", rig.imaps_port()), format!("localhost:{}", rig.submission_port()));
    let add = ["account", "add", &email, "--id", "ann", "--imap", &imaps, "--smtp", &submission];
    let add = [&add[..], &["--smtp-security", "starttls"]].concat();
    let refused = shell.run(&add, &password);
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(
        said(&refused).contains("docs/command-line.md says how to get it"),
        "{}",
        said(&refused)
    );
    let pinned = [&add[..], &["--imap-pin", &imap, "--smtp-pin", &smtp]].concat();
    assert_eq!(good(&shell.run(&pinned, &password)), format!("{email} is connected as ann\n"));
}

#[test]
fn removal_is_confirmed_at_a_terminal() {
    let Some(rig) = rig() else { return };
    let site = Site::on(rig);
    let host = site.start();
    let mut account = tls_account(rig, own_user());
    account["id"] = json!("ann");
    connect(&mut site.operator(&host), &account);
    for (answer, well, status) in [("", false, 200), ("n", false, 200), ("y", true, 404)] {
        let mut terminal = Terminal::run(&host.url(), &site.token(), "account remove ann", "C");
        terminal.until("Remove ann (");
        terminal.types(answer);
        terminal.ends(well);
        assert_eq!(site.operator(&host).get("/v1/accounts/ann").status, status, "{answer}");
    }
}

#[test]
fn a_long_list_is_printed_completely() {
    let site = Site::new(None, &["127.0.0.1:993".to_owned()]);
    let host = site.start();
    let mut operator = site.operator(&host);
    for n in 0..101 {
        let server = json!({"host": "127.0.0.1", "port": 993, "security": "tls"});
        let account =
            json!({"id": format!("a{n:03}"), "email": "a@x.test", "password": "x", "imap": server});
        operator.json("POST", "/v1/accounts", &account).expect(201);
    }
    let shell = Shell { host: &host, site: &site };
    let listed = good(&shell.run(&["account", "list", "--json"], ""));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["accounts"].as_array().unwrap().len(), 101);
    assert_eq!(listed["nextCursor"], Value::Null);

    // Each token has its own list, and the cursors of that.
    let ids = |count| (0..count).map(|n| format!("a{n:03}")).chain(["gone".to_owned()]);
    let [mut all, mut hundred] = [101, 100].map(|count| {
        let body = json!({"scopes": ["accounts"], "accounts": ids(count).collect::<Vec<_>>()});
        let made = operator.json("POST", "/v1/tokens", &body).expect(201);
        host.client(made["token"].as_str().unwrap())
    });
    let whole = hundred.get("/v1/accounts").expect(200);
    assert_eq!(whole["accounts"].as_array().unwrap().len(), 100);
    assert_eq!(whole["nextCursor"], Value::Null, "what is gone makes no page");
    let mut cursors = [&mut operator, &mut all].map(|client| {
        let first = client.get("/v1/accounts").expect(200);
        assert_eq!(first["accounts"].as_array().unwrap().len(), 100);
        let next = format!("/v1/accounts?cursor={}", first["nextCursor"].as_str().unwrap());
        let last = client.get(&next).expect(200);
        assert_eq!(last["accounts"][0]["id"], "a100");
        assert_eq!(last["nextCursor"], Value::Null);
        next
    });
    cursors.reverse();
    for (client, foreign) in [&mut operator, &mut all].into_iter().zip(cursors) {
        assert_eq!(client.get(&foreign).expect(400)["code"], "invalid-cursor");
    }
}

#[test]
fn tokens_are_created_listed_and_revoked() {
    let site = Site::new(None, &[]);
    let host = site.start();
    let shell = Shell { host: &host, site: &site };
    let create =
        ["token", "create", "--tenant", "globex", "--scope", "read,accounts", "--name", "ci"];
    let token = good(&shell.run(&create, ""));
    let token = token.trim();
    assert!(token.starts_with("plt_"), "{token}");
    host.client(token).get("/v1/accounts").expect(200);

    let listed = good(&shell.run(&["token", "list"], ""));
    let row = listed.lines().find(|line| line.contains("ci")).unwrap();
    assert!(row.contains("globex") && row.contains("read,accounts"), "{row}");
    // Prefix, id, secret; the secret may contain the separator.
    assert!(!listed.contains(token.splitn(3, '_').nth(2).unwrap()), "a secret is listed");
    let id = row.split_whitespace().next().unwrap();
    good(&shell.run(&["token", "revoke", id], ""));
    assert_eq!(host.client(token).get("/v1/accounts").status, 401);

    // A token may be created before its account; a warning names an unknown account.
    let early = shell.run(&["token", "create", "--scope", "read", "--account", "nobody"], "");
    assert!(said(&early).contains("there is no account `nobody` yet"), "{}", said(&early));
    good(&early);
    assert_eq!(host.ready["tenant"], "acme");
    let mut operator = site.operator(&host);
    for (body, pointer) in [
        (json!({"scopes": ["read"], "tenant": "none"}), "/tenant"),
        (json!({"scopes": ["read"], "accounts": ["ann", "A b"]}), "/accounts/1"),
        (json!({"scopes": ["read"], "expires": "2020-01-01T00:00:00Z"}), "/expires"),
    ] {
        let refused = operator.json("POST", "/v1/tokens", &body).expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    let made = operator.json("POST", "/v1/tokens", &json!({"scopes": ["read"], "accounts": ["x"]}));
    assert_eq!(made.expect(201)["unknownAccounts"], json!(["x"]));

    let unknown = shell.run(&["token", "create", "--scope", "everything"], "");
    assert!(
        !unknown.status.success() && said(&unknown).contains("/scopes/0"),
        "{}",
        said(&unknown)
    );
    let nobody = Command::new(binary())
        .args(["token", "list", "--url", &host.url()])
        .env_remove("POSTLET_TOKEN")
        .output()
        .unwrap();
    assert!(
        !nobody.status.success() && said(&nobody).contains("POSTLET_TOKEN"),
        "{}",
        said(&nobody)
    );
}

#[test]
fn one_host_serves_a_data_directory() {
    let site = Site::new(None, &[]);
    let first = site.start();
    let token = site.token();
    let config = site.token_file().parent().unwrap().with_file_name("postlet.toml");
    let second = Command::new(binary()).args(["up", "--config"]).arg(&config).output().unwrap();
    assert!(!second.status.success(), "two hosts write one outbox");
    assert!(said(&second).contains("another process"), "{}", said(&second));
    first.kill();
    let again = site.start();
    assert_eq!(site.token(), token, "a restart makes no new operator token");
    site.operator(&again).get("/v1/accounts").expect(200);
}

#[test]
fn an_unusable_configuration_is_named() {
    let missing = Command::new(binary()).args(["up", "--config", "nowhere.toml"]).output().unwrap();
    assert!(!missing.status.success());
    assert!(said(&missing).contains("nowhere.toml"), "{}", said(&missing));
    let usage = Command::new(binary()).arg("serve").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

/// As `| head -1` leaves them.
#[test]
fn a_reader_that_leaves_ends_a_command_quietly() {
    let site = Site::new(None, &[]);
    let host = site.start();
    let (config, token, url) = (site.config(), site.token_file(), host.url());
    let (config, token) = (config.to_str().unwrap(), token.to_str().unwrap());
    let there = ["--token-file", token, "--url", &url];
    let check = |args: &[&str]| {
        let mut command = Command::new(binary());
        let ended = command.args(args).stdout(without_reader()).output().unwrap();
        let said = said(&ended);
        assert_eq!(ended.status.code(), Some(141), "{args:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("postlet: "), "{args:?}: {said}");
    };
    check(&["doctor", "--offline", "--config", config]);
    check(&["doctor", "--offline", "--json", "--config", config]);
    check(&[&["token", "list"][..], &there].concat());
    check(&[&["token", "create", "--scope", "read"][..], &there].concat());
    check(&[&["account", "list", "--json"][..], &there].concat());
    host.stop();
    check(&["up", "--config", config]);
}

#[test]
fn a_command_goes_on_without_a_reader_of_standard_error() {
    let scratch = tempfile::tempdir().unwrap();
    let (manifest, fresh) = (scratch.path().join("spin.toml"), scratch.path().join("fresh"));
    let own = "spin_manifest_version = 2\n[application]\nname = \"own\"\n\
        [[trigger.http]]\nroute = \"/own\"\ncomponent = \"own\"\n[component.own]\n\
        source = \"own.wasm\"\n[component.own.build]\ncommand = \"touch own.wasm\"\n";
    fs::write(&manifest, own).unwrap();
    for (args, status) in [
        (&["build", "--manifest", manifest.to_str().unwrap()][..], 0),
        (&["new", fresh.to_str().unwrap()], 0),
        (&["up", "--config", "nowhere.toml"], 1),
    ] {
        let mut command = Command::new(binary());
        let ended = command.args(args).stderr(without_reader()).output().unwrap();
        assert_eq!(ended.status.code(), Some(status), "{args:?}");
    }
}

fn without_reader() -> PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

struct Shell<'a> {
    host: &'a Host,
    site: &'a Site,
}

impl Shell<'_> {
    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut command = Command::new(binary());
        command
            .args(args)
            .env("POSTLET_URL", self.host.url())
            .env_remove("POSTLET_TOKEN")
            .arg("--token-file")
            .arg(self.site.token_file());
        run_with_input(&mut command, input)
    }
}

#[track_caller]
fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}
