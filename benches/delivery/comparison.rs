//! Comparison of both sides, measured alternately, and the ratios.

use std::path::PathBuf;
use std::time::Duration;

use rig::{Options, Rig};

use crate::postfix_log::{Arrivals, Stretch};
use crate::queue::{self, SentCopy};
use crate::raw_client;
use crate::size::Size;
use testkit::measure::report;
use testkit::measure::usage;
use testkit::site::{Site, under};
use testkit::wait::wait_until;

/// The default of `deliveries-per-account`.
const SESSIONS: usize = 2;
const CROWD: u16 = 8;

/// Share of the raw client's rate, for one account and for several.
const GOAL_ONE: f64 = 0.6;
const GOAL_CROWD: f64 = 0.7;
const GOAL_CLAIMS: f64 = 1.1;
/// Maximum deviation of a long queue from a short one.
const GOAL_LENGTH: f64 = 0.1;

/// The states that are not final.
const WAITING: &str =
    "submissions?limit=1&state=accepted,claimed,dialing,dotSent,deferred,uncertain";

/// One measurement of the host.
#[derive(Clone, Copy, Debug)]
struct Run {
    per_second: f64,
    /// Share of the raw client's rate; zero until that was measured after it.
    ratio: f64,
    claims: f64,
    written: f64,
    cpu: f64,
    /// Whether all messages arrived.
    complete: bool,
}

#[derive(Clone, Copy, Debug)]
struct Spent {
    written: u64,
    cpu: Duration,
}

/// Runs every measurement of delivery.
pub(crate) fn run(size: Size) {
    let Some(rig) = Rig::start(Options { users: CROWD }) else {
        report::line("no mail servers here: delivery is not measured");
        return;
    };
    let place = Place { rig: &rig, size };
    place.warm_up();
    let one = queue::template(&rig, 1, SentCopy::None);
    let short = place.compare("one account", &one, 1, (size.few, size.rounds), Some(GOAL_ONE));
    let long = place.compare("one account", &one, 1, (size.many, 1), Some(GOAL_ONE));
    report_lengths(short, long);
    let crowd = queue::template(&rig, CROWD, SentCopy::None);
    let goal = Some(GOAL_CROWD);
    let short = place.compare("eight accounts", &crowd, CROWD, (size.few, size.rounds), goal);
    let long = place.compare("eight accounts", &crowd, CROWD, (size.many, 1), goal);
    report_lengths(short, long);
    let copied = queue::template(&rig, 1, SentCopy::Kept);
    let what = "one account, with the Sent copy";
    place.compare(what, &copied, 1, (size.few, size.rounds), None);
}

struct Place<'a> {
    rig: &'a Rig,
    size: Size,
}

impl Place<'_> {
    /// Postfix delivers its first messages slowly.
    fn warm_up(&self) {
        raw_client::deliver(self.rig, CROWD, SESSIONS, 50);
    }

    /// Measures the raw client, the host, and so on alternately, ending with the raw client: each
    /// measurement of the host is compared with the mean of the raw ones before and after it.
    /// `count` messages are queued, `rounds` times.
    fn compare(
        &self,
        who: &str,
        template: &Site,
        accounts: u16,
        (count, rounds): (usize, usize),
        goal: Option<f64>,
    ) -> Run {
        let sessions = SESSIONS * usize::from(accounts);
        report::heading(&format!("delivery: {who}, {sessions} sessions, {count} queued"));
        // As many for the raw client: Postfix and the disk slow down during a long measurement.
        let mut before = self.raw(accounts, count);
        let mut runs = Vec::new();
        for _ in 0..rounds {
            let mut run = self.host(template, accounts, count);
            let after = self.raw(accounts, count);
            run.ratio = run.per_second / ((before + after) / 2.0);
            let ratio = run.ratio;
            let line = format!(
                "raw SMTP client {before:>8.1} /s, then {after:>8.1} /s   outbox {:>8.1} /s   ratio {ratio:.2}{}",
                run.per_second,
                if run.complete { "" } else { "   (cut off)" }
            );
            report::line(&line);
            runs.push(run);
            before = after;
        }
        let middle = |pick: fn(&Run) -> f64| report::median(runs.iter().map(pick).collect());
        let run = Run {
            per_second: middle(|run| run.per_second),
            ratio: middle(|run| run.ratio),
            claims: middle(|run| run.claims),
            written: middle(|run| run.written),
            cpu: middle(|run| run.cpu),
            complete: runs.iter().all(|run| run.complete),
        };
        let ratio = run.ratio;
        match goal {
            Some(goal) => {
                report::goal("outbox / raw", ratio, "", &format!(">= {goal}"), ratio >= goal);
            }
            None => report::figure("outbox / raw", ratio, ""),
        }
        report::goal("claims for each mail", run.claims, "", "<= 1.1", run.claims <= GOAL_CLAIMS);
        report::figure("written for each mail", run.written / 1024.0, "KiB");
        report::figure("host CPU for each mail", run.cpu * 1e3, "ms");
        run
    }

    fn raw(&self, accounts: u16, count: usize) -> f64 {
        let arrivals = Arrivals::of(&self.log());
        std::thread::scope(|scope| {
            scope.spawn(|| raw_client::deliver(self.rig, accounts, SESSIONS, count));
            arrivals.time(count, Duration::MAX, || ()).per_second()
        })
    }

    fn host(&self, template: &Site, accounts: u16, count: usize) -> Run {
        let site = queue::filled(self.rig, template, accounts, count);
        let arrivals = Arrivals::of(&self.log());
        let host = site.start();
        let observe = || Spent { written: written(host.pid()), cpu: usage::cpu(host.pid()) };
        let stretch: Stretch<Spent> = arrivals.time(count, self.size.longest, observe);
        if stretch.complete {
            let mut operator = site.operator(&host);
            for user in 1..=accounts {
                let path = under(&format!("user{user:03}"), WAITING);
                wait_until("the last verdicts", || {
                    let list = operator.get(&path).expect(200);
                    list["submissions"].as_array().unwrap().is_empty()
                });
            }
        }
        host.kill();
        let each = |total: f64| total / stretch.messages.max(1) as f64;
        // Claims are counted from the start, so they are divided by all arrivals since then.
        let all = stretch.arrived.max(1);
        Run {
            per_second: stretch.per_second(),
            ratio: 0.0,
            claims: queue::claims(&site) as f64 / all as f64,
            written: each((stretch.to.written - stretch.from.written) as f64),
            cpu: each((stretch.to.cpu - stretch.from.cpu).as_secs_f64()),
            complete: stretch.complete,
        }
    }

    fn log(&self) -> PathBuf {
        self.rig.ca_pem().ancestors().nth(2).unwrap().join("log/postfix.log")
    }
}

fn report_lengths(short: Run, long: Run) {
    let ratio = long.per_second / short.per_second;
    let met = (ratio - 1.0).abs() <= GOAL_LENGTH;
    report::goal("long queue / short queue, rate", ratio, "", "0.9 to 1.1", met);
    let relative = long.ratio / short.ratio;
    report::figure("the same, relative to the raw client", relative, "");
    report::figure("long queue / short queue, written", long.written / short.written, "");
}

/// Bytes that the process caused to be written to storage (proc(5), `write_bytes`).
fn written(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
    line.trim().parse().unwrap()
}
