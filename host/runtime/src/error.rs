//! Errors of preparing a component, and of requests without a response.
//!
//! Independent of HTTP statuses: the server maps [`EndpointError`] to a problem. `Display` says
//! what happened; the position in the guest is in the source and in the log. Text chosen by the
//! guest or the engine is truncated and escaped here, where it becomes an error.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use model::foreign::ErrorChain;
use model::port::capacity::AtCapacity;
use rules::foreign_text;
use rules::foreign_text::Printable;
use wasmtime::WasmBacktrace;

use crate::wrong_file::WrongFile;

/// An error of another library.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Stack frames that are logged, and bytes of each name: a guest chooses the names of its
/// functions.
const FRAMES: usize = 12;
const NAME: usize = 120;

/// Why a component cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine cannot start on this machine.
    #[error("the WebAssembly engine cannot start")]
    Engine(#[source] ErrorChain),
    /// A file of a known wrong kind, with a remedy.
    #[error("component {component} cannot be run")]
    Wrong {
        /// Its name in the manifest.
        component: Box<str>,
        /// The kind of file.
        source: WrongFile,
    },
    /// Not a component, or one that uses disabled features.
    #[error("component {component} cannot be compiled")]
    Compile {
        /// Its name in the manifest.
        component: Box<str>,
        /// The compiler's error.
        source: ErrorChain,
    },
    /// It imports an interface that does not exist, or with another type.
    #[error("component {component} asks for what Postlet does not have")]
    Link {
        /// Its name in the manifest.
        component: Box<str>,
        /// The linker's error, which names the import.
        source: ErrorChain,
    },
    /// It lacks a required export.
    #[error("component {component} does not export {interface}")]
    NotExported {
        /// Its name in the manifest.
        component: Box<str>,
        /// The WIT interface.
        interface: &'static str,
        /// The linker's error.
        source: ErrorChain,
    },
    /// It exports a function under a name that the host calls, with another type.
    #[error("component {component} exports {interface} in another shape than Postlet calls it in")]
    Mistyped {
        /// Its name in the manifest.
        component: Box<str>,
        /// The WIT interface.
        interface: &'static str,
        /// The linker's error.
        source: ErrorChain,
    },
    /// `describe` trapped, or exceeded its time.
    #[error("component {component} cannot describe itself{}", written(said.as_ref()))]
    Describe {
        /// Its name in the manifest.
        component: Box<str>,
        /// Its last output on stderr, such as the message of a panic.
        said: Option<ErrorChain>,
        /// How it ended.
        source: EndpointError,
    },
}

/// Why there is no response to a request.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The guest trapped: it panicked, overflowed its stack, or misused a handle.
    #[error("the component trapped: {cause}")]
    Trapped {
        /// The trap.
        cause: ErrorChain,
        /// The guest's stack.
        #[source]
        place: Option<ErrorChain>,
    },
    /// The guest exceeded a limit.
    #[error("the component went over its limit of {0}")]
    Limit(LimitKind),
    /// The guest exceeded a time budget.
    #[error("the component used up its {budget} of {}", seconds(*limit))]
    Timeout {
        /// Which budget.
        budget: Budget,
        /// Its size.
        limit: Duration,
    },
    /// The total time ran out while the guest waited for one host call, which had taken at least
    /// half of it. Only mail servers take so long.
    #[error("the component waited for the mail server until its total time of {} was up", seconds(*limit))]
    HostTimeout {
        /// The total time.
        limit: Duration,
    },
    /// The guest returned without a response.
    #[error("the component gave no answer")]
    NoAnswer,
    /// The guest returned one of wasi:http's error codes.
    #[error("the component declined to answer: {0}")]
    Declined(ErrorChain),
    /// The guest's response is not valid HTTP.
    #[error("the component gave an answer that cannot be sent: {0}")]
    Answer(AnswerFault),
    /// No slot, or no memory, for another instance.
    #[error("{0}")]
    Busy(CapacityError),
    /// The request body exceeds the limit for components.
    #[error("the request body has more than {limit} bytes")]
    BodyTooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The request body arrived below the minimum rate.
    #[error("the request body came too slowly: at least {rate} bytes a second are needed")]
    BodyTooSlow {
        /// In bytes a second.
        rate: u64,
    },
    /// The request cannot be passed to a component (no authority, or a malformed length).
    #[error("the request cannot be handed to the component")]
    Request(#[source] Cause),
}

