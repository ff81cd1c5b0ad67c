//! Tests of the precedence of discovery sources, on a network and a clock that the test controls.

use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{pending, ready};
use model::discovery::{DiscoveryResult, Outcome, Source};
use model::port::BoxFuture;
use model::port::clock::Clock;
use model::port::dial::DialError;
use model::port::lookup::{Document, Fetch, FetchError, LookupError, MxHost, Resolve, Service};
use model::provider::{Auth, Origin};

use crate::discovery::Discovery;
use crate::discovery::ispdb::{Ispdb, LocalIspdb};
use crate::discovery::search::Network;
use crate::providers::Profiles;
use crate::tests::clock::Owned;

const LIMIT: Duration = Duration::from_secs(10);

/// A scripted network: names that are not scripted do not exist.
#[derive(Debug, Default)]
struct World {
    mx: HashMap<String, Vec<String>>,
    srv: HashMap<String, Vec<(String, u16)>>,
    files: HashMap<String, String>,
    /// Queries that are never answered.
    silent: HashSet<String>,
    private: HashSet<String>,
    /// Hosts that do not exist.
    absent: HashSet<String>,
    asked: Mutex<Vec<String>>,
}

impl World {
    fn ask(&self, question: &str) -> bool {
        self.asked.lock().push(question.to_owned());
        self.silent.contains(question)
    }

    /// The SRV records of acme, the preferred first.
    fn imaps(&mut self, hosts: &[&str]) {
        let records = hosts.iter().map(|host| ((*host).to_owned(), 993)).collect();
        self.srv.insert("_imaps._tcp.acme.example".to_owned(), records);
    }
}

impl Resolve for World {
    fn exchangers<'a>(
        &'a self,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<Vec<MxHost>, LookupError>> {
        if self.ask(domain) {
            return Box::pin(pending());
        }
        let hosts = self.mx.get(domain).cloned().unwrap_or_default();
        let exchangers = hosts.into_iter().map(|host| MxHost { preference: 10, host }).collect();
        Box::pin(ready(Ok(exchangers)))
    }

    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Service>, LookupError>> {
        if self.ask(name) {
            return Box::pin(pending());
        }
        let found = self.srv.get(name).cloned().unwrap_or_default().into_iter();
        let services = found.map(|(host, port)| Service { priority: 0, weight: 0, port, host });
        Box::pin(ready(Ok(services.collect())))
    }

    fn check_egress<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<(), DialError>> {
        self.ask(&format!("vet {host}"));
        let reason = "the address is not a public one";
        Box::pin(ready(if self.private.contains(host) {
            Err(DialError::NotAllowed { host: host.to_owned(), port, reason })
        } else if self.absent.contains(host) {
            Err(DialError::NotFound { host: host.to_owned() })
        } else {
            Ok(())
        }))
    }
}

impl Fetch for World {
    fn get<'a>(&'a self, url: &'a str, _: usize) -> BoxFuture<'a, Result<Document, FetchError>> {
        if self.ask(url) {
            return Box::pin(pending());
        }
        let document = match self.files.get(url) {
            Some(text) => Document { status: 200, body: Bytes::copy_from_slice(text.as_bytes()) },
            None => Document { status: 404, body: Bytes::new() },
        };
        Box::pin(ready(Ok(document)))
    }

    fn post_xml<'a>(
        &'a self,
        url: &'a str,
        xml: String,
        most: usize,
    ) -> BoxFuture<'a, Result<Document, FetchError>> {
        assert!(xml.contains("postmaster@"), "{xml}");
        self.get(url, most)
    }
}

const AUTOCONFIG: &str = "https://autoconfig.acme.example/mail/config-v1.1.xml";
const WELL_KNOWN: &str = "https://acme.example/.well-known/autoconfig/mail/config-v1.1.xml";

#[tokio::test]
async fn the_table_answers_without_a_question() {
    let site = Site::new(World::default());
    let found = site.find("QQ.com").await;
    check(&found, Some(("qq", Origin::BuiltIn, false)), &[(Source::Table, Outcome::Used)]);
    assert_eq!(site.questions(), 0);
    assert_eq!(found.steps.len(), 8, "{found:?}");
    check(&site.find("no domain").await, None, &[]);
}

