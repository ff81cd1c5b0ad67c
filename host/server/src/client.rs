//! `postlet token` and `postlet account`: the API from a terminal.
//!
//! A client like any other: what it does is what curl can do. A password is
//! read from a file, from standard input, or hidden at a prompt, never from
//! the arguments, which every user of the machine can see.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use model::secret::Secret;
use net::http::Client;
use net::tls::Trust;
use serde_json::{Value, json};

/// Which host, as whom.
#[derive(Args, Debug)]
pub(crate) struct Reach {
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
    /// Print the host's answer as JSON.
    #[arg(long, global = true, help_heading = CONNECTION)]
    json: bool,
}

const CONNECTION: &str = "Connection";

const TOKEN_EXAMPLES: &str = "\
Examples:
  # An app that reads and sends with one mailbox, until the end of the year
  postlet token create --scope read,send --account me --name app --expires 2030-12-31T23:59:59Z

  # Into a file; the id to revoke it by is printed beside it
  postlet token create --scope read,change --name desk > desk.token";

const ACCOUNT_EXAMPLES: &str = "\
Examples:
  # TLS from the start; the password is asked for
  postlet account add you@example.com --id me --imap imap.example.com:993 --smtp smtp.example.com:465

  # STARTTLS on the submission port, another login name, the password from a file
  postlet account add you@example.com --imap imap.example.com:993 --smtp smtp.example.com:587 \\
    --username you --password-file password

  # Sending only
  postlet account add news@example.com --smtp smtp.example.com:465";

/// `postlet token …`
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown once.
    #[command(after_help = TOKEN_EXAMPLES)]
    Create {
        /// What it allows: read, change, send, accounts, operate.
        #[arg(long = "scope", required = true, value_delimiter = ',', value_name = "SCOPE,…")]
        scopes: Vec<String>,
        /// Whose it is; the calling token's tenant when left out.
        #[arg(long)]
        tenant: Option<String>,
        /// The only accounts that it may open.
        #[arg(long = "account", value_delimiter = ',', value_name = "ID,…")]
        accounts: Vec<String>,
        /// When it ends, as in 2030-12-31T23:59:59Z (RFC 3339); never when left out.
        #[arg(long, value_name = "INSTANT")]
        expires: Option<String>,
        /// What you call it.
        #[arg(long)]
        name: Option<String>,
    },
    /// List every token, without its secret.
    List,
    /// End a token.
    Revoke {
        /// `tok_…`
        id: String,
    },
}

/// `postlet account …`
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Connect a mailbox; servers and password are checked first.
    #[command(after_help = ACCOUNT_EXAMPLES)]
    Add(Box<NewAccount>),
    /// List the accounts.
    List,
    /// Remove an account and its sealed password.
    Remove {
        /// The account's id.
        id: String,
    },
}

/// What `account add` takes.
#[derive(Args, Debug)]
pub(crate) struct NewAccount {
    /// The mailbox's address.
    email: String,
    /// A name for it in URLs; made up when left out.
    #[arg(long)]
    id: Option<String>,
    /// The display name of what it sends.
    #[arg(long)]
    name: Option<String>,
    /// host:port of IMAP, for example imap.example.com:993.
    #[arg(long, value_name = "HOST:PORT")]
    imap: Option<String>,
    /// host:port of SMTP submission, for example smtp.example.com:465.
    #[arg(long, value_name = "HOST:PORT")]
    smtp: Option<String>,
    /// How TLS begins with IMAP: tls or starttls; starttls on port 143, else tls.
    #[arg(long, value_name = "HOW", value_parser = ["tls", "starttls"])]
    imap_security: Option<String>,
    /// How TLS begins with SMTP: tls or starttls; starttls on port 587, else tls.
    #[arg(long, value_name = "HOW", value_parser = ["tls", "starttls"])]
    smtp_security: Option<String>,
    /// The login name, when it is not the address.
    #[arg(long)]
    username: Option<String>,
    /// Trust the IMAP server by its key: sha256/…
    #[arg(long, value_name = "PIN")]
    imap_pin: Option<String>,
    /// Trust the SMTP server by its key: sha256/…
    #[arg(long, value_name = "PIN")]
    smtp_pin: Option<String>,
    /// A file that holds the password; else it is asked for, or read from standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Store it without asking the servers.
    #[arg(long)]
    unverified: bool,
}

pub(crate) async fn token(reach: Reach, command: TokenCommand) -> anyhow::Result<()> {
    let machine = reach.json;
    let client = reach.client()?;
    match command {
        TokenCommand::Create { scopes, tenant, accounts, expires, name } => {
            let mut body = json!({"scopes": scopes});
            put(&mut body, "tenant", tenant);
            put(&mut body, "name", name);
            put(&mut body, "expires", expires);
            put(&mut body, "accounts", (!accounts.is_empty()).then_some(accounts));
            let made = client.call(Method::POST, "/v1/tokens", Some(body)).await?;
            if machine {
                return say(&made.to_string());
            }
            for unknown in
                made.get("unknownAccounts").and_then(Value::as_array).into_iter().flatten()
            {
                let id = unknown.as_str().unwrap_or_default();
                complain(&format!("there is no account `{id}` yet"));
            }
            // Apart from the token, which a script takes from standard output.
            complain(&format!("{} is made, and shown this once:", text(&made, "id")));
            say(text(&made, "token"))
        }
        TokenCommand::List => {
            let tokens = client.call(Method::GET, "/v1/tokens", None).await?;
            if machine {
                return say(&tokens.to_string());
            }
            table(
                &tokens,
                "tokens",
                &["id", "tenant", "name", "scopes", "accounts", "created", "expires"],
            )
        }
        TokenCommand::Revoke { id } => {
            client.call(Method::DELETE, &format!("/v1/tokens/{id}"), None).await?;
            say(&format!("{id} is revoked"))
        }
    }
}

