//! Why a component could not be prepared, and why a request got no answer.
//!
//! Knows nothing of HTTP statuses: the server turns [`EndpointError`] into a
//! problem. `Display` says what happened; where in the guest is in the source and
//! in the log. What the guest or the engine chose to say is cut and escaped here,
//! where it becomes an error of ours.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use model::foreign;
use model::foreign::{ErrorChain, Printable};
use model::port::capacity::AtCapacity;
use wasmtime::WasmBacktrace;

use crate::wrong_file::WrongFile;

/// What another library said.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Frames of a guest's stack that are told, and bytes of each name: a guest names its functions as it likes.
const FRAMES: usize = 12;
const NAME: usize = 120;

/// Why a component cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not start on this machine.
    #[error("the WebAssembly engine cannot start")]
    Engine(#[source] ErrorChain),
    /// A file that is known not to be what is needed, with what to do.
    #[error("component {component} cannot be run")]
    Wrong {
        /// Its name in the manifest.
        component: Box<str>,
        /// What it is.
        source: WrongFile,
    },
    /// Not a component, or one that uses features that are switched off.
    #[error("component {component} cannot be compiled")]
    Compile {
        /// Its name in the manifest.
        component: Box<str>,
        /// What the compiler said.
        source: ErrorChain,
    },
    /// It imports something that there is not, or in another shape.
    #[error("component {component} asks for what Postlet does not have")]
    Link {
        /// Its name in the manifest.
        component: Box<str>,
        /// The import.
        source: ErrorChain,
    },
    /// It lacks an export that is needed.
    #[error("component {component} does not export {interface}")]
    NotExported {
        /// Its name in the manifest.
        component: Box<str>,
        /// The WIT interface.
        interface: &'static str,
        /// What the linker said.
        source: ErrorChain,
    },
    /// It exports a function under a name that the host calls, and it is another function.
    #[error("component {component} exports {interface} in another shape than Postlet calls it in")]
    Mistyped {
        /// Its name in the manifest.
        component: Box<str>,
        /// The WIT interface.
        interface: &'static str,
        /// What the linker said.
        source: ErrorChain,
    },
    /// `describe` trapped, or took too long.
    #[error("component {component} cannot describe itself{}", written(said.as_ref()))]
    Describe {
        /// Its name in the manifest.
        component: Box<str>,
        /// What it wrote to stderr last, such as the message of a panic.
        said: Option<ErrorChain>,
        /// How it ended.
        source: EndpointError,
    },
}

/// Why there is no answer to a request.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The guest trapped: it panicked, overran its stack, or misused a handle.
    #[error("the component trapped: {cause}")]
    Trapped {
        /// What it met.
        cause: ErrorChain,
        /// Where in the guest.
        #[source]
        place: Option<ErrorChain>,
    },
    /// The guest asked for more than it may have.
    #[error("the component went over its limit of {0}")]
    Limit(LimitKind),
    /// The guest took longer than it may.
    #[error("the component used up its {budget} of {}", seconds(*limit))]
    Timeout {
        /// Which of the three.
        budget: Budget,
        /// How much it had.
        limit: Duration,
    },
    /// The total time ran out while the guest waited for one host call, which had taken at least
    /// half of it. Only mail servers take so long.
    #[error("the component waited for the mail server until its total time of {} was up", seconds(*limit))]
    HostTimeout {
        /// How much it had.
        limit: Duration,
    },
    /// The guest returned without an answer.
    #[error("the component gave no answer")]
    NoAnswer,
    /// The guest answered with one of wasi:http's error codes.
    #[error("the component declined to answer: {0}")]
    Declined(ErrorChain),
    /// What the guest answered is no answer of HTTP's.
    #[error("the component gave an answer that cannot be sent: {0}")]
    Answer(AnswerFault),
    /// There was no place, or no memory, for one more instance.
    #[error("{0}")]
    Busy(CapacityError),
    /// The request has more bytes than a component is given.
    #[error("the request body has more than {limit} bytes")]
    BodyTooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The request came more slowly than a body may.
    #[error("the request body came too slowly: at least {rate} bytes a second are needed")]
    BodyTooSlow {
        /// In bytes a second.
        rate: u64,
    },
    /// The request cannot be handed to a component (no authority, or a malformed length).
    #[error("the request cannot be handed to the component")]
    Request(#[source] Cause),
}

/// Which bound left no room for one more instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapacityError {
    /// The tenant's share of the places.
    #[error("this tenant's requests hold {held} of {places} places, which is its share now")]
    Tenant {
        /// By this tenant.
        held: u32,
        /// Altogether.
        places: u32,
    },
    /// The share of those who show this tenant no token.
    #[error(
        "requests to this tenant without a token hold {held} of {places} places, which is their share now"
    )]
    Strangers {
        /// By them.
        held: u32,
        /// For all requests without a token.
        places: u32,
    },
    /// All places: those that are free are kept for parties that have fewer.
    #[error("all {places} places of this host are taken, or kept for tenants that have fewer")]
    Host {
        /// Altogether.
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
    /// The memory of those who show this tenant no token.
    #[error(
        "requests to this tenant without a token have taken the {limit} bytes of memory that they may have together"
    )]
    StrangersMemory {
        /// In bytes.
        limit: usize,
    },
}

impl CapacityError {
    /// Nobody but this tenant's own callers is in the way.
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

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// RFC 9110 §15: 2xx to 5xx are final.
    #[error("its status is {0}, and a final one lies between 200 and 599")]
    Status(u16),
    /// RFC 9110 §8.6: one number.
    #[error("its content-length is not one number")]
    Length,
    /// RFC 9110 §8.6: what is said of the body holds.
    #[error("its content-length is {0}, and its body has another length")]
    OtherLength(u64),
    /// RFC 9110 §15.3.5, §15.3.6 and §15.4.5.
    #[error("its status is {0}, which has no body, and it has one")]
    Body(u16),
    /// The guest let go of its body without having finished it.
    #[error("its body was not finished")]
    Unfinished,
}

/// What a guest had too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Linear memory.
    Memory,
    /// Elements of a table.
    Table,
    /// Calls into the host.
    HostCalls,
    /// Handles held at once.
    Handles,
    /// Header fields of the answer.
    Headers,
    /// Bytes of the answer.
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
    /// More bytes than allowed.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// It came more slowly than it may.
    #[error("the body came too slowly: at least {rate} bytes a second are needed")]
    TooSlow {
        /// In bytes a second.
        rate: u64,
    },
    /// The component ended before its body did.
    #[error("the component ended before its answer did")]
    Incomplete,
    /// The other side's connection, as whoever reads it tells.
    #[error("the body cannot be read")]
    Read(#[source] Cause),
}

/// The whole story in one line, for the log.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    ErrorChain::of(error).to_string()
}

/// What wasmtime said about a component.
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
    let mut words = Printable::new(foreign::LONGEST);
    let mut before = "at ";
    for frame in stack.frames().iter().take(FRAMES) {
        // Writing to it cannot fail.
        let _ = match frame.func_name() {
            Some(name) => write!(words, "{before}{}", foreign::within(NAME, name)),
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

/// As it is told.
#[must_use]
pub fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f32())
}
