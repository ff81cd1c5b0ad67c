//! Conversion of a provider profile to JSON.

use kit::bindings::postlet::mail::providers::{
    Discovery, Fact, Limit, Localised, Profile, Security, Server, Step,
};
use rules::{address, language};
use shapes::providers as json;

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

/// The response, and the languages of its texts.
pub(crate) fn profile_json<'a>(
    discovery: &'a Discovery,
    profile: &'a Profile,
    person: Option<&Person<'a>>,
    accept: &str,
) -> (json::Provider<'a>, Vec<&'a str>) {
    let hint = language::choose(accept, &profile.hints, language_of);
    let advice = language::choose(accept, &discovery.recommendation, language_of);
    let mut languages: Vec<&str> =
        hint.iter().chain(&advice).map(|text| text.language.as_str()).collect();
    languages.dedup();
    // The name in the service's own language is for clients that prefer that language to
    // English.
    let mut names: Vec<&str> = profile.names.iter().map(|name| name.language.as_str()).collect();
    names.push("en");
    let name = language::preferred(accept, &names)
        .and_then(|chosen| profile.names.iter().find(|name| name.language == chosen));
    let provider = json::Provider {
        id: &profile.id,
        name: name.map_or(&profile.name, |name| &name.text),
        imap: profile.imap.as_ref().map(|server| server_json(server, person)),
        smtp: profile.smtp.as_ref().map(|server| server_json(server, person)),
        auth: profile.auth.iter().map(|auth| json::Method(method(auth))).collect(),
        hint: hint.map(|hint| hint.text.as_str()),
        hint_url: profile.hint_url.as_deref(),
        limits: profile.limits.iter().map(limit_json).collect(),
        connections: profile.connections,
        sent_copy: profile.sent_copy.as_deref(),
        quirks: &profile.quirks,
        recommendation: json::Recommendation {
            send: profile.smtp.as_ref().map(|_| "smtp"),
            read: profile.imap.as_ref().map(|_| "imap"),
            text: advice.map_or("", |text| &text.text),
        },
        source: &profile.origin,
        confirm: discovery.confirm,
        facts: profile.facts.iter().map(fact_json).collect(),
        explain: discovery.steps.iter().map(step_json).collect(),
    };
    (provider, languages)
}

pub(crate) fn step_json(step: &Step) -> json::Step<'_> {
    json::Step {
        source: &step.source,
        asked: &step.asked,
        millis: step.millis,
        outcome: &step.outcome,
        reason: &step.reason,
    }
}

fn language_of(text: &Localised) -> &str {
    &text.language
}

fn server_json<'a>(server: &'a Server, person: Option<&Person<'a>>) -> json::Server<'a> {
    json::Server {
        host: &server.host,
        port: server.port,
        security: match server.security {
            Security::Tls => json::Security::Tls,
            Security::Starttls => json::Security::Starttls,
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

fn limit_json(limit: &Limit) -> json::Limit<'_> {
    json::Limit {
        name: &limit.name,
        value: limit.value,
        source: limit.source.as_deref(),
        year: limit.year,
    }
}

fn fact_json(fact: &Fact) -> json::Fact<'_> {
    json::Fact {
        about: &fact.about,
        source: fact.source.as_deref(),
        date: fact.date.as_deref(),
        confidence: match fact.source {
            Some(_) => json::Confidence::Read,
            None => json::Confidence::Unverified,
        },
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
        assert_eq!(server_json(&server, person.as_ref()).username, want, "{pattern}");
    }
}
