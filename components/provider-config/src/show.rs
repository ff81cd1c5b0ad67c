//! JSON of a provider profile.

use kit::bindings::postlet::mail::providers::{
    Discovery, Fact, Limit, Localised, Profile, Security, Server, Step,
};
use rules::{address, language};
use serde::Serialize;

/// The address whose login name is filled in.
pub(crate) struct Person<'a> {
    email: &'a str,
    local_part: &'a str,
    pub(crate) domain: &'a str,
}

impl<'a> Person<'a> {
    /// None when it is not an address; the host checks the domain.
    pub(crate) fn of(email: &'a str) -> Option<Self> {
        let (local_part, domain) = address::split(email)?;
        Some(Self { email, local_part, domain })
    }
}

/// The response.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    imap: Option<ShownServer<'a>>,
    smtp: Option<ShownServer<'a>>,
    auth: Vec<&'a str>,
    hint: Option<&'a str>,
    hint_url: Option<&'a str>,
    limits: Vec<ShownLimit<'a>>,
    connections: Option<u16>,
    sent_copy: Option<&'a str>,
    quirks: &'a [String],
    recommendation: Recommendation<'a>,
    source: &'a str,
    confirm: bool,
    facts: Vec<ShownFact<'a>>,
    explain: Vec<ShownStep<'a>>,
    /// The languages of the texts.
    #[serde(skip)]
    pub(crate) languages: Vec<&'a str>,
}

/// The recommended protocol. POP3 is no member, on purpose; the text says why.
#[derive(Serialize)]
struct Recommendation<'a> {
    send: Option<&'static str>,
    read: Option<&'static str>,
    text: &'a str,
}

/// A discovery source, and its result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownStep<'a> {
    source: &'a str,
    asked: &'a str,
    millis: u32,
    outcome: &'a str,
    reason: &'a str,
}

impl<'a> From<&'a Step> for ShownStep<'a> {
    fn from(step: &'a Step) -> Self {
        Self {
            source: &step.source,
            asked: &step.asked,
            millis: step.millis,
            outcome: &step.outcome,
            reason: &step.reason,
        }
    }
}

#[derive(Serialize)]
struct ShownServer<'a> {
    host: &'a str,
    port: u16,
    security: &'static str,
    username: &'a str,
}

#[derive(Serialize)]
struct ShownLimit<'a> {
    name: &'a str,
    value: u64,
    source: Option<&'a str>,
    year: Option<u16>,
}

#[derive(Serialize)]
struct ShownFact<'a> {
    about: &'a str,
    source: Option<&'a str>,
    date: Option<&'a str>,
    confidence: &'static str,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(
        discovery: &'a Discovery,
        profile: &'a Profile,
        person: Option<&Person<'a>>,
        accept: &str,
    ) -> Self {
        let hint = language::choose(accept, &profile.hints, language_of);
        let advice = language::choose(accept, &discovery.recommendation, language_of);
        let mut languages: Vec<&str> =
            hint.iter().chain(&advice).map(|text| text.language.as_str()).collect();
        languages.dedup();
        // The name in the service's own language is for clients that prefer that language to
        // English.
        let mut names: Vec<&str> =
            profile.names.iter().map(|name| name.language.as_str()).collect();
        names.push("en");
        let name = language::preferred(accept, &names)
            .and_then(|chosen| profile.names.iter().find(|name| name.language == chosen));
        Self {
            id: &profile.id,
            name: name.map_or(&profile.name, |name| &name.text),
            imap: profile.imap.as_ref().map(|server| shown(server, person)),
            smtp: profile.smtp.as_ref().map(|server| shown(server, person)),
            auth: profile.auth.iter().map(|auth| method(auth)).collect(),
            hint: hint.map(|hint| hint.text.as_str()),
            hint_url: profile.hint_url.as_deref(),
            limits: profile.limits.iter().map(limit).collect(),
            connections: profile.connections,
            sent_copy: profile.sent_copy.as_deref(),
            quirks: &profile.quirks,
            recommendation: Recommendation {
                send: profile.smtp.as_ref().map(|_| "smtp"),
                read: profile.imap.as_ref().map(|_| "imap"),
                text: advice.map_or("", |text| &text.text),
            },
            source: &profile.origin,
            confirm: discovery.confirm,
            facts: profile.facts.iter().map(fact).collect(),
            explain: discovery.steps.iter().map(ShownStep::from).collect(),
            languages,
        }
    }
}

fn language_of(text: &Localised) -> &str {
    &text.language
}

fn shown<'a>(server: &'a Server, person: Option<&Person<'a>>) -> ShownServer<'a> {
    ShownServer {
        host: &server.host,
        port: server.port,
        security: match server.security {
            Security::Tls => "tls",
            Security::Starttls => "starttls",
        },
        username: match (server.username.as_str(), person) {
            ("{email}", Some(person)) => person.email,
            ("{local-part}", Some(person)) => person.local_part,
            ("{local-part}", None) => "{localPart}",
            (pattern, _) => pattern,
        },
    }
}

/// The login method in camel case, as JSON has it; WIT has hyphens.
fn method(auth: &str) -> &str {
    match auth {
        "authorization-code" => "authorizationCode",
        "app-password" => "appPassword",
        other => other,
    }
}

fn limit(limit: &Limit) -> ShownLimit<'_> {
    ShownLimit {
        name: &limit.name,
        value: limit.value,
        source: limit.source.as_deref(),
        year: limit.year,
    }
}

fn fact(fact: &Fact) -> ShownFact<'_> {
    ShownFact {
        about: &fact.about,
        source: fact.source.as_deref(),
        date: fact.date.as_deref(),
        confidence: if fact.source.is_some() { "read" } else { "unverified" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_name_is_filled_in_for_whom_it_is_known() {
        check("{email}", Some("ann@x.test"), "ann@x.test");
        check("{local-part}", Some("ann@x.test"), "ann");
        check("{email}", None, "{email}");
        check("{local-part}", None, "{localPart}");
        check("shared-login", Some("ann@x.test"), "shared-login");
    }

    #[track_caller]
    fn check(pattern: &str, email: Option<&str>, want: &str) {
        let server = Server {
            host: "imap.x.test".to_owned(),
            port: 993,
            security: Security::Tls,
            username: pattern.to_owned(),
        };
        let person = email.and_then(Person::of);
        assert_eq!(shown(&server, person.as_ref()).username, want, "{pattern}");
    }
}
