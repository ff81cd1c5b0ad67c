//! `postlet key`: rotates the master key of a running host.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use crate::cli::api_client::{ConnectionArgs, ended};
use crate::cli::output::say;

/// `postlet key …`
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Generate a new master key and re-encrypt everything with it; the host keeps serving.
    Rotate,
}

pub(crate) async fn key(reach: ConnectionArgs, command: KeyCommand) -> anyhow::Result<()> {
    ended(reach.json, run(reach, command).await)
}

async fn run(reach: ConnectionArgs, command: KeyCommand) -> anyhow::Result<()> {
    let machine = reach.json;
    let client = reach.client()?;
    match command {
        KeyCommand::Rotate => {
            let done = client.call(Method::POST, "/-/key/rotate", None).await?;
            if machine {
                return say(&done.to_string());
            }
            let records = done.get("records").and_then(Value::as_u64).unwrap_or_default();
            say(&format!(
                "the master key is rotated, and everything is encrypted with the new one ({records} records); back the key file up again"
            ))
        }
    }
}
