//! `postlet account add`: from an address to a mailbox that works, step by step.
//!
//! On a terminal a person is asked and told; elsewhere flags take the place of the
//! questions, and what is missing is an error that names its flag. A password is read
//! from a file, from standard input, or hidden at a prompt, never from the arguments,
//! which every user of the machine can see.
//!
//! Invariant: an account that its servers do not let in, or that was given up half-way,
//! is not left behind, unless `--unverified` wants it so.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use http::Method;
use model::problem::Code;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::account_servers::{Login, Wanted, servers};
use crate::cli::api_client::{ApiClient, ApiError, put, say, text, warn};
use crate::cli::prompt::{INTERRUPTED, Interaction, ask, password, with_spinner};
use crate::cli::{account_consent, report};
use crate::os::task;

pub(crate) const ACCOUNT_EXAMPLES: &str = "\
Examples:
  # The servers are found, the service's hint is shown, and the password is asked for
  postlet account add you@example.com

  # Without a password: its owner agrees in a browser
  postlet account add you@gmail.com --oauth google

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
    #[command(flatten)]
    servers: Wanted,
    /// A file that holds the password; else it is asked for, or read from standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// In the place of a password: an authorization server of the host's configuration, such as
    /// google or microsoft, where the mailbox's owner agrees in a browser.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["password_file", "unverified"])]
    oauth: Option<String>,
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

pub(crate) async fn add(client: &ApiClient, machine: bool, new: NewAccount) -> anyhow::Result<()> {
    let manner = Interaction::here(machine);
    let login = if new.oauth.is_some() { Login::Tokens } else { Login::Password };
    let mut body = json!({"email": new.email});
    put(&mut body, "id", new.id.clone());
    put(&mut body, "name", new.name.clone());
    servers(client, manner, login, &new.email, &new.servers, &mut body).await?;
    let both = body.get("imap").is_some() && body.get("smtp").is_some();
    if new.test && !both {
        bail!("a test sends by SMTP and looks by IMAP: name both servers, or leave out --test");
    }
    match &new.oauth {
        Some(server) => put(&mut body, "oauth", Some(json!({"provider": server}))),
        None => {
            let password = password(new.password_file.as_deref(), &new.email)?;
            put(&mut body, "password", Some(password.reveal()));
        }
    }
    let made = match login {
        Login::Password if !new.unverified => tried(client, manner, body).await?,
        Login::Password | Login::Tokens => {
            client.call(Method::POST, "/v1/accounts", Some(body)).await?
        }
    };
    let id = text(&made, "id");
    if login == Login::Tokens {
        or_removed(client, &made, agreed(client, manner, id)).await?;
    }
    if !machine {
        // Whatever becomes of the test: this much is done.
        say(&stored_as(&new, &made))?;
    }
    let offered = manner == Interaction::Terminal && both && !new.no_test && !new.unverified;
    let question = "Send a test message to the mailbox itself, and remove it again? [Y/n]";
    // Whoever leaves without an answer wants none sent.
    let wanted = new.test || (offered && ask(question, true).unwrap_or(false));
    let stored = || format!("the account is stored as {id}");
    let trial =
        if wanted { Some(test(client, manner, id).await.with_context(stored)?) } else { None };
    // What is stored now, with what the servers said.
    let mut account = client.call(Method::GET, &format!("/v1/accounts/{id}"), None).await?;
    let failed = trial.as_ref().is_some_and(|trial| !report::is_ok(trial));
    put(&mut account, "test", trial);
    if failed {
        let words = format!("{}, but the test message did not go round", stored());
        return Err(ApiError { words, document: account }.into());
    }
    if machine { say(&account.to_string()) } else { Ok(()) }
}

fn stored_as(new: &NewAccount, made: &Value) -> String {
    let (email, id) = (&new.email, text(made, "id"));
    let has = |protocol: &str| made.get(protocol).is_some_and(Value::is_object);
    let part = match (has("imap"), has("smtp")) {
        (true, false) => ", to read only: it has no SMTP server",
        (false, true) => ", to send only: it has no IMAP server",
        (true, true) | (false, false) => "",
    };
    if new.unverified {
        format!("{email} is stored as {id}, not checked{part}")
    } else {
        format!("{email} is connected as {id}{part}")
    }
}