pub(crate) async fn account(reach: Reach, command: AccountCommand) -> anyhow::Result<()> {
    let machine = reach.json;
    let client = reach.client()?;
    match command {
        AccountCommand::Add(new) => add(&client, machine, *new).await,
        AccountCommand::List => {
            let accounts = client.call(Method::GET, "/v1/accounts", None).await?;
            if machine {
                return say(&accounts.to_string());
            }
            table(&accounts, "accounts", &["id", "email", "name"])
        }
        AccountCommand::Remove { id } => {
            client.call(Method::DELETE, &format!("/v1/accounts/{id}"), None).await?;
            say(&format!("{id} is removed"))
        }
    }
}

async fn add(client: &Caller, machine: bool, new: NewAccount) -> anyhow::Result<()> {
    if new.imap.is_none() && new.smtp.is_none() {
        bail!("name a server: --imap host:993, --smtp host:465, or both");
    }
    let password = password(new.password_file.as_deref(), &new.email)?;
    let mut body = json!({"email": new.email, "password": password.reveal()});
    put(&mut body, "id", new.id);
    put(&mut body, "name", new.name);
    put(
        &mut body,
        "imap",
        new.imap
            .map(|text| {
                server(&text, new.username.as_deref(), new.imap_security.as_deref(), new.imap_pin)
            })
            .transpose()?,
    );
    put(
        &mut body,
        "smtp",
        new.smtp
            .map(|text| {
                server(&text, new.username.as_deref(), new.smtp_security.as_deref(), new.smtp_pin)
            })
            .transpose()?,
    );
    if !new.unverified {
        let verified = client.call(Method::POST, "/v1/accounts/verify", Some(body.clone())).await?;
        if verified.get("ok") != Some(&Value::Bool(true)) {
            for protocol in ["imap", "smtp"] {
                if let Some(half) = verified
                    .get(protocol)
                    .filter(|half| half.get("ok") == Some(&Value::Bool(false)))
                {
                    complain(&format!("{}: {}", protocol.to_uppercase(), text(half, "detail")));
                    if let Some(advice) = advice(text(half, "code")) {
                        complain(&format!("  {advice}"));
                    }
                }
            }
            bail!("nothing was stored; mend the above, or store it all the same with --unverified");
        }
    }
    let made = client.call(Method::POST, "/v1/accounts", Some(body)).await?;
    let (email, id) = (text(&made, "email"), text(&made, "id"));
    if machine {
        say(&made.to_string())
    } else if new.unverified {
        say(&format!("{email} is stored as {id}, not checked"))
    } else {
        say(&format!("{email} is connected as {id}"))
    }
}

/// `host:port`; unless it is said, the port tells how TLS begins (RFC 8314 §7.3).
fn server(
    text: &str,
    username: Option<&str>,
    security: Option<&str>,
    pin: Option<String>,
) -> anyhow::Result<Value> {
    let (host, port) = text
        .rsplit_once(':')
        .with_context(|| format!("`{text}` needs a port, as in {text}:993"))?;
    let port: u16 = port.parse().with_context(|| format!("`{port}` is not a port"))?;
    let usual = if matches!(port, 143 | 587) { "starttls" } else { "tls" };
    let mut server = json!({"host": host, "port": port, "security": security.unwrap_or(usual)});
    put(&mut server, "username", username);
    put(&mut server, "pin", pin);
    Ok(server)
}

fn password(file: Option<&Path>, email: &str) -> anyhow::Result<Secret> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None if std::io::stdin().is_terminal() => rpassword::prompt_password(format!("Password of {email} (an app password or authorization code, where the provider has them): ")).context("cannot read the password")?,
        None => {
            let mut text = String::new();
            std::io::stdin().take(4096).read_to_string(&mut text).context("cannot read the password from standard input")?;
            text
        }
    };
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() { bail!("the password is empty") } else { Ok(Secret::new(text)) }
}

#[derive(Debug)]
struct Caller(Client);

impl Reach {
    fn client(self) -> anyhow::Result<Caller> {
        let told = std::env::var("POSTLET_TOKEN").ok();
        let token = token_of(self.token, self.token_file.as_deref(), told)?;
        Ok(Caller(Client::new(&self.url, Some(Secret::new(token)), Trust::new(None)?)?))
    }
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

impl Caller {
    /// The JSON of a good answer; a problem becomes an error with its faults.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
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
        bail!(refusal(&value))
    }
}

/// A problem document for a person: what happened, each fault once, and what to do about it here.
fn refusal(problem: &Value) -> String {
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
    message
}

/// What helps against a problem with a mail server, by its code.
fn advice(code: &str) -> Option<&'static str> {
    match code {
        "certificate-untrusted" | "certificate-wrong-host" => Some(
            "trust its key by --imap-pin or --smtp-pin, or its authority by [tls] extra-roots in the configuration",
        ),
        "host-not-allowed" => {
            Some("a server inside your network is allowed by [egress] allow in the configuration")
        }
        _ => None,
    }
}

fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value.into());
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn table(answer: &Value, rows: &str, columns: &[&str]) -> anyhow::Result<()> {
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

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}

fn complain(line: &str) {
    // Nothing is left to do when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let host = json!({"detail": "10.0.0.1 is private", "code": "host-not-allowed"});
        assert!(refusal(&host).ends_with("[egress] allow in the configuration"));
        assert_eq!(refusal(&json!({"detail": "no", "code": "forbidden"})), "no (forbidden)");
    }
}
