//! Runs the build commands of a manifest, for `postlet build` and `postlet dev --manifest`.
//!
//! The commands are the developer's, and run in a shell with their output on standard
//! error. `postlet up` never runs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use engine::app::manifest::Manifest;
use engine::app::manifest::component::{Build, Component};
use rules::foreign_text::shown;
use tokio::process::Command;

use crate::cli::output::note;
use crate::deploy::{directory_of, manifest_of};

/// Runs `postlet build`.
///
/// # Errors
/// When the manifest has no build command, or one fails.
pub(crate) async fn run(path: &Path) -> anyhow::Result<()> {
    let manifest = manifest_of(path)?;
    if manifest.components.values().all(|component| component.build.is_none()) {
        bail!("{}: no component has a `build` table", path.display());
    }
    all(path, &manifest).await
}

/// The path of the manifest: `spin.toml` in a directory, otherwise the path itself.
pub(crate) fn manifest_in(path: PathBuf) -> PathBuf {
    if path.is_dir() { path.join("spin.toml") } else { path }
}

/// Builds every component that has a `build` table.
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
        // Untrusted text: it may hold control characters.
        let text = shown(command);
        note(&format!("building {name}: {text}"));
        let status = Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(&directory)
            .stdin(Stdio::null())
            // Standard output may be read by a script.
            .stdout(std::io::stderr())
            .kill_on_drop(true)
            .status()
            .await
            .with_context(|| format!("cannot run `{text}` in {}", directory.display()))?;
        if !status.success() {
            bail!(
                "{}:{}: `component.{name}.build.command`: `{text}` failed ({status})",
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

/// The working directory of a build's commands, to which its globs are relative.
pub(crate) fn workdir(path: &Path, build: &Build) -> std::path::PathBuf {
    let base = directory_of(path);
    build.workdir.as_ref().map_or_else(|| base.to_owned(), |workdir| base.join(workdir))
}
