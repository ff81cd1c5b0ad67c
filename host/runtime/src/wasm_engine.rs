//! The wasmtime engine: its configuration, pool, epoch clock, and new instances.
//!
//! Settings follow measurements: pooling with resident pages kept and `PAGEMAP_SCAN` halves the
//! cost of a new instance. Language features that no supported guest needs are off.
//!
//! Invariant: a store serves one request or call, and its slot is released only after the store is
//! gone.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, thread};

use model::foreign::ErrorChain;
use sha2::{Digest, Sha256};
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTableError};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    StoreContextMut, UpdateDeadline,
};
use wasmtime_wasi_http::p2::bindings::http::types as p2;
use wasmtime_wasi_http::p3::bindings::http::types as p3;
use wasmtime_wasi_http::{FieldMapError, WasiHttpView};

use crate::error::{EndpointError, LimitKind, RuntimeError, one_line, trapped};
use crate::guest_state::{GuestState, HostAccess};
use crate::limits;
use crate::limits::concurrency::{InstanceSlot, InstanceSlots};
use crate::limits::memory::MemoryLimiter;
use crate::limits::time_budget::{Outcome, TICK, TimeBudget};
use crate::limits::{Limits, Settings};
use crate::wit::bindings::before_send::BeforeSendFilter;
use crate::wit::bindings::capabilities::Capabilities;
use crate::wit::bindings::mime_engine::MimeEngine;

/// Deployments that run `describe` concurrently, beyond the slots of requests.
const DESCRIBES: u32 = 8;

/// Everything that instances are created from.
pub(crate) struct WasmEngine {
    pub(crate) engine: Engine,
    pub(crate) places: Arc<InstanceSlots>,
    pub(crate) settings: Settings,
    /// WASI 0.2 and 0.3, wasi:http and all of Postlet's imports.
    pub(crate) endpoints: Linker<GuestState>,
    /// WASI and spools.
    pub(crate) mime: Linker<GuestState>,
    /// WASI, wasi:http without outgoing requests, and one message to read.
    pub(crate) filters: Linker<GuestState>,
}

/// How instances are allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// From a pool, with compilation on every core: a host.
    Pooled,
    /// On demand, with compilation on one core: a child that prepares one component in little
    /// address space. What it compiles runs on the other kind: neither choice is part of the code.
    OnDemand,
}

/// One instance's store and slot.
pub(crate) struct Instance {
    pub(crate) store: Store<GuestState>,
    pub(crate) meter: Arc<TimeBudget>,
    component: Arc<str>,
    // After `store`, so that it is dropped after it.
    place: InstanceSlot,
}

impl WasmEngine {
    pub(crate) fn new(settings: Settings, allocation: Allocation) -> Result<Self, RuntimeError> {
        let places = Arc::new(InstanceSlots::new(&settings));
        let engine = engine(&settings, allocation)?;
        start_ticking(&engine, &places)?;
        let mime = link(&engine, |linker| {
            wasmtime_wasi::p2::add_to_linker_async(linker)?;
            MimeEngine::add_to_linker::<_, HasSelf<GuestState>>(linker, |guest| guest)
        })?;
        let filters = link(&engine, |linker| {
            wasmtime_wasi::p2::add_to_linker_async(linker)?;
            // No request can be sent: components made by componentize-js import it, whether they
            // use it or not.
            wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
            BeforeSendFilter::add_to_linker::<_, HasSelf<GuestState>>(linker, |guest| guest)
        })?;
        let endpoints = link(&engine, |linker| {
            wasmtime_wasi::p2::add_to_linker_async(linker)?;
            // Only http: the rest of the proxy world is in WASI.
            wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
            wasmtime_wasi::p3::add_to_linker(linker)?;
            wasmtime_wasi_http::p3::add_to_linker(linker)?;
            watch_status(linker)?;
            Capabilities::add_to_linker::<_, HasSelf<GuestState>>(linker, |guest| guest)
        })?;
        Ok(Self { engine, places, settings, endpoints, mime, filters })
    }

    pub(crate) fn instance(
        &self,
        component: &Arc<str>,
        limits: &Limits,
        powers: HostAccess,
        place: InstanceSlot,
    ) -> Instance {
        let meter = Arc::new(TimeBudget::new(limits, place.chair()));
        let quota = MemoryLimiter::new(limits, place.account(), Arc::clone(&meter));
        let guest = GuestState::new(component, limits, Arc::clone(&meter), quota, powers);
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| &mut guest.quota);
        store.set_hostcall_fuel(limits.host_call_bytes);
        // Streams, futures and tasks of WASI 0.3 are in a table of wasmtime's own.
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(limits.handles);
        }
        store.epoch_deadline_callback(|context| {
            let meter = Arc::clone(&context.data().meter);
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(async move { meter.turn().await })))
        });
        store.set_epoch_deadline(1);
        Instance { store, meter, component: Arc::clone(component), place }
    }
}

impl WasmEngine {
    /// See [`crate::Runtime::kind_of_code`].
    pub(crate) fn kind_of_code(&self) -> [u8; 32] {
        let mut digest = Digesting(Sha256::new());
        self.engine.precompile_compatibility_hash().hash(&mut digest);
        digest.0.finalize().into()
    }
}

/// A hasher that keeps 256 bits instead of a hash table's 64.
struct Digesting(Sha256);

impl Hasher for Digesting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

