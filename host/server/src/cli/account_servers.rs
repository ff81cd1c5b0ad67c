//! Mail servers of a new account: from flags, or discovered, shown and confirmed.
//!
//! Invariant: the account is created with the servers that were shown; they are not
//! discovered again.

use anyhow::{Context, bail};
use clap::Args;
use engine::oauth::servers::places;
use http::Method;
use model::problem::Code;
use serde_json::{Value, json};

use crate::cli::api_client::{ApiClient, ApiError, put, text};
use crate::cli::output::warn;
use crate::cli::prompt::{Interaction, ask, with_spinner};
use crate::cli::report;

/// Flags that name the servers and the login.
#[derive(Args, Debug)]
pub(crate) struct Wanted {
    /// host:port of IMAP, for example imap.example.com:993; discovered when neither server is named.
    #[arg(long, value_name = "HOST:PORT")]
    imap: Option<String>,
    /// host:port of SMTP submission, for example smtp.example.com:465.
    #[arg(long, value_name = "HOST:PORT")]
    smtp: Option<String>,
    /// How TLS begins with IMAP: tls or starttls; the default is starttls on port 143, otherwise tls.
    #[arg(long, value_name = "HOW", value_parser = ["tls", "starttls"])]
    imap_security: Option<String>,
    /// How TLS begins with SMTP: tls or starttls; the default is starttls on port 587, otherwise tls.
    #[arg(long, value_name = "HOW", value_parser = ["tls", "starttls"])]
    smtp_security: Option<String>,
    /// The login name, when it differs from the address.
    #[arg(long)]
    username: Option<String>,
    /// Pin the public key of the IMAP server: sha256/…
    #[arg(long, value_name = "PIN")]
    imap_pin: Option<String>,
    /// Pin the public key of the SMTP server: sha256/…
    #[arg(long, value_name = "PIN")]
    smtp_pin: Option<String>,
    /// Accept discovered servers outside the mail domain.
    #[arg(long)]
    confirm: bool,
    /// Show the sources that were asked for the servers, and why each answer was used or not.
    #[arg(long, conflicts_with_all = ["imap", "smtp"])]
    explain: bool,
}

/// The kind of credentials of the new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    Password,
    Tokens,
}

/// Adds both servers to the body of the request that creates the account.
pub(crate) async fn servers(
    client: &ApiClient,
    interaction: Interaction,
    login: Login,
    email: &str,
    wanted: &Wanted,
    body: &mut Value,
) -> anyhow::Result<()> {
    if wanted.imap.is_some() || wanted.smtp.is_some() {
        return from_flags(wanted, body);
    }
    let found = look_up(client, interaction, email, wanted).await?;
    let name = text(&found, "name");
    warn(&format!("{name}, {}", origin(text(&found, "source"))));
    for (protocol, pin) in [("imap", &wanted.imap_pin), ("smtp", &wanted.smtp_pin)] {
        let Some(mut server) = found.get(protocol).filter(|half| half.is_object()).cloned() else {
            continue;
        };
        put(&mut server, "username", wanted.username.clone());
        put(&mut server, "pin", pin.clone());
        warn(&format!("  {}  {}", protocol.to_uppercase(), report::place(&server)));
        put(body, protocol, Some(server));
    }
    if body.get("imap").is_none() && body.get("smtp").is_none() {
        let why = found.get("recommendation").map(|advice| text(advice, "text"));
        let why = why.unwrap_or_default();
        return Err(ApiError::of(Code::NoServersFound, why.to_owned()).into());
    }
    if login == Login::Password && takes_only_tokens(&found) {
        return Err(ApiError::of(Code::OAuthNeeded, oauth_advice(name, body, &found)).into());
    }
    if found.get("confirm") == Some(&Value::Bool(true)) && !wanted.confirm {
        confirm(interaction, login)?;
    }
    // Before the prompt: the hint says which password to enter.
    let hints = [text(&found, "hint"), text(&found, "hintUrl")];
    for line in hints.into_iter().filter(|line| login == Login::Password && !line.is_empty()) {
        warn(line);
    }
    Ok(())
}

/// Discovers the servers. The sources that were asked are printed with `--explain`, and when none of
/// them has an answer.
async fn look_up(
    client: &ApiClient,
    interaction: Interaction,
    email: &str,
    wanted: &Wanted,
) -> anyhow::Result<Value> {
    let encoded: String = form_urlencoded::byte_serialize(email.as_bytes()).collect();
    let path = format!("/v1/providers?email={encoded}");
    let looked = client.call(Method::GET, &path, None);
    let looked = with_spinner(interaction, "Looking for the mail servers", looked).await;
    match &looked {
        Ok(found) if wanted.explain => report::explanation(found),
        Ok(_) => {}
        Err(error) => {
            if let Some(refused) = error.downcast_ref::<ApiError>() {
                report::explanation(&refused.document);
            }
        }
    }
    looked
}

