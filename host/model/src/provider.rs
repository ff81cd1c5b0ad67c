//! Mail service providers: servers, authentication, limits and quirks of a mail service.
//!
//! Facts come with their source, or are marked as unverified, so that their reliability can be
//! judged. Policy about them is `engine`'s.
//!
//! Invariant: a server is always one with TLS; where a service has none that is safe, there is
//! none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::Security;

/// The profile of one mail service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// An id that never changes: lower-case letters, digits and hyphens.
    pub id: String,
    /// The international name.
    pub name: String,
    /// Names in other languages.
    pub names: Vec<Localised>,
    /// The IMAP server.
    pub imap: Option<Server>,
    /// The SMTP submission server.
    pub smtp: Option<Server>,
    /// Authentication methods, the best first; empty where no login is possible.
    pub auth: Vec<Auth>,
    /// What a person has to do before a login works.
    pub hints: Vec<Localised>,
    /// The service's own help page.
    pub hint_url: Option<String>,
    /// Known limits; most services publish none.
    pub limits: Vec<Limit>,
    /// Concurrent IMAP connections that it allows.
    pub connections: Option<u16>,
    /// Who files the copy of a sent message.
    pub sent_copy: Option<SentCopy>,
    /// Deviations from the standards.
    pub quirks: Quirks,
    /// The source of the profile.
    pub origin: Origin,
    /// The evidence of each group of facts.
    pub facts: Vec<Fact>,
}

/// A text in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Localised {
    /// A language tag in lower case: `zh`, `pt-br` (RFC 5646).
    pub language: String,
    /// The text.
    pub text: String,
}

impl Localised {
    /// The text in the language that an `Accept-Language` prefers, else in English, else the first.
    #[must_use]
    pub fn preferred<'a>(texts: &'a [Self], accept: &str) -> Option<&'a str> {
        let chosen = rules::language::choose(accept, texts, |text| &text.language);
        chosen.map(|text| text.text.as_str())
    }
}

/// A server shared by all accounts of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The host name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How TLS begins.
    pub security: Security,
    /// How the login name is derived from the address.
    pub username: Username,
}

/// How a login name is derived from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Username {
    /// The whole address.
    Email,
    /// The local part: what stands before the `@`.
    LocalPart,
}

impl Username {
    /// A pattern with a placeholder for that part.
    #[must_use]
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Email => "{email}",
            Self::LocalPart => "{local-part}",
        }
    }
}

/// An authentication method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// A token of RFC 6749, by XOAUTH2 or RFC 7628.
    #[serde(rename = "oauth2")]
    OAuth2,
    /// A code that the service's web page issues for mail clients (授权码).
    AuthorizationCode,
    /// An app password: issued for one program.
    AppPassword,
    /// The password of the web login.
    Password,
}

impl Auth {
    /// As files and components write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OAuth2 => "oauth2",
            Self::AuthorizationCode => "authorization-code",
            Self::AppPassword => "app-password",
            Self::Password => "password",
        }
    }
}

/// A limit of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What it counts.
    pub name: LimitName,
    /// The maximum.
    pub value: u64,
    /// Its source; none when it is unverified.
    pub source: Option<String>,
    /// The year of the source; none where it has no date.
    pub year: Option<u16>,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitName {
    /// Messages sent in a rolling day.
    MessagesPerDay,
    /// Messages sent in a minute.
    MessagesPerMinute,
    /// Recipients in a rolling day.
    RecipientsPerDay,
    /// Of those, recipients outside the own organisation.
    ExternalRecipientsPerDay,
    /// Recipients of one message.
    RecipientsPerMessage,
    /// Size of a message in bytes.
    MessageBytes,
    /// Concurrent SMTP connections.
    SmtpConnections,
    /// Mailboxes of an account.
    Mailboxes,
}

impl LimitName {
    /// As files and components write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessagesPerDay => "messages-per-day",
            Self::MessagesPerMinute => "messages-per-minute",
            Self::RecipientsPerDay => "recipients-per-day",
            Self::ExternalRecipientsPerDay => "external-recipients-per-day",
            Self::RecipientsPerMessage => "recipients-per-message",
            Self::MessageBytes => "message-bytes",
            Self::SmtpConnections => "smtp-connections",
            Self::Mailboxes => "mailboxes",
        }
    }
}

/// Who files the copy of a sent message in the mailbox of sent mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentCopy {
    /// The service; a copy by the client would be a duplicate.
    Server,
    /// The client.
    Client,
}

