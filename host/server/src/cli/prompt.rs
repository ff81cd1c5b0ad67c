//! A person at a terminal: asked, shown that something goes on, or not there at all.
//!
//! Where nobody sits, nothing is asked; what is missing there is an error of whoever
//! needed the answer, which names the flag that gives it.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, bail};
use model::secret::Secret;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::os::task;

/// The status that shells give what SIGINT ended.
pub(crate) const INTERRUPTED: i32 = 130;

/// Whether there is a person to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    Terminal,
    Script,
}

impl Interaction {
    /// Whoever wants JSON is a program, also at a terminal.
    pub(crate) fn here(machine: bool) -> Self {
        let there = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if there && !machine { Self::Terminal } else { Self::Script }
    }
}

/// From a file, from standard input, or hidden at a prompt.
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

/// A shell that is no interactive one leaves the terminal as it was left: without an echo of what is
/// typed, should somebody break off while a password is asked for.
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

/// Asks until the answer is yes, no or nothing, which is `usual`.
pub(crate) fn ask(question: &str, usual: bool) -> anyhow::Result<bool> {
    loop {
        write!(std::io::stderr(), "{question} ").context("cannot ask")?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).context("cannot read the answer")? == 0 {
            bail!("there is nobody to answer");
        }
        match line.trim().to_lowercase().as_str() {
            "" => return Ok(usual),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => {}
        }
    }
}

/// Shows that something goes on, on a terminal.
pub(crate) async fn with_spinner<T>(
    manner: Interaction,
    what: &str,
    work: impl Future<Output = T>,
) -> T {
    const TURN: [char; 4] = ['|', '/', '-', '\\'];
    if manner == Interaction::Script {
        return work.await;
    }
    let mut work = pin!(work);
    let mut turns = TURN.iter().cycle();
    loop {
        let turn = turns.next().unwrap_or(&' ');
        // A terminal that has gone shows nothing, and nothing is lost.
        let _ = write!(std::io::stderr(), "\r{turn} {what} ");
        if let Ok(value) = tokio::time::timeout(Duration::from_millis(100), &mut work).await {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
            return value;
        }
    }
}