impl Instance {
    /// How the guest ended, for the counters and the caller. The caller logs it, once.
    pub(crate) fn judge<T>(
        &self,
        ended: Result<wasmtime::Result<T>, EndpointError>,
    ) -> Result<T, EndpointError> {
        let error = match ended {
            Ok(Ok(value)) => {
                self.meter.end(Outcome::Done);
                return Ok(value);
            }
            Ok(Err(trap)) => self.blame(trap),
            Err(stopped) => stopped,
        };
        self.place.places().note(&error);
        Err(error)
    }

    /// A trap's cause: often a guest aborts because a growth was refused.
    fn blame(&self, trap: wasmtime::Error) -> EndpointError {
        if let Some(stopped) = self.meter.stopped() {
            return stopped;
        }
        if let Some(refused) = self.store.data().quota.cause(&trap) {
            return refused;
        }
        if let Some(ResourceTableError::Full) = trap.downcast_ref() {
            return EndpointError::Limit(LimitKind::Handles);
        }
        if let Some(FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig) =
            trap.downcast_ref()
        {
            return EndpointError::Limit(LimitKind::Headers);
        }
        trapped(trap)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Before the store goes: the reader of the response body must not take its end as complete.
        self.meter.end(Outcome::Failed);
    }
}

impl fmt::Debug for WasmEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("places", &self.places).finish_non_exhaustive()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("component", &self.component).finish_non_exhaustive()
    }
}

fn engine_fault(error: wasmtime::Error) -> RuntimeError {
    RuntimeError::Engine(one_line(error))
}

fn link(
    engine: &Engine,
    add: impl FnOnce(&mut Linker<GuestState>) -> wasmtime::Result<()>,
) -> Result<Linker<GuestState>, RuntimeError> {
    let mut linker = Linker::new(engine);
    add(&mut linker).map_err(engine_fault)?;
    Ok(linker)
}

/// WASI refuses an invalid status, and a guest that ignores this responds with 200: so it is
/// recorded. Replaces wasi:http's own function.
fn watch_status(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let set = |mut store: StoreContextMut<'_, GuestState>, (answer, status): (Resource<_>, u16)| {
        let set = p2::HostOutgoingResponse::set_status_code(
            &mut store.data_mut().http(),
            answer,
            status,
        )?;
        store.data_mut().gave_status(status, set.is_ok());
        Ok((set,))
    };
    let mut types = linker.instance("wasi:http/types@0.2.12")?;
    types.func_wrap("[method]outgoing-response.set-status-code", set)?;
    let set = |mut store: StoreContextMut<'_, GuestState>, (answer, status): (Resource<_>, u16)| {
        let set = p3::HostResponse::set_status_code(&mut store.data_mut().http(), answer, status)?;
        store.data_mut().gave_status(status, set.is_ok());
        Ok((set,))
    };
    let mut types = linker.instance("wasi:http/types@0.3.0")?;
    types.func_wrap("[method]response.set-status-code", set)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn engine(settings: &Settings, allocation: Allocation) -> Result<Engine, RuntimeError> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(16));
    if allocation == Allocation::OnDemand {
        config.parallel_compilation(false);
        return Engine::new(&config).map_err(engine_fault);
    }
    let mut pooled = config.clone();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    match Engine::new(&pooled) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(
                cause = %format!("{error:#}"),
                "no room in the address space for a pool of instances; requests will cost more"
            );
            Engine::new(&config).map_err(engine_fault)
        }
    }
}

/// Sized so that the holder of a slot also finds capacity: exhaustion would be an error, not a
/// wait.
fn pool(settings: &Settings) -> PoolingAllocationConfig {
    let count = [settings.mime_instances, settings.filter_instances, DESCRIBES]
        .into_iter()
        .fold(settings.instances.saturating_add(settings.stranger_instances), u32::saturating_add);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count)
        .total_core_instances(count.saturating_mul(limits::CORE_INSTANCES))
        .total_memories(count.saturating_mul(limits::MEMORIES))
        .total_tables(count.saturating_mul(limits::TABLES))
        // A guest of WASI 0.3 may have a call of its own suspended while the host calls it again.
        .total_stacks(count.saturating_mul(2))
        .max_core_instances_per_component(limits::CORE_INSTANCES)
        .max_memories_per_component(limits::MEMORIES)
        .max_tables_per_component(limits::TABLES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(limits::TABLE_ELEMENTS)
        .max_memory_size(settings.max_memory)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Starts the one thread that advances the epoch, and sleeps while there is no instance.
fn start_ticking(engine: &Engine, places: &Arc<InstanceSlots>) -> Result<(), RuntimeError> {
    /// Ticks without a guest before the thread parks: unparking costs a system call.
    const QUIET: u32 = 100;
    let weak = engine.weak();
    let seen = Arc::downgrade(places);
    let work = move || {
        let mut quiet = 0;
        loop {
            thread::sleep(TICK);
            let (Some(engine), Some(places)) = (weak.upgrade(), seen.upgrade()) else { return };
            engine.increment_epoch();
            quiet = if places.live() == 0 { quiet + 1 } else { 0 };
            if quiet > QUIET {
                drop((engine, places));
                thread::park_timeout(Duration::from_secs(1));
            }
        }
    };
    let ticker = thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(work)
        .map_err(|error| RuntimeError::Engine(ErrorChain::of(&error)))?;
    let _ = places.ticker.set(ticker.thread().clone());
    Ok(())
}
