//! Everything that belongs to one instance: the data of its store.
//!
//! WASI is linked and empty: no environment but what the manifest writes, no
//! arguments, no directories, no sockets, no outgoing HTTP. What a guest can do beyond computing is its
//! [`HostAccess`], fixed when the store is made.
//!
//! One type for every world, since what is generic over it compiles slowly.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use http::HeaderName;
use model::caller::Caller;
use model::ids::{RequestId, TenantId};
use model::port::capabilities::Capabilities;
use model::port::spool::Spools;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::clocks::{MonotonicClock, WallClock};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::Error as HttpError;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView,
    WasiHttpHooks, WasiHttpView,
};

use crate::limits::Limits;
use crate::limits::memory::MemoryLimiter;
use crate::limits::time_budget::TimeBudget;
use crate::wasi::clock::CoarseClock;
use crate::wasi::stdio_log::{Log, LogSource};

/// A guest asks for a seed or a boundary, not for a megabyte.
const RANDOM: u64 = 4096;

/// The data of one store.
pub(crate) struct GuestState {
    pub(crate) table: ResourceTable,
    pub(crate) quota: MemoryLimiter,
    pub(crate) meter: Arc<TimeBudget>,
    pub(crate) powers: HostAccess,
    /// One more than the status that its answer could not be given, as long as it was given no other; 0
    /// where there is none.
    status: Arc<AtomicU32>,
    stderr: Log,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoRequests,
}

/// What an instance's imports lead to.
#[derive(Clone, Debug)]
pub(crate) enum HostAccess {
    /// Nothing: `describe`.
    None,
    /// Room to write a message: the `mime` component.
    Mime(Arc<dyn Spools>),
    /// One message, lent for the call, and what the manifest's `environment` says: a filter.
    Filter { tenant: TenantId, request: RequestId, environment: Arc<[(String, String)]> },
    /// The caller's accounts: an endpoint.
    Endpoint {
        capabilities: Arc<dyn Capabilities>,
        caller: Arc<Caller>,
        /// Environment variables that the manifest gives it.
        environment: Arc<[(String, String)]>,
    },
}

impl GuestState {
    pub(crate) fn new(
        component: &Arc<str>,
        limits: &Limits,
        meter: Arc<TimeBudget>,
        quota: MemoryLimiter,
        powers: HostAccess,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let whose = LogSource {
            component: Arc::clone(component),
            request: powers.request().cloned(),
            tenant: powers.tenant().cloned(),
        };
        let (stdout, stderr) = Log::pair(whose, limits.log_bytes);
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stdout)
            .stderr(stderr.clone())
            .max_random_size(RANDOM)
            .wall_clock(CoarseClock(WallClock::new()))
            .monotonic_clock(CoarseClock(MonotonicClock::new()))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        if let HostAccess::Endpoint { environment, .. } | HostAccess::Filter { environment, .. } =
            &powers
        {
            wasi.envs(environment);
        }
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.header_bytes);
        Self {
            table,
            quota,
            meter,
            powers,
            status: Arc::default(),
            stderr,
            wasi: wasi.build(),
            http,
            hooks: NoRequests { chunk: limits.body_chunk },
        }
    }
}

impl GuestState {
    /// One more than the status that its answer could not be given, or 0.
    pub(crate) fn refused_status(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.status)
    }

    /// What it wrote to stderr last, as a panic does.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.stderr.last_words()
    }

    /// Its answer was given this status, or could not be.
    pub(crate) fn gave_status(&self, status: u16, taken: bool) {
        self.status.store(if taken { 0 } else { u32::from(status) + 1 }, Relaxed);
    }
}

impl HostAccess {
    /// Whose request this is, for the log.
    pub(crate) fn request(&self) -> Option<&RequestId> {
        match self {
            Self::None | Self::Mime(_) => None,
            Self::Filter { request, .. } => Some(request),
            Self::Endpoint { caller, .. } => Some(&caller.request),
        }
    }

    /// Who pays for it, and for what it logs.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::None | Self::Mime(_) => None,
            Self::Filter { tenant, .. } => Some(tenant),
            Self::Endpoint { caller, .. } => Some(&caller.tenant),
        }
    }
}

impl fmt::Debug for GuestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("powers", &self.powers).finish_non_exhaustive()
    }
}

// Every WASI function asks for its view exactly once, so this is where calls are counted.
impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.meter.count();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.meter.count();
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Outgoing HTTP, denied.
struct NoRequests {
    /// Bytes that one write to a body may hold.
    chunk: usize,
}

type Sent = (http::Response<WasiBody>, Ended);
type Ended = Box<dyn Future<Output = Result<(), HttpError>> + Send>;

impl WasiHttpHooks for NoRequests {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }

    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _ended: Ended,
    ) -> Box<dyn Future<Output = Result<Sent, HttpError>> + Send> {
        Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        self.chunk
    }
}