/// Adds the servers that the flags name.
fn from_flags(wanted: &Wanted, body: &mut Value) -> anyhow::Result<()> {
    let halves = [
        ("imap", 993, &wanted.imap, &wanted.imap_security, &wanted.imap_pin),
        ("smtp", 465, &wanted.smtp, &wanted.smtp_security, &wanted.smtp_pin),
    ];
    for (name, usual, place, security, pin) in halves {
        let Some(place) = place else { continue };
        let mut server = server(place, usual, security.as_deref())?;
        put(&mut server, "username", wanted.username.clone());
        put(&mut server, "pin", pin.clone());
        put(body, name, Some(server));
    }
    Ok(())
}

/// Parses `host:port`; without `security`, the port decides how TLS begins (RFC 8314 §7.3).
fn server(text: &str, usual: u16, security: Option<&str>) -> anyhow::Result<Value> {
    let (host, port) = text
        .rsplit_once(':')
        .with_context(|| format!("`{text}` needs a port, as in {text}:{usual}"))?;
    let Some(port) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
        bail!(
            "`{port}` in `{text}` is not a port: a port is a number from 1 to 65535, such as {usual}"
        )
    };
    let begins = if matches!(port, 143 | 587) { "starttls" } else { "tls" };
    Ok(json!({"host": host, "port": port, "security": security.unwrap_or(begins)}))
}

fn takes_only_tokens(found: &Value) -> bool {
    let methods = found.get("auth").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    !methods.is_empty() && methods.iter().all(|method| method == "oauth2")
}

/// Advice for a service that accepts no password: the flag for OAuth, and the service's hints.
fn oauth_advice(name: &str, body: &Value, found: &Value) -> String {
    let hosts = ["imap", "smtp"].map(|half| body.get(half).map_or("", |half| text(half, "host")));
    let places = places().unwrap_or_default();
    let place = places.iter().find(|(_, place)| {
        place.hosts.iter().any(|known| hosts.iter().any(|host| known.eq_ignore_ascii_case(host)))
    });
    let server = place.map_or("NAME", |(server, _)| server);
    let message = format!(
        "{name} accepts no password from mail programs, only OAuth 2: add --oauth {server}, \
         which [oauth.server.{server}] of the host's configuration defines (docs/oauth.md)"
    );
    let hints = [text(found, "hint"), text(found, "hintUrl")];
    hints
        .into_iter()
        .filter(|hint| !hint.is_empty())
        .fold(message, |message, hint| message + "\n  " + hint)
}

/// Asks for confirmation of servers outside the mail domain.
fn confirm(interaction: Interaction, login: Login) -> anyhow::Result<()> {
    let what = match login {
        Login::Password => "the password",
        Login::Tokens => "the access token",
    };
    let foreign =
        format!("These servers are outside the mail domain; their operator receives {what}.");
    match interaction {
        Interaction::Terminal => {
            warn(&foreign);
            if ask("Use them? [y/N]", false)? {
                return Ok(());
            }
            bail!("nothing was stored; name the right servers with --imap and --smtp")
        }
        Interaction::Script => {
            let message = format!(
                "{foreign} If they are right, repeat with --confirm; otherwise name others with --imap and --smtp"
            );
            Err(ApiError::of(Code::ConfirmationNeeded, message).into())
        }
    }
}

/// The source of discovered servers, as text.
fn origin(source: &str) -> String {
    match source {
        "built-in" => "from Postlet's own table".to_owned(),
        "operator" => "from the operator's table".to_owned(),
        "tenant" => "from the tenant's own files".to_owned(),
        "autoconfig" | "well-known" => "from the domain's own web server".to_owned(),
        "srv" => "from the domain's SRV records in the DNS".to_owned(),
        "ispdb" => "from the database of mail services".to_owned(),
        other => format!("from {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_decides_how_tls_begins() {
        for (text, security, want) in [
            ("a.test:993", None, "tls"),
            ("a.test:143", None, "starttls"),
            ("[::1]:587", None, "starttls"),
            ("a.test:587", Some("tls"), "tls"),
        ] {
            assert_eq!(server(text, 993, security).unwrap()["security"], want, "{text}");
        }
    }

    #[test]
    fn an_invalid_port_is_named_with_an_example() {
        for (text, want) in [
            ("a.test", "`a.test` needs a port, as in a.test:465"),
            (
                "a.test:99999",
                "`99999` in `a.test:99999` is not a port: a port is a number from 1 to 65535, such as 465",
            ),
            (
                "a.test:0",
                "`0` in `a.test:0` is not a port: a port is a number from 1 to 65535, such as 465",
            ),
            (
                "a.test:",
                "`` in `a.test:` is not a port: a port is a number from 1 to 65535, such as 465",
            ),
        ] {
            assert_eq!(server(text, 465, None).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn a_service_without_passwords_names_the_flag_and_the_server_of_its_tokens() {
        let of = |host: &str| {
            let body = json!({"imap": {"host": host}});
            oauth_advice("X", &body, &json!({"hint": "No passwords."}))
        };
        let outlook = of(&places().unwrap()["microsoft"].hosts[0]);
        assert!(outlook.contains("--oauth microsoft") && outlook.ends_with("\n  No passwords."));
        assert!(of("imap.corp.example").contains("[oauth.server.NAME]"));
    }
}
