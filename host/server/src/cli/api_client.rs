//! What the commands that talk to a host share: which host, as whom, and how a person
//! is spoken to.
//!
//! A client like any other: what it does is what curl can do. Results go to standard
//! output, everything else to standard error.
//!
//! Invariant: with `--json` there is one document on standard output, however it ended.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use http::{Method, Uri};
use model::problem::Code;
use model::secret::Secret;
use net::cli_client::Client;
use net::tls::Trust;
use rules::foreign_text::steers;
use serde_json::{Value, json};

/// Which host, as whom.
#[derive(Args, Debug)]
pub(crate) struct ConnectionArgs {
    /// The host's address.
    #[arg(long, env = "POSTLET_URL", default_value = "http://127.0.0.1:7400")]
    #[arg(global = true, help_heading = CONNECTION)]
    url: String,
    /// A token; every user of the machine sees it here, so better set POSTLET_TOKEN or use --token-file.
    // Not clap's `env`: what the environment holds would look as if it had been typed.
    #[arg(long, global = true, help_heading = CONNECTION)]
    token: Option<String>,
    /// A file that holds the token, such as operator.token in the data directory.
    #[arg(long, value_name = "FILE", global = true, help_heading = CONNECTION)]
    token_file: Option<PathBuf>,
    /// Print the host's answer as one JSON document, also when it is a no.
    #[arg(long, global = true, help_heading = CONNECTION)]
    pub(crate) json: bool,
}

const CONNECTION: &str = "Connection";

#[derive(Debug)]
pub(crate) struct ApiClient(Client);

impl ConnectionArgs {
    pub(crate) fn client(self) -> anyhow::Result<ApiClient> {
        let told = std::env::var("POSTLET_TOKEN").ok();
        let token = token_of(self.token, self.token_file.as_deref(), told)?;
        if let Some(host) = in_the_clear(&self.url) {
            warn(&format!(
                "warning: the token and every password go to {host} unencrypted; use https there"
            ));
        }
        let client = Client::new(&self.url, Some(Secret::new(token)), Trust::new(None)?)?;
        Ok(ApiClient(client.in_language(&language())))
    }
}

/// A host beyond this machine to which nothing is encrypted.
fn in_the_clear(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let host = url.host().filter(|_| url.scheme_str() == Some("http"))?.trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    (!here).then(|| host.to_owned())
}

/// What was typed goes before what the environment holds.
fn token_of(
    typed: Option<String>,
    file: Option<&Path>,
    told: Option<String>,
) -> anyhow::Result<String> {
    match (typed, file) {
        (Some(_), Some(_)) => bail!("give --token or --token-file, not both"),
        (Some(token), None) => Ok(token),
        (None, Some(path)) => Ok(std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .trim()
            .to_owned()),
        (None, None) => told
            .filter(|token| !token.is_empty())
            .context("a token is needed: POSTLET_TOKEN, or --token-file <data>/operator.token"),
    }
}

impl ApiClient {
    /// The JSON of a good answer; a problem becomes an error with its faults.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let (status, bytes) =
            self.0.request(method, path, body.map(|body| Bytes::from(body.to_string()))).await?;
        let value: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).context("the host's answer is not JSON")?
        };
        if status.is_success() {
            return Ok(value);
        }
        Err(ApiError { words: refusal(&value), document: value }.into())
    }
}

/// A no: in words for a person, and as the document that a script is given.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct ApiError {
    pub(crate) words: String,
    pub(crate) document: Value,
}

impl ApiError {
    /// What the host would say if it were asked; it is known here already.
    pub(crate) fn of(code: Code, words: String) -> Self {
        let document = json!({
            "type": format!("urn:postlet:problem:{}", code.as_str()), "title": code.title(),
            "detail": words, "code": code.as_str(), "retryable": code.retryable(),
        });
        Self { words, document }
    }
}

/// The end of a command: a script reads what went wrong as a document.
pub(crate) fn ended(machine: bool, ended: anyhow::Result<()>) -> anyhow::Result<()> {
    if machine && let Err(error) = &ended {
        say(&document(error).to_string())?;
    }
    ended
}

/// What has no document, since no host was reached or asked, gets one without a code.
fn document(error: &anyhow::Error) -> Value {
    match error.downcast_ref::<ApiError>() {
        Some(refused) => refused.document.clone(),
        None => json!({"type": "about:blank", "code": null, "detail": format!("{error:#}")}),
    }
}

/// A problem document for a person: what happened, each fault once, and what to do about it here.
pub(crate) fn refusal(problem: &Value) -> String {
    let detail = text(problem, "detail");
    let mut message = format!("{detail} ({})", text(problem, "code"));
    let faults = problem.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (index, fault) in faults.iter().enumerate() {
        // The detail of a faulty body begins with the first one.
        if index > 0 || !detail.contains(text(fault, "detail")) {
            message.push_str(&format!("\n  {}: {}", text(fault, "pointer"), text(fault, "detail")));
        }
    }
    if let Some(advice) = advice(text(problem, "code")) {
        message.push_str(&format!("\n  {advice}"));
    }
    inert(&message)
}

