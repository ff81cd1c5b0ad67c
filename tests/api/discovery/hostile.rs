//! Tests of hostile domains, which try to make the host parse, fetch, store or connect to what it
//! must not. Each is refused, and `explain` gives the reason.

use serde_json::json;
use tokio::net::TcpListener;

use crate::discovery::site::{Site, step};
use testkit::servers::dns::Zone;
use testkit::servers::web::{Reply, Web, config};

const AUTO: &str = "/mail/config-v1.1.xml";

/// A domain, its autoconfig file, and the expected reason.
fn files() -> Vec<(&'static str, Reply, &'static str, &'static str)> {
    let text = |text: &str| Reply::Document(text.to_owned());
    let xxe = "<!DOCTYPE c [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><clientConfig><emailProvider><displayName>&x;</displayName></emailProvider></clientConfig>";
    let bomb = "<!DOCTYPE c [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><clientConfig>&c;</clientConfig>";
    let away = |to: &str| Reply::Redirect(to.to_owned());
    let large = |announced| Reply::Large { bytes: 10 << 20, announced };
    let here = |domain: &str, path: &str| format!("https://autoconfig.{domain}:PORT{path}");
    vec![
        ("xxe.test", text(xxe), "refused", "DTD"),
        ("bomb.test", text(bomb), "refused", "DTD"),
        ("wide.test", text(&format!("<a>{}</a>", "<b/>".repeat(9000))), "refused", "4096 nodes"),
        ("deep.test", text(&"<a>".repeat(20_000)), "refused", "4096 nodes"),
        ("large.test", large(true), "refused", "larger than 65536 bytes"),
        ("endless.test", large(false), "refused", "larger than 65536 bytes"),
        ("http.test", away("http://autoconfig.http.test/x"), "refused", "not https"),
        ("file.test", away("file:///etc/passwd"), "refused", "not https"),
        ("port.test", away("https://autoconfig.port.test:22/x"), "refused", "another port"),
        ("inside.test", away("https://10.0.0.1:PORT/x"), "refused", "not a"),
        ("loop.test", away(&here("loop.test", AUTO)), "refused", "more than twice"),
        ("stranger.test", away("https://wrong.test:PORT/x"), "refused", "another host"),
        ("html.test", text("<html><body>Hello</body></html>"), "failed", "not a clientConfig"),
        ("text.test", text("imap.text.test 993"), "failed", "not XML"),
        ("busy.test", Reply::Status(503), "failed", "status 503"),
        ("plain.test", plain(), "refused", "without TLS"),
        ("ssh.test", port(22), "refused", "993, 143, 465 and 587"),
        ("literal.test", config("127.0.0.9", "10.1.2.3"), "refused", "not a public one"),
        ("metadata.test", config("169.254.169.254", "smtp.ok.test"), "refused", "not a public one"),
        ("none.test", config("imap.none.test", "smtp.ok.test"), "failed", "cannot be found"),
    ]
}

fn plain() -> Reply {
    let Reply::Document(text) = config("smtp.ok.test", "smtp.ok.test") else { unreachable!() };
    Reply::Document(text.replace("SSL", "plain").replace("STARTTLS", "plain"))
}

fn port(port: u16) -> Reply {
    let Reply::Document(text) = config("smtp.ok.test", "smtp.ok.test") else { unreachable!() };
    Reply::Document(text.replace("993", &port.to_string()))
}

/// An address of every non-public range.
const INSIDE: [&str; 10] = [
    "10.0.0.1",
    "127.0.0.2",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.168.1.1",
    "fd00:ec2::254",
    "fe80::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
];

