//! The binary: arguments, the log, and the exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use server::cli::Cli;
use server::compiling;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Before any thread is started: the child's address space is limited.
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(compiling::SUBCOMMAND) {
        return told(compiling::child(args));
    }
    let cli = Cli::parse();
    // The mail crates log passwords and mail at trace: they are never given the chance.
    let filter = EnvFilter::try_from_env("POSTLET_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,server=info,server::dispatch=warn"));
    let quiet = ["async_imap=debug", "imap_proto=debug", "rustls=info", "h2=info", "hyper=info"]
        .iter()
        .filter_map(|directive| directive.parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // https://no-color.org: any value but an empty one.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let log = log.with_ansi(!plain && std::io::stderr().is_terminal());
    if std::env::var("POSTLET_LOG_FORMAT").as_deref() == Ok("json") {
        log.json().flatten_event(true).init();
    } else {
        log.init();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    told(runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(cli.run())))
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
