//! What is counted, for Prometheus.
//!
//! Labels are bounded: a route is its pattern and never a path, a status its
//! number. Nothing here names a tenant, an account or a message.
//!
//! Standard: the OpenMetrics text format.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use model::instant::Timestamp;
use model::port::maintenance::{Condition, OutboxCounts};
use model::port::outbox::Outbox;
use model::submission::State;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use runtime::Runtime;

/// The content type that goes with [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a quick answer to a request's whole time.
const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// Which answers a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    method: &'static str,
    route: String,
    status: u16,
}

/// A state of submissions, or of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    state: &'static str,
}

/// What the outbox says of itself.
#[derive(Debug)]
pub(crate) struct Queue {
    condition: Condition,
    /// None where it does not say.
    figures: Option<OutboxCounts>,
    now: Timestamp,
}

impl Queue {
    /// What it says now. Counts are kept, not counted: the answer costs the same however much waits.
    pub(crate) async fn look(outbox: &dyn Outbox, now: Timestamp) -> Self {
        let figures = outbox.figures().await;
        let figures =
            figures.map_err(|error| tracing::warn!(%error, "the outbox says no figures")).ok();
        Self { condition: outbox.condition(), figures, now }
    }

    /// What is shown together, by name.
    fn count(&self, state: &str) -> i64 {
        let shown = |known: State| match known {
            State::Accepted | State::Claimed | State::Dialing | State::DotSent => "queued",
            State::Deferred
            | State::Uncertain
            | State::Sent
            | State::Failed
            | State::Cancelled
            | State::Expired => known.as_str(),
        };
        let states = self.figures.iter().flat_map(|figures| &figures.states);
        let count: u64 =
            states.filter(|(known, _)| shown(*known) == state).map(|(_, count)| *count).sum();
        i64::try_from(count).unwrap_or(i64::MAX)
    }
}

/// The states of submissions that are shown.
const SHOWN: [&str; 7] =
    ["queued", "deferred", "uncertain", "sent", "failed", "cancelled", "expired"];

/// Counters of the whole host.
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<ResponseLabels, Counter>,
    seconds: Histogram,
    runtime: Runtime,
    guests: Guests,
    submissions: Family<Of, Gauge>,
    oldest: Gauge<f64, AtomicU64>,
    store: Family<Of, Gauge>,
    /// Processes that were started to compile a component.
    pub(crate) children: Counter,
}

/// What others count, copied when it is asked for.
#[derive(Debug, Default)]
struct Guests {
    live: Gauge,
    created: Gauge,
    traps: Gauge,
    limits: Gauge,
    timeouts: Gauge,
    busy: Gauge,
    undeployed: Gauge,
}

