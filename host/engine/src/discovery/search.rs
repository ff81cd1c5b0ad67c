//! The remote queries of discovery, each with its outcome.
//!
//! All are sent at once; which result is used is decided elsewhere. Only the domain is sent, never
//! the address. An untrusted suggestion becomes a profile only when its servers pass the egress
//! guard now; the connection checks again.
//!
//! Invariant: no host is guessed. A name comes from the domain, from its mail exchanger's entry in
//! a table, or from the operator's database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, Either, FutureExt, Shared};
use model::discovery::{Outcome, Source};
use model::instant::Timestamp;
use model::port::BoxFuture;
use model::port::clock::Clock;
use model::port::dial::DialError;
use model::port::lookup::{Document, Fetch, FetchError, LookupError, MxHost, Resolve};
use model::provider::{About, Auth, Evidence, Fact, Origin, Profile, Quirks};

use crate::discovery::autoconfig::ClientConfig;
use crate::discovery::ispdb::Ispdb;
use crate::discovery::offer::{ServerOffer, Suggestion};
use crate::discovery::xml::Unusable;
use crate::discovery::{autodiscover, same_owner, srv};
use crate::providers::Profiles;

/// The remote sources, the strongest first.
pub(crate) const REMOTE: [Source; 6] = [
    Source::Mx,
    Source::Autoconfig,
    Source::WellKnown,
    Source::Ispdb,
    Source::Srv,
    Source::Autodiscover,
];
const AUTODISCOVER: &str = "/autodiscover/autodiscover.xml";

/// Maximum size of an untrusted document.
const MOST_BYTES: usize = 64 << 10;
/// Servers of one kind whose names are resolved.
const MOST_VETTED: usize = 4;

/// The network access of discovery.
#[derive(Clone)]
pub struct Network {
    pub resolve: Arc<dyn Resolve>,
    /// Fetches URLs that domains determine.
    pub fetch: Arc<dyn Fetch>,
    /// The operator's provider database.
    pub ispdb: Ispdb,
    /// Fetches the database, if it has a URL: one that the operator chose.
    pub database: Arc<dyn Fetch>,
    /// Whether Autodiscover is enabled.
    pub autodiscover: bool,
    /// The https port of domains: 443, except in tests.
    pub https_port: u16,
    /// Time limit of all queries together; a single one has half of it.
    pub limit: Duration,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The result of one query.
#[derive(Debug)]
pub(crate) struct SourceResult {
    pub(crate) source: Source,
    pub(crate) asked: String,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) profile: Option<Profile>,
}

type Answer = Result<(Profile, String), (Outcome, String)>;

