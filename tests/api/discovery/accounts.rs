//! Tests of accounts without mail servers in the request: the servers are discovered.

use serde_json::{Value, json};

use crate::discovery::site::Site;
use testkit::servers::dns::Zone;
use testkit::servers::web::{Web, config};

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_a_request_omits_are_discovered() {
    let zone = Zone::default();
    let names = ["autoconfig.auto.test", "autoconfig.away.test", "autoconfig.inside.test"];
    let web = Web::start(&names).await;
    for name in names.into_iter().chain(["imap.auto.test", "smtp.auto.test", "imap.elsewhere.test"])
    {
        zone.address(name, "127.0.0.1");
    }
    zone.address("imap.inside.test", "10.0.0.1");
    let say = |domain: &str, host: &str, other: &str| {
        web.say(&format!("autoconfig.{domain}/mail/config-v1.1.xml"), config(host, other));
    };
    say("auto.test", "imap.auto.test", "smtp.auto.test");
    say("away.test", "imap.elsewhere.test", "imap.elsewhere.test");
    say("inside.test", "imap.inside.test", "imap.inside.test");
    let site = Site::start(&zone, &web, "", &[]).await;

    let made = create(&site, json!({"email": "ann@auto.test"}), 201).await;
    let (imap, smtp) = (&made["imap"], &made["smtp"]);
    assert_eq!(
        (&imap["host"], &imap["username"]),
        (&json!("imap.auto.test"), &json!("ann@auto.test"))
    );
    assert_eq!((&smtp["host"], &smtp["username"]), (&json!("smtp.auto.test"), &json!("ann")));
    assert_eq!((&smtp["port"], &smtp["security"]), (&json!(587), &json!("starttls")));

    // A request that names one server has that one only.
    let own = json!({"host": "smtp.auto.test", "port": 465, "security": "tls"});
    let made = create(&site, json!({"email": "bo@auto.test", "smtp": own}), 201).await;
    assert_eq!((&made["imap"], &made["smtp"]["port"]), (&Value::Null, &json!(465)));

    // Servers outside of the mail domain must be confirmed.
    let mut away = json!({"email": "ann@away.test"});
    let asked = create(&site, away.clone(), 409).await;
    assert_eq!(asked["code"], "confirmation-needed");
    assert_eq!(asked["imap"], "imap.elsewhere.test:993 (tls)", "{asked:#}");
    let detail = asked["detail"].as_str().unwrap();
    assert!(
        detail.contains("imap.elsewhere.test") && detail.contains("\"confirm\": true"),
        "{detail}"
    );
    away["confirm"] = json!(false);
    assert_eq!(create(&site, away.clone(), 409).await["code"], "confirmation-needed");
    away["confirm"] = json!(true);
    assert_eq!(create(&site, away, 201).await["imap"]["host"], "imap.elsewhere.test");

    // Without a terminal, the command line shows them and does not ask.
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "p").unwrap();
    let file = password.path().to_str().unwrap();
    let add =
        ["account", "add", "cy@away.test", "--id", "cy", "--unverified", "--password-file", file];
    let (ok, said) = site.command(&add).await;
    assert!(!ok && said.contains("imap.elsewhere.test:993 (tls)"), "{said}");
    assert!(said.contains("--confirm"), "{said}");
    let (ok, said) = site.command(&[&add[..], &["--confirm"]].concat()).await;
    assert!(ok && said.contains("cy@away.test is stored as cy, not verified"), "{said}");

    // At a terminal it asks, and only `yes` accepts.
    for answer in ["n", "", "y"] {
        let mut terminal = site.terminal("account add dan@away.test --id dan --unverified");
        terminal.until("Use them? [y/N]");
        assert!(terminal.said().contains("outside the mail domain"), "{}", terminal.said());
        terminal.types(answer);
        if answer == "y" {
            terminal.until("Password of ");
            terminal.types("canary-password");
            let said = terminal.ends(true);
            assert!(said.contains("stored as dan") && !said.contains("canary"), "{said}");
        } else {
            let said = terminal.ends(false);
            assert!(said.contains("nothing was stored") && !said.contains("Password"), "{said}");
        }
    }

    for (email, code, words) in [
        ("ann@nowhere.test", "no-servers-found", "give `imap`, `smtp` or both"),
        ("ann@nowhere.test", "no-servers-found", "srv ("),
        ("ann@inside.test", "no-servers-found", "autoconfig"),
        ("ann@proton.me", "no-servers-found", "cannot be used"),
        ("ann@outlook.com", "oauth-needed", "OAuth 2"),
    ] {
        let refused = create(&site, json!({"email": email}), 422).await;
        assert_eq!(refused["code"], code, "{refused:#}");
        assert!(refused["detail"].as_str().unwrap().contains(words), "{refused:#}");
    }
    let refused = create(&site, json!({"email": "ann@outlook.com"}), 422).await;
    assert!(refused["hintUrl"].as_str().unwrap().starts_with("https://support.microsoft.com/"));
    let told = refused["detail"].as_str().unwrap();
    assert_eq!(told.matches("OAuth").count(), 2, "{told}");
    assert!(told.contains("[oauth.server.NAME]"), "{told}");
    let body = json!({"email": "ann@nowhere.test", "password": "p"}).to_string();
    let (status, refused) = site.ask("POST", "/v1/accounts/verify", &body).await;
    assert_eq!((status, &refused["code"]), (422, &json!("no-servers-found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_an_address_is_reported_by_verification() {
    let (zone, web) = (Zone::default(), Web::start(&["unused.test"]).await);
    let site = Site::start(&zone, &web, "", &[]).await;
    let server = json!({"host": "imap.typo.test", "port": 993, "security": "tls"});
    let body = json!({"email": "ann@typo.test", "password": "p", "imap": server}).to_string();
    let (status, tried) = site.ask("POST", "/v1/accounts/verify", &body).await;
    assert_eq!((status, &tried["imap"]["code"]), (200, &json!("host-not-found")), "{tried:#}");
    assert!(tried["imap"]["detail"].as_str().unwrap().contains("spelling"), "{tried:#}");
    assert_eq!(tried["imap"]["security"], Value::Null);

    // A name from the provider table is never reported as misspelt.
    let body = json!({"email": "ann@gmail.com", "password": "p"}).to_string();
    let (status, tried) = site.ask("POST", "/v1/accounts/verify", &body).await;
    assert_eq!((status, &tried["imap"]["code"]), (200, &json!("host-not-found")), "{tried:#}");
    for half in ["imap", "smtp"] {
        let told = tried[half]["detail"].as_str().unwrap();
        assert!(told.contains("spelled rightly"), "{told}");
        assert!(told.contains("`[dns] servers`") && !told.contains("Check its spelling"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_name_servers_are_not_reported_as_a_wrong_name() {
    let (zone, web) = (Zone::default(), Web::start(&["unused.test"]).await);
    zone.fail("imap.there.test");
    let site = Site::start(&zone, &web, "", &[]).await;
    let server = json!({"host": "imap.there.test", "port": 993, "security": "tls"});
    let body = json!({"id": "ann", "email": "ann@there.test", "password": "p", "imap": server});
    let (_, tried) = site.ask("POST", "/v1/accounts/verify", &body.to_string()).await;
    let (status, _) = site.ask("POST", "/v1/accounts", &body.to_string()).await;
    assert_eq!(status, 201, "the failure may be temporary");
    let (_, listed) = site.ask("GET", "/v1/accounts/ann/messages", "").await;
    for told in [&tried["imap"], &listed] {
        assert_eq!(told["code"], "upstream-unreachable", "{told:#}");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains("name servers gave no answer"), "{detail}");
    }
    assert!(!listed["detail"].as_str().unwrap().contains("there.test"), "{listed:#}");
}

async fn create(site: &Site, mut body: Value, want: u16) -> Value {
    body["password"] = json!("p");
    let (status, answer) = site.ask("POST", "/v1/accounts", &body.to_string()).await;
    assert_eq!(status, want, "{answer:#}");
    answer
}