impl Metrics {
    pub(crate) fn new(runtime: Runtime, children: Counter) -> Self {
        let mut registry = Registry::with_prefix("postlet");
        let (answers, seconds, guests) =
            (Family::default(), Histogram::new(SECONDS), Guests::default());
        registry.register(
            "build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("answers", "Requests that were answered", Family::clone(&answers));
        registry.register_with_unit(
            "answer",
            "From a request's head to the head of its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        let (submissions, oldest, store) =
            (Family::default(), Gauge::<f64, AtomicU64>::default(), Family::default());
        registry.register(
            "outbox_submissions",
            "Submissions in the outbox; those that ended are kept for `outbox.keep-days`",
            Family::clone(&submissions),
        );
        registry.register_with_unit(
            "outbox_oldest",
            "Since the oldest submission that has not ended was accepted; 0 when none waits",
            Unit::Seconds,
            oldest.clone(),
        );
        registry.register(
            "store_state",
            "1 for what the store is now: writable, full (no new mail) or failed",
            Family::clone(&store),
        );
        let compilations = "Processes that were started to compile a component";
        registry.register("compilations", compilations, children.clone());
        for (name, help, gauge) in [
            ("instances_live", "Component instances that exist now", &guests.live),
            ("instances_created", "Component instances made since the start", &guests.created),
            ("instances_trapped", "Instances that trapped", &guests.traps),
            ("instances_limited", "Instances that went over a limit", &guests.limits),
            ("instances_timed_out", "Instances that used up a time budget", &guests.timeouts),
            (
                "applications_not_deployed",
                "Tenants whose own application is not served; the log says why",
                &guests.undeployed,
            ),
            ("instances_refused", "Requests for which no instance was free", &guests.busy),
        ] {
            registry.register(name, help, gauge.clone());
        }
        Self { registry, answers, seconds, runtime, guests, submissions, oldest, store, children }
    }

    /// Counts one answer.
    pub(crate) fn answered(
        &self,
        method: &http::Method,
        route: Option<String>,
        status: http::StatusCode,
        took: Duration,
    ) {
        let method = match method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PATCH" => "PATCH",
            "PUT" => "PUT",
            "DELETE" => "DELETE",
            // A client may make up any number of methods.
            _ => "other",
        };
        let labels = ResponseLabels {
            method,
            route: route.unwrap_or_else(|| "none".to_owned()),
            status: status.as_u16(),
        };
        self.answers.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Everything, in the text format.
    pub(crate) fn text(&self, queue: &Queue, undeployed: usize) -> Result<String, fmt::Error> {
        // Figures that nobody says stay as they were.
        if let Some(figures) = &queue.figures {
            for state in SHOWN {
                self.submissions.get_or_create(&Of { state }).set(queue.count(state));
            }
            let age = figures.oldest.map(|oldest| queue.now.since(oldest).as_secs_f64());
            self.oldest.set(age.unwrap_or_default());
        }
        for condition in Condition::EVERY {
            let now = i64::from(condition == queue.condition);
            self.store.get_or_create(&Of { state: condition.as_str() }).set(now);
        }
        let counters = self.runtime.counters();
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.guests.live.set(counters.live.into());
        self.guests.created.set(whole(counters.created));
        self.guests.traps.set(whole(counters.traps));
        self.guests.limits.set(whole(counters.limits));
        self.guests.timeouts.set(whole(counters.timeouts));
        self.guests.busy.set(whole(counters.busy));
        self.guests.undeployed.set(i64::try_from(undeployed).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, StatusCode};
    use runtime::limits::Settings;

    #[test]
    fn what_was_answered_is_counted_by_route_and_status() {
        let metrics = Metrics::new(Runtime::new(Settings::default()).unwrap(), Counter::default());
        let made_up = Method::from_bytes(b"BREW").unwrap();
        metrics.answered(
            &Method::GET,
            Some("/-/health".to_owned()),
            StatusCode::OK,
            Duration::from_millis(3),
        );
        metrics.answered(
            &Method::GET,
            Some("/-/health".to_owned()),
            StatusCode::OK,
            Duration::from_millis(3),
        );
        metrics.answered(&made_up, None, StatusCode::NOT_FOUND, Duration::from_secs(2));
        let queue = Queue {
            condition: Condition::Full,
            figures: Some(OutboxCounts {
                states: vec![
                    (State::Accepted, 2),
                    (State::DotSent, 1),
                    (State::Deferred, 4),
                    (State::Failed, 5),
                ],
                oldest: Some(Timestamp::from_millis(1_000)),
            }),
            now: Timestamp::from_millis(91_500),
        };
        let text = metrics.text(&queue, 2).unwrap();
        assert!(text.contains("postlet_applications_not_deployed 2\n"), "{text}");
        for line in [
            r#"postlet_answers_total{method="GET",route="/-/health",status="200"} 2"#,
            r#"postlet_answers_total{method="other",route="none",status="404"} 1"#,
            r#"postlet_answer_seconds_bucket{le="0.005"} 2"#,
            "postlet_answer_seconds_count 3",
            "postlet_instances_live 0",
            r#"postlet_outbox_submissions{state="queued"} 3"#,
            r#"postlet_outbox_submissions{state="deferred"} 4"#,
            r#"postlet_outbox_submissions{state="failed"} 5"#,
            r#"postlet_outbox_submissions{state="uncertain"} 0"#,
            "postlet_outbox_oldest_seconds 90.5",
            r#"postlet_store_state{state="full"} 1"#,
            r#"postlet_store_state{state="writable"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
