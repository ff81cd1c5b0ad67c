//! Text output for responses of the host: a verification, a test message, a search for
//! servers, an account, a table of rows.
//!
//! Invariant: every advice of a response is printed.

use serde_json::Value;

use crate::cli::api_client::{advice, text};
use crate::cli::output::{say, warn};

/// Prints the steps, the warnings and the error of each server; advice for both is printed once.
pub(crate) fn verification(verified: &Value) {
    let mut printed = Vec::new();
    for protocol in ["imap", "smtp"] {
        let Some(half) = verified.get(protocol).filter(|half| half.is_object()) else { continue };
        let protocol = protocol.to_uppercase();
        steps(&protocol, half);
        for warning in members(half, "warnings") {
            warn(&format!("{protocol}: {}", warning.as_str().unwrap_or_default()));
        }
        if half.get("ok") == Some(&Value::Bool(false)) {
            warn(&format!("{protocol}: {}", text(half, "detail")));
            let upstream = half.get("reply").and_then(Value::as_str).unwrap_or_default();
            if !upstream.is_empty() {
                warn(&format!("  the server replied: {upstream}"));
            }
            let more = [text(half, "hintUrl"), advice(text(half, "code")).unwrap_or_default()];
            for line in more.into_iter().filter(|line| !line.is_empty()) {
                if !printed.contains(&line) {
                    warn(&format!("  {line}"));
                    printed.push(line);
                }
            }
        }
    }
}

/// Prints the outcome of a test message.
pub(crate) fn test_message(outcome: &Value) {
    steps("test", outcome);
    if outcome.get("junk") == Some(&Value::Bool(true)) {
        warn("test: the message arrived, but as junk");
    }
    if !is_ok(outcome) {
        warn(&format!("test: {}", text(outcome, "detail")));
    }
}

/// Prints the sources that were asked for the servers of a domain, the most trusted first, with the
/// time that each took.
pub(crate) fn explanation(found: &Value) {
    for step in members(found, "explain") {
        let took = step.get("millis").and_then(Value::as_u64).unwrap_or_default();
        let (source, outcome) = (text(step, "source"), text(step, "outcome"));
        let (asked, reason) = (text(step, "asked"), text(step, "reason"));
        warn(&format!("  {source:<12}  {outcome:<7}  {took:>5} ms  {asked}: {reason}"));
    }
}

/// Prints an account, one line for each property.
pub(crate) fn account(account: &Value) -> anyhow::Result<()> {
    let server = |protocol: &str| {
        let server = account.get(protocol).filter(|server| server.is_object())?;
        let pin = match text(server, "pin") {
            "" => String::new(),
            pin => format!(", pin {pin}"),
        };
        Some(format!("{}{pin}", place(server)))
    };
    let identity = |identity: &Value| match text(identity, "name") {
        "" => text(identity, "email").to_owned(),
        name => format!("{name} <{}>", text(identity, "email")),
    };
    let error = account.get("lastError").filter(|error| error.is_object()).map(|error| {
        let (at, protocol, code) =
            (text(error, "at"), text(error, "protocol"), text(error, "code"));
        format!("{at}, {protocol}: {} ({code})", text(error, "detail"))
    });
    let own = |name: &str| Some(text(account, name).to_owned()).filter(|text| !text.is_empty());
    let identities: Vec<String> = members(account, "identities").map(identity).collect();
    for (name, value) in [
        ("id", own("id")),
        ("email", own("email")),
        ("name", own("name")),
        ("imap", server("imap")),
        ("smtp", server("smtp")),
        ("login", Some(login(account))),
        ("sends as", Some(identities.join(", "))),
        ("state", own("state")),
        ("last error", error),
    ] {
        say(format!("{name:<11} {}", value.as_deref().unwrap_or("-")).trim_end())?;
    }
    Ok(())
}

fn login(account: &Value) -> String {
    let source = account.get("oauth").filter(|source| source.is_object());
    let by = |name: &str| source.map(|source| text(source, name)).filter(|text| !text.is_empty());
    match (by("provider"), by("tokenHost")) {
        (Some(provider), _) => format!("OAuth 2, with the owner's consent at {provider}"),
        (None, Some(host)) => format!("OAuth 2, with tokens from {host}"),
        (None, None) => text(account, "auth").to_owned(),
    }
}

/// A mail server as text: host, port, security and login name.
pub(crate) fn place(server: &Value) -> String {
    let port = server.get("port").and_then(Value::as_u64).unwrap_or_default();
    let (host, security) = (text(server, "host"), text(server, "security"));
    format!("{host}:{port} ({security}), login {}", text(server, "username"))
}

pub(crate) fn is_ok(tried: &Value) -> bool {
    tried.get("ok") == Some(&Value::Bool(true))
}

fn steps(of: &str, tried: &Value) {
    for step in members(tried, "steps") {
        let took = step.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
        let mark = if is_ok(step) { "ok" } else { "failed" };
        warn(&format!("  {of}  {:<12}  {mark:<6}  {took} ms", text(step, "step")));
    }
}

fn members<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Prints rows of a list as a table with a header line.
pub(crate) fn table(answer: &Value, rows: &str, columns: &[&str]) -> anyhow::Result<()> {
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "-".to_owned(),
    };
    let mut lines = vec![columns.iter().map(|column| column.to_uppercase()).collect::<Vec<_>>()];
    for row in answer.get(rows).and_then(Value::as_array).into_iter().flatten() {
        lines.push(
            columns
                .iter()
                .map(|column| row.get(column).map_or_else(|| "-".to_owned(), cell))
                .collect(),
        );
    }
    let widths: Vec<usize> = (0..columns.len())
        .map(|index| {
            lines
                .iter()
                .filter_map(|line| line.get(index))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for line in &lines {
        let padded: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        say(padded.join("  ").trim_end())?;
    }
    Ok(())
}
