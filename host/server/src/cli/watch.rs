//! `postlet dev --manifest`: a tenant's own application, built and served again
//! whenever its files change.
//!
//! Files are looked at three times a second, which needs nothing of the
//! operating system and is soon enough for a person. A build that fails and a
//! manifest that is not right are told, and what runs goes on running. Until the
//! first one is served, mail that its filters should have judged is held back.
//!
//! Invariant: nothing is deployed while the last build of one of its components failed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use engine::app::manifest::Manifest;
use engine::app::manifest::trigger::Route;
use model::ids::TenantId;

use crate::cli::build::say;
use crate::cli::watch_glob::Snapshot;
use crate::cli::{build, watch_glob};
use crate::deploy::application::Variables;
use crate::deploy::manifest_of;
use crate::host::Host;

/// Routes that are shown: more than that are read in /-/docs.
const MOST_PLACES: usize = 20;
const LOOK: Duration = Duration::from_millis(300);

/// An application as the command line names it.
#[derive(Debug)]
pub(crate) struct WatchedApplication {
    pub(crate) manifest: PathBuf,
    pub(crate) variables: Variables,
}

/// What looks for changes.
#[derive(Debug)]
pub(crate) struct Watcher {
    own: WatchedApplication,
    tenant: TenantId,
    /// Where the host serves.
    url: String,
    seen: Seen,
    /// Components that have changed and were not built since: a build failed, or was not reached.
    unbuilt: BTreeSet<String>,
    /// Whether it was ever served.
    served: bool,
}

/// The files of an application as they were.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    manifest: Option<SystemTime>,
    /// Of each component that is built.
    watched: BTreeMap<String, Snapshot>,
    /// The `.wasm` of each component.
    sources: BTreeMap<String, Option<SystemTime>>,
    /// How each component that is built is built, and where.
    builds: BTreeMap<String, (Vec<String>, Option<String>)>,
}

impl WatchedApplication {
    /// Builds and deploys for the first time; what goes wrong is told, and mended by the next change.
    pub(crate) async fn start(self, host: &Host, tenant: TenantId, url: String) -> Watcher {
        let seen = Seen::look(&self.manifest);
        let unbuilt = seen.builds.keys().cloned().collect();
        let mut watcher = Watcher { own: self, tenant, url, seen, unbuilt, served: false };
        watcher.renew(host).await;
        watcher
    }
}

impl Watcher {
    /// Until the host is gone.
    pub(crate) async fn run(mut self, host: Weak<Host>) {
        loop {
            tokio::time::sleep(LOOK).await;
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
        // While the manifest could not be read nothing was watched.
        let is_as_before = |name: &String| {
            before.watched.get(name) == self.seen.watched.get(name)
                && before.builds.get(name) == self.seen.builds.get(name)
        };
        let built = self.seen.watched.keys();
        self.unbuilt.extend(built.filter(|name| !is_as_before(name)).cloned());
        let what = if edited { "the manifest" } else { "a file" };
        say(&format!("{what} has changed"));
        self.renew(host).await;
    }

    /// Builds what is not built, then deploys.
    async fn renew(&mut self, host: &Host) {
        let ended = self.try_renew(host).await;
        match ended {
            Ok(manifest) => {
                self.served = true;
                let places = places(&self.url, &manifest.routes);
                say(&format!("{} is served{places}", self.own.manifest.display()));
            }
            Err(error) => {
                say(&format!("{error:#}"));
                if self.served {
                    say("what was served is still served");
                } else {
                    // As `up` does: what a filter should have judged is not sent unjudged.
                    let (path, why) = (&self.own.manifest, format!("{error:#}"));
                    let held =
                        host.deployments.install_blocking_filters(&self.tenant, path, why).await;
                    say(&format!("only the default application is served{held}"));
                }
            }
        }
        // What the build itself wrote is no change.
        let path = self.own.manifest.clone();
        if let Ok(mut now) = tokio::task::spawn_blocking(move || Seen::look(&path)).await {
            // But an edit during the build is.
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
        host.deployments.deploy(&self.tenant, path, &self.own.variables).await?;
        Ok(manifest)
    }
}

impl Seen {
    fn look(path: &Path) -> Self {
        let mut seen = Self { manifest: modified(path), ..Self::default() };
        // A manifest that is not right now is told when it changes; until then nothing else counts.
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

/// Where an application is served: a line for each route.
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
        lines.push(format!("\n  {url}/-/docs describes them, with the token"));
    }
    lines.concat()
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|data| data.modified()).ok()
}