/// Stored if both servers take the password, a line for each step.
async fn tried(client: &ApiClient, manner: Interaction, mut body: Value) -> anyhow::Result<Value> {
    put(&mut body, "verify", Some(true));
    let made = client.call(Method::POST, "/v1/accounts", Some(body));
    let made = with_spinner(manner, "Trying the servers", made).await;
    match made {
        Ok(made) => {
            report::verification(made.get("verification").unwrap_or(&Value::Null));
            Ok(made)
        }
        Err(error) => match error.downcast::<ApiError>() {
            Ok(ApiError { document, .. })
                if text(&document, "code") == Code::VerificationFailed.as_str() =>
            {
                report::verification(&document);
                let words = "nothing was stored: mend the above, or store it all the same with --unverified";
                Err(ApiError { words: words.to_owned(), document }.into())
            }
            Ok(refused) => Err(refused.into()),
            Err(error) => Err(error),
        },
    }
}

/// There are tokens when the mailbox's owner has agreed, and the servers take them.
async fn agreed(client: &ApiClient, manner: Interaction, id: &str) -> anyhow::Result<()> {
    account_consent::get(client, manner, id).await?;
    let document = verify(client, manner, id).await?;
    if report::is_ok(&document) {
        return Ok(());
    }
    let words = "mend the above, and begin again".to_owned();
    Err(ApiError { words, document }.into())
}

/// The account goes when the work fails, and when a person breaks it off.
async fn or_removed(
    client: &ApiClient,
    made: &Value,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let id = text(made, "id");
    let watch = |kind| signal(kind).context("cannot watch for an interrupt");
    let mut interrupt = watch(SignalKind::interrupt())?;
    let (mut end, mut hangup) = (watch(SignalKind::terminate())?, watch(SignalKind::hangup())?);
    let ended = tokio::select! {
        ended = work => ended,
        _ = interrupt.recv() => Err(anyhow!("broken off")),
        _ = end.recv() => Err(anyhow!("broken off")),
        _ = hangup.recv() => Err(anyhow!("broken off")),
    };
    // The signal no longer ends the program by itself, once somebody has watched for it.
    task::spawn("interrupt", async move {
        if interrupt.recv().await.is_some() {
            std::process::exit(INTERRUPTED);
        }
    });
    let Err(error) = ended else { return Ok(()) };
    let path = format!("/v1/accounts/{id}");
    // Under the same id somebody may have put another one meanwhile.
    if let Ok(there) = client.call(Method::GET, &path, None).await
        && ["email", "auth", "oauth", "imap", "smtp"]
            .iter()
            .any(|name| there.get(name) != made.get(name))
    {
        return Err(
            error.context(format!("the account {id} was changed by somebody else, and stays"))
        );
    }
    match client.call(Method::DELETE, &path, None).await {
        Ok(_) => Err(error.context("nothing was stored")),
        Err(left) => {
            warn(&format!("{left:#}"));
            let told =
                format!("the account stays, not checked; `postlet account remove {id}` removes it");
            Err(error.context(told))
        }
    }
}

/// Tries both servers with what is stored, a line for each step.
pub(crate) async fn verify(
    client: &ApiClient,
    manner: Interaction,
    id: &str,
) -> anyhow::Result<Value> {
    let path = format!("/v1/accounts/{id}/verify");
    let tried = client.call(Method::POST, &path, None);
    let verified = with_spinner(manner, "Trying the servers", tried).await?;
    report::verification(&verified);
    Ok(verified)
}

/// Sends a message round, a line for each step.
pub(crate) async fn test(
    client: &ApiClient,
    manner: Interaction,
    id: &str,
) -> anyhow::Result<Value> {
    let path = format!("/v1/accounts/{id}/test");
    let tried = client.call(Method::POST, &path, None);
    let trial = with_spinner(manner, "Sending a test message and waiting for it", tried).await?;
    report::trial(&trial);
    Ok(trial)
}
