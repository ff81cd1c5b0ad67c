//! Build commands: `postlet build`, and every start and change under `postlet dev --manifest`.
//!
//! They are the developer's own, and run as the developer would run them: in a
//! shell, with their output where it can be read. Never run by `postlet up`.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use engine::app::manifest;
use engine::app::manifest::Manifest;
use engine::app::manifest::component::Build;
use tokio::process::Command;

/// `postlet build`.
pub(crate) async fn run(path: &Path) -> anyhow::Result<()> {
    let manifest = read(path)?;
    if manifest.components.values().all(|component| component.build.is_none()) {
        bail!("{}: no component has a `build` table", path.display());
    }
    all(path, &manifest).await
}

/// Reads a manifest; the fault names the file, the line and the key.
pub(crate) fn read(path: &Path) -> anyhow::Result<Manifest> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    manifest::parse(&text).with_context(|| path.display().to_string())
}

/// Builds every component that says how.
pub(crate) async fn all(path: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    for (name, component) in &manifest.components {
        if let Some(build) = &component.build {
            one(path, name, build).await?;
        }
    }
    Ok(())
}

/// Runs the commands of one component; `path` is that of the manifest.
pub(crate) async fn one(path: &Path, name: &str, build: &Build) -> anyhow::Result<()> {
    let directory = workdir(path, build);
    for command in &build.command {
        say(&format!("building {name}: {command}"));
        let status = Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(&directory)
            .stdin(Stdio::null())
            // Standard output may be read by a script: what a build says goes beside it.
            .stdout(std::io::stderr())
            .kill_on_drop(true)
            .status()
            .await
            .with_context(|| format!("cannot run `{command}` in {}", directory.display()))?;
        if !status.success() {
            bail!(
                "{}: line {}: `component.{name}.build.command`: `{command}` failed ({status})",
                path.display(),
                build.line
            );
        }
    }
    Ok(())
}

/// Where the commands of a build run, and where its globs begin.
pub(crate) fn workdir(path: &Path, build: &Build) -> std::path::PathBuf {
    let base = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    build.workdir.as_ref().map_or_else(|| base.to_owned(), |workdir| base.join(workdir))
}

/// A word to the person at the terminal, apart from the log.
pub(crate) fn say(text: &str) {
    #[expect(clippy::print_stderr, reason = "progress of a command, for the person who runs it")]
    {
        eprintln!("postlet: {text}");
    }
}