/// What helps against a problem with a mail server, by its code.
pub(crate) fn advice(code: &str) -> Option<&'static str> {
    match code {
        "certificate-untrusted" | "certificate-wrong-host" => Some(
            "trust its key by its pin (--imap-pin, --smtp-pin; docs/command-line.md says how to get it), or its authority by [tls] extra-roots in the configuration",
        ),
        "reauth-required" => Some("postlet account consent, with the account's id, asks its owner"),
        "no-such-provider" => Some("name the servers: --imap host:993, --smtp host:465, or both"),
        _ => None,
    }
}

pub(crate) fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value.into());
    }
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", inert(line)).context("cannot write to standard output")
}

pub(crate) fn warn(line: &str) {
    // Nothing is left to do when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", inert(line));
}

/// What would steer a terminal, or turn the order of letters round, is written as JSON writes it: names
/// are anybody's words, and JSON stays what it was.
fn inert(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    for letter in line.chars() {
        if matches!(letter, '\n' | '\t') || !steers(letter) {
            safe.push(letter);
        } else {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units).iter();
            safe.extend(units.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    safe
}

/// The person's language, as POSIX locales name it (`zh_CN.UTF-8`), as a language tag (RFC 5646).
fn language() -> String {
    let set =
        ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    tag(set.into_iter().find(|value| !value.is_empty()).as_deref().unwrap_or_default())
}

fn tag(locale: &str) -> String {
    match locale.split(['.', '@']).next().unwrap_or_default() {
        "" | "C" | "POSIX" => "en".to_owned(),
        name => name.replace('_', "-"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_locale_becomes_a_language_tag() {
        for (locale, want) in [
            ("zh_CN.UTF-8", "zh-CN"),
            ("de_DE@euro", "de-DE"),
            ("C.UTF-8", "en"),
            ("", "en"),
            ("fr", "fr"),
        ] {
            assert_eq!(tag(locale), want);
        }
    }

    #[test]
    fn what_is_typed_goes_before_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "plt_file\n").unwrap();
        let (typed, told) = (|| Some("plt_typed".to_owned()), || Some("plt_told".to_owned()));
        assert_eq!(token_of(typed(), None, told()).unwrap(), "plt_typed");
        assert_eq!(token_of(None, Some(&path), told()).unwrap(), "plt_file");
        assert_eq!(token_of(None, None, told()).unwrap(), "plt_told");
        assert!(token_of(typed(), Some(&path), None).is_err());
        assert!(token_of(None, None, Some(String::new())).is_err());
    }

    #[test]
    fn every_error_has_a_document() {
        let refused = ApiError::of(Code::OAuthNeeded, "no".to_owned());
        let wrapped = anyhow::Error::from(refused).context("stored");
        assert_eq!(document(&wrapped)["code"], "oauth-needed");
        let other = document(&anyhow::anyhow!("cause").context("nobody answers"));
        assert_eq!(other["detail"], "nobody answers: cause");
        assert_eq!(other["code"], Value::Null);
    }

    #[test]
    fn only_another_machine_without_tls_is_warned_of() {
        for url in ["http://127.0.0.1:7400", "http://localhost", "http://[::1]:1", "https://vm"] {
            assert_eq!(in_the_clear(url), None, "{url}");
        }
        assert_eq!(in_the_clear("http://vm:7400").as_deref(), Some("vm"));
    }

    #[test]
    fn no_word_of_a_stranger_steers_the_terminal() {
        assert_eq!(inert("a\tb\nc Grüße 你好"), "a\tb\nc Grüße 你好");
        assert_eq!(inert("N\u{9b}31m\u{1b}[0m\u{202e}x"), "N\\u009b31m\\u001b[0m\\u202ex");
        assert_eq!(inert("a\u{61c}\u{2060}b"), "a\\u061c\\u2060b");
        let name = json!({"name": "N\u{9b}\u{2028}\u{feff}\u{e0001}"});
        let read: Value = serde_json::from_str(&inert(&name.to_string())).unwrap();
        assert_eq!(read, name);
    }

    #[test]
    fn a_fault_is_printed_once_and_advice_follows() {
        let fault =
            |pointer: &str| json!({"pointer": pointer, "code": "missing", "detail": "is needed"});
        let one =
            json!({"detail": "/a: is needed", "code": "invalid-body", "errors": [fault("/a")]});
        assert_eq!(refusal(&one), "/a: is needed (invalid-body)");
        let two = json!({"detail": "/a: is needed; also not right: /b", "code": "invalid-body", "errors": [fault("/a"), fault("/b")]});
        assert_eq!(
            refusal(&two),
            "/a: is needed; also not right: /b (invalid-body)\n  /b: is needed"
        );
        let nobody = json!({"detail": "nobody knows it", "code": "no-such-provider"});
        assert!(refusal(&nobody).ends_with("--smtp host:465, or both"));
        assert_eq!(refusal(&json!({"detail": "no", "code": "forbidden"})), "no (forbidden)");
    }
}
