//! API client of the commands `account`, `token` and `key`: connection flags, requests, and
//! output for a person or a script.
//!
//! A client like any other, without special access.
//!
//! Invariant: with `--json` there is exactly one document on standard output, on success
//! and on failure.

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
use serde_json::{Value, json};

use crate::cli::output::{inert, say, warn};

/// Flags of the connection: the host's address, and the token.
#[derive(Args, Debug)]
pub(crate) struct ConnectionArgs {
    /// The host's address.
    #[arg(long, env = "POSTLET_URL", default_value = "http://127.0.0.1:7400")]
    #[arg(global = true, help_heading = CONNECTION)]
    url: String,
    /// The API token; as a flag, every user of the machine can see it: prefer POSTLET_TOKEN or --token-file.
    // Not clap's `env`: a token from the environment could not be told from a flag.
    #[arg(long, global = true, help_heading = CONNECTION)]
    token: Option<String>,
    /// A file that holds the token, such as operator.token in the data directory.
    #[arg(long, value_name = "FILE", global = true, help_heading = CONNECTION)]
    token_file: Option<PathBuf>,
    /// Print the host's response as one JSON document, also when it is an error.
    #[arg(long, global = true, help_heading = CONNECTION)]
    pub(crate) json: bool,
}

const CONNECTION: &str = "Connection";

/// A client of the host's HTTP API.
#[derive(Debug)]
pub(crate) struct ApiClient(Client);

impl ConnectionArgs {
    pub(crate) fn client(self) -> anyhow::Result<ApiClient> {
        let environment = std::env::var("POSTLET_TOKEN").ok();
        let token = token_of(self.token, self.token_file.as_deref(), environment)?;
        if let Some(host) = in_the_clear(&self.url) {
            warn(&format!(
                "warning: the token and every password are sent to {host} unencrypted; use https"
            ));
        }
        let client = Client::new(&self.url, Some(Secret::new(token)), Trust::new(None)?)?;
        Ok(ApiClient(client.in_language(&language())))
    }
}

/// The host of a URL without TLS, unless it is on this machine.
fn in_the_clear(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let host = url.host().filter(|_| url.scheme_str() == Some("http"))?.trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    (!here).then(|| host.to_owned())
}

/// The token: a flag takes precedence over the environment.
fn token_of(
    typed: Option<String>,
    file: Option<&Path>,
    environment: Option<String>,
) -> anyhow::Result<String> {
    match (typed, file) {
        (Some(_), Some(_)) => bail!("give --token or --token-file, not both"),
        (Some(token), None) => Ok(token),
        (None, Some(path)) => Ok(std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .trim()
            .to_owned()),
        (None, None) => environment
            .filter(|token| !token.is_empty())
            .context("a token is needed: POSTLET_TOKEN, or --token-file <data>/operator.token"),
    }
}

impl ApiClient {
    /// Sends a request, and returns the JSON body of a success response.
    ///
    /// # Errors
    /// An [`ApiError`] for a problem response; another error when there is no response, or it is not JSON.
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
            serde_json::from_slice(&bytes).context("the host's response is not JSON")?
        };
        if status.is_success() {
            return Ok(value);
        }
        Err(ApiError { message: refusal(&value), document: value }.into())
    }
}

/// An error response (RFC 9457): as text for a person, and as the document for a script.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    pub(crate) message: String,
    pub(crate) document: Value,
}

impl ApiError {
    /// The problem that the host would return, where the client knows it before a request.
    pub(crate) fn of(code: Code, message: String) -> Self {
        let document = json!({
            "type": format!("urn:postlet:problem:{}", code.as_str()), "title": code.title(),
            "detail": message, "code": code.as_str(), "retryable": code.retryable(),
        });
        Self { message, document }
    }
}

/// Prints the error of a command as a JSON document where `machine` is set, and returns the result.
pub(crate) fn ended(machine: bool, result: anyhow::Result<()>) -> anyhow::Result<()> {
    if machine && let Err(error) = &result {
        say(&document(error).to_string())?;
    }
    result
}

/// The document of an error. Without a response of a host, its code is null.
fn document(error: &anyhow::Error) -> Value {
    match error.downcast_ref::<ApiError>() {
        Some(refused) => refused.document.clone(),
        None => json!({"type": "about:blank", "code": null, "detail": format!("{error:#}")}),
    }
}

/// A problem document as text: the detail, each fault once, and the advice for the command line.
pub(crate) fn refusal(problem: &Value) -> String {
    let detail = text(problem, "detail");
    let mut message = format!("{detail} ({})", text(problem, "code"));
    let faults = problem.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (index, fault) in faults.iter().enumerate() {
        // The detail of an invalid body contains the first fault.
        if index > 0 || !detail.contains(text(fault, "detail")) {
            message.push_str(&format!("\n  {}: {}", text(fault, "pointer"), text(fault, "detail")));
        }
    }
    if let Some(advice) = advice(text(problem, "code")) {
        message.push_str(&format!("\n  {advice}"));
    }
    inert(&message)
}

/// Advice on a problem with a mail server, by its code.
pub(crate) fn advice(code: &str) -> Option<&'static str> {
    match code {
        "certificate-untrusted" | "certificate-wrong-host" => Some(
            "trust its key by its pin (--imap-pin, --smtp-pin; docs/command-line.md says how to get it), or its authority by [tls] extra-roots in the configuration",
        ),
        "reauth-required" => {
            Some("ask the owner to consent again: postlet account consent, with the account's id")
        }
        "no-such-provider" => Some("name the servers: --imap host:993, --smtp host:465, or both"),
        _ => None,
    }
}

/// Sets a member of a JSON object, unless the value is none.
pub(crate) fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value.into());
    }
}

/// A string member of a JSON object; empty when it is missing or not a string.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The user's language as a language tag (RFC 5646), from the POSIX locale (`zh_CN.UTF-8`).
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
        let (typed, set) = (|| Some("plt_typed".to_owned()), || Some("plt_set".to_owned()));
        assert_eq!(token_of(typed(), None, set()).unwrap(), "plt_typed");
        assert_eq!(token_of(None, Some(&path), set()).unwrap(), "plt_file");
        assert_eq!(token_of(None, None, set()).unwrap(), "plt_set");
        assert!(token_of(typed(), Some(&path), None).is_err());
        assert!(token_of(None, None, Some(String::new())).is_err());
    }

    #[test]
    fn every_error_has_a_document() {
        let refused = ApiError::of(Code::OAuthNeeded, "no".to_owned());
        let wrapped = anyhow::Error::from(refused).context("stored");
        assert_eq!(document(&wrapped)["code"], "oauth-needed");
        let other = document(&anyhow::anyhow!("cause").context("no response"));
        assert_eq!(other["detail"], "no response: cause");
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
        let unknown = json!({"detail": "not known", "code": "no-such-provider"});
        assert!(refusal(&unknown).ends_with("--smtp host:465, or both"));
        assert_eq!(refusal(&json!({"detail": "no", "code": "forbidden"})), "no (forbidden)");
    }
}
