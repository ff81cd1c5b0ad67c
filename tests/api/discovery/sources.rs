//! Tests of discovery sources: SRV, autoconfig, Autodiscover, ISPDB and data files, in their order.

use serde_json::{Value, json};

use crate::discovery::site::{Site, step};
use testkit::servers::dns::Zone;
use testkit::servers::web::{Reply, Web, autodiscovered, config};

const NAMES: [&str; 7] = [
    "autoconfig.auto.test",
    "known.test",
    "autoconfig.away.test",
    "autoconfig.hosted.test",
    "autoconfig.moved.test",
    "files.moved.test",
    "ispdb.test",
];

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_used_in_their_order() {
    let zone = Zone::default();
    let web = Web::start(&NAMES).await;
    for name in NAMES {
        zone.address(name, "127.0.0.1");
    }
    for name in ["imap.auto.test", "smtp.auto.test", "mail.known.test", "imap.srv.test"] {
        zone.address(name, "127.0.0.1");
    }
    for name in ["smtp.srv.test", "imap.elsewhere.test", "imap.hoster.test", "imap.listed.test"] {
        zone.address(name, "127.0.0.1");
    }
    let auto = "/mail/config-v1.1.xml";
    web.say(&format!("autoconfig.auto.test{auto}"), config("imap.auto.test", "smtp.auto.test"));
    let well_known = "known.test/.well-known/autoconfig/mail/config-v1.1.xml";
    web.say(well_known, config("mail.known.test", "mail.known.test"));
    let away = config("imap.elsewhere.test", "imap.elsewhere.test");
    web.say(&format!("autoconfig.away.test{auto}"), away);
    let hosted = config("imap.hoster.test", "imap.hoster.test");
    web.say(&format!("autoconfig.hosted.test{auto}"), hosted);
    zone.mx("hosted.test", "mx1.hoster.test");
    let there = format!("https://files.moved.test:{}/x.xml", web.address.port());
    web.say(&format!("autoconfig.moved.test{auto}"), Reply::Redirect(there));
    web.say("files.moved.test/x.xml", config("imap.auto.test", "smtp.auto.test"));
    web.say("ispdb.test/v1.1/listed.test", config("imap.listed.test", "imap.listed.test"));
    zone.mx("acme.test", "in1-smtp.messagingengine.com");
    zone.srv("_imaps._tcp.srv.test", ".", 0);
    zone.srv("_imap._tcp.srv.test", "imap.srv.test", 143);
    zone.srv("_submission._tcp.srv.test", "smtp.srv.test", 465);
    let ispdb = format!("[discovery]\nispdb = \"https://ispdb.test:{}/v1.1\"", web.address.port());
    let site = Site::start(&zone, &web, &ispdb, &[]).await;

    let (status, found) = site.find("acme.test").await;
    assert_eq!((status, &found["id"], &found["confirm"]), (200, &json!("fastmail"), &json!(false)));
    assert_eq!(step(&found, "mx").0, "used");

    let found = good(&site, "auto.test", "autoconfig", false).await;
    assert_eq!(found["imap"], server("imap.auto.test", 993, "tls", "ann.canary@auto.test"));
    assert_eq!(found["smtp"], server("smtp.auto.test", 587, "starttls", "ann.canary"));
    assert_eq!(found["auth"], json!(["password"]));
    assert!(found["hint"].is_string() && found["recommendation"]["read"] == "imap", "{found:#}");
    assert_eq!(step(&found, "table").0, "nothing");

    good(&site, "known.test", "well-known", false).await;
    good(&site, "away.test", "autoconfig", true).await;
    good(&site, "hosted.test", "autoconfig", false).await;
    good(&site, "moved.test", "autoconfig", true).await;
    good(&site, "listed.test", "ispdb", false).await;

    let found = good(&site, "srv.test", "srv", false).await;
    assert_eq!(found["imap"], server("imap.srv.test", 143, "starttls", "ann.canary@srv.test"));
    assert_eq!(found["smtp"], server("smtp.srv.test", 465, "tls", "ann.canary@srv.test"));

    let before = web.requests().len();
    let again = good(&site, "known.test", "well-known", false).await;
    assert_eq!(step(&again, "cache").0, "used");
    assert_eq!(web.requests().len(), before, "the result was not cached");

    let (status, nothing) = site.find("nowhere.test").await;
    assert_eq!((status, &nothing["code"]), (404, &json!("no-such-provider")));
    for source in ["table", "mx", "autoconfig", "well-known", "ispdb", "srv"] {
        assert_eq!(step(&nothing, source).0, "nothing", "{source}: {nothing:#}");
    }
    assert!(web.requests().len() > 8);
    for request in web.requests() {
        assert!(!request.contains("canary"), "the local part was sent: {request}");
    }
}