/// One search for one domain.
pub(crate) struct Search<'a> {
    network: &'a Network,
    /// The strongest first.
    tables: Vec<&'a Profiles>,
    clock: &'a dyn Clock,
    domain: &'a str,
    mx: Shared<BoxFuture<'a, Result<Vec<MxHost>, LookupError>>>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        network: &'a Network,
        tables: Vec<&'a Profiles>,
        clock: &'a dyn Clock,
        domain: &'a str,
    ) -> Self {
        let mx = network.resolve.exchangers(domain).shared();
        Self { network, tables, clock, domain, mx }
    }

    /// Every query, to be run at once.
    pub(crate) fn questions(&self) -> Vec<BoxFuture<'_, SourceResult>> {
        let ask = |source| -> BoxFuture<'_, SourceResult> { Box::pin(self.ask(source)) };
        REMOTE.map(ask).into()
    }

    /// What a query is sent to, for the report.
    pub(crate) fn asked(&self, source: Source) -> String {
        let domain = self.domain;
        let port = match self.network.https_port {
            443 => String::new(),
            other => format!(":{other}"),
        };
        match source {
            Source::Autoconfig => {
                format!("https://autoconfig.{domain}{port}/mail/config-v1.1.xml")
            }
            Source::WellKnown => {
                format!("https://{domain}{port}/.well-known/autoconfig/mail/config-v1.1.xml")
            }
            Source::Autodiscover => {
                format!("https://autodiscover.{domain}{port}{AUTODISCOVER}")
            }
            Source::Ispdb => match &self.network.ispdb {
                Ispdb::Web(base) => format!("{base}{domain}"),
                Ispdb::Off | Ispdb::Local(_) => domain.to_owned(),
            },
            Source::Srv => srv::LABELS.map(|label| format!("{label}.{domain}")).join(", "),
            Source::Mx | Source::Cache | Source::Tenant | Source::Table => domain.to_owned(),
        }
    }

    /// Whether a person has to confirm these servers before a password is sent: they lie outside
    /// the mail domain and outside the domain of its mail exchangers.
    pub(crate) fn is_strange(&self, profile: &Profile) -> bool {
        let exchangers = match self.mx.peek() {
            Some(Ok(found)) => preferred(found),
            Some(Err(_)) | None => &[],
        };
        let known = |host: &str| {
            same_owner::same_registrable_domain(self.domain, host)
                || exchangers.iter().any(|mx| same_owner::same_registrable_domain(&mx.host, host))
        };
        !profile.imap.iter().chain(&profile.smtp).all(|server| known(&server.host))
    }

    async fn ask(&self, source: Source) -> SourceResult {
        let began = self.clock.monotonic();
        let limit = self.network.limit / 2;
        let answer: BoxFuture<'_, Answer> = match source {
            Source::Mx => Box::pin(self.by_mx()),
            Source::Autoconfig => Box::pin(self.by_file(source, Origin::Autoconfig)),
            Source::WellKnown => Box::pin(self.by_file(source, Origin::WellKnown)),
            Source::Ispdb => Box::pin(self.by_ispdb()),
            Source::Srv => Box::pin(self.by_srv()),
            Source::Autodiscover => Box::pin(self.by_autodiscover()),
            Source::Cache | Source::Tenant | Source::Table => {
                Box::pin(future::ready(Err((Outcome::Nothing, String::new()))))
            }
        };
        let answer = match future::select(answer, self.clock.sleep(limit)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err((Outcome::Failed, late(limit))),
        };
        let took = self.clock.monotonic().saturating_sub(began);
        let asked = self.asked(source);
        match answer {
            Ok((profile, reason)) => {
                let outcome = Outcome::Unused;
                SourceResult { source, asked, took, outcome, reason, profile: Some(profile) }
            }
            Err((outcome, reason)) => {
                SourceResult { source, asked, took, outcome, reason, profile: None }
            }
        }
    }

    async fn by_mx(&self) -> Answer {
        let found = self.mx.clone().await.map_err(|e| (Outcome::Failed, e.to_string()))?;
        let exchangers = preferred(&found);
        if exchangers.is_empty() {
            let reason = match found.first() {
                Some(_) => "the domain says that it takes no mail (RFC 7505)",
                None => "the domain has no MX record",
            };
            return Err((Outcome::Nothing, reason.to_owned()));
        }
        for exchanger in exchangers {
            let known = self.tables.iter().find_map(|table| table.by_mx(&exchanger.host));
            if let Some(profile) = known {
                let reason =
                    format!("the mail exchanger {} belongs to {}", exchanger.host, profile.name);
                return Ok((profile.clone(), reason));
            }
        }
        let host = exchangers.first().map_or("", |exchanger| exchanger.host.as_str());
        Err((Outcome::Nothing, format!("the table does not know the mail exchanger {host}")))
    }

    async fn by_file(&self, source: Source, origin: Origin) -> Answer {
        let url = self.asked(source);
        let config = self.config(&*self.network.fetch, &url).await?;
        self.accept(config.suggest(self.domain), origin, &url).await
    }

    async fn by_ispdb(&self) -> Answer {
        match &self.network.ispdb {
            Ispdb::Off => Err((Outcome::Off, "the operator has named no database".to_owned())),
            Ispdb::Local(local) => {
                let config = match local.get(self.domain) {
                    Some(config) => Some(config),
                    None => self.exchangers_owner().await.and_then(|owner| local.get(&owner)),
                };
                let nothing = || (Outcome::Nothing, "its files do not know the domain".to_owned());
                let config = config.ok_or_else(nothing)?;
                self.accept(config.suggest(self.domain), Origin::Ispdb, "local files").await
            }
            Ispdb::Web(base) => {
                let url = self.asked(Source::Ispdb);
                let database = &*self.network.database;
                let (url, config) = match self.config(database, &url).await {
                    // A custom domain hosted by a service that the database has.
                    Err((Outcome::Nothing, reason)) => {
                        let owner = self.exchangers_owner().await;
                        let owner = owner.ok_or((Outcome::Nothing, reason))?;
                        let url = format!("{base}{owner}");
                        let config = self.config(database, &url).await?;
                        (url, config)
                    }
                    config => (url, config?),
                };
                self.accept(config.suggest(self.domain), Origin::Ispdb, &url).await
            }
        }
    }

    async fn by_srv(&self) -> Answer {
        let names = srv::LABELS.map(|label| format!("{label}.{}", self.domain));
        let [imaps, imap, submissions, submission] = &names;
        let service = |name| self.network.resolve.services(name);
        let sets = future::try_join4(
            service(imaps),
            service(imap),
            service(submissions),
            service(submission),
        );
        let (imaps, imap, submissions, submission) =
            sets.await.map_err(|error| (Outcome::Failed, error.to_string()))?;
        let sets = [imaps, imap, submissions, submission];
        if sets.iter().all(Vec::is_empty) {
            return Err((Outcome::Nothing, "the domain has no such records".to_owned()));
        }
        self.accept(srv::suggest(sets), Origin::Srv, "SRV records").await
    }

    async fn by_autodiscover(&self) -> Answer {
        if !self.network.autodiscover {
            return Err((Outcome::Off, "the operator has not switched it on".to_owned()));
        }
        let named = self.asked(Source::Autodiscover);
        let own = named.replacen("autodiscover.", "", 1);
        let mut answer = self.autodiscovered(&named).await;
        if matches!(&answer, Err((Outcome::Nothing, _))) {
            answer = self.autodiscovered(&own).await;
        }
        answer
    }

    async fn autodiscovered(&self, url: &str) -> Answer {
        let question = autodiscover::question(self.domain);
        let answer = self.network.fetch.post_xml(url, question, MOST_BYTES).await;
        let document = present(answer)?;
        let suggestion = autodiscover::suggest(&document.body, self.domain).map_err(unreadable)?;
        self.accept(suggestion, Origin::Autodiscover, url).await
    }

    /// The registrable domain of the exchangers, where it differs from the domain's own.
    async fn exchangers_owner(&self) -> Option<String> {
        let found = self.mx.clone().await.ok()?;
        let host = &preferred(&found).first()?.host;
        let owner = same_owner::registrable(host)?;
        (!same_owner::same_registrable_domain(self.domain, host)).then(|| owner.to_owned())
    }

    async fn config(&self, web: &dyn Fetch, url: &str) -> Result<ClientConfig, (Outcome, String)> {
        let document = present(web.get(url, MOST_BYTES).await)?;
        ClientConfig::parse(&document.body).map_err(unreadable)
    }

    /// Makes a profile of the servers that pass the guard. One server that fails rejects the
    /// source: a private address beside a public one is a sign of probing.
    async fn accept(&self, suggestion: Suggestion, origin: Origin, source: &str) -> Answer {
        if suggestion.imap.is_empty() && suggestion.smtp.is_empty() {
            let passed = suggestion.passed.join(", ");
            return Err(if passed.is_empty() {
                (Outcome::Nothing, "it names no server".to_owned())
            } else {
                (Outcome::Refused, format!("it names no server that can be used: {passed}"))
            });
        }
        let (imap, smtp) =
            future::try_join(self.vetted(&suggestion.imap), self.vetted(&suggestion.smtp)).await?;
        let more = [&suggestion.imap, &suggestion.smtp].map(|list| list.len() > MOST_VETTED);
        let mut auth: Vec<Auth> = Vec::new();
        for method in imap.iter().chain(&smtp).flat_map(|offer| &offer.auth) {
            if !auth.contains(method) {
                auth.push(*method);
            }
        }
        let date = day(self.clock.now());
        let fact = |about| {
            let evidence = Evidence::Read { source: source.to_owned(), date: date.clone() };
            Fact { about, evidence }
        };
        let facts = imap.map(|_| fact(About::Imap)).into_iter();
        let facts = facts.chain(smtp.map(|_| fact(About::Smtp))).collect();
        let profile = Profile {
            id: self.domain.to_owned(),
            name: self.domain.to_owned(),
            names: Vec::new(),
            imap: imap.map(|offer| offer.server.clone()),
            smtp: smtp.map(|offer| offer.server.clone()),
            auth,
            hints: Vec::new(),
            hint_url: None,
            limits: Vec::new(),
            connections: None,
            sent_copy: None,
            quirks: Quirks::default(),
            origin,
            facts,
        };
        let servers = profile.imap.iter().chain(&profile.smtp);
        let names: Vec<_> = servers.map(|s| format!("{}:{}", s.host, s.port)).collect();
        let mut reason = format!("it names {}", names.join(" and "));
        if more.contains(&true) {
            reason += &format!("; of each kind the first {MOST_VETTED} servers were looked at");
        }
        Ok((profile, reason))
    }

    /// The first server that could be connected to now. All are checked, also those after it: an
    /// internal server as the second choice is a sign of probing as well.
    async fn vetted<'b>(
        &self,
        offers: &'b [ServerOffer],
    ) -> Result<Option<&'b ServerOffer>, (Outcome, String)> {
        let looked_at = offers.get(..MOST_VETTED).unwrap_or(offers);
        let vet = |offer: &'b ServerOffer| {
            self.network.resolve.check_egress(&offer.server.host, offer.server.port)
        };
        let (mut first, mut last) = (None, None);
        for (offer, vetted) in
            looked_at.iter().zip(future::join_all(looked_at.iter().map(vet)).await)
        {
            match vetted {
                Ok(()) => first = first.or(Some(offer)),
                Err(error @ DialError::NotAllowed { .. }) => {
                    return Err((Outcome::Refused, error.to_string()));
                }
                Err(error) => last = Some((Outcome::Failed, error.to_string())),
            }
        }
        match (first, last) {
            (None, Some(failed)) => Err(failed),
            (first, _) => Ok(first),
        }
    }
}

