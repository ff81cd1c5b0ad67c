//! Configured limits, timeouts and rates: `[limits]`, `[compile]`, `[outbox]` and `[mail]`.
//!
//! Each value is checked against its bounds. docs/configuration.md lists every key with its default.

use std::time::Duration;

use model::limit::rate::Rate;
use serde::Deserialize;

/// A key whose value is invalid, and the reason.
type Refused = (String, String);

/// Limits of requests and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a JSON body.
    pub json_body: usize,
    /// Bytes of any other body.
    pub body: u64,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once of one peer; none when unlimited.
    pub peer: Option<PeerLimit>,
    /// Timeout of a request head, from its first byte to its last.
    pub head: Duration,
    /// The minimum transfer rate of request bodies.
    pub pace: MinRate,
    /// The longest time that a client may read nothing of a pending response.
    pub write: Duration,
    /// CPU time of a component for one request.
    pub cpu: Duration,
    /// The longest time between bytes or host calls of a component.
    pub idle: Duration,
    /// The longest time of a whole request.
    pub total: Duration,
    /// Bytes of linear memory of a component instance.
    pub memory: usize,
    /// Bytes of linear memory of all component instances of one tenant.
    pub tenant_memory: usize,
    /// Component instances at once, for requests with a token.
    pub instances: u32,
    /// Rate limit of verifications of mail servers, for each tenant.
    pub tries: VerifyLimits,
    /// Rate limit of network lookups of mail servers, for each tenant.
    pub lookups: Rate,
    /// Timeouts of a graceful shutdown.
    pub stop: Stop,
    /// Log quota of each tenant.
    pub log: LogLimits,
}

/// Log quota of one tenant for each minute: the output of its components, and entries about its
/// requests. Requests without a token have a quota of the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Entries a minute.
    pub lines: u32,
    /// Bytes of the entries a minute.
    pub bytes: u64,
}

impl Default for LogLimits {
    /// At most some 370 MB a day.
    fn default() -> Self {
        Self { lines: 1000, bytes: 256 << 10 }
    }
}

/// Timeouts of a graceful shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The grace period before it: `/-/ready` reports the shutdown, and requests are accepted as before.
    pub grace: Duration,
    /// For requests under way, to the last byte of their responses.
    pub requests: Duration,
    /// For deliveries under way. RFC 5321 §4.5.3.2.6 allows ten minutes after the final dot, which is
    /// longer than service managers wait.
    pub deliveries: Duration,
}

/// Rate limit of verifications of mail servers, for one tenant: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyLimits {
    /// Verifications at once.
    pub at_once: u32,
    /// The sustained rate, and the size of the bucket.
    pub rate: Rate,
}

/// Limit of connections of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimit {
    /// Connections at once.
    pub most: usize,
    /// Whether peers on this machine are limited, too. By default they are not: a reverse proxy is one.
    pub loopback: bool,
}

/// The minimum transfer rate of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// The waiting time that every body may use.
    pub grace: Duration,
    /// Bytes that extend it by a second.
    pub bytes: u64,
}

/// Limits of compiling a tenant's component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compile {
    /// CPU time of the child process.
    pub cpu: Duration,
    /// Elapsed time from its start to its end.
    pub wall: Duration,
    /// Bytes of its address space.
    pub memory: u64,
    /// Bytes of compiled code in the cache on disk; 0 disables the cache.
    pub cache: u64,
}

/// Delivery settings of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// The wait after each attempt; the last one repeats.
    pub retry: Vec<Duration>,
    /// The age at which a submission expires.
    pub give_up: Duration,
    /// How long a submission is kept after its delivery ended.
    pub keep: Duration,
    /// Deliveries at once.
    pub deliveries: usize,
    /// Deliveries at once for one account.
    pub deliveries_per_account: usize,
}

