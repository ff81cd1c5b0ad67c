//! Parser of one provider file: TOML in, a checked profile out.
//!
//! Strict, because a mistyped key would be a fact that is silently missing. docs/providers.md
//! explains every key.
//!
//! Invariant: an accepted file is valid, except that another one may claim the same domain.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::ops::Range;
use std::time::Duration;

use model::account::Security;
use model::provider::{
    About, Auth, Evidence, Fact, Limit, LimitName, Localised, Origin, Profile, Quirks, Search,
    SentCopy, Server, Username,
};
use serde::Deserialize;
use toml::Spanned;

use crate::providers::domain::{self, MxSuffix};
use crate::providers::fault::Wrong;
use crate::toml_error;

/// A profile, and the domains and exchangers that map to it. Each with its offset in the text.
#[derive(Debug)]
pub(crate) struct ProviderFile {
    pub(crate) profile: Profile,
    /// The offset of `id`.
    pub(crate) at: usize,
    pub(crate) domains: Vec<(String, usize)>,
    /// Every name of the SMTP server.
    pub(crate) smtp_hosts: Vec<String>,
    pub(crate) mx: Vec<(MxSuffix, usize)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    id: Spanned<String>,
    name: Spanned<String>,
    #[serde(default)]
    names: BTreeMap<String, Spanned<String>>,
    domains: Spanned<Vec<Spanned<String>>>,
    imap: Option<Spanned<RawServer>>,
    smtp: Option<Spanned<RawServer>>,
    mx: Option<Spanned<RawMx>>,
    auth: Spanned<RawAuth>,
    #[serde(default)]
    limits: Vec<Spanned<RawLimit>>,
    sessions: Option<Spanned<RawSessions>>,
    quirks: Option<Spanned<RawQuirks>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawServer {
    host: Spanned<String>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    port: NonZeroU16,
    security: Security,
    username: Username,
    source: Option<Spanned<String>>,
    date: Option<Spanned<String>>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawMx {
    suffixes: Vec<Spanned<String>>,
    source: Option<Spanned<String>>,
    date: Option<Spanned<String>>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawAuth {
    methods: Spanned<Vec<Auth>>,
    #[serde(default)]
    hint: BTreeMap<String, Spanned<String>>,
    hint_url: Option<Spanned<String>>,
    source: Option<Spanned<String>>,
    date: Option<Spanned<String>>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawLimit {
    name: LimitName,
    value: u64,
    source: Option<Spanned<String>>,
    year: Option<Spanned<u16>>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawSessions {
    connections: Option<NonZeroU16>,
    sent_copy: Option<SentCopy>,
    source: Option<Spanned<String>>,
    date: Option<Spanned<String>>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawQuirks {
    #[serde(default)]
    id_after_login: bool,
    #[serde(default)]
    no_sasl_ir: bool,
    #[serde(default)]
    no_idle: bool,
    idle_restart_secs: Option<NonZeroU16>,
    #[serde(default)]
    noop_ignored: bool,
    #[serde(default)]
    stale_until_select: bool,
    #[serde(default)]
    search: Search,
    #[serde(default)]
    uid_sets_refused: bool,
    #[serde(default)]
    rfc822_incomplete: bool,
    #[serde(default)]
    unknown_command_closes: bool,
    #[serde(default)]
    uidvalidity_unreliable: bool,
    #[serde(default)]
    mailboxes_are_labels: bool,
    #[serde(default)]
    mailboxes_localised: bool,
    poll_pause_secs: Option<NonZeroU16>,
    source: Option<Spanned<String>>,
    date: Option<Spanned<String>>,
    confidence: Option<Confidence>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Confidence {
    Unverified,
}

/// Reads one file.
pub(crate) fn parse(text: &str, origin: Origin) -> Result<ProviderFile, Wrong> {
    let raw: Raw = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Wrong { at, fault: toml_error::fault(&error) }
    })?;
    raw.check(origin)
}

impl Raw {
    fn check(self, origin: Origin) -> Result<ProviderFile, Wrong> {
        let id_span = self.id.span();
        let id = self.id.into_inner();
        let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if id.is_empty() || id.len() > 63 || !id.bytes().all(is_word) {
            let fault = "an id is 1 to 63 lower-case letters, digits and hyphens";
            return Err(Wrong::new(&id_span, fault));
        }
        let mut facts = Vec::new();
        let (imap, _) = server(self.imap, About::Imap, &mut facts)?;
        let (smtp, smtp_hosts) = server(self.smtp, About::Smtp, &mut facts)?;
        let domains_span = self.domains.span();
        let domains = domains(self.domains.into_inner())?;
        let mx = suffixes(self.mx, &mut facts)?;
        if domains.is_empty() && mx.is_empty() {
            let fault = "without a domain or a suffix in [mx] nothing leads here";
            return Err(Wrong::new(&domains_span, fault));
        }
        let auth_span = self.auth.span();
        let reachable = imap.is_some() || smtp.is_some();
        let (auth, hints, hint_url) =
            self.auth.into_inner().check(&auth_span, reachable, &mut facts)?;
        let mut limits: Vec<Limit> = Vec::with_capacity(self.limits.len());
        for raw in self.limits {
            let span = raw.span();
            let limit = raw.into_inner().check(&span)?;
            if limits.iter().any(|other| other.name == limit.name) {
                let fault = format!("`{}` is there twice", limit.name.as_str());
                return Err(Wrong::new(&span, fault));
            }
            limits.push(limit);
        }
        let (connections, sent_copy) = match self.sessions {
            Some(raw) => {
                let span = raw.span();
                let raw = raw.into_inner();
                note(&mut facts, About::Sessions, &span, raw.source, raw.date, raw.confidence)?;
                (raw.connections.map(NonZeroU16::get), raw.sent_copy)
            }
            None => (None, None),
        };
        let quirks = quirks(self.quirks, &mut facts)?;
        let name = short(self.name)?;
        let profile = Profile {
            id,
            name,
            names: localised(self.names)?,
            imap,
            smtp,
            auth,
            hints,
            hint_url,
            limits,
            connections,
            sent_copy,
            quirks,
            origin,
            facts,
        };
        Ok(ProviderFile { profile, at: id_span.start, domains, smtp_hosts, mx })
    }
}

impl RawAuth {
    #[expect(clippy::type_complexity, reason = "three fields of one profile, on their way into it")]
    fn check(
        self,
        span: &Range<usize>,
        reachable: bool,
        facts: &mut Vec<Fact>,
    ) -> Result<(Vec<Auth>, Vec<Localised>, Option<String>), Wrong> {
        note(facts, About::Auth, span, self.source, self.date, self.confidence)?;
        let methods_span = self.methods.span();
        let methods = self.methods.into_inner();
        if methods.is_empty() == reachable {
            let fault = "there are methods exactly where there is a server";
            return Err(Wrong::new(&methods_span, fault));
        }
        if methods
            .iter()
            .enumerate()
            .any(|(at, method)| methods.iter().take(at).any(|m| m == method))
        {
            return Err(Wrong::new(&methods_span, "a method is there twice"));
        }
        if let Some((_, text)) = self.hint.iter().next()
            && !self.hint.contains_key("en")
        {
            return Err(Wrong::new(&text.span(), "a hint is needed in English (`en`) too"));
        }
        let hint_url = match self.hint_url {
            Some(url) if !url.get_ref().starts_with("https://") => {
                return Err(Wrong::new(&url.span(), "begins with https://"));
            }
            url => url.map(Spanned::into_inner),
        };
        Ok((methods, localised(self.hint)?, hint_url))
    }
}

impl RawLimit {
    fn check(self, span: &Range<usize>) -> Result<Limit, Wrong> {
        if let Some(year) = &self.year
            && !(2000..=2100).contains(year.get_ref())
        {
            return Err(Wrong::new(&year.span(), "a year has four digits"));
        }
        let source = match (self.source, self.confidence) {
            (Some(source), None) => Some(short(source)?),
            (None, Some(Confidence::Unverified)) if self.year.is_none() => None,
            _ => {
                let fault =
                    "a limit has a `source` (and its `year`), or `confidence = \"unverified\"`";
                return Err(Wrong::new(span, fault));
            }
        };
        let year = self.year.map(Spanned::into_inner);
        Ok(Limit { name: self.name, value: self.value, source, year })
    }
}

fn server(
    raw: Option<Spanned<RawServer>>,
    about: About,
    facts: &mut Vec<Fact>,
) -> Result<(Option<Server>, Vec<String>), Wrong> {
    let Some(raw) = raw else { return Ok((None, Vec::new())) };
    let span = raw.span();
    let raw = raw.into_inner();
    note(facts, about, &span, raw.source, raw.date, raw.confidence)?;
    if let Some(name) =
        std::iter::once(&raw.host).chain(&raw.aliases).find(|name| !domain::is_host(name.get_ref()))
    {
        let fault = format!("`{}` is not a host name in lower case", name.get_ref());
        return Err(Wrong::new(&name.span(), fault));
    }
    // RFC 8314 §7.3: these ports have one kind of TLS only.
    let usual = match raw.port.get() {
        993 | 465 => Some(Security::Tls),
        143 | 587 => Some(Security::StartTls),
        _ => None,
    };
    if usual.is_some_and(|usual| usual != raw.security) {
        let fault = format!("`security` does not go with port {}", raw.port);
        return Err(Wrong::new(&span, fault));
    }
    let host = raw.host.into_inner();
    let mut hosts = vec![host.clone()];
    hosts.extend(raw.aliases.into_iter().map(Spanned::into_inner));
    let (port, security, username) = (raw.port.get(), raw.security, raw.username);
    Ok((Some(Server { host, port, security, username }), hosts))
}

fn domains(raw: Vec<Spanned<String>>) -> Result<Vec<(String, usize)>, Wrong> {
    let normal = |raw: Spanned<String>| {
        let span = raw.span();
        match domain::normalise(raw.get_ref()) {
            Some(domain) => Ok((domain, span.start)),
            None => Err(Wrong::new(&span, format!("`{}` is not a domain", raw.get_ref()))),
        }
    };
    raw.into_iter().map(normal).collect()
}

fn suffixes(
    raw: Option<Spanned<RawMx>>,
    facts: &mut Vec<Fact>,
) -> Result<Vec<(MxSuffix, usize)>, Wrong> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let span = raw.span();
    let raw = raw.into_inner();
    note(facts, About::Mx, &span, raw.source, raw.date, raw.confidence)?;
    let suffix = |raw: Spanned<String>| match MxSuffix::parse(raw.get_ref()) {
        Some(suffix) => Ok((suffix, raw.span().start)),
        None => {
            let fault = "a suffix is a host name, perhaps with one `*` in its first label";
            Err(Wrong::new(&raw.span(), fault))
        }
    };
    raw.suffixes.into_iter().map(suffix).collect()
}

fn quirks(raw: Option<Spanned<RawQuirks>>, facts: &mut Vec<Fact>) -> Result<Quirks, Wrong> {
    let Some(raw) = raw else { return Ok(Quirks::default()) };
    let span = raw.span();
    let raw = raw.into_inner();
    note(facts, About::Quirks, &span, raw.source, raw.date, raw.confidence)?;
    let seconds = |value: NonZeroU16| Duration::from_secs(value.get().into());
    Ok(Quirks {
        id_after_login: raw.id_after_login,
        no_sasl_ir: raw.no_sasl_ir,
        no_idle: raw.no_idle,
        idle_restart: raw.idle_restart_secs.map(seconds),
        noop_ignored: raw.noop_ignored,
        stale_until_select: raw.stale_until_select,
        search: raw.search,
        uid_sets_refused: raw.uid_sets_refused,
        rfc822_incomplete: raw.rfc822_incomplete,
        unknown_command_closes: raw.unknown_command_closes,
        uidvalidity_unreliable: raw.uidvalidity_unreliable,
        mailboxes_are_labels: raw.mailboxes_are_labels,
        mailboxes_localised: raw.mailboxes_localised,
        poll_pause: raw.poll_pause_secs.map(seconds),
    })
}

/// Records the evidence of a group of facts.
fn note(
    facts: &mut Vec<Fact>,
    about: About,
    span: &Range<usize>,
    source: Option<Spanned<String>>,
    date: Option<Spanned<String>>,
    confidence: Option<Confidence>,
) -> Result<(), Wrong> {
    let evidence = match (source, date, confidence) {
        (Some(source), Some(date), None) => {
            if !is_date(date.get_ref()) {
                let fault =
                    "a date is a year, a month or a day (2024, 2024-11, 2024-11-30), or `undated`";
                return Err(Wrong::new(&date.span(), fault));
            }
            Evidence::Read { source: short(source)?, date: date.into_inner() }
        }
        (None, None, Some(Confidence::Unverified)) => Evidence::Unverified,
        _ => {
            let fault = "needs a `source` and its `date`, or `confidence = \"unverified\"`";
            return Err(Wrong::new(span, fault));
        }
    };
    facts.push(Fact { about, evidence });
    Ok(())
}

fn is_date(text: &str) -> bool {
    let number =
        |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    text == "undated"
        || match text.split('-').collect::<Vec<_>>().as_slice() {
            [year] => number(year, 4),
            [year, month] => number(year, 4) && number(month, 2),
            [year, month, day] => number(year, 4) && number(month, 2) && number(day, 2),
            _ => false,
        }
}

fn localised(raw: BTreeMap<String, Spanned<String>>) -> Result<Vec<Localised>, Wrong> {
    let one = |(language, text): (String, Spanned<String>)| {
        let tag = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(2..=12).contains(&language.len()) || !language.bytes().all(tag) {
            let fault = format!("`{language}` is not a language tag in lower case");
            return Err(Wrong::new(&text.span(), fault));
        }
        Ok(Localised { language, text: short(text)? })
    };
    raw.into_iter().map(one).collect()
}

/// One line that fits into a response.
fn short(text: Spanned<String>) -> Result<String, Wrong> {
    let span = text.span();
    let text = text.into_inner();
    if text.trim().is_empty() || text.len() > 1000 || text.chars().any(char::is_control) {
        return Err(Wrong::new(&span, "one line of 1 to 1000 bytes"));
    }
    Ok(text)
}