impl SentCopy {
    /// As files and components write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// Deviations of a service from the standards. The default is a service without any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quirks {
    /// Requires ID (RFC 2971) after the login, before it opens a mailbox.
    pub id_after_login: bool,
    /// Advertises SASL-IR (RFC 4959) but does not support it.
    pub no_sasl_ir: bool,
    /// Has no IDLE (RFC 2177), or none that works.
    pub no_idle: bool,
    /// IDLE stops reporting earlier than the 29 minutes of RFC 2177.
    pub idle_restart: Option<Duration>,
    /// NOOP does not report changes; STATUS does.
    pub noop_ignored: bool,
    /// A session sees a mailbox as it was when it was selected.
    pub stale_until_select: bool,
    /// How reliable results of SEARCH are.
    pub search: Search,
    /// FETCH refuses some UID sets.
    pub uid_sets_refused: bool,
    /// FETCH of RFC822 may lack the literal; BODY.PEEK[] has it.
    pub rfc822_incomplete: bool,
    /// Disconnects on an unknown command: only what CAPABILITY lists may be sent.
    pub unknown_command_closes: bool,
    /// UIDVALIDITY changes, or stays, contrary to RFC 9051 §2.3.1.1.
    pub uidvalidity_unreliable: bool,
    /// Mailboxes are labels, so one message appears in several.
    pub mailboxes_are_labels: bool,
    /// Mailbox names are in the account's language.
    pub mailboxes_localised: bool,
    /// Logins at shorter intervals are locked out.
    pub poll_pause: Option<Duration>,
}

/// How reliable results of SEARCH are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Search {
    /// As RFC 9051 requires.
    #[default]
    Trusted,
    /// May contain messages that do not match.
    Untrusted,
    /// SEARCH is not supported.
    Absent,
}

impl Quirks {
    /// A keyword for each deviation; a duration follows an equals sign, in seconds.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let flags = [
            (self.id_after_login, "id-after-login"),
            (self.no_sasl_ir, "no-sasl-ir"),
            (self.no_idle, "no-idle"),
            (self.noop_ignored, "noop-ignored"),
            (self.stale_until_select, "stale-until-select"),
            (self.search == Search::Untrusted, "search-untrusted"),
            (self.search == Search::Absent, "search-absent"),
            (self.uid_sets_refused, "uid-sets-refused"),
            (self.rfc822_incomplete, "rfc822-incomplete"),
            (self.unknown_command_closes, "unknown-command-closes"),
            (self.uidvalidity_unreliable, "uidvalidity-unreliable"),
            (self.mailboxes_are_labels, "mailboxes-are-labels"),
            (self.mailboxes_localised, "mailboxes-localised"),
        ];
        let pauses =
            [(self.idle_restart, "idle-restart-secs"), (self.poll_pause, "poll-pause-secs")];
        let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, word)| word.to_owned());
        let pauses = pauses
            .into_iter()
            .filter_map(|(pause, word)| pause.map(|pause| format!("{word}={}", pause.as_secs())));
        flags.chain(pauses).collect()
    }
}

/// The source of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Postlet's built-in table.
    BuiltIn,
    /// The operator of this host.
    Operator,
    /// The tenant's own files.
    Tenant,
    /// The domain itself, at `https://autoconfig.DOMAIN/`.
    Autoconfig,
    /// The domain itself, at its `.well-known` URL.
    WellKnown,
    /// The provider database that the operator configured.
    Ispdb,
    /// The domain itself, by SRV records.
    Srv,
    /// The domain's Autodiscover response.
    Autodiscover,
}

impl Origin {
    /// As components write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Operator => "operator",
            Self::Tenant => "tenant",
            Self::Autoconfig => "autoconfig",
            Self::WellKnown => "well-known",
            Self::Ispdb => "ispdb",
            Self::Srv => "srv",
            Self::Autodiscover => "autodiscover",
        }
    }
}

/// The evidence of a group of facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The group.
    pub about: About,
    /// The evidence.
    pub evidence: Evidence,
}

/// A group of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// The IMAP server.
    Imap,
    /// The SMTP server.
    Smtp,
    /// Which mail exchangers belong to it.
    Mx,
    /// Authentication.
    Auth,
    /// Connections and sent mail.
    Sessions,
    /// Deviations.
    Quirks,
}

impl About {
    /// As files and components write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Smtp => "smtp",
            Self::Mx => "mx",
            Self::Auth => "auth",
            Self::Sessions => "sessions",
            Self::Quirks => "quirks",
        }
    }
}

/// The kind of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A published source.
    Read {
        /// Its URL or title.
        source: String,
        /// The date of the source: a year, a month or a day (`2024-11`), or `undated`.
        date: String,
    },
    /// Unverified.
    Unverified,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_quirks_has_no_words() {
        assert_eq!(Quirks::default().words(), Vec::<String>::new());
    }

    #[test]
    fn a_quirk_is_a_word_and_a_pause_has_its_seconds() {
        let quirks = Quirks {
            search: Search::Untrusted,
            no_idle: true,
            poll_pause: Some(Duration::from_secs(60)),
            ..Quirks::default()
        };
        assert_eq!(quirks.words(), ["no-idle", "search-untrusted", "poll-pause-secs=60"]);
    }
}
