//! `postlet account`: connects, lists, shows, verifies and removes accounts.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use http::Method;
use model::ids::AccountId;
use serde_json::{Value, json};

use crate::cli::account_add::{ACCOUNT_EXAMPLES, NewAccount, add, test, verify};
use crate::cli::api_client::{ApiClient, ApiError, ConnectionArgs, ended, text};
use crate::cli::output::say;
use crate::cli::prompt::{Interaction, ask, password};
use crate::cli::report::table;
use crate::cli::{account_consent, report};

/// `postlet account …`
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Connect a mailbox; nothing is stored when its servers reject the login.
    #[command(after_help = ACCOUNT_EXAMPLES)]
    Add(Box<NewAccount>),
    /// List all accounts.
    List,
    /// Show an account: servers, sender addresses, state and last error.
    Show {
        /// The account's id.
        id: AccountId,
    },
    /// Log in to both servers with the stored credentials, and print each step; nothing is sent.
    Verify {
        /// The account's id.
        id: AccountId,
    },
    /// Send a message from the mailbox to itself, wait for it, and remove it.
    Test {
        /// The account's id.
        id: AccountId,
    },
    /// Store another password, and log in to both servers with it.
    Password {
        /// The account's id.
        id: AccountId,
        /// A file that holds the password; otherwise it is prompted for, or read from standard input.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Ask the owner of a mailbox for a new OAuth consent, when its state is reauthRequired.
    Consent {
        /// The account's id.
        id: AccountId,
    },
    /// Remove an account and its credentials.
    Remove {
        /// The account's id.
        id: AccountId,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn account(reach: ConnectionArgs, command: AccountCommand) -> anyhow::Result<()> {
    ended(reach.json, run_account(reach, command).await)
}

async fn run_account(reach: ConnectionArgs, command: AccountCommand) -> anyhow::Result<()> {
    let machine = reach.json;
    let interaction = Interaction::here(machine);
    let client = reach.client()?;
    match command {
        AccountCommand::Add(new) => add(&client, machine, *new).await,
        AccountCommand::List => {
            let accounts = every_account(&client).await?;
            if machine {
                return say(&accounts.to_string());
            }
            table(&accounts, "accounts", &["id", "email", "name", "state"])
        }
        AccountCommand::Show { id } => {
            let account = client.call(Method::GET, &path(&id), None).await?;
            if machine { say(&account.to_string()) } else { report::account(&account) }
        }
        AccountCommand::Verify { id } => {
            let verified = verify(&client, interaction, id.as_str()).await?;
            let failed = format!(
                "{id} cannot log in; correct the errors above (another password: postlet account password {id})"
            );
            outcome(machine, verified, &format!("{id} is connected"), failed)
        }
        AccountCommand::Password { id, password_file } => {
            let account = client.call(Method::GET, &path(&id), None).await?;
            let secret = password(password_file.as_deref(), text(&account, "email"))?;
            let change = json!({"password": secret.reveal()});
            client.call(Method::PATCH, &path(&id), Some(change)).await?;
            let verified = verify(&client, interaction, id.as_str()).await?;
            let failed = format!("the password is stored, but {id} cannot log in with it");
            outcome(machine, verified, &format!("{id} is connected"), failed)
        }
        AccountCommand::Test { id } => {
            let tested = test(&client, interaction, id.as_str()).await?;
            let message =
                format!("the message arrived in {} and is removed", text(&tested, "mailbox"));
            outcome(machine, tested, &message, "the test message failed".to_owned())
        }
        AccountCommand::Consent { id } => {
            let account = client.call(Method::GET, &path(&id), None).await?;
            if text(&account, "auth") == "password" {
                bail!("{id} logs in with a password, and needs no consent");
            }
            if !account_consent::is_missing(&account) {
                bail!("{id} needs no consent: its state is not reauthRequired");
            }
            account_consent::get(&client, interaction, id.as_str()).await?;
            let verified = verify(&client, interaction, id.as_str()).await?;
            let failed =
                format!("{id} has its consent, but cannot log in; correct the errors above");
            outcome(machine, verified, &format!("{id} is connected"), failed)
        }
        AccountCommand::Remove { id, yes } => {
            let account = client.call(Method::GET, &path(&id), None).await?;
            let question =
                format!("Remove {id} ({}) and its credentials? [y/N]", text(&account, "email"));
            match interaction {
                Interaction::Script if !yes => {
                    bail!("removing an account needs a confirmation: repeat with --yes")
                }
                Interaction::Terminal if !yes && !ask(&question, false)? => {
                    bail!("nothing was removed")
                }
                Interaction::Script | Interaction::Terminal => {}
            }
            client.call(Method::DELETE, &path(&id), None).await?;
            let document = json!({"id": id, "removed": true});
            say(&if machine { document.to_string() } else { format!("{id} is removed") })
        }
    }
}

fn path(id: &AccountId) -> String {
    format!("/v1/accounts/{id}")
}

/// Prints the outcome of a verification or a test: the JSON document, or `success`.
///
/// # Errors
/// When the servers refused, with `message`.
fn outcome(machine: bool, document: Value, success: &str, message: String) -> anyhow::Result<()> {
    if !report::is_ok(&document) {
        return Err(ApiError { message, document }.into());
    }
    say(&if machine { document.to_string() } else { success.to_owned() })
}

/// Fetches all pages of the list, and returns them as one.
async fn every_account(client: &ApiClient) -> anyhow::Result<Value> {
    let mut rows = Vec::new();
    let mut page = "/v1/accounts".to_owned();
    loop {
        let mut answer = client.call(Method::GET, &page, None).await?;
        let accounts = answer.get_mut("accounts").map(Value::take);
        rows.extend(accounts.and_then(|rows| rows.as_array().cloned()).unwrap_or_default());
        let cursor: String =
            form_urlencoded::byte_serialize(text(&answer, "nextCursor").as_bytes()).collect();
        if cursor.is_empty() {
            return Ok(json!({"accounts": rows, "nextCursor": null}));
        }
        page = format!("/v1/accounts?cursor={cursor}");
    }
}