const AUTODISCOVERED: [&str; 3] =
    ["autodiscover.found.test", "own.test", "autodiscover.moved.test"];

#[tokio::test(flavor = "multi_thread")]
async fn autodiscover_is_used_when_enabled_and_receives_no_local_part() {
    let (zone, web) = (Zone::default(), Web::start(&AUTODISCOVERED).await);
    for name in ["autodiscover.found.test", "imap.found.test", "own.test", "imap.own.test"] {
        zone.address(name, "127.0.0.1");
    }
    let path = "/autodiscover/autodiscover.xml";
    web.say(&format!("autodiscover.found.test{path}"), autodiscovered("imap.found.test"));
    web.say(&format!("own.test{path}"), autodiscovered("imap.own.test"));
    let site = Site::start(&zone, &web, "[discovery]\nautodiscover = true", &[]).await;
    let found = good(&site, "found.test", "autodiscover", false).await;
    assert_eq!(found["imap"], server("imap.found.test", 993, "tls", "ann.canary"));
    assert_eq!(step(&found, "srv").0, "nothing");
    good(&site, "own.test", "autodiscover", false).await;
    let sent = web.requests().concat();
    assert!(sent.contains("POST /autodiscover/") && !sent.contains("canary"), "{sent}");

    zone.address("autodiscover.moved.test", "127.0.0.1");
    let there = format!("https://own.test:{}{path}", web.address.port());
    web.say(&format!("autodiscover.moved.test{path}"), Reply::Redirect(there));
    let (status, refused) = site.find("moved.test").await;
    assert_eq!((status, step(&refused, "autodiscover").0), (404, "refused"));

    let quiet = Site::start(&zone, &web, "", &[]).await;
    let (status, nothing) = quiet.find("found.test").await;
    assert_eq!((status, step(&nothing, "autodiscover").0), (404, "off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_added_to_the_data_files_is_found() {
    let (zone, web) = (Zone::default(), Web::start(&["unused.test"]).await);
    let file = |id: &str, domain: &str| {
        format!(
            "id = \"{id}\"\nname = \"{id}\"\ndomains = [\"{domain}\"]\n[imap]\nhost = \"imap.{domain}\"\nport = 993\nsecurity = \"tls\"\nusername = \"email\"\nconfidence = \"unverified\"\n[auth]\nmethods = [\"app-password\"]\nconfidence = \"unverified\"\n"
        )
    };
    let (added, own) = (file("added", "added.test"), file("own", "qq.com"));
    let files = [("providers.d/added.toml", added.as_str()), ("own/own.toml", own.as_str())];
    let more = "[providers]\ndirectory = \"providers.d\"\n[discovery]\nnetwork = false";
    let site = Site::start(&zone, &web, more, &files).await;
    let found = good(&site, "added.test", "operator", false).await;
    assert_eq!(found["imap"]["host"], "imap.added.test");
    assert_eq!(step(&found, "table").0, "used");
    let found = good(&site, "qq.com", "tenant", false).await;
    assert_eq!(found["id"], "own");
    let (status, nothing) = site.find("auto.test").await;
    assert_eq!(status, 404);
    assert_eq!(
        nothing["explain"].as_array().unwrap().len(),
        2,
        "the network was used: {nothing:#}"
    );
}

async fn good(site: &Site, domain: &str, source: &str, confirm: bool) -> Value {
    let (status, found) = site.find(domain).await;
    assert_eq!(status, 200, "{domain}: {found:#}");
    assert_eq!(found["source"], source, "{domain}: {found:#}");
    assert_eq!(found["confirm"], confirm, "{domain}: {found:#}");
    found
}

fn server(host: &str, port: u16, security: &str, username: &str) -> Value {
    json!({"host": host, "port": port, "security": security, "username": username})
}
