//! `postlet token`: creates, lists and revokes API tokens.

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use crate::cli::api_client::{ConnectionArgs, ended, put, text};
use crate::cli::output::{say, warn};
use crate::cli::report::table;

const TOKEN_EXAMPLES: &str = "\
Examples:
  # For an app that reads and sends with one mailbox, with an expiry
  postlet token create --scope read,send --account me --name app --expires 2030-12-31T23:59:59Z

  # Into a file; the id, which revoking needs, is printed on standard error
  postlet token create --scope read,change --name desk > desk.token";

/// `postlet token …`
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token; it is shown once.
    #[command(after_help = TOKEN_EXAMPLES)]
    Create {
        /// Its scopes: read, change, send, accounts, operate.
        #[arg(long = "scope", required = true, value_delimiter = ',', value_name = "SCOPE,…")]
        scopes: Vec<String>,
        /// Its tenant; that of the calling token when left out.
        #[arg(long)]
        tenant: Option<String>,
        /// The accounts that it is restricted to; all when left out.
        #[arg(long = "account", value_delimiter = ',', value_name = "ID,…")]
        accounts: Vec<String>,
        /// Its expiry, such as 2030-12-31T23:59:59Z (RFC 3339); none when left out.
        #[arg(long, value_name = "INSTANT")]
        expires: Option<String>,
        /// A name for it, shown in the list.
        #[arg(long)]
        name: Option<String>,
    },
    /// List all tokens, without their secrets.
    List,
    /// Revoke a token.
    Revoke {
        /// The token's id: `tok_…`
        id: String,
    },
}

pub(crate) async fn token(reach: ConnectionArgs, command: TokenCommand) -> anyhow::Result<()> {
    ended(reach.json, run_token(reach, command).await)
}

async fn run_token(reach: ConnectionArgs, command: TokenCommand) -> anyhow::Result<()> {
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
                warn(&format!("there is no account `{id}` yet"));
            }
            // Not on standard output, which holds the token only.
            warn(&format!("{} is created; the token is shown only once:", text(&made, "id")));
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
            let document = json!({"id": id, "revoked": true});
            say(&if machine { document.to_string() } else { format!("{id} is revoked") })
        }
    }
}
