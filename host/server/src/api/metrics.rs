//! Metrics of the host in the OpenMetrics text format, for Prometheus.
//!
//! Labels are bounded: a route is its pattern and never a path, a status its number. No label names a
//! tenant, an account or a message.
//!
//! Standard: OpenMetrics 1.0.0.

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

/// Upper bounds of the histogram's buckets, in seconds: from a fast response to the maximum duration of
/// a request.
const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// Labels of the response counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    method: &'static str,
    route: String,
    status: u16,
}

/// Label with a state of submissions, or of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    state: &'static str,
}

/// The state of the outbox at one time.
#[derive(Debug)]
pub(crate) struct Queue {
    condition: Condition,
    /// None if the outbox could not be read.
    counts: Option<OutboxCounts>,
    now: Timestamp,
}

impl Queue {
    /// Reads the state of the outbox at `now`. The store maintains the counts, so that reading them
    /// takes constant time.
    pub(crate) async fn read(outbox: &dyn Outbox, now: Timestamp) -> Self {
        let counts = outbox.figures().await;
        let counts =
            counts.map_err(|error| tracing::warn!(%error, "the outbox counts cannot be read")).ok();
        Self { condition: outbox.condition(), counts, now }
    }

    /// The number of submissions in a state of [`SHOWN`].
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
        let states = self.counts.iter().flat_map(|counts| &counts.states);
        let count: u64 =
            states.filter(|(known, _)| shown(*known) == state).map(|(_, count)| *count).sum();
        i64::try_from(count).unwrap_or(i64::MAX)
    }
}

/// The states of submissions in the metrics; `queued` combines those before and during an attempt.
const SHOWN: [&str; 7] =
    ["queued", "deferred", "uncertain", "sent", "failed", "cancelled", "expired"];

/// The metrics of the whole host.
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

/// Gauges of values that the runtime counts, copied at each scrape.
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
            "The version of this host",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register("answers", "Requests that were answered", Family::clone(&answers));
        registry.register_with_unit(
            "answer",
            "Time from a request's head to the head of its response",
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
            "Age of the oldest submission that has not ended; 0 if there is none",
            Unit::Seconds,
            oldest.clone(),
        );
        registry.register(
            "store_state",
            "1 for the current state of the store: writable, full (no new mail) or failed",
            Family::clone(&store),
        );
        let compilations = "Processes that were started to compile a component";
        registry.register("compilations", compilations, children.clone());
        for (name, help, gauge) in [
            ("instances_live", "Component instances that exist now", &guests.live),
            ("instances_created", "Component instances created since the start", &guests.created),
            ("instances_trapped", "Instances that trapped", &guests.traps),
            ("instances_limited", "Instances that exceeded a limit", &guests.limits),
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

    /// Counts one response; `took` is the time until its head. Methods that HTTP does not define are
    /// counted as `other`.
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
            // Clients can invent any number of methods.
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

    /// All metrics, in the text format of [`CONTENT_TYPE`].
    pub(crate) fn text(&self, queue: &Queue, undeployed: usize) -> Result<String, fmt::Error> {
        // Gauges without a new value keep the last one.
        if let Some(counts) = &queue.counts {
            for state in SHOWN {
                self.submissions.get_or_create(&Of { state }).set(queue.count(state));
            }
            let age = counts.oldest.map(|oldest| queue.now.since(oldest).as_secs_f64());
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
            counts: Some(OutboxCounts {
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
