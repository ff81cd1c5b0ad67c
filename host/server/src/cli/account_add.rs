//! `postlet account add`: connects a mailbox, from its address to a verified account.
//!
//! On a terminal the command asks; elsewhere flags replace the questions, and a missing
//! answer is an error that names its flag. A password is read from a file, from standard
//! input, or from a prompt without echo, never from the arguments, which every user of
//! the machine can see.
//!
//! Invariant: without `--unverified`, an account whose servers reject the login, or whose
//! consent was interrupted, is not left stored.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use http::Method;
use model::problem::Code;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::account_servers::{Login, Wanted, servers};
use crate::cli::api_client::{ApiClient, ApiError, put, text};
use crate::cli::output::{say, warn};
use crate::cli::prompt::{INTERRUPTED, Interaction, ask, password, with_spinner};
use crate::cli::{account_consent, report};
use crate::os::task;

pub(crate) const ACCOUNT_EXAMPLES: &str = "\
Examples:
  # Discovers the servers, shows the service's hint, and asks for the password
  postlet account add you@example.com

  # With OAuth instead of a password: the owner agrees in a browser
  postlet account add you@gmail.com --oauth google

  # Servers from flags, with implicit TLS
  postlet account add you@example.com --id me --imap imap.example.com:993 --smtp smtp.example.com:465

  # STARTTLS on the submission port, another login name, the password from a file
  postlet account add you@example.com --imap imap.example.com:993 --smtp smtp.example.com:587 \\
    --username you --password-file password

  # For sending only
  postlet account add news@example.com --smtp smtp.example.com:465";

/// Arguments of `account add`.
#[derive(Args, Debug)]
pub(crate) struct NewAccount {
    /// The mailbox's address.
    email: String,
    /// The account's id, which URLs contain; generated when left out.
    #[arg(long)]
    id: Option<String>,
    /// The display name of the sender.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    servers: Wanted,
    /// A file that holds the password; otherwise it is prompted for, or read from standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Instead of a password: an authorization server of the host's configuration, such as google or
    /// microsoft, where the mailbox's owner agrees in a browser.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["password_file", "unverified"])]
    oauth: Option<String>,
    /// Send a test message from the mailbox to itself, and remove it; on a terminal this is asked.
    #[arg(long, conflicts_with_all = ["no_test", "unverified"])]
    test: bool,
    /// Send no test message, and do not ask.
    #[arg(long)]
    no_test: bool,
    /// Store the account without verifying it.
    #[arg(long)]
    unverified: bool,
}

pub(crate) async fn add(client: &ApiClient, machine: bool, new: NewAccount) -> anyhow::Result<()> {
    let interaction = Interaction::here(machine);
    let login = if new.oauth.is_some() { Login::Tokens } else { Login::Password };
    let mut body = json!({"email": new.email});
    put(&mut body, "id", new.id.clone());
    put(&mut body, "name", new.name.clone());
    servers(client, interaction, login, &new.email, &new.servers, &mut body).await?;
    let both = body.get("imap").is_some() && body.get("smtp").is_some();
    if new.test && !both {
        bail!("a test needs SMTP and IMAP: name both servers, or leave out --test");
    }
    match &new.oauth {
        Some(server) => put(&mut body, "oauth", Some(json!({"provider": server}))),
        None => {
            let password = password(new.password_file.as_deref(), &new.email)?;
            put(&mut body, "password", Some(password.reveal()));
        }
    }
    let made = match login {
        Login::Password if !new.unverified => verified(client, interaction, body).await?,
        Login::Password | Login::Tokens => {
            client.call(Method::POST, "/v1/accounts", Some(body)).await?
        }
    };
    let id = text(&made, "id");
    if login == Login::Tokens {
        or_removed(client, &made, consent(client, interaction, id)).await?;
    }
    if !machine {
        // Before the test, whose outcome does not change this.
        say(&stored_as(&new, &made))?;
    }
    let offered = interaction == Interaction::Terminal && both && !new.no_test && !new.unverified;
    let question = "Send a test message from the mailbox to itself, and remove it? [Y/n]";
    // The end of standard input means no.
    let wanted = new.test || (offered && ask(question, true).unwrap_or(false));
    let stored = || format!("the account is stored as {id}");
    let tested =
        if wanted { Some(test(client, interaction, id).await.with_context(stored)?) } else { None };
    // The account as it is stored now, with its state.
    let mut account = client.call(Method::GET, &format!("/v1/accounts/{id}"), None).await?;
    let failed = tested.as_ref().is_some_and(|tested| !report::is_ok(tested));
    put(&mut account, "test", tested);
    if failed {
        let message = format!("{}, but the test message failed", stored());
        return Err(ApiError { message, document: account }.into());
    }
    if machine { say(&account.to_string()) } else { Ok(()) }
}

