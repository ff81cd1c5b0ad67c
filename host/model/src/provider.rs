//! Providers: what is known about a mail service before anybody logs in.
//!
//! Facts come with where they were read, or say that they are unverified, so
//! that whoever relies on one can judge it. Policy about them is `engine`'s.
//!
//! Invariant: a server is always one with TLS; where a service has none that
//! is safe, there is none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::Security;

/// One mail service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// A word that never changes: lower-case letters, digits and hyphens.
    pub id: String,
    /// What people abroad call it.
    pub name: String,
    /// What people at home call it.
    pub names: Vec<Localised>,
    /// Where to read.
    pub imap: Option<Server>,
    /// Where to send.
    pub smtp: Option<Server>,
    /// The best first; empty where nobody can log in.
    pub auth: Vec<Auth>,
    /// What a person has to do before a login works.
    pub hints: Vec<Localised>,
    /// The service's own page about it.
    pub hint_url: Option<String>,
    /// How much it takes; most services do not say.
    pub limits: Vec<Limit>,
    /// IMAP connections that it allows at once.
    pub connections: Option<u16>,
    /// Who puts a sent message into the mailbox for sent ones.
    pub sent_copy: Option<SentCopy>,
    /// Where it departs from the standards.
    pub quirks: Quirks,
    /// Who says so.
    pub origin: Origin,
    /// Where each group of facts was read.
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

/// A server that everybody of the service uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How TLS begins.
    pub security: Security,
    /// What the login name is made of.
    pub username: Username,
}

/// What a login name is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Username {
    /// The whole address.
    Email,
    /// What stands before the `@`.
    LocalPart,
}

impl Username {
    /// With a placeholder for what it is made of.
    #[must_use]
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Email => "{email}",
            Self::LocalPart => "{local-part}",
        }
    }
}

/// What a login is proved with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// A token of RFC 6749, by XOAUTH2 or RFC 7628.
    #[serde(rename = "oauth2")]
    OAuth2,
    /// A code that the service's web page gives for mail programs (授权码).
    AuthorizationCode,
    /// A password made for one program.
    AppPassword,
    /// The one that opens the web page.
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

/// How much a service takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What is counted.
    pub name: LimitName,
    /// At most.
    pub value: u64,
    /// Where it was read; none when nobody has checked it.
    pub source: Option<String>,
    /// Of the source; none where it does not say.
    pub year: Option<u16>,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitName {
    /// Sent in a rolling day.
    MessagesPerDay,
    /// Sent in a minute.
    MessagesPerMinute,
    /// Addressed in a rolling day.
    RecipientsPerDay,
    /// Of those, outside the own organisation.
    ExternalRecipientsPerDay,
    /// Addressed in one message.
    RecipientsPerMessage,
    /// The size of a message.
    MessageBytes,
    /// SMTP connections at once.
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

/// Who puts a sent message into the mailbox for sent ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SentCopy {
    /// The service does; another copy would be a double.
    Server,
    /// Whoever sends has to.
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

/// Where a service departs from the standards. The default is a service that keeps to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quirks {
    /// Refuses to open a mailbox before it was sent ID (RFC 2971), after the login.
    pub id_after_login: bool,
    /// Promises SASL-IR (RFC 4959) and does not keep it.
    pub no_sasl_ir: bool,
    /// Has no IDLE (RFC 2177), or none that works.
    pub no_idle: bool,
    /// IDLE goes silent earlier than the 29 minutes of RFC 2177.
    pub idle_restart: Option<Duration>,
    /// Answers NOOP without telling what is new; STATUS tells.
    pub noop_ignored: bool,
    /// A session sees a mailbox as it was when it was selected.
    pub stale_until_select: bool,
    /// What an answer to SEARCH is worth.
    pub search: Search,
    /// FETCH refuses some sets of UIDs.
    pub uid_sets_refused: bool,
    /// FETCH of RFC822 may lack the literal; BODY.PEEK[] has it.
    pub rfc822_incomplete: bool,
    /// Hangs up on a command that it does not know: only what CAPABILITY lists may be sent.
    pub unknown_command_closes: bool,
    /// UIDVALIDITY changes, or stays, when it should not.
    pub uidvalidity_unreliable: bool,
    /// A message has labels, so the same one lies in several mailboxes.
    pub mailboxes_are_labels: bool,
    /// Mailboxes have names in the account's language.
    pub mailboxes_localised: bool,
    /// Logins that follow each other faster are locked out.
    pub poll_pause: Option<Duration>,
}

/// What an answer to SEARCH is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Search {
    /// What RFC 9051 says.
    #[default]
    Trusted,
    /// May hold what was not asked for.
    Untrusted,
    /// There is none.
    Absent,
}

impl Quirks {
    /// A word for each departure; a duration stands behind an equals sign, in seconds.
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

/// Who says what a profile says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Postlet's own table.
    BuiltIn,
    /// The operator of this host.
    Operator,
    /// The tenant's own files.
    Tenant,
    /// The domain itself, at `https://autoconfig.DOMAIN/`.
    Autoconfig,
    /// The domain itself, at its `.well-known` address.
    WellKnown,
    /// The database of mail services that the operator named.
    Ispdb,
    /// The domain itself, in the DNS.
    Srv,
    /// What it answered to Autodiscover.
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

/// Where a group of facts was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Which group.
    pub about: About,
    /// What it rests on.
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
    /// Which mail exchangers are its own.
    Mx,
    /// How to log in.
    Auth,
    /// Connections and sent mail.
    Sessions,
    /// The departures.
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

/// What a fact rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Somebody read it somewhere.
    Read {
        /// Where.
        source: String,
        /// Of the source: a year, a month or a day (`2024-11`), or `undated`.
        date: String,
    },
    /// Common belief.
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
