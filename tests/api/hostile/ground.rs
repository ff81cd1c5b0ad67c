//! A host with a hostile tenant, a neighbour, and a scale.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use testkit::turn;

use crate::deploy::site::{Site, Who};

/// However long a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What Acme deploys.
pub(crate) const EVERYTHING: &str = "spin_manifest_version = 2\n[application]\nname = \"own\"\n\
    [[trigger.http]]\nroute = \"/...\"\ncomponent = \"own\"\n\
    [component.own]\nsource = \"own.wasm\"\n";

/// A host on which Acme has deployed a component, and Globex one that echoes.
pub(crate) struct Ground {
    pub(crate) site: Site,
}

impl Ground {
    /// Acme's component misbehaves by path; `limits` stand below `[limits]`.
    pub(crate) async fn hostile(limits: &str) -> Self {
        let ground = Self::empty(limits).await;
        ground.site.deploy(EVERYTHING, guests::HOSTILE).await.unwrap();
        // What the host needs for its first request is nobody's fault.
        assert_eq!(ground.site.get(Who::Acme, "/env").await.status, 200);
        ground
    }

    /// Acme has nothing yet.
    pub(crate) async fn empty(limits: &str) -> Self {
        turn::alone();
        let site = Site::under(limits).await;
        site.deploy_for("globex", "theirs", EVERYTHING, guests::ECHO).await.unwrap();
        let ground = Self { site };
        ground.neighbour().await;
        ground
    }

    /// Acme asks for `path` and is told of a problem.
    pub(crate) async fn check(&self, path: &str, want: &str) {
        let answer = self.site.get(Who::Acme, path).await;
        assert_eq!(answer.code(), want, "{path}: {answer:?}");
    }

    /// The same, and which budget of time it was: a loop that is ended as idle is ended too late.
    pub(crate) async fn check_budget(&self, path: &str, budget: &str) {
        let answer = self.site.get(Who::Acme, path).await;
        assert_eq!(answer.code(), "component-timeout", "{path}: {answer:?}");
        assert!(answer.body.contains(&format!("used up its {budget}")), "{path}: {answer:?}");
    }

    /// Does `work` while the neighbour asks and asks, and is answered every time. Afterwards nothing
    /// lives that it has begun.
    pub(crate) async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let over = Cell::new(false);
        let work = async {
            let done = work.await;
            over.set(true);
            done
        };
        let neighbour = async {
            // Once more when all is over.
            while !over.get() {
                self.neighbour().await;
            }
            self.neighbour().await;
        };
        let (done, ()) = tokio::join!(work, neighbour);
        self.nothing_lives().await;
        done
    }

    /// A request to the neighbour's own component, and one to the default application.
    async fn neighbour(&self) {
        let answer = self.site.ask(Who::Globex, "POST", "/echo", Some(r#"{"a":1}"#)).await;
        assert_eq!((answer.status, answer.json()["echoed"].as_bool()), (200, Some(true)));
        let answer = self.site.get(Who::Globex, "/v1/accounts/none/mailboxes").await;
        assert_eq!(answer.code(), "no-such-account", "{answer:?}");
    }

    /// Waits for the event that no instance lives.
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

/// Does `work`, and tells by how many MiB the process grew: at most, and for good.
pub(crate) async fn weighed<T>(work: impl Future<Output = T>) -> (T, u64, u64) {
    // proc_pid_clear_refs(5): the peak begins anew.
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
