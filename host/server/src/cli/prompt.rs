//! Prompts on a terminal: questions, passwords, and a progress indicator.
//!
//! Without a terminal nothing is asked: the caller returns an error that names the flag
//! to use instead.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail};
use model::secret::Secret;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::os::task;

/// The exit status of a command that SIGINT ended, as shells report it (128 + 2).
pub(crate) const INTERRUPTED: i32 = 130;

/// Whether the command may ask questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    /// Standard input and standard error are a terminal.
    Terminal,
    /// Nothing may be asked.
    Script,
}

impl Interaction {
    /// Detects whether questions may be asked: with JSON output (`machine`) they may not.
    pub(crate) fn here(machine: bool) -> Self {
        let there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if there && !machine { Self::Terminal } else { Self::Script }
    }
}

/// Reads a password from a file, from a prompt without echo, or from standard input (up to 4096 bytes).
///
/// # Errors
/// When it cannot be read, or is empty.
pub(crate) fn password(file: Option<&Path>, email: &str) -> anyhow::Result<Secret> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?,
        None if std::io::stdin().is_terminal() => {
            echo_again_when_interrupted();
            rpassword::prompt_password(format!(
                "Password of {email} (an app password or authorization code, where the provider has them): "
            ))
            .context("cannot read the password")?
        }
        None => {
            let mut text = String::new();
            std::io::stdin()
                .take(4096)
                .read_to_string(&mut text)
                .context("cannot read the password from standard input")?;
            text
        }
    };
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() { bail!("the password is empty") } else { Ok(Secret::new(text)) }
}

/// Restores the terminal's echo when SIGINT arrives at the password prompt: a non-interactive shell does
/// not restore it.
fn echo_again_when_interrupted() {
    let Ok(usual) = tcgetattr(std::io::stdin()) else { return };
    task::spawn("echo", async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &usual);
            let _ = writeln!(std::io::stderr());
            std::process::exit(INTERRUPTED);
        }
    });
}

/// Asks a yes-or-no question until the answer is valid; an empty line means `default`.
///
/// # Errors
/// When standard input ends.
pub(crate) fn ask(question: &str, default: bool) -> anyhow::Result<bool> {
    loop {
        write!(std::io::stderr(), "{question} ").context("cannot ask")?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).context("cannot read the answer")? == 0 {
            bail!("standard input ended before an answer");
        }
        match line.trim().to_lowercase().as_str() {
            "" => return Ok(default),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => {}
        }
    }
}

/// Shows a spinner while `work` runs, on a terminal.
pub(crate) async fn with_spinner<T>(
    interaction: Interaction,
    what: &str,
    work: impl Future<Output = T>,
) -> T {
    const TURN: [char; 4] = ['|', '/', '-', '\\'];
    if interaction == Interaction::Script {
        return work.await;
    }
    let mut work = pin!(work);
    let mut turns = TURN.iter().cycle();
    loop {
        let turn = turns.next().unwrap_or(&' ');
        // The terminal may be gone.
        let _ = write!(std::io::stderr(), "\r{turn} {what} ");
        if let Ok(value) = tokio::time::timeout(Duration::from_millis(100), &mut work).await {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
            return value;
        }
    }
}
