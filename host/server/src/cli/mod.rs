//! The command line.

mod watch_glob;
mod build;
mod new;
mod curl_examples;
mod watch;
mod up;
mod dev;
mod api_client;
mod doctor;
mod prompt;
mod report;
mod account_servers;
mod account_consent;
mod account_add;
mod account;
mod token;
mod key;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};

use crate::cli::api_client::ConnectionArgs;
use crate::cli::new::Kind;
use crate::cli::watch::WatchedApplication;
use crate::config::master_key::EnvironmentKeys;
use crate::os::hardening;

/// Turns any IMAP/SMTP mailbox into a JSON HTTP API.
#[derive(Debug, Parser)]
#[command(name = "postlet", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What the environment says to the commands that serve.
const LOG_HELP: &str = "Environment:\n  POSTLET_LOG         what is logged on standard error: `info`, or `warn,postlet::component=info`\n  \
                        POSTLET_LOG_FORMAT  `json` writes one JSON object a line";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything for a first try: the API and mail servers with two mailboxes, in memory.
    #[command(after_help = LOG_HELP)]
    Dev {
        /// Where to serve; 127.0.0.1:7400, or a free port when that is taken.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// A spin.toml, or its directory, to serve beside the default application, for the tenant `demo`; built
        /// and served again whenever its files change.
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
        /// The value of one of the manifest's variables.
        #[arg(long = "variable", value_name = "NAME=VALUE", requires = "manifest", value_parser = pair)]
        variables: Vec<(String, String)>,
        /// Print one line of JSON when ready.
        #[arg(long)]
        json: bool,
    },
    /// Serve from a configuration file.
    #[command(after_help = LOG_HELP)]
    Up {
        /// The configuration; docs/configuration.md shows every key.
        #[arg(long, value_name = "FILE", default_value = "postlet.toml")]
        config: PathBuf,
        /// Print one line of JSON when ready.
        #[arg(long)]
        json: bool,
    },
    /// Make a directory with an application to begin with: a manifest, an endpoint or a filter in Rust, and
    /// wit/.
    New {
        /// A filter of outgoing mail instead of an endpoint.
        #[arg(long)]
        filter: bool,
        /// The directory; its name becomes the application's and its route's.
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
    /// Run the build commands of an application.
    Build {
        /// The application: its manifest, or its directory.
        #[arg(long, value_name = "FILE", default_value = "spin.toml")]
        manifest: PathBuf,
    },
    /// Look at everything that a host needs, and say what is wrong and how to mend it.
    Doctor {
        /// The configuration that `up` serves from.
        #[arg(long, value_name = "FILE", default_value = "postlet.toml")]
        config: PathBuf,
        /// Ask no name server and no mail server.
        #[arg(long)]
        offline: bool,
        /// Print one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make, list and revoke API tokens.
    Token(TokenArgs),
    /// Connect, list, show, try and remove mailboxes.
    Account(AccountArgs),
    /// Change the master key of a running host.
    Key(KeyArgs),
}

#[derive(Debug, Args)]
struct TokenArgs {
    #[command(flatten)]
    reach: ConnectionArgs,
    #[command(subcommand)]
    command: token::TokenCommand,
}

#[derive(Debug, Args)]
struct AccountArgs {
    #[command(flatten)]
    reach: ConnectionArgs,
    #[command(subcommand)]
    command: account::AccountCommand,
}

#[derive(Debug, Args)]
struct KeyArgs {
    #[command(flatten)]
    reach: ConnectionArgs,
    #[command(subcommand)]
    command: key::KeyCommand,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("write it as NAME=VALUE".to_owned()),
    }
}

impl Cli {
    /// What is logged where nobody says otherwise: what filters decide, and under `dev`, where an author
    /// looks, what components write.
    #[must_use]
    pub fn usual_log(&self) -> &'static str {
        match self.command {
            Command::Dev { .. } => {
                "warn,server=info,server::dispatch=warn,postlet::filter=info,postlet::component=info"
            }
            Command::Up { .. }
            | Command::New { .. }
            | Command::Build { .. }
            | Command::Doctor { .. }
            | Command::Token(_)
            | Command::Account(_)
            | Command::Key(_) => "warn,server=info,server::dispatch=warn,postlet::filter=info",
        }
    }

    /// Runs the command. `given` is what the environment held.
    ///
    /// # Errors
    /// With everything that a person needs to mend it.
    pub async fn run(self, given: EnvironmentKeys) -> anyhow::Result<()> {
        match self.command {
            Command::Dev { listen, manifest, variables, json } => {
                hardening::harden_process()?;
                let manifest = manifest.map(build::manifest_in);
                // One that is wrong may be mended while it runs; one that is not there was misspelt.
                if let Some(path) = &manifest
                    && let Err(error) = std::fs::metadata(path)
                {
                    bail!("--manifest: {} cannot be read: {error}", path.display());
                }
                let own = manifest.map(|manifest| WatchedApplication {
                    manifest,
                    variables: variables.into_iter().collect(),
                });
                dev::run(listen, own, json).await
            }
            Command::New { filter, directory } => {
                let kind = if filter { Kind::Filter } else { Kind::Endpoint };
                new::run(&directory, kind)
            }
            Command::Build { manifest } => build::run(&build::manifest_in(manifest)).await,
            Command::Up { config, json } => {
                hardening::harden_process()?;
                up::run(&config, given, json).await
            }
            Command::Doctor { config, offline, json } => {
                doctor::run(&config, &given, offline, json).await
            }
            Command::Token(args) => token::token(args.reach, args.command).await,
            Command::Key(args) => key::key(args.reach, args.command).await,
            Command::Account(args) => account::account(args.reach, args.command).await,
        }
    }
}
