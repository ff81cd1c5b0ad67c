//! `postlet account add`: from an address to a mailbox that works, step by step.
//!
//! On a terminal a person is asked and told; elsewhere flags take the place of the
//! questions, and what is missing is an error that names its flag. A password is read
//! from a file, from standard input, or hidden at a prompt, never from the arguments,
//! which every user of the machine can see.
//!
//! Invariant: the servers that a person saw are those that the password goes to: they
//! are sent along, and not looked up again.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use http::Method;
use model::secret::Secret;
use serde_json::{Value, json};

use crate::console::{Caller, advice, complain, put, say, text};

pub(crate) const ACCOUNT_EXAMPLES: &str = "\
Examples:
  # The servers are found, the service's hint is shown, and the password is asked for
  postlet account add you@example.com

  # Servers by hand, TLS from the start
  postlet account add you@example.com --id me --imap imap.example.com:993 --smtp smtp.example.com:465

  # STARTTLS on the submission port, another login name, the password from a file
  postlet account add you@example.com --imap imap.example.com:993 --smtp smtp.example.com:587 \\
    --username you --password-file password

  # Sending only
  postlet account add news@example.com --smtp smtp.example.com:465";

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
    /// host:port of IMAP, for example imap.example.com:993; found when neither server is named.
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
    /// Agree to servers that were found outside the mail domain.
    #[arg(long)]
    confirm: bool,
    /// Send a test message to the mailbox itself, and remove it again; on a terminal it is asked.
    #[arg(long, conflicts_with_all = ["no_test", "unverified"])]
    test: bool,
    /// Send none, and do not ask.
    #[arg(long)]
    no_test: bool,
    /// Store it without asking the servers.
    #[arg(long)]
    unverified: bool,
}

/// Whether there is a person to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Terminal,
    Script,
}

pub(crate) async fn add(client: &Caller, machine: bool, new: NewAccount) -> anyhow::Result<()> {
    let there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let manner = if there && !machine { Manner::Terminal } else { Manner::Script };
    let mut body = json!({"email": new.email});
    put(&mut body, "id", new.id.clone());
    put(&mut body, "name", new.name.clone());
    if new.imap.is_none() && new.smtp.is_none() {
        find(client, manner, &new, &mut body).await?;
    } else {
        by_hand(&new, &mut body)?;
    }
    if new.test && !(body.get("imap").is_some() && body.get("smtp").is_some()) {
        bail!("a test sends by SMTP and looks by IMAP: name both servers, or leave out --test");
    }
    let password = password(new.password_file.as_deref(), &new.email)?;
    put(&mut body, "password", Some(password.reveal()));
    if !new.unverified {
        verify(client, manner, &body).await?;
    }
    let mut made = client.call(Method::POST, "/v1/accounts", Some(body)).await?;
    let id = text(&made, "id").to_owned();
    let both = made.get("imap").is_some_and(Value::is_object)
        && made.get("smtp").is_some_and(Value::is_object);
    let wanted = new.test
        || (manner == Manner::Terminal
            && both
            && !new.no_test
            && !new.unverified
            && ask("Send a test message to the mailbox itself, and remove it again? [Y/n]", true)?);
    let trial = if wanted { Some(test(client, manner, &id).await?) } else { None };
    let failed = trial.as_ref().is_some_and(|trial| trial.get("ok") != Some(&Value::Bool(true)));
    if machine {
        put(&mut made, "test", trial);
        say(&made.to_string())?;
    } else if new.unverified {
        say(&format!("{} is stored as {id}, not checked", new.email))?;
    } else {
        say(&format!("{} is connected as {id}", new.email))?;
    }
    if failed {
        bail!("the account is stored, but the test message did not go round");
    }
    Ok(())
}

/// Both servers as the flags name them.
fn by_hand(new: &NewAccount, body: &mut Value) -> anyhow::Result<()> {
    let halves = [
        ("imap", &new.imap, &new.imap_security, &new.imap_pin),
        ("smtp", &new.smtp, &new.smtp_security, &new.smtp_pin),
    ];
    for (name, place, security, pin) in halves {
        let Some(place) = place else { continue };
        let server = server(place, new.username.as_deref(), security.as_deref(), pin.clone())?;
        put(body, name, Some(server));
    }
    Ok(())
}

