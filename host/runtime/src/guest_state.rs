//! Store data of one instance.
//!
//! WASI is linked and empty: no environment but the manifest's, no arguments, no directories, no
//! sockets, no outgoing HTTP. What a guest can do beyond computing is its [`HostAccess`], fixed
//! when the store is created.
//!
//! One type for every world, since code that is generic over it compiles slowly.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};

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

/// Maximum size of one random read: guests need a seed or a boundary.
const RANDOM: u64 = 4096;

/// The data of one store.
pub(crate) struct GuestState {
    pub(crate) table: ResourceTable,
    pub(crate) quota: MemoryLimiter,
    pub(crate) meter: Arc<TimeBudget>,
    pub(crate) powers: HostAccess,
    /// One more than the status that was refused for its response, unless it set another one later;
    /// 0 where there is none.
    status: Arc<AtomicU32>,
    /// Whether the guest got the receipt of an earlier request.
    replayed: Arc<AtomicBool>,
    stderr: Log,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoRequests,
}

/// The implementations of an instance's imports.
#[derive(Clone, Debug)]
pub(crate) enum HostAccess {
    /// No access: `describe`.
    None,
    /// Spools for a composed message: the `mime` component.
    Mime(Arc<dyn Spools>),
    /// One message, lent for the call, and the manifest's `environment`: a filter.
    Filter { tenant: TenantId, request: RequestId, environment: Arc<[(String, String)]> },
    /// The caller's accounts: an endpoint.
    Endpoint {
        capabilities: Arc<dyn Capabilities>,
        caller: Arc<Caller>,
        /// Environment variables of the manifest.
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
            replayed: Arc::default(),
            stderr,
            wasi: wasi.build(),
            http,
            hooks: NoRequests { chunk: limits.body_chunk },
        }
    }
}

impl GuestState {
    /// One more than the refused status, or 0.
    pub(crate) fn refused_status(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.status)
    }

    /// Whether the guest got the receipt of an earlier request with the same Idempotency-Key.
    pub(crate) fn replayed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.replayed)
    }

    /// Records that the guest got such a receipt.
    pub(crate) fn note_replay(&self) {
        self.replayed.store(true, Relaxed);
    }

    /// Its last output on stderr, such as the message of a panic.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.stderr.last_words()
    }

    /// Records that its response got this status, or was refused it.
    pub(crate) fn gave_status(&self, status: u16, taken: bool) {
        self.status.store(if taken { 0 } else { u32::from(status) + 1 }, Relaxed);
    }
}

impl HostAccess {
    /// The request it serves, for the log.
    pub(crate) fn request(&self) -> Option<&RequestId> {
        match self {
            Self::None | Self::Mime(_) => None,
            Self::Filter { request, .. } => Some(request),
            Self::Endpoint { caller, .. } => Some(&caller.request),
        }
    }

    /// The tenant that is charged for it and for its log.
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

// Every WASI function gets its view exactly once, so calls are counted here.
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

/// Outgoing HTTP, always denied.
struct NoRequests {
    /// Maximum size in bytes of one write to a body.
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
