//! The binary: arguments, the log, and the exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use model::secret::Secret;
use server::cli::Cli;
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
    // Before any thread is started: the memory of children is limited.
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some(compile::SUBCOMMAND) => return told(compile::child(args)),
        Some(child::SUBCOMMAND) => return told(child::child()),
        Some(_) | None => {}
    }
    let given = EnvironmentKeys { current: taken(VARIABLE), previous: taken(PREVIOUS) };
    let cli = Cli::parse();
    let filter =
        EnvFilter::try_from_env("POSTLET_LOG").unwrap_or_else(|_| EnvFilter::new(cli.usual_log()));
    // https://no-color.org: any value but an empty one.
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
        Err(error) => return told(Err(error.into())),
    };
    let ended = runtime.block_on(cli.run(given));
    // What still runs is not waited for: the command had its end, and nothing that was accepted is lost.
    runtime.shutdown_background();
    told(ended)
}

/// Whose words may be logged, whatever `POSTLET_LOG` says: these crates log passwords, tokens and mail.
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

/// A secret of the environment, which no child shall inherit.
fn taken(name: &str) -> Option<Secret> {
    let value = std::env::var_os(name)?;
    #[expect(
        unsafe_code,
        reason = "called before any other thread runs that could read the environment"
    )]
    unsafe {
        std::env::remove_var(name);
    }
    // What is no text is no key either, and is refused as one.
    Some(Secret::new(value.to_string_lossy().into_owned()))
}

fn told(ended: anyhow::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word of a command")]
            {
                eprintln!("postlet: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
