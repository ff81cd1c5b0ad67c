//! Test fixture: a host with a hostile tenant and a well-behaved one, and measurements of memory.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use testkit::exclusive;

use crate::deploy::site::{Site, Who};

/// Upper bound of a wait, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The manifest that `acme` deploys.
pub(crate) const EVERYTHING: &str = "spin_manifest_version = 2\n[application]\nname = \"own\"\n\
    [[trigger.http]]\nroute = \"/...\"\ncomponent = \"own\"\n\
    [component.own]\nsource = \"own.wasm\"\n";

/// A host on which `acme` deploys a component, and `globex` one that echoes.
pub(crate) struct Ground {
    pub(crate) site: Site,
}

impl Ground {
    /// `acme`'s component misbehaves by path; `limits` are the lines of `[limits]`.
    pub(crate) async fn hostile(limits: &str) -> Self {
        let ground = Self::empty(limits).await;
        ground.site.deploy(EVERYTHING, guests::HOSTILE).await.unwrap();
        // The host's first request allocates what no test should measure.
        assert_eq!(ground.site.get(Who::Acme, "/env").await.status, 200);
        ground
    }

    /// `acme` has deployed nothing yet.
    pub(crate) async fn empty(limits: &str) -> Self {
        exclusive::alone();
        let site = Site::under(limits).await;
        site.deploy_for("globex", "theirs", EVERYTHING, guests::ECHO).await.unwrap();
        let ground = Self { site };
        ground.neighbour().await;
        ground
    }

    /// Asserts that `acme` gets this problem for `path`.
    pub(crate) async fn check(&self, path: &str, want: &str) {
        let answer = self.site.get(Who::Acme, path).await;
        assert_eq!(answer.code(), want, "{path}: {answer:?}");
    }

    /// Asserts a timeout, and which budget ended it: a loop that ends at the idle limit ends too
    /// late.
    pub(crate) async fn check_budget(&self, path: &str, budget: &str) {
        let answer = self.site.get(Who::Acme, path).await;
        assert_eq!(answer.code(), "component-timeout", "{path}: {answer:?}");
        assert!(answer.body.contains(&format!("used up its {budget}")), "{path}: {answer:?}");
    }

    /// Runs `work` while another tenant sends requests, each of which must succeed. Afterwards no
    /// instance of it lives.
    pub(crate) async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let over = Cell::new(false);
        let work = async {
            let done = work.await;
            over.set(true);
            done
        };
        let neighbour = async {
            // Once more after the end.
            while !over.get() {
                self.neighbour().await;
            }
            self.neighbour().await;
        };
        let (done, ()) = tokio::join!(work, neighbour);
        self.nothing_lives().await;
        done
    }

    /// A request to the other tenant's own component, and one to the default application.
    async fn neighbour(&self) {
        let answer = self.site.ask(Who::Globex, "POST", "/echo", Some(r#"{"a":1}"#)).await;
        assert_eq!((answer.status, answer.json()["echoed"].as_bool()), (200, Some(true)));
        let answer = self.site.get(Who::Globex, "/v1/accounts/none/mailboxes").await;
        assert_eq!(answer.code(), "no-such-account", "{answer:?}");
    }

    /// Waits until no instance lives.
    pub(crate) async fn nothing_lives(&self) {
        let gone = async {
            while self.site.host.counters().live > 0 {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, gone).await;
        waited.unwrap_or_else(|_| panic!("{:?}", self.site.host.counters()));
    }
}

/// Runs `work`, and returns the growth of the process in MiB: the peak, and what remains.
pub(crate) async fn weighed<T>(work: impl Future<Output = T>) -> (T, u64, u64) {
    // proc_pid_clear_refs(5): resets the peak.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = weight("VmRSS:");
    let done = work.await;
    let grown = |line| weight(line).saturating_sub(before);
    (done, grown("VmHWM:"), grown("VmRSS:"))
}

/// A line of proc_pid_status(5), in MiB.
fn weight(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rest = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    rest.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}
