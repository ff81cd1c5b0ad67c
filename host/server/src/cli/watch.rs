//! File watcher of `postlet dev --manifest`: rebuilds and redeploys an application when
//! its files change.
//!
//! Files are polled three times a second, which works on every file system. After a
//! failed build or a faulty manifest the error is printed, and the running deployment
//! stays. Until the first deployment, mail that live fail-closed filters should see is not sent.
//!
//! Invariant: nothing is deployed while the last build of one of its components failed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use engine::app::manifest::Manifest;
use engine::app::manifest::trigger::Route;
use model::ids::TenantId;

use crate::cli::output::note;
use crate::cli::watch_glob::Snapshot;
use crate::cli::{build, watch_glob};
use crate::deploy::application::Variables;
use crate::deploy::manifest_of;
use crate::host::Host;

/// Routes that are printed; /-/docs lists all.
const MOST_PLACES: usize = 20;
/// The polling interval.
const INTERVAL: Duration = Duration::from_millis(300);

/// The application that the command line names.
#[derive(Debug)]
pub(crate) struct WatchedApplication {
    pub(crate) manifest: PathBuf,
    pub(crate) variables: Variables,
}

/// The watcher, with the files as they were at the last poll.
#[derive(Debug)]
pub(crate) struct Watcher {
    own: WatchedApplication,
    tenant: TenantId,
    /// The URL of the host.
    url: String,
    seen: Seen,
    /// Components that changed since their last successful build.
    unbuilt: BTreeSet<String>,
    /// Whether a deployment succeeded before.
    served: bool,
}

/// Modification times of an application's files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    manifest: Option<SystemTime>,
    /// The watched files of each component with a `build` table.
    watched: BTreeMap<String, Snapshot>,
    /// The `.wasm` file of each component.
    sources: BTreeMap<String, Option<SystemTime>>,
    /// The build commands and the working directory of each component with a `build` table.
    builds: BTreeMap<String, (Vec<String>, Option<String>)>,
}

impl WatchedApplication {
    /// Builds and deploys for the first time. Errors are printed; the next change tries again.
    pub(crate) async fn start(self, host: &Host, tenant: TenantId, url: String) -> Watcher {
        let seen = Seen::look(&self.manifest);
        let unbuilt = seen.builds.keys().cloned().collect();
        let mut watcher = Watcher { own: self, tenant, url, seen, unbuilt, served: false };
        watcher.renew(host).await;
        watcher
    }
}

impl Watcher {
    /// Polls until the host is dropped.
    pub(crate) async fn run(mut self, host: Weak<Host>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Some(host) = host.upgrade() else { return };
            self.look(&host).await;
        }
    }

    async fn look(&mut self, host: &Arc<Host>) {
        let path = self.own.manifest.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || Seen::look(&path)).await else { return };
        if now == self.seen {
            return;
        }
        let before = std::mem::replace(&mut self.seen, now);
        let edited = before.manifest != self.seen.manifest;
        // While the manifest could not be read no file was watched.
        let is_as_before = |name: &String| {
            before.watched.get(name) == self.seen.watched.get(name)
                && before.builds.get(name) == self.seen.builds.get(name)
        };
        let built = self.seen.watched.keys();
        self.unbuilt.extend(built.filter(|name| !is_as_before(name)).cloned());
        let what = if edited { "the manifest" } else { "a file" };
        note(&format!("{what} has changed"));
        self.renew(host).await;
    }

    /// Builds what is not built, deploys, and prints the outcome.
    async fn renew(&mut self, host: &Host) {
        let ended = self.try_renew(host).await;
        match ended {
            Ok(manifest) => {
                self.served = true;
                let places = places(&self.url, &manifest.routes);
                note(&format!("{} is served{places}", self.own.manifest.display()));
            }
            Err(error) => {
                note(&format!("{error:#}"));
                if self.served {
                    note("the previous version is still served");
                } else {
                    // As in `up`: mail that a filter should see is not sent without it.
                    let (path, why) = (&self.own.manifest, format!("{error:#}"));
                    let held = host
                        .api
                        .deployments
                        .install_blocking_filters(&self.tenant, path, why)
                        .await;
                    note(&format!("only the default application is served{held}"));
                }
            }
        }
        // Files that the build wrote are no change.
        let path = self.own.manifest.clone();
        if let Ok(mut now) = tokio::task::spawn_blocking(move || Seen::look(&path)).await {
            // An edit during the build is one.
            now.manifest = self.seen.manifest;
            now.watched = std::mem::take(&mut self.seen.watched);
            now.builds = std::mem::take(&mut self.seen.builds);
            self.seen = now;
        }
    }

    async fn try_renew(&mut self, host: &Host) -> anyhow::Result<Manifest> {
        let path = &self.own.manifest;
        let manifest = manifest_of(path)?;
        for (name, component) in &manifest.components {
            if self.unbuilt.contains(name) {
                build::one(path, name, component).await?;
                self.unbuilt.remove(name);
            }
        }
        host.api.deployments.deploy(&self.tenant, path, &self.own.variables).await?;
        Ok(manifest)
    }
}

impl Seen {
    fn look(path: &Path) -> Self {
        let mut seen = Self { manifest: modified(path), ..Self::default() };
        // The error of a faulty manifest was printed; until it changes no other file is watched.
        let Ok(manifest) = manifest_of(path) else { return seen };
        let base = path.parent().unwrap_or(Path::new("."));
        for (name, component) in &manifest.components {
            seen.sources.insert(name.clone(), modified(&base.join(&component.source)));
            if let Some(build) = &component.build {
                let files = watch_glob::snapshot(&build::workdir(path, build), &build.watch);
                seen.watched.insert(name.clone(), files);
                let how = (build.command.clone(), build.workdir.clone());
                seen.builds.insert(name.clone(), how);
            }
        }
        seen
    }
}

/// The URLs of an application, one line for each route.
fn places(url: &str, routes: &[Route]) -> String {
    let mut lines: Vec<String> = routes
        .iter()
        .take(MOST_PLACES)
        .map(|route| format!("\n  {url}{}", route.pattern))
        .collect();
    if let Some(more) = routes.len().checked_sub(MOST_PLACES).filter(|more| *more > 0) {
        lines.push(format!("\n  and {more} more"));
    }
    if !routes.is_empty() {
        lines.push(format!("\n  {url}/-/docs describes them (needs the token)"));
    }
    lines.concat()
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|data| data.modified()).ok()
}
