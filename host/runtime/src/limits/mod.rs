//! Resource limits of one instance, and of all instances together.
//!
//! Plain numbers with defaults; nothing here enforces them.

mod party;
mod cpu_turns;
pub(crate) mod time_budget;
pub(crate) mod memory;
mod slot_pool;
pub mod concurrency;

use std::time::Duration;

use crate::error::LimitKind;

/// Limits of one instance of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory in bytes, all memories of the instance together.
    pub memory: usize,
    /// Elements in each table.
    pub table_elements: usize,
    /// Time spent computing, in the guest and in the host on its behalf.
    pub cpu: Duration,
    /// Time without a byte of request or response and without a host call.
    pub idle: Duration,
    /// Time from the request to the last byte of the response.
    pub total: Duration,
    /// Bytes of the request body.
    pub request_body: u64,
    /// Bytes of the response body.
    pub response_body: u64,
    /// Bytes of the response's header, as wasi-http counts them (more than on the wire).
    pub header_bytes: usize,
    /// Fields in the response's header.
    pub header_count: usize,
    /// Calls into the host, including WASI's.
    pub host_calls: u32,
    /// Bytes that one call may pass to the host.
    pub host_call_bytes: usize,
    /// Handles held at the same time.
    pub handles: usize,
    /// Bytes of one write to an HTTP body. Up to two writes wait in the host, outside of `memory`,
    /// for each body that is not read.
    pub body_chunk: usize,
    /// Bytes of log.
    pub log_bytes: usize,
}

impl Limits {
    /// A limit as errors show it, with its number.
    #[must_use]
    pub fn told(&self, which: LimitKind) -> String {
        let count = match which {
            LimitKind::Memory => self.memory,
            LimitKind::Table => self.table_elements,
            LimitKind::HostCalls => usize::try_from(self.host_calls).unwrap_or(usize::MAX),
            LimitKind::Handles => self.handles,
            LimitKind::Headers => self.header_count,
            LimitKind::ResponseBody => usize::try_from(self.response_body).unwrap_or(usize::MAX),
        };
        match which {
            LimitKind::Memory => format!("{count} bytes of memory"),
            LimitKind::Table
            | LimitKind::HostCalls
            | LimitKind::Handles
            | LimitKind::Headers
            | LimitKind::ResponseBody => format!("{count} {which}"),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            table_elements: TABLE_ELEMENTS,
            cpu: Duration::from_secs(2),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(60),
            request_body: 35 << 20,
            response_body: 64 << 20,
            header_bytes: 32 << 10,
            header_count: 100,
            host_calls: 100_000,
            host_call_bytes: 16 << 20,
            handles: 1024,
            body_chunk: 1 << 20,
            log_bytes: 64 << 10,
        }
    }
}

impl Limits {
    /// The limits of one call of the `mime` component. A message of 35 MiB with a megabyte of
    /// headers must be parsable, and no request waits longer than for the slowest mail.
    #[must_use]
    pub fn for_mime() -> Self {
        Self {
            memory: 256 << 20,
            idle: Duration::from_secs(20),
            total: Duration::from_secs(30),
            cpu: Duration::from_secs(10),
            host_call_bytes: 64 << 20,
            ..Self::default()
        }
    }

    /// The limits of one call of a filter. The deadline of the chain is the engine's.
    #[must_use]
    pub fn for_filter() -> Self {
        let chain = Duration::from_secs(2);
        Self {
            idle: chain,
            total: chain,
            cpu: chain,
            host_calls: 20_000,
            handles: 64,
            // It sends nothing, so its bodies are never read.
            body_chunk: 4 << 10,
            log_bytes: 16 << 10,
            ..Self::default()
        }
    }

    /// The limits of `describe`: there is nothing to wait for.
    #[must_use]
    pub(crate) fn for_describe() -> Self {
        let second = Duration::from_secs(1);
        Self { idle: second, total: second, cpu: second, ..Self::default() }
    }
}

/// The settings of the engine. Fixed for the life of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Maximum number of tenants: a slot is reserved for each as far as there are slots.
    pub tenants: u32,
    /// Concurrent instances of endpoints, for requests with a token.
    pub instances: u32,
    /// The same for anonymous requests.
    pub stranger_instances: u32,
    /// Concurrent instances of the `mime` component. Separate from `instances`, since endpoints
    /// wait for them.
    pub mime_instances: u32,
    /// Concurrent instances of filters. Separate from `instances`, since an endpoint that sends
    /// waits for them.
    pub filter_instances: u32,
    /// Linear memory of one tenant's endpoints together, in bytes; as much again for its filters.
    pub tenant_memory: usize,
    /// Linear memory of the endpoints that serve one tenant's anonymous requests, in bytes.
    pub stranger_memory: usize,
    /// How long a request may wait for an instance.
    pub patience: Duration,
    /// Maximum of all instances' memory limits, in bytes.
    pub max_memory: usize,
    /// The limits of one call of the `mime` component.
    pub mime: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenants: 2,
            instances: 200,
            stranger_instances: 100,
            mime_instances: 32,
            filter_instances: 32,
            tenant_memory: 512 << 20,
            stranger_memory: 256 << 20,
            patience: Duration::from_secs(1),
            max_memory: 256 << 20,
            mime: Limits::for_mime(),
        }
    }
}

/// Python's interpreter has some ten thousand functions in its table; more is a mistake or an
/// attack.
pub(crate) const TABLE_ELEMENTS: usize = 50_000;
/// Linear memories of one component: composed ones have more than one.
pub(crate) const MEMORIES: u32 = 4;
/// Tables of one component: wit-component's shims add one each.
pub(crate) const TABLES: u32 = 12;
/// Core instances inside one component.
pub(crate) const CORE_INSTANCES: u32 = 32;