/// The exchangers of highest preference. None when the only one is `.` (RFC 7505).
fn preferred(found: &[MxHost]) -> &[MxHost] {
    let Some(first) = found.first().filter(|first| !first.host.is_empty()) else { return &[] };
    let equal = found.iter().take_while(|other| other.preference == first.preference).count();
    found.get(..equal).unwrap_or_default()
}

pub(crate) fn late(limit: Duration) -> String {
    format!("no answer within {} seconds", limit.as_secs_f32())
}

/// The document of a response with status 200.
fn present(answer: Result<Document, FetchError>) -> Result<Document, (Outcome, String)> {
    let document = answer.map_err(|error| unfetched(&error))?;
    match document.status {
        200 => Ok(document),
        404 | 410 => Err((Outcome::Nothing, format!("status {}", document.status))),
        status => Err((Outcome::Failed, format!("status {status}"))),
    }
}

fn unfetched(error: &FetchError) -> (Outcome, String) {
    let outcome = match error {
        FetchError::Dial(DialError::NotFound { .. }) => Outcome::Nothing,
        FetchError::Dial(DialError::NotAllowed { .. } | DialError::Tls { .. })
        | FetchError::Address
        | FetchError::InsecureRedirect
        | FetchError::RedirectPort
        | FetchError::TooManyRedirects
        | FetchError::Redirected
        | FetchError::TooLarge(_) => Outcome::Refused,
        FetchError::Dial(
            DialError::Unresolved { .. }
            | DialError::Unreachable { .. }
            | DialError::Timeout { .. },
        )
        | FetchError::Broken => Outcome::Failed,
    };
    (outcome, error.to_string())
}

fn unreadable(fault: Unusable) -> (Outcome, String) {
    let outcome = match fault {
        Unusable::Dtd | Unusable::TooMany => Outcome::Refused,
        Unusable::NotXml | Unusable::Other(_) => Outcome::Failed,
    };
    (outcome, fault.to_string())
}

/// A date such as `2026-03-12`.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