#[tokio::test]
async fn the_exchanger_of_a_known_service_is_stronger_than_the_domains_own_file() {
    let mut world = World::default();
    world.mx.insert("acme.example".to_owned(), vec!["mx1.messagingengine.com".to_owned()]);
    world.files.insert(AUTOCONFIG.to_owned(), file("imap.acme.example"));
    let found = Site::new(world).find("acme.example").await;
    check(&found, Some(("fastmail", Origin::BuiltIn, false)), &[(Source::Mx, Outcome::Used)]);
}

#[tokio::test]
async fn a_weaker_source_waits_for_a_stronger_one() {
    let mut world = World::default();
    world.imaps(&["a.acme.example"]);
    world.files.insert(WELL_KNOWN.to_owned(), file("b.acme.example"));
    world.silent.insert(AUTOCONFIG.to_owned());
    let site = Site::new(world);
    let mut find = pin!(site.find("acme.example"));
    assert!((&mut find).now_or_never().is_none(), "it does not wait");
    site.clock.advance(LIMIT / 2);
    let found = find.await;
    let want = [
        (Source::Mx, Outcome::Nothing),
        (Source::Autoconfig, Outcome::Failed),
        (Source::WellKnown, Outcome::Used),
        (Source::Srv, Outcome::Unused),
    ];
    check(&found, Some(("acme.example", Origin::WellKnown, false)), &want);
    assert_eq!(host(&found), "b.acme.example");
    let late = &found.steps.iter().find(|step| step.source == Source::Autoconfig).unwrap();
    assert_eq!(late.took, LIMIT / 2);
    assert_eq!(late.reason, "no answer within 5 seconds");
}

#[tokio::test]
async fn nobody_waits_for_what_is_weaker() {
    let mut world = World::default();
    world.files.insert(AUTOCONFIG.to_owned(), file("imap.acme.example"));
    world.silent.insert("_imap._tcp.acme.example".to_owned());
    let found = Site::new(world).find("acme.example").await;
    let want = [(Source::Autoconfig, Outcome::Used), (Source::Srv, Outcome::Unused)];
    check(&found, Some(("acme.example", Origin::Autoconfig, false)), &want);
}

#[tokio::test]
async fn a_search_ends_when_its_time_is_over() {
    let mut world = World::default();
    for question in ["acme.example", AUTOCONFIG, WELL_KNOWN, "_imaps._tcp.acme.example"] {
        world.silent.insert(question.to_owned());
    }
    let site = Site::new(world);
    let mut find = pin!(site.find("acme.example"));
    assert!((&mut find).now_or_never().is_none());
    site.clock.advance(LIMIT);
    let found = find.await;
    let want = [
        (Source::Mx, Outcome::Failed),
        (Source::Autoconfig, Outcome::Failed),
        (Source::WellKnown, Outcome::Failed),
        (Source::Ispdb, Outcome::Off),
        (Source::Srv, Outcome::Failed),
    ];
    check(&found, None, &want);
}

#[tokio::test]
async fn the_slow_domains_of_one_tenant_do_not_hold_up_another() {
    let mut world = World::default();
    let domains: Vec<String> = (0..8).map(|at| format!("slow{at}.example")).collect();
    world.silent.extend(domains.iter().cloned());
    let site = Site::new(world);
    let mut slow: Vec<_> = domains.iter().map(|domain| Box::pin(site.find(domain))).collect();
    assert!(slow.iter_mut().all(|find| find.now_or_never().is_none()));
    let mut ninth = pin!(site.find("fast.example"));
    assert!((&mut ninth).now_or_never().is_none(), "it had no turn to wait for");
    let globex = "globex".parse().unwrap();
    assert!(site.discovery.find(&globex, "other.example").now_or_never().is_some());
    site.clock.advance(LIMIT / 2);
    for find in slow {
        find.await;
    }
    check(&ninth.await, None, &[(Source::Mx, Outcome::Nothing)]);
}