/// The limit that left no capacity for another instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapacityError {
    /// The tenant's share of the slots.
    #[error("this tenant's requests hold {held} of {places} places, which is its share now")]
    Tenant {
        /// Held by this tenant.
        held: u32,
        /// In total.
        places: u32,
    },
    /// The share of this tenant's anonymous requests.
    #[error(
        "requests to this tenant without a token hold {held} of {places} places, which is their share now"
    )]
    Strangers {
        /// Held by them.
        held: u32,
        /// For all anonymous requests.
        places: u32,
    },
    /// All slots: free ones are reserved for parties that have fewer.
    #[error("all {places} places of this host are taken, or kept for tenants that have fewer")]
    Host {
        /// In total.
        places: u32,
    },
    /// The memory of the tenant.
    #[error(
        "this tenant's components have taken the {limit} bytes of memory that they may have together"
    )]
    TenantMemory {
        /// In bytes.
        limit: usize,
    },
    /// The memory of the tenant's anonymous requests.
    #[error(
        "requests to this tenant without a token have taken the {limit} bytes of memory that they may have together"
    )]
    StrangersMemory {
        /// In bytes.
        limit: usize,
    },
}

impl CapacityError {
    /// Whether only this tenant's own callers hold the capacity.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        !matches!(self, Self::Host { .. })
    }
}

impl From<CapacityError> for AtCapacity {
    fn from(full: CapacityError) -> Self {
        Self { is_own: full.is_own(), bound: full.to_string() }
    }
}

/// The fault of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// RFC 9110 §15: only 2xx to 5xx are final.
    #[error("its status is {0}, and a final one lies between 200 and 599")]
    Status(u16),
    /// RFC 9110 §8.6: Content-Length is one number.
    #[error("its content-length is not one number")]
    Length,
    /// RFC 9110 §8.6: the body differs from the declared length.
    #[error("its content-length is {0}, and its body has another length")]
    OtherLength(u64),
    /// A body with a status that has none (RFC 9110 §15.3.5, §15.3.6 and §15.4.5).
    #[error("its status is {0}, which has no body, and it has one")]
    Body(u16),
    /// The guest dropped its body without finishing it.
    #[error("its body was not finished")]
    Unfinished,
}

/// The limit that a guest exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Linear memory.
    Memory,
    /// Elements of a table.
    Table,
    /// Calls into the host.
    HostCalls,
    /// Handles held at the same time.
    Handles,
    /// Header fields of the response.
    Headers,
    /// Bytes of the response body.
    ResponseBody,
}

impl std::fmt::Display for LimitKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Table => "table elements",
            Self::HostCalls => "host calls",
            Self::Handles => "handles",
            Self::Headers => "header fields",
            Self::ResponseBody => "response bytes",
        })
    }
}

/// One of the three time budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Time spent computing.
    Cpu,
    /// Time without a byte or a host call.
    Idle,
    /// Time since the request began.
    Total,
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "computing time",
            Self::Idle => "idle time",
            Self::Total => "total time",
        })
    }
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It exceeds its limit.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// It arrived below the minimum rate.
    #[error("the body came too slowly: at least {rate} bytes a second are needed")]
    TooSlow {
        /// In bytes a second.
        rate: u64,
    },
    /// The component ended before its body did.
    #[error("the component ended before its answer did")]
    Incomplete,
    /// The connection failed, as reported by the reader of the body.
    #[error("the body cannot be read")]
    Read(#[source] Cause),
}

/// The error and its causes in one line, for the log.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    ErrorChain::of(error).to_string()
}

/// An error of wasmtime about a component.
pub(crate) fn one_line(error: wasmtime::Error) -> ErrorChain {
    let error: Cause = error.into();
    ErrorChain::of(error.as_ref())
}

/// A trap, with the first frames of the guest's stack.
pub(crate) fn trapped(trap: wasmtime::Error) -> EndpointError {
    let place = trap.downcast_ref::<WasmBacktrace>().map(frames);
    let error: Cause = trap.into();
    let mut deepest: &(dyn Error + 'static) = error.as_ref();
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    EndpointError::Trapped { cause: ErrorChain::words(deepest), place }
}

fn frames(stack: &WasmBacktrace) -> ErrorChain {
    let mut words = Printable::new(foreign_text::LONGEST);
    let mut before = "at ";
    for frame in stack.frames().iter().take(FRAMES) {
        // Writing to it cannot fail.
        let _ = match frame.func_name() {
            Some(name) => write!(words, "{before}{}", foreign_text::within(NAME, name)),
            None => write!(words, "{before}function {}", frame.func_index()),
        };
        if let Some(offset) = frame.module_offset() {
            let _ = write!(words, " ({offset:#x})");
        }
        before = ", in ";
    }
    ErrorChain::words(words.finish())
}

fn written(said: Option<&ErrorChain>) -> String {
    said.map(|said| format!(" (it wrote: {said})")).unwrap_or_default()
}

/// A duration as errors show it.
#[must_use]
pub fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f32())
}
