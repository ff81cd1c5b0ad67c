//! The `postlet` binary: arguments, logging, and the exit status.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use model::secret::Secret;
use server::cli::Cli;
use server::cli::output::{ReaderLeft, note};
use server::compile;
use server::config::master_key::{EnvironmentKeys, PREVIOUS, VARIABLE};
use server::log;
use server::log::{Form, Journal};
use server::schema::child;
use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    // Before any thread is started: the address space of children is limited.
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some(compile::SUBCOMMAND) => return exit_code(compile::child(args)),
        Some(child::SUBCOMMAND) => return exit_code(child::child()),
        Some(_) | None => {}
    }
    let keys = EnvironmentKeys { current: take_secret(VARIABLE), previous: take_secret(PREVIOUS) };
    let cli = Cli::parse();
    let filter =
        EnvFilter::try_from_env("POSTLET_LOG").unwrap_or_else(|_| EnvFilter::new(cli.usual_log()));
    // https://no-color.org: any value that is not empty disables colours.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let form = if std::env::var("POSTLET_LOG_FORMAT").as_deref() == Ok("json") {
        Form::Json
    } else {
        Form::Text { colours: !plain && std::io::stderr().is_terminal() }
    };
    let log = Journal::on_stderr(form);
    tracing_subscriber::registry().with(filter).with(filter_fn(is_discreet)).with(log).init();
    std::panic::set_hook(Box::new(log::panicked));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit_code(Err(error.into())),
    };
    let result = runtime.block_on(cli.run(keys));
    // The command has ended; tasks that still run are not waited for, and nothing that was accepted is lost.
    runtime.shutdown_background();
    exit_code(result)
}

/// Log filter for crates that log passwords, tokens and mail. It applies whatever `POSTLET_LOG` is:
/// some are never logged, others not below the level INFO.
fn is_discreet(about: &Metadata<'_>) -> bool {
    const SILENT: &[&str] = &["async_imap", "imap_proto", "lettre"];
    const QUIET: &[&str] =
        &["rustls", "h2", "hyper", "hyper_util", "wasmtime", "wasmtime_wasi_http"];
    let of = |names: &[&str]| {
        let target = about.target();
        names.iter().any(|name| {
            target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    };
    !of(SILENT) && (*about.level() <= tracing::Level::INFO || !of(QUIET))
}

/// Takes a secret out of the environment, so that no child inherits it.
fn take_secret(name: &str) -> Option<Secret> {
    let value = std::env::var_os(name)?;
    #[expect(
        unsafe_code,
        reason = "called before any other thread runs that could read the environment"
    )]
    unsafe {
        std::env::remove_var(name);
    }
    // A value that is not UTF-8 is refused later as an invalid key.
    Some(Secret::new(value.to_string_lossy().into_owned()))
}

/// Prints an error on standard error, and returns the exit status.
fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ReaderLeft>() => ExitCode::from(ReaderLeft::STATUS),
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
