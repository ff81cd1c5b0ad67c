//! Build commands: `postlet build`, and every start and change under `postlet dev --manifest`.
//!
//! They are the developer's own, and run as the developer would run them: in a
//! shell, with their output where it can be read. Never run by `postlet up`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use engine::app::manifest::Manifest;
use engine::app::manifest::component::{Build, Component};
use rules::foreign_text::shown;
use tokio::process::Command;

use crate::deploy::{directory_of, manifest_of};

/// `postlet build`.
pub(crate) async fn run(path: &Path) -> anyhow::Result<()> {
    let manifest = manifest_of(path)?;
    if manifest.components.values().all(|component| component.build.is_none()) {
        bail!("{}: no component has a `build` table", path.display());
    }
    all(path, &manifest).await
}

/// The file that is meant: in a directory it is `spin.toml`.
pub(crate) fn manifest_in(path: PathBuf) -> PathBuf {
    if path.is_dir() { path.join("spin.toml") } else { path }
}

/// Builds every component that says how.
pub(crate) async fn all(path: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    for (name, component) in &manifest.components {
        one(path, name, component).await?;
    }
    Ok(())
}

/// Runs the commands of one component, if it has any; `path` is that of the manifest.
pub(crate) async fn one(path: &Path, name: &str, component: &Component) -> anyhow::Result<()> {
    let Some(build) = &component.build else { return Ok(()) };
    let directory = workdir(path, build);
    for command in &build.command {
        // It is the author's, and may hold what drives a terminal.
        let words = shown(command);
        say(&format!("building {name}: {words}"));
        let status = Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(&directory)
            .stdin(Stdio::null())
            // Standard output may be read by a script: what a build says goes beside it.
            .stdout(std::io::stderr())
            .kill_on_drop(true)
            .status()
            .await
            .with_context(|| format!("cannot run `{words}` in {}", directory.display()))?;
        if !status.success() {
            bail!(
                "{}:{}: `component.{name}.build.command`: `{words}` failed ({status})",
                path.display(),
                build.line
            );
        }
    }
    let source = directory_of(path).join(&component.source);
    if !source.exists() {
        bail!(
            "{}:{}: `component.{name}.source`: the build ran and did not write this file: {}",
            path.display(),
            component.line,
            shown(source.display())
        );
    }
    Ok(())
}

/// Where the commands of a build run, and where its globs begin.
pub(crate) fn workdir(path: &Path, build: &Build) -> std::path::PathBuf {
    let base = directory_of(path);
    build.workdir.as_ref().map_or_else(|| base.to_owned(), |workdir| base.join(workdir))
}

/// A word to the person at the terminal, apart from the log.
pub(crate) fn say(text: &str) {
    #[expect(clippy::print_stderr, reason = "progress of a command, for the person who runs it")]
    {
        eprintln!("postlet: {text}");
    }
}