#[tokio::test]
async fn the_slow_domains_of_many_tenants_are_so_many_at_once() {
    let mut world = World::default();
    let domains: Vec<String> = (0..32).map(|at| format!("slow{at}.example")).collect();
    world.silent.extend(domains.iter().cloned());
    let site = Site::new(world);
    let tenants = ["a", "b", "c", "d"].map(|tenant| tenant.parse().unwrap());
    let mut slow: Vec<_> = tenants
        .iter()
        .zip(domains.chunks(8))
        .flat_map(|(tenant, domains)| domains.iter().map(move |domain| (tenant, domain)))
        .map(|(tenant, domain)| Box::pin(site.discovery.find(tenant, domain)))
        .collect();
    assert!(slow.iter_mut().all(|find| find.now_or_never().is_none()));
    let mut last = pin!(site.find("fast.example"));
    assert!((&mut last).now_or_never().is_none(), "it had no turn to wait for");
    site.clock.advance(LIMIT / 2);
    for find in slow {
        find.await;
    }
    check(&last.await, None, &[(Source::Mx, Outcome::Nothing)]);
}

/// Two rounds of slow domains end at the limit, and the third never got a permit.
#[tokio::test]
async fn who_waits_for_a_turn_waits_within_the_limit() {
    let mut world = World::default();
    let slow: Vec<String> = (0..17).map(|at| format!("slow{at}.example")).collect();
    world.silent.extend(slow.iter().cloned());
    let site = Site::new(world);
    let mut all: Vec<_> = slow.iter().map(|domain| Box::pin(site.find(domain))).collect();
    let mut last = all.pop().unwrap();
    for _ in 0..2 {
        all.retain_mut(|find| find.now_or_never().is_none());
        assert!((&mut last).now_or_never().is_none());
        site.clock.advance(LIMIT / 2);
    }
    let found = last.now_or_never().expect("its end");
    check(&found, None, &[(Source::Mx, Outcome::Failed), (Source::Srv, Outcome::Failed)]);
    assert_eq!(reason(&found, Source::Mx), "no answer within 10 seconds");
}

