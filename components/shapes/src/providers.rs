//! JSON of a mail service's settings.

use schemars::JsonSchema;
use serde::Serialize;

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider<'a> {
    /// Never changes. For a discovered service it is the domain
    pub id: &'a str,
    pub name: &'a str,
    /// null where the service has no server with TLS
    pub imap: Option<Server<'a>>,
    /// null where the service has no server with TLS
    pub smtp: Option<Server<'a>>,
    /// The best first; empty where no login is possible
    pub auth: Vec<Method<'a>>,
    /// Steps that a person has to take before a login works
    pub hint: Option<&'a str>,
    pub hint_url: Option<&'a str>,
    pub limits: Vec<Limit<'a>>,
    /// IMAP connections that are allowed at once
    pub connections: Option<u16>,
    /// Which side stores a copy of a sent message
    #[schemars(extend("enum" = ["server", "client", null]))]
    pub sent_copy: Option<&'a str>,
    /// Deviations of the service from the standards
    pub quirks: &'a [String],
    /// The recommended protocols. POP3 is never among them; the text says why
    pub recommendation: Recommendation<'a>,
    /// The source: files of this host, or a discovery source
    #[schemars(extend("enum" = [
        "built-in", "operator", "tenant", "autoconfig", "well-known", "ispdb", "srv", "autodiscover",
    ]))]
    pub source: &'a str,
    /// Whether a person has to agree before a password is sent to these servers: they lie outside the
    /// mail domain and the domain of its mail exchanger
    pub confirm: bool,
    /// The source of each group of facts
    pub facts: Vec<Fact<'a>>,
    /// The discovery steps, the strongest source first
    pub explain: Vec<Step<'a>>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Server<'a> {
    pub host: &'a str,
    pub port: u16,
    pub security: Security,
    /// The login name, or {email} or {localPart} where no address was given
    pub username: &'a str,
}

#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Security {
    Tls,
    Starttls,
}

// A login method. The host knows the methods; here they are listed for clients.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[schemars(inline, extend("enum" = ["oauth2", "authorizationCode", "appPassword", "password"]))]
pub struct Method<'a>(pub &'a str);

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Limit<'a> {
    pub name: &'a str,
    pub value: u64,
    /// null when it was not verified
    pub source: Option<&'a str>,
    pub year: Option<u16>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Recommendation<'a> {
    #[schemars(extend("enum" = ["smtp", null]))]
    pub send: Option<&'a str>,
    #[schemars(extend("enum" = ["imap", null]))]
    pub read: Option<&'a str>,
    /// For people, in the language of Accept-Language
    pub text: &'a str,
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Fact<'a> {
    #[schemars(extend("enum" = ["imap", "smtp", "mx", "auth", "sessions", "quirks"]))]
    pub about: &'a str,
    pub source: Option<&'a str>,
    pub date: Option<&'a str>,
    pub confidence: Confidence,
}

#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Confidence {
    Read,
    Unverified,
}

// A discovery source, and its result.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Step<'a> {
    #[schemars(extend("enum" = [
        "tenant", "table", "cache", "mx", "autoconfig", "well-known", "ispdb", "srv", "autodiscover",
    ]))]
    pub source: &'a str,
    pub asked: &'a str,
    pub millis: u32,
    #[schemars(extend("enum" = ["used", "unused", "nothing", "refused", "failed", "off"]))]
    pub outcome: &'a str,
    pub reason: &'a str,
}
