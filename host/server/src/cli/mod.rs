//! Command line: arguments, subcommands, and the environment of each.

pub mod output;
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

/// Help on the environment variables of the commands that serve.
const LOG_HELP: &str = "Environment:\n  POSTLET_LOG         what is logged on standard error: `info`, or `warn,postlet::component=info`\n  \
                        POSTLET_LOG_FORMAT  `json` writes one JSON object a line";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a host for trying things out: the API, and mail servers with two mailboxes, all in memory.
    #[command(after_help = LOG_HELP)]
    Dev {
        /// The address to serve at; 127.0.0.1:7400, or a free port when that is in use.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// A spin.toml, or its directory, to serve beside the default application, for the tenant `demo`; rebuilt
        /// and deployed again whenever its files change.
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
        /// The configuration file; docs/configuration.md lists every key.
        #[arg(long, value_name = "FILE", default_value = "postlet.toml")]
        config: PathBuf,
        /// Print one line of JSON when ready.
        #[arg(long)]
        json: bool,
    },
    /// Create a directory with a new application: a manifest, an endpoint or a filter in Rust, and wit/.
    New {
        /// Create a filter of outgoing mail instead of an endpoint.
        #[arg(long)]
        filter: bool,
        /// The directory to create; its name becomes the name of the application and of its route.
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
    /// Run the build commands of an application.
    Build {
        /// The application: its manifest, or its directory.
        #[arg(long, value_name = "FILE", default_value = "spin.toml")]
        manifest: PathBuf,
    },
    /// Check everything that a host needs, and print what is wrong and how to correct it.
    Doctor {
        /// The configuration file that `up` serves from.
        #[arg(long, value_name = "FILE", default_value = "postlet.toml")]
        config: PathBuf,
        /// Skip the checks that use the network.
        #[arg(long)]
        offline: bool,
        /// Print one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Create, list and revoke API tokens.
    Token(TokenArgs),
    /// Connect, list, show, verify and remove mailboxes.
    Account(AccountArgs),
    /// Rotate the master key of a running host.
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
    /// The default log filter, where `POSTLET_LOG` is not set: it includes the verdicts of filters, and
    /// for `dev` the output of components.
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

    /// Runs the command. `given` holds the master keys from the environment.
    ///
    /// # Errors
    /// When the command fails; the message says what to do.
    pub async fn run(self, given: EnvironmentKeys) -> anyhow::Result<()> {
        match self.command {
            Command::Dev { listen, manifest, variables, json } => {
                hardening::harden_process()?;
                let manifest = manifest.map(build::manifest_in);
                // A faulty manifest can be corrected while `dev` runs; a missing one is a misspelt path.
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