/// Whatever the domain publishes: its servers are many, and none of them exists.
#[tokio::test]
async fn a_search_asks_so_many_questions_and_no_more() {
    let mut world = World::default();
    let hosts: Vec<String> = (0..50).map(|at| format!("h{at}.acme.example")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let exchangers = hosts.iter().map(|host| host.replace("acme", "hoster")).collect();
    world.mx.insert("acme.example".to_owned(), exchangers);
    world.imaps(&hosts);
    world.absent.extend(hosts.iter().map(|host| (*host).to_owned()));
    let servers: String = hosts.iter().map(|host| file(host)).collect();
    let servers =
        servers.replace("</emailProvider></clientConfig><clientConfig><emailProvider><x/>", "");
    for url in [AUTOCONFIG, WELL_KNOWN] {
        world.files.insert(url.to_owned(), servers.clone());
    }
    let site = Site::with(world, Ispdb::Web("https://db.example/".to_owned()));
    check(&site.find("acme.example").await, None, &[(Source::Srv, Outcome::Failed)]);
    let asked = site.world.asked.lock();
    let vetted = asked.iter().filter(|question| question.starts_with("vet ")).count();
    // Servers: four from each of two files and from the records.
    assert_eq!((vetted, asked.len() - vetted), (12, 11), "{asked:#?}");
}

#[tokio::test]
async fn one_server_that_may_not_be_dialled_condemns_its_source() {
    let mut world = World::default();
    world.files.insert(AUTOCONFIG.to_owned(), file("inside.acme.example"));
    world.private.insert("inside.acme.example".to_owned());
    let submissions = "_submissions._tcp.acme.example".to_owned();
    world.srv.insert(submissions, vec![("s.acme.example".to_owned(), 465)]);
    let found = Site::new(world).find("acme.example").await;
    let want = [(Source::Autoconfig, Outcome::Refused), (Source::Srv, Outcome::Used)];
    check(&found, Some(("acme.example", Origin::Srv, false)), &want);
    let refused = found.steps.iter().find(|step| step.outcome == Outcome::Refused).unwrap();
    assert!(refused.reason.contains("not a public one"), "{refused:?}");
    let profile = found.profile.unwrap();
    assert!(profile.imap.is_none());
    assert_eq!(profile.auth, [Auth::Password]);
}

#[tokio::test]
async fn a_server_behind_a_good_one_condemns_its_source_too() {
    let mut world = World::default();
    world.imaps(&["a.acme.example", "inside.acme.example"]);
    world.private.insert("inside.acme.example".to_owned());
    let found = Site::new(world).find("acme.example").await;
    check(&found, None, &[(Source::Srv, Outcome::Refused)]);
    assert!(reason(&found, Source::Srv).contains("inside.acme.example"), "{found:#?}");
}

#[tokio::test]
async fn the_first_server_that_is_there_is_taken_and_of_many_it_is_said() {
    let mut world = World::default();
    let hosts = ["a", "b", "c", "d", "e"].map(|host| format!("{host}.acme.example"));
    world.imaps(&hosts.each_ref().map(String::as_str));
    world.absent.insert("a.acme.example".to_owned());
    // It is not used, so it is not checked.
    world.private.insert("e.acme.example".to_owned());
    let found = Site::new(world).find("acme.example").await;
    check(&found, Some(("acme.example", Origin::Srv, false)), &[(Source::Srv, Outcome::Used)]);
    assert_eq!(host(&found), "b.acme.example");
    let told = "it names b.acme.example:993; of each kind the first 4 servers were looked at";
    assert_eq!(reason(&found, Source::Srv), told);
}

#[tokio::test]
async fn a_server_of_strangers_asks_for_consent() {
    let confirm = async |server: &str, mx: &str| {
        let mut world = World::default();
        world.files.insert(AUTOCONFIG.to_owned(), file(server));
        world.mx.insert("acme.example".to_owned(), vec![mx.to_owned()]);
        Site::new(world).find("acme.example").await.confirm
    };
    assert!(!confirm("imap.acme.example", "mx.acme.example").await);
    assert!(confirm("imap.thief.example", "mx.acme.example").await);
    assert!(!confirm("imap.hoster.example", "mx7.hoster.example").await);
}

#[tokio::test]
async fn what_was_found_is_remembered_and_that_there_is_nothing_for_less_long() {
    let site = Site::new(World::default());
    check(&site.find("acme.example").await, None, &[]);
    let questions = site.questions();
    assert!(questions > 0);
    check(&site.find("acme.example").await, None, &[(Source::Cache, Outcome::Used)]);
    assert_eq!(site.questions(), questions);
    site.clock.advance(Duration::from_secs(60));
    site.find("acme.example").await;
    assert_eq!(site.questions(), 2 * questions);
}

#[tokio::test]
async fn a_tenants_own_file_goes_first_and_is_nobody_elses() {
    let own = "id = \"own\"\nname = \"Own\"\ndomains = [\"qq.com\"]\n[imap]\nhost = \"imap.own.example\"\nport = 993\nsecurity = \"tls\"\nusername = \"email\"\nconfidence = \"unverified\"\n[mx]\nsuffixes = [\"mx.own.example\"]\nconfidence = \"unverified\"\n[auth]\nmethods = [\"password\"]\nconfidence = \"unverified\"\n";
    let mut world = World::default();
    world.mx.insert("acme.example".to_owned(), vec!["mx.own.example".to_owned()]);
    let mut site = Site::new(world);
    let table = Profiles::of_tenant(&[("own.toml".to_owned(), own.to_owned())]).unwrap();
    site.discovery.tenants.insert("acme".parse().unwrap(), table);
    let want = Some(("own", Origin::Tenant, false));
    check(&site.find("qq.com").await, want, &[(Source::Tenant, Outcome::Used)]);
    check(&site.find("acme.example").await, want, &[(Source::Mx, Outcome::Used)]);
    let globex = "globex".parse().unwrap();
    let other = site.discovery.find(&globex, "qq.com").await;
    check(&other, Some(("qq", Origin::BuiltIn, false)), &[(Source::Tenant, Outcome::Off)]);
    check(&site.discovery.find(&globex, "acme.example").await, None, &[]);
}

#[tokio::test]
async fn a_local_database_knows_a_domain_or_its_exchangers_owner() {
    let text = file("imap.hoster.example").replace("<x/>", "<domain>hoster.example</domain>");
    let local = LocalIspdb::read(&[("a.xml".to_owned(), text.into_bytes())]).unwrap();
    let mut world = World::default();
    world.mx.insert("acme.example".to_owned(), vec!["mx.hoster.example".to_owned()]);
    let site = Site::with(world, Ispdb::Local(local));
    for domain in ["hoster.example", "acme.example"] {
        let want = Some((domain, Origin::Ispdb, false));
        check(&site.find(domain).await, want, &[(Source::Ispdb, Outcome::Used)]);
    }
    check(&site.find("other.example").await, None, &[(Source::Ispdb, Outcome::Nothing)]);
    let bad = LocalIspdb::read(&[("b.xml".to_owned(), b"<x/>".to_vec())]).unwrap_err();
    assert_eq!(bad.to_string(), "b.xml: the file is not a clientConfig");
}

#[tokio::test]
async fn a_database_of_the_web_is_asked_for_the_domain_and_then_for_the_exchangers_owner() {
    let mut world = World::default();
    world.mx.insert("acme.example".to_owned(), vec!["mx.hoster.example".to_owned()]);
    world.files.insert("https://db.example/hoster.example".to_owned(), file("imap.hoster.example"));
    let site = Site::with(world, Ispdb::Web("https://db.example/".to_owned()));
    let found = site.find("acme.example").await;
    let want = Some(("acme.example", Origin::Ispdb, false));
    check(&found, want, &[(Source::Ispdb, Outcome::Used)]);
}

struct Site {
    discovery: Discovery,
    clock: Arc<Owned>,
    world: Arc<World>,
}

impl Site {
    fn new(world: World) -> Self {
        Self::with(world, Ispdb::Off)
    }

    fn with(world: World, ispdb: Ispdb) -> Self {
        let (clock, world) = (Arc::new(Owned::default()), Arc::new(world));
        let network = Network {
            autodiscover: true,
            resolve: world.clone(),
            fetch: world.clone(),
            ispdb,
            database: world.clone(),
            https_port: 443,
            limit: LIMIT,
        };
        let profiles = Arc::new(Profiles::embedded().unwrap());
        let own: Arc<dyn Clock> = clock.clone();
        let discovery = Discovery::new(profiles, HashMap::new(), Some(network), own);
        Self { discovery, clock, world }
    }

    async fn find(&self, domain: &str) -> DiscoveryResult {
        self.discovery.find(&"acme".parse().unwrap(), domain).await
    }

    fn questions(&self) -> usize {
        self.world.asked.lock().len()
    }
}

fn file(imap: &str) -> String {
    format!(
        "<clientConfig><emailProvider><x/><incomingServer type=\"imap\"><hostname>{imap}</hostname><port>993</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer></emailProvider></clientConfig>"
    )
}

fn host(found: &DiscoveryResult) -> &str {
    &found.profile.as_ref().unwrap().imap.as_ref().unwrap().host
}

fn reason(found: &DiscoveryResult, source: Source) -> &str {
    &found.steps.iter().find(|step| step.source == source).unwrap().reason
}

/// Checks id, origin and whether confirmation is needed; and the outcome of some steps.
#[track_caller]
fn check(found: &DiscoveryResult, want: Option<(&str, Origin, bool)>, steps: &[(Source, Outcome)]) {
    let got = found.profile.as_ref();
    let got = got.map(|profile| (profile.id.as_str(), profile.origin, found.confirm));
    assert_eq!(got, want, "{found:#?}");
    let order: Vec<Source> = found.steps.iter().map(|step| step.source).collect();
    assert!(order.is_sorted(), "{order:?}");
    for (source, outcome) in steps {
        let step = found.steps.iter().find(|step| step.source == *source);
        assert_eq!(step.map(|step| step.outcome), Some(*outcome), "{source:?}: {found:#?}");
    }
}