#[tokio::test(flavor = "multi_thread")]
async fn unsafe_servers_are_refused_with_a_reason() {
    let zone = Zone::default();
    let files = files();
    let mut names: Vec<String> =
        files.iter().map(|(domain, ..)| format!("autoconfig.{domain}")).collect();
    let inside = |at: usize| format!("inside{at}.test");
    names.extend((0..INSIDE.len()).map(|at| format!("autoconfig.{}", inside(at))));
    let web = Web::start(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for name in names.iter().map(String::as_str).chain(["smtp.ok.test", "wrong.test"]) {
        zone.address(name, "127.0.0.1");
    }
    let port = web.address.port().to_string();
    for (domain, reply, ..) in &files {
        let reply = if let Reply::Redirect(to) = reply {
            Reply::Redirect(to.replace("PORT", &port))
        } else {
            reply.clone()
        };
        web.say(&format!("autoconfig.{domain}{AUTO}"), reply);
    }
    for (at, ip) in INSIDE.iter().enumerate() {
        let domain = inside(at);
        // By its file, by its records, and by the address of its web server.
        web.say(
            &format!("autoconfig.{domain}{AUTO}"),
            config(&format!("imap.{domain}"), "smtp.ok.test"),
        );
        zone.srv(&format!("_imaps._tcp.{domain}"), &format!("imap.{domain}"), 993);
        zone.address(&format!("imap.{domain}"), ip);
        zone.address(&domain, ip);
    }
    zone.srv("_imaps._tcp.srv.test", "smtp.ok.test", 22);
    let site = Site::start(&zone, &web, "", &[]).await;

    let mut wrong = Vec::new();
    for (domain, _, outcome, reason) in &files {
        wrong.extend(check(&site, domain, "autoconfig", outcome, reason).await.err());
    }
    for at in 0..INSIDE.len() {
        let domain = inside(at);
        for source in ["autoconfig", "well-known", "srv"] {
            wrong.extend(check(&site, &domain, source, "refused", "not a public one").await.err());
        }
    }
    let port = "993, 143, 465 and 587";
    wrong.extend(check(&site, "srv.test", "srv", "refused", port).await.err());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(web.requests().iter().all(|request| !request.contains("passwd")));
}

/// DNS rebinding: the name resolves to a permitted address, and a moment later to another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_dns_response_that_changes_between_check_and_connection_is_not_used() {
    let zone = Zone::default();
    let web = Web::start(&["autoconfig.once.test", "autoconfig.flip.test"]).await;
    // A listener at the second address. Only the first is permitted.
    let trap = TcpListener::bind(("127.0.0.2", web.address.port())).await.unwrap();
    for domain in ["once.test", "flip.test"] {
        zone.address(&format!("autoconfig.{domain}"), "127.0.0.1");
        zone.address(&format!("autoconfig.{domain}"), "127.0.0.2");
        let imap = format!("imap.{domain}");
        web.say(&format!("autoconfig.{domain}{AUTO}"), config(&imap, &imap));
    }
    web.say(&format!("autoconfig.flip.test{AUTO}"), Reply::Redirect("/again".to_owned()));
    // Permitted when it is found and when it is stored; then the name moves to a private address.
    zone.address("imap.once.test", "127.0.0.1");
    zone.address("imap.once.test", "127.0.0.1");
    zone.address("imap.once.test", "10.0.0.1");
    let site = Site::start(&zone, &web, "", &[]).await;

    let (status, found) = site.find("once.test").await;
    assert_eq!(status, 200, "{found:#}");
    assert_eq!(
        zone.asked("autoconfig.once.test"),
        1,
        "check and connection used different DNS responses"
    );
    let body = json!({
        "id": "ann", "email": "ann@once.test", "password": "x",
        "imap": {"host": "imap.once.test", "port": 993, "security": "tls", "username": "ann"},
    });
    let (status, made) = site.ask("POST", "/v1/accounts", &body.to_string()).await;
    assert_eq!(status, 201, "{made:#}");
    let (_, verdict) = site.ask("POST", "/v1/accounts/ann/verify", "").await;
    assert_eq!(verdict["imap"]["code"], "host-not-allowed", "{verdict:#}");

    check(&site, "flip.test", "autoconfig", "refused", "not a public one").await.unwrap();
    assert_eq!(zone.asked("autoconfig.flip.test"), 2);
    let caught = tokio::select! {
        biased;
        caught = trap.accept() => caught.is_ok(),
        () = std::future::ready(()) => false,
    };
    assert!(!caught, "the second address was connected to");
}

/// Hosts that the operator names may be private; that opens nothing to hosts that a domain names,
/// or that the operator's database redirects to.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_for_the_operators_database_opens_nothing_to_domains() {
    let names = ["autoconfig.auto.test", "autoconfig.away.test", "ispdb.test", "other.test"];
    let (zone, web) = (Zone::default(), Web::start(&names).await);
    for name in names.into_iter().chain(["imap.auto.test", "imap.listed.test"]) {
        zone.address(name, "127.0.0.1");
    }
    let port = web.address.port();
    web.say(&format!("autoconfig.auto.test{AUTO}"), config("imap.auto.test", "imap.auto.test"));
    let listed = config("imap.listed.test", "imap.listed.test");
    web.say("ispdb.test/v1/listed.test", Reply::Redirect("/elsewhere".to_owned()));
    web.say("ispdb.test/elsewhere", listed.clone());
    let away = Reply::Redirect(format!("https://other.test:{port}/x"));
    web.say("ispdb.test/v1/moved.test", away);
    web.say("other.test/x", listed);
    let allow = format!("allow = [\"127.0.0.1\", \"{}\"]", web.address);
    let ispdb = format!("[discovery]\nispdb = \"https://ispdb.test:{port}/v1\"");
    let site = Site::under(&allow, &zone, &web, &ispdb, &[]).await;

    check(&site, "auto.test", "autoconfig", "refused", "`egress.fetch`").await.unwrap();
    let (status, found) = site.find("listed.test").await;
    assert_eq!((status, step(&found, "ispdb").0), (200, "used"), "{found:#}");
    check(&site, "moved.test", "ispdb", "refused", "`egress.fetch`").await.unwrap();
    let asked = web.requests();
    assert!(asked.iter().all(|asked| asked.contains("host: ispdb.test")), "{asked:?}");
}