/// Looks the servers up, shows them with what the service asks of people, and has them confirmed.
async fn find(
    client: &Caller,
    manner: Manner,
    new: &NewAccount,
    body: &mut Value,
) -> anyhow::Result<()> {
    let email: String = form_urlencoded::byte_serialize(new.email.as_bytes()).collect();
    let path = format!("/v1/providers?email={email}");
    let looked = client.call(Method::GET, &path, None);
    let found = waiting(manner, "Looking for the mail servers", looked).await?;
    let (name, source) = (text(&found, "name"), text(&found, "source"));
    complain(&format!("{name}, {}", by_whom(source)));
    let mut any = false;
    for (protocol, pin) in [("imap", &new.imap_pin), ("smtp", &new.smtp_pin)] {
        let Some(mut server) = found.get(protocol).filter(|half| half.is_object()).cloned() else {
            continue;
        };
        any = true;
        put(&mut server, "username", new.username.clone());
        put(&mut server, "pin", pin.clone());
        let port = server.get("port").and_then(Value::as_u64).unwrap_or_default();
        let (host, security) = (text(&server, "host"), text(&server, "security"));
        complain(&format!(
            "  {}  {host}:{port} ({security}), login {}",
            protocol.to_uppercase(),
            text(&server, "username")
        ));
        put(body, protocol, Some(server));
    }
    let (hint, url) = (text(&found, "hint"), text(&found, "hintUrl"));
    if !any {
        let why = found.get("recommendation").map(|told| text(told, "text")).unwrap_or_default();
        bail!("{why}");
    }
    let methods = found.get("auth").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if !methods.is_empty() && methods.iter().all(|method| method == "oauth2") {
        bail!("{name} takes no password from mail programs, only OAuth 2. {hint} {url}");
    }
    if found.get("confirm") == Some(&Value::Bool(true)) && !new.confirm {
        let foreign =
            "These servers are not of the mail domain: whoever runs them gets the password.";
        match manner {
            Manner::Terminal => {
                complain(foreign);
                if !ask("Use them? [y/N]", false)? {
                    bail!("nothing was stored; name the right servers by --imap and --smtp");
                }
            }
            Manner::Script => bail!(
                "{foreign} If they are the right ones, repeat with --confirm; else name others by --imap and --smtp"
            ),
        }
    }
    // Before the password is asked for: it is about which one.
    for line in [hint, url].into_iter().filter(|line| !line.is_empty()) {
        complain(line);
    }
    Ok(())
}

fn by_whom(source: &str) -> String {
    match source {
        "built-in" => "from Postlet's own table".to_owned(),
        "operator" => "from the operator's table".to_owned(),
        "tenant" => "from the tenant's own files".to_owned(),
        "autoconfig" | "well-known" => "as the domain itself says on the web".to_owned(),
        "srv" => "as the domain itself says in the DNS".to_owned(),
        "ispdb" => "from the database of mail services".to_owned(),
        other => format!("found by {other}"),
    }
}

/// Tries both servers, a line for each step.
async fn verify(client: &Caller, manner: Manner, body: &Value) -> anyhow::Result<()> {
    let tried = client.call(Method::POST, "/v1/accounts/verify", Some(body.clone()));
    let verified = waiting(manner, "Trying the servers", tried).await?;
    for protocol in ["imap", "smtp"] {
        let Some(half) = verified.get(protocol).filter(|half| half.is_object()) else { continue };
        steps(&protocol.to_uppercase(), half);
        for warning in half.get("warnings").and_then(Value::as_array).into_iter().flatten() {
            complain(&format!(
                "{}: {}",
                protocol.to_uppercase(),
                warning.as_str().unwrap_or_default()
            ));
        }
        if half.get("ok") == Some(&Value::Bool(false)) {
            complain(&format!("{}: {}", protocol.to_uppercase(), text(half, "detail")));
            let more = [text(half, "hintUrl"), advice(text(half, "code")).unwrap_or_default()];
            for line in more.into_iter().filter(|line| !line.is_empty()) {
                complain(&format!("  {line}"));
            }
        }
    }
    if verified.get("ok") != Some(&Value::Bool(true)) {
        bail!("nothing was stored; mend the above, or store it all the same with --unverified");
    }
    Ok(())
}

async fn test(client: &Caller, manner: Manner, id: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/accounts/{id}/test");
    let tried = client.call(Method::POST, &path, None);
    let trial = waiting(manner, "Sending a test message and waiting for it", tried).await?;
    steps("test", &trial);
    if trial.get("junk") == Some(&Value::Bool(true)) {
        complain("test: the message arrived, but as junk");
    }
    if trial.get("ok") != Some(&Value::Bool(true)) {
        complain(&format!("test: {}", text(&trial, "detail")));
    }
    Ok(trial)
}

fn steps(of: &str, tried: &Value) {
    for step in tried.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let ok = step.get("ok") == Some(&Value::Bool(true));
        let took = step.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
        let mark = if ok { "ok" } else { "failed" };
        complain(&format!("  {of}  {:<12}  {mark:<6}  {took} ms", text(step, "step")));
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

/// Asks until the answer is yes, no or nothing.
fn ask(question: &str, usual: bool) -> anyhow::Result<bool> {
    loop {
        write!(std::io::stderr(), "{question} ").context("cannot ask")?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).context("cannot read the answer")? == 0 {
            bail!("there is nobody to answer");
        }
        match line.trim().to_lowercase().as_str() {
            "" => return Ok(usual),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => {}
        }
    }
}

/// Shows that something goes on, on a terminal.
async fn waiting<T>(manner: Manner, what: &str, work: impl Future<Output = T>) -> T {
    const TURN: [char; 4] = ['|', '/', '-', '\\'];
    if manner == Manner::Script {
        return work.await;
    }
    let mut work = pin!(work);
    let mut turns = TURN.iter().cycle();
    loop {
        let turn = turns.next().unwrap_or(&' ');
        // A terminal that has gone shows nothing, and nothing is lost.
        let _ = write!(std::io::stderr(), "\r{turn} {what} ");
        if let Ok(value) = tokio::time::timeout(Duration::from_millis(100), &mut work).await {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
            return value;
        }
    }
}