/// Timeouts of mail servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailTimes {
    /// Between two bytes of an IMAP response.
    pub imap_idle: Duration,
    /// For a whole IMAP command, even while bytes arrive.
    pub imap_command: Duration,
    /// For one SMTP command.
    pub smtp_step: Duration,
    /// For the reply to the final dot (RFC 5321 §4.5.3.2.6 asks for ten minutes).
    pub final_dot: Duration,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawLimits {
    json_body_bytes: Option<u64>,
    body_bytes: Option<u64>,
    connections: Option<u64>,
    connections_per_peer: Option<u64>,
    head_secs: Option<u64>,
    body_grace_secs: Option<u64>,
    body_bytes_per_sec: Option<u64>,
    write_secs: Option<u64>,
    cpu_millis: Option<u64>,
    idle_secs: Option<u64>,
    total_secs: Option<u64>,
    memory_bytes: Option<u64>,
    memory_per_tenant_bytes: Option<u64>,
    instances: Option<u64>,
    tries_at_once: Option<u64>,
    tries_per_minute: Option<u64>,
    tries_burst: Option<u64>,
    lookups_per_minute: Option<u64>,
    lookups_burst: Option<u64>,
    stop_grace_secs: Option<u64>,
    stop_requests_secs: Option<u64>,
    stop_deliveries_secs: Option<u64>,
    log_lines_per_minute: Option<u64>,
    log_bytes_per_minute: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawCompile {
    cpu_secs: Option<u64>,
    wall_secs: Option<u64>,
    memory_bytes: Option<u64>,
    cache_bytes: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawOutbox {
    retry_secs: Option<Vec<u64>>,
    give_up_hours: Option<u64>,
    keep_days: Option<u64>,
    deliveries: Option<u64>,
    deliveries_per_account: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawMail {
    imap_idle_secs: Option<u64>,
    imap_command_secs: Option<u64>,
    smtp_step_secs: Option<u64>,
    final_dot_secs: Option<u64>,
}

impl RawLimits {
    pub(crate) fn check(self) -> Result<Limits, Refused> {
        let bytes = |key: &str, value: Option<u64>, default: u64| {
            within(&format!("limits.{key}"), value, default, 1024, 1 << 30)
        };
        let seconds = |key: &str, value: Option<u64>, default: u64| {
            within(&format!("limits.{key}"), value, default, 1, 3600).map(Duration::from_secs)
        };
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let number = |key: &str, value: Option<u64>, default: u64, least: u64, most: u64| {
            within(&format!("limits.{key}"), value, default, least, most)
                .map(|value| u32::try_from(value).unwrap_or(u32::MAX))
        };
        let memory =
            within("limits.memory-bytes", self.memory_bytes, 64 << 20, 1 << 20, 256 << 20)?;
        // With less than the limit of one component, none could start.
        let tenant_memory = within(
            "limits.memory-per-tenant-bytes",
            self.memory_per_tenant_bytes,
            512 << 20,
            memory,
            1 << 40,
        )?;
        Ok(Limits {
            json_body: size(bytes("json-body-bytes", self.json_body_bytes, 8 << 20)?),
            body: bytes("body-bytes", self.body_bytes, 35 << 20)?,
            connections: size(within("limits.connections", self.connections, 1024, 1, 100_000)?),
            peer: match size(within(
                "limits.connections-per-peer",
                self.connections_per_peer,
                64,
                0,
                100_000,
            )?) {
                0 => None,
                most => Some(PeerLimit { most, loopback: self.connections_per_peer.is_some() }),
            },
            pace: MinRate {
                grace: seconds("body-grace-secs", self.body_grace_secs, 5)?,
                bytes: within(
                    "limits.body-bytes-per-sec",
                    self.body_bytes_per_sec,
                    1024,
                    1,
                    1 << 20,
                )?,
            },
            write: seconds("write-secs", self.write_secs, 30)?,
            head: Duration::from_secs(within("limits.head-secs", self.head_secs, 10, 1, 300)?),
            cpu: Duration::from_millis(within(
                "limits.cpu-millis",
                self.cpu_millis,
                2000,
                10,
                60_000,
            )?),
            idle: seconds("idle-secs", self.idle_secs, 30)?,
            total: seconds("total-secs", self.total_secs, 60)?,
            memory: size(memory),
            tenant_memory: size(tenant_memory),
            instances: number("instances", self.instances, 200, 2, 1000)?,
            tries: VerifyLimits {
                at_once: number("tries-at-once", self.tries_at_once, 8, 1, 1000)?,
                rate: Rate {
                    per_minute: number("tries-per-minute", self.tries_per_minute, 30, 1, 6000)?,
                    burst: number("tries-burst", self.tries_burst, 60, 1, 10_000)?,
                },
            },
            lookups: Rate {
                per_minute: number("lookups-per-minute", self.lookups_per_minute, 30, 1, 6000)?,
                burst: number("lookups-burst", self.lookups_burst, 40, 1, 10_000)?,
            },
            stop: Stop {
                grace: Duration::from_secs(within(
                    "limits.stop-grace-secs",
                    self.stop_grace_secs,
                    0,
                    0,
                    300,
                )?),
                requests: seconds("stop-requests-secs", self.stop_requests_secs, 30)?,
                deliveries: seconds("stop-deliveries-secs", self.stop_deliveries_secs, 60)?,
            },
            log: LogLimits {
                lines: number(
                    "log-lines-per-minute",
                    self.log_lines_per_minute,
                    1000,
                    1,
                    1_000_000,
                )?,
                bytes: bytes("log-bytes-per-minute", self.log_bytes_per_minute, 256 << 10)?,
            },
        })
    }
}

impl Default for Compile {
    /// Several times what the largest interpreters need on a slow machine.
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(60),
            wall: Duration::from_secs(180),
            memory: 3_000_000_000,
            cache: 1 << 30,
        }
    }
}

impl RawCompile {
    pub(crate) fn check(self) -> Result<Compile, Refused> {
        let default = Compile::default();
        let seconds = |key: &str, value: Option<u64>, default: Duration| {
            within(&format!("compile.{key}"), value, default.as_secs(), 1, 3600)
                .map(Duration::from_secs)
        };
        let bytes = |key: &str, value: Option<u64>, default: u64, least: u64| {
            within(&format!("compile.{key}"), value, default, least, 1 << 40)
        };
        Ok(Compile {
            cpu: seconds("cpu-secs", self.cpu_secs, default.cpu)?,
            wall: seconds("wall-secs", self.wall_secs, default.wall)?,
            memory: bytes("memory-bytes", self.memory_bytes, default.memory, 256 << 20)?,
            cache: bytes("cache-bytes", self.cache_bytes, default.cache, 0)?,
        })
    }
}

impl RawOutbox {
    pub(crate) fn check(self) -> Result<Outbox, Refused> {
        let retry =
            self.retry_secs.unwrap_or_else(|| vec![30, 120, 300, 900, 1800, 3600, 7200, 14_400]);
        if retry.is_empty() || retry.iter().any(|seconds| !(1..=86_400).contains(seconds)) {
            return Err(fault(
                "outbox.retry-secs",
                "one or more waits between 1 and 86400 seconds are needed",
            ));
        }
        let hours = within("outbox.give-up-hours", self.give_up_hours, 96, 1, 720)?;
        // Idempotency-Keys are remembered for three days, and must not outlive their submission.
        let days = within("outbox.keep-days", self.keep_days, 30, 4, 3650)?;
        if days * 24 < hours {
            return Err(fault(
                "outbox.keep-days",
                format!("{days} days are less than the {hours} hours of `outbox.give-up-hours`"),
            ));
        }
        let count = |key: &str, value: Option<u64>, default: u64| {
            within(&format!("outbox.{key}"), value, default, 1, 256)
                .map(|count| usize::try_from(count).unwrap_or(1))
        };
        let deliveries = count("deliveries", self.deliveries, 32)?;
        let each = count("deliveries-per-account", self.deliveries_per_account, 2)?;
        if each > deliveries {
            let reason = "it must not be larger than `outbox.deliveries`";
            return Err(fault("outbox.deliveries-per-account", reason));
        }
        Ok(Outbox {
            retry: retry.into_iter().map(Duration::from_secs).collect(),
            give_up: Duration::from_secs(hours * 3600),
            keep: Duration::from_secs(days * 86_400),
            deliveries,
            deliveries_per_account: each,
        })
    }
}

impl RawMail {
    pub(crate) fn check(self) -> Result<MailTimes, Refused> {
        let seconds = |key: &str, value: Option<u64>, default: u64| {
            within(&format!("mail.{key}"), value, default, 1, 3600).map(Duration::from_secs)
        };
        Ok(MailTimes {
            imap_idle: seconds("imap-idle-secs", self.imap_idle_secs, 30)?,
            imap_command: seconds("imap-command-secs", self.imap_command_secs, 600)?,
            smtp_step: seconds("smtp-step-secs", self.smtp_step_secs, 60)?,
            final_dot: seconds("final-dot-secs", self.final_dot_secs, 600)?,
        })
    }
}

/// The value or its default, within the bounds.
fn within(
    key: &str,
    value: Option<u64>,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, Refused> {
    let value = value.unwrap_or(default);
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(fault(key, format!("{value} is not between {least} and {most}")))
    }
}

fn fault(key: impl Into<String>, reason: impl Into<String>) -> Refused {
    (key.into(), reason.into())
}