/// A failing name server is no evidence about the domain, not even that a record does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn a_dns_failure_is_reported_as_one() {
    let zone = Zone::default();
    let web = Web::start(&[]).await;
    for name in ["sick.test", "autoconfig.sick.test", "_imaps._tcp.sick.test", "imap.named.test"] {
        zone.fail(name);
    }
    zone.srv("_imaps._tcp.named.test", "imap.named.test", 993);
    let site = Site::start(&zone, &web, "", &[]).await;
    let (status, found) = site.find("sick.test").await;
    assert_eq!(status, 404, "{found:#}");
    for source in ["mx", "autoconfig", "well-known", "srv"] {
        assert_eq!(step(&found, source).0, "failed", "{source}: {found:#}");
    }
    check(&site, "named.test", "srv", "failed", "the name servers gave no answer").await.unwrap();
    // A record that does not exist is reported as such.
    check(&site, "named.test", "autoconfig", "nothing", "cannot be found").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_respond_is_abandoned() {
    let zone = Zone::default();
    let web = Web::start(&["autoconfig.slow.test", "autoconfig.mute.test"]).await;
    for domain in ["slow.test", "mute.test"] {
        zone.address(&format!("autoconfig.{domain}"), "127.0.0.1");
        web.say(&format!("autoconfig.{domain}{AUTO}"), Reply::Silence);
    }
    zone.srv("_imaps._tcp.slow.test", "imap.slow.test", 993);
    zone.address("imap.slow.test", "127.0.0.1");
    let site = Site::start(&zone, &web, "[discovery]\ntimeout-secs = 2", &[]).await;
    let (status, found) = site.find("slow.test").await;
    assert_eq!((status, &found["source"]), (200, &json!("srv")), "{found:#}");
    let late = ("failed", "no answer within 1 seconds");
    assert_eq!(step(&found, "autoconfig"), late);
    let (status, found) = site.find("mute.test").await;
    assert_eq!((status, step(&found, "autoconfig")), (404, late));
}

/// Asserts that nothing is found, with this outcome and reason of the step.
async fn check(
    site: &Site,
    domain: &str,
    source: &str,
    outcome: &str,
    reason: &str,
) -> Result<(), String> {
    let (status, found) = site.find(domain).await;
    let (got, why) = step(&found, source);
    if status == 404 && got == outcome && why.contains(reason) {
        return Ok(());
    }
    Err(format!("{domain}, {source}: {status}, {got}: {why}"))
}

/// A caller who may look up one domain could otherwise make the host look up thousands.
#[tokio::test(flavor = "multi_thread")]
async fn lookups_of_a_tenant_are_rate_limited() {
    let zone = Zone::default();
    let web = Web::start(&[]).await;
    let rate = "lookups-per-minute = 1\nlookups-burst = 3";
    let site = Site::start(&zone, &web, rate, &[]).await;
    for at in 0..3 {
        let (status, found) = site.find(&format!("d{at}.test")).await;
        assert_eq!((status, &found["code"]), (404, &json!("no-such-provider")), "{found:#}");
    }
    let before = zone.questions();
    let body = r#"{"email": "ann@d4.test", "password": "x"}"#;
    for (status, told) in [
        site.find("d3.test").await,
        site.ask("POST", "/v1/accounts", body).await,
        site.ask("POST", "/v1/accounts/verify", body).await,
    ] {
        assert_eq!((status, &told["code"]), (429, &json!("too-many-requests")), "{told:#}");
        assert!(told["retryAfter"].as_u64().is_some_and(|after| after > 0), "{told:#}");
    }
    assert_eq!(zone.questions(), before, "a DNS query was sent");
    // An embedded provider needs no network.
    assert_eq!(site.find("gmail.com").await.0, 200);
    let (status, again) = site.find("d0.test").await;
    assert_eq!((status, step(&again, "cache").0), (404, "used"), "{again:#}");
}
