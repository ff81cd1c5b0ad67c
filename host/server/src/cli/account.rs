//! `postlet account`: the accounts of a host, from a terminal.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use http::Method;
use model::ids::AccountId;
use serde_json::{Value, json};

use crate::cli::account_add::{ACCOUNT_EXAMPLES, NewAccount, add, test, verify};
use crate::cli::api_client::{ApiClient, ApiError, ConnectionArgs, ended, say, text};
use crate::cli::prompt::{Interaction, ask, password};
use crate::cli::report::table;
use crate::cli::{account_consent, report};

/// `postlet account …`
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Connect a mailbox; nothing stays stored when its servers do not let it in.
    #[command(after_help = ACCOUNT_EXAMPLES)]
    Add(Box<NewAccount>),
    /// List the accounts.
    List,
    /// Show one: servers, whom it sends as, its state and the last error.
    Show {
        /// The account's id.
        id: AccountId,
    },
    /// Try the servers with what is stored, step by step; nothing is sent.
    Verify {
        /// The account's id.
        id: AccountId,
    },
    /// Send the mailbox a message from itself, wait for it, and remove it again.
    Test {
        /// The account's id.
        id: AccountId,
    },
    /// Give an account another password, and try the servers with it.
    Password {
        /// The account's id.
        id: AccountId,
        /// A file that holds the password; else it is asked for, or read from standard input.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Ask the owner of a mailbox to agree again, when its state is reauthRequired.
    Consent {
        /// The account's id.
        id: AccountId,
    },
    /// Remove an account and its sealed password.
    Remove {
        /// The account's id.
        id: AccountId,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn account(reach: ConnectionArgs, command: AccountCommand) -> anyhow::Result<()> {
    ended(reach.json, run_account(reach, command).await)
}

async fn run_account(reach: ConnectionArgs, command: AccountCommand) -> anyhow::Result<()> {
    let machine = reach.json;
    let manner = Interaction::here(machine);
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
            let verified = verify(&client, manner, id.as_str()).await?;
            let failed = format!(
                "{id} does not get in; mend the above (another password: postlet account password {id})"
            );
            judged(machine, verified, &format!("{id} is connected"), failed)
        }
        AccountCommand::Password { id, password_file } => {
            let account = client.call(Method::GET, &path(&id), None).await?;
            let secret = password(password_file.as_deref(), text(&account, "email"))?;
            let change = json!({"password": secret.reveal()});
            client.call(Method::PATCH, &path(&id), Some(change)).await?;
            let verified = verify(&client, manner, id.as_str()).await?;
            let failed = format!("the password is stored, and {id} does not get in with it");
            judged(machine, verified, &format!("{id} is connected"), failed)
        }
        AccountCommand::Test { id } => {
            let trial = test(&client, manner, id.as_str()).await?;
            let told = format!("the message came to {} and is removed", text(&trial, "mailbox"));
            judged(machine, trial, &told, "the test message did not go round".to_owned())
        }
        AccountCommand::Consent { id } => {
            let account = client.call(Method::GET, &path(&id), None).await?;
            if text(&account, "auth") == "password" {
                bail!("{id} logs in with a password, and needs no consent");
            }
            if !account_consent::is_missing(&account) {
                bail!("{id} needs no consent now: its state is not reauthRequired");
            }
            account_consent::get(&client, manner, id.as_str()).await?;
            let verified = verify(&client, manner, id.as_str()).await?;
            let failed = format!("{id} has its consent, and does not get in; mend the above");
            judged(machine, verified, &format!("{id} is connected"), failed)
        }
        AccountCommand::Remove { id, yes } => {
            let account = client.call(Method::GET, &path(&id), None).await?;
            let question =
                format!("Remove {id} ({}) and its login? [y/N]", text(&account, "email"));
            match manner {
                Interaction::Script if !yes => {
                    bail!("nobody is here to be asked: repeat with --yes")
                }
                Interaction::Terminal if !yes && !ask(&question, false)? => {
                    bail!("nothing was removed")
                }
                Interaction::Script | Interaction::Terminal => {}
            }
            client.call(Method::DELETE, &path(&id), None).await?;
            let told = json!({"id": id, "removed": true});
            say(&if machine { told.to_string() } else { format!("{id} is removed") })
        }
    }
}

fn path(id: &AccountId) -> String {
    format!("/v1/accounts/{id}")
}

/// What the servers did, as a document or in a word; a no is an error.
fn judged(machine: bool, document: Value, well: &str, words: String) -> anyhow::Result<()> {
    if !report::is_ok(&document) {
        return Err(ApiError { words, document }.into());
    }
    say(&if machine { document.to_string() } else { well.to_owned() })
}

/// All pages as one.
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