fn stored_as(new: &NewAccount, made: &Value) -> String {
    let (email, id) = (&new.email, text(made, "id"));
    let has = |protocol: &str| made.get(protocol).is_some_and(Value::is_object);
    let part = match (has("imap"), has("smtp")) {
        (true, false) => ", for reading only: it has no SMTP server",
        (false, true) => ", for sending only: it has no IMAP server",
        (true, true) | (false, false) => "",
    };
    if new.unverified {
        format!("{email} is stored as {id}, not verified{part}")
    } else {
        format!("{email} is connected as {id}{part}")
    }
}

/// Creates the account if both servers accept the password, and prints each step.
async fn verified(
    client: &ApiClient,
    interaction: Interaction,
    mut body: Value,
) -> anyhow::Result<Value> {
    put(&mut body, "verify", Some(true));
    let made = client.call(Method::POST, "/v1/accounts", Some(body));
    let made = with_spinner(interaction, "Verifying the servers", made).await;
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
                let message = "nothing was stored: correct the errors above, or store the account anyway with --unverified";
                Err(ApiError { message: message.to_owned(), document }.into())
            }
            Ok(refused) => Err(refused.into()),
            Err(error) => Err(error),
        },
    }
}

/// Waits for the owner's consent, then verifies that the servers accept the tokens.
async fn consent(client: &ApiClient, interaction: Interaction, id: &str) -> anyhow::Result<()> {
    account_consent::get(client, interaction, id).await?;
    let document = verify(client, interaction, id).await?;
    if report::is_ok(&document) {
        return Ok(());
    }
    let message = "correct the errors above, and begin again".to_owned();
    Err(ApiError { message, document }.into())
}

/// Removes the account when the work fails, or on SIGINT, SIGTERM or SIGHUP.
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
        _ = interrupt.recv() => Err(anyhow!("interrupted")),
        _ = end.recv() => Err(anyhow!("interrupted")),
        _ = hangup.recv() => Err(anyhow!("interrupted")),
    };
    // A watched signal no longer ends the process.
    task::spawn("interrupt", async move {
        if interrupt.recv().await.is_some() {
            std::process::exit(INTERRUPTED);
        }
    });
    let Err(error) = ended else { return Ok(()) };
    let path = format!("/v1/accounts/{id}");
    // Another client may have replaced the account under the same id.
    if let Ok(there) = client.call(Method::GET, &path, None).await
        && ["email", "auth", "oauth", "imap", "smtp"]
            .iter()
            .any(|name| there.get(name) != made.get(name))
    {
        return Err(
            error.context(format!("the account {id} was changed by another client, and is kept"))
        );
    }
    match client.call(Method::DELETE, &path, None).await {
        Ok(_) => Err(error.context("nothing was stored")),
        Err(left) => {
            warn(&format!("{left:#}"));
            let kept = format!(
                "the account is kept, not verified; remove it with `postlet account remove {id}`"
            );
            Err(error.context(kept))
        }
    }
}

/// Verifies both servers with the stored credentials, and prints each step.
pub(crate) async fn verify(
    client: &ApiClient,
    interaction: Interaction,
    id: &str,
) -> anyhow::Result<Value> {
    let path = format!("/v1/accounts/{id}/verify");
    let call = client.call(Method::POST, &path, None);
    let verified = with_spinner(interaction, "Verifying the servers", call).await?;
    report::verification(&verified);
    Ok(verified)
}

/// Sends a test message from the mailbox to itself, and prints each step.
pub(crate) async fn test(
    client: &ApiClient,
    interaction: Interaction,
    id: &str,
) -> anyhow::Result<Value> {
    let path = format!("/v1/accounts/{id}/test");
    let call = client.call(Method::POST, &path, None);
    let tested =
        with_spinner(interaction, "Sending a test message and waiting for it", call).await?;
    report::test_message(&tested);
    Ok(tested)
}
