//! What is counted, for Prometheus.
//!
//! Labels are bounded: a route is its pattern and never a path, a status its
//! number. Nothing here names a tenant, an account or a message.
//!
//! Standard: the OpenMetrics text format.

use std::fmt;
use std::time::Duration;

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
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

/// Counters of the whole host.
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<Answered, Counter>,
    seconds: Histogram,
    runtime: Runtime,
    guests: Guests,
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
        Self { registry, answers, seconds, runtime, guests, children }
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
        let labels = Answered {
            method,
            route: route.unwrap_or_else(|| "none".to_owned()),
            status: status.as_u16(),
        };
        self.answers.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Everything, in the text format.
    pub(crate) fn text(&self, undeployed: usize) -> Result<String, fmt::Error> {
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
        let text = metrics.text(2).unwrap();
        assert!(text.contains("postlet_applications_not_deployed 2\n"), "{text}");
        for line in [
            r#"postlet_answers_total{method="GET",route="/-/health",status="200"} 2"#,
            r#"postlet_answers_total{method="other",route="none",status="404"} 1"#,
            r#"postlet_answer_seconds_bucket{le="0.005"} 2"#,
            "postlet_answer_seconds_count 3",
            "postlet_instances_live 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
