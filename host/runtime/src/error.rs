//! Why a component could not be prepared, and why a request got no answer.
//!
//! Knows nothing of HTTP statuses: the server turns [`EndpointError`] into a
//! problem. `Display` says what happened; the guest's own words are in the
//! source and in the log.

use std::error::Error;
use std::time::Duration;

/// What wasmtime said.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a component cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not start on this machine.
    #[error("the WebAssembly engine cannot start")]
    Engine(#[source] Cause),
    /// Not a component, or one that uses features that are switched off.
    #[error("component {component} cannot be compiled")]
    Compile {
        /// Its name in the manifest.
        component: Box<str>,
        /// What the compiler said.
        source: Cause,
    },
    /// It imports something that there is not, or in another shape.
    #[error("component {component} asks for what Postlet does not have")]
    Link {
        /// Its name in the manifest.
        component: Box<str>,
        /// The import.
        source: Cause,
    },
    /// It lacks an export that is needed.
    #[error("component {component} does not export {interface}")]
    NotExported {
        /// Its name in the manifest.
        component: Box<str>,
        /// The WIT interface.
        interface: &'static str,
        /// What the linker said.
        source: Cause,
    },
    /// `describe` trapped, or took too long.
    #[error("component {component} cannot describe itself")]
    Describe {
        /// Its name in the manifest.
        component: Box<str>,
        /// How it ended.
        source: EndpointError,
    },
}

/// Why there is no answer to a request.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The guest trapped: it panicked, overran its stack, or misused a handle.
    #[error("the component trapped: {}", root(cause.as_ref()))]
    Trapped {
        /// With the guest's backtrace.
        #[source]
        cause: Cause,
    },
    /// The guest asked for more than it may have.
    #[error("the component went over its limit of {0}")]
    Limit(Which),
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
    Declined(String),
    /// There was no place, or no memory, for one more instance.
    #[error("{0}")]
    Busy(Full),
    /// The request has more bytes than a component is given.
    #[error("the request body has more than {limit} bytes")]
    BodyTooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The request cannot be handed to a component (no authority, or a malformed length).
    #[error("the request cannot be handed to the component")]
    Request(#[source] Cause),
}

/// Which bound left no room for one more instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
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

impl Full {
    /// Nobody but this tenant's own callers is in the way.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        !matches!(self, Self::Host { .. })
    }
}

/// What a guest had too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
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

impl std::fmt::Display for Which {
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
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

fn root(cause: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut deepest: &(dyn Error + 'static) = cause;
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    deepest.to_string()
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f32())
}
