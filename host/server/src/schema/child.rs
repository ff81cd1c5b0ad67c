//! Child process that evaluates a tenant's JSON Schemas, and its protocol.
//!
//! A schema of a few kilobytes can need any amount of CPU time and memory, and an evaluation can only be
//! stopped with its process. So this executable runs itself as a child, which compiles schemas and
//! validates values: requests on standard input, responses on standard output. It is ended by its
//! limits or its parent, and has no key and no secret except the schema and the value.
//!
//! Each message is a frame: the length as four bytes, little-endian, and the content. A request is two
//! frames, an [`Ask`] in JSON and the value; its response is a [`Verdict`] in JSON, and after
//! [`Verdict::Faulty`] a frame with the faults. So the verdict is known even if finding the faults
//! exceeds a limit.
//!
//! Invariant: the child reads and writes these frames and nothing else.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use anyhow::{Context, bail};
use model::problem::Fault;
use rustix::process::{Resource, Signal, getpid, kill_process, nice};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::os::child_limits::limit;
use crate::os::hardening;
use crate::schema::{Schema, strict_json};

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "__check-schema";

/// CPU time for one request; the child ends itself when it is used up.
pub(crate) const CPU: Duration = Duration::from_millis(500);
/// Interval at which the child checks its CPU time.
const INTERVAL: Duration = Duration::from_millis(25);
/// Memory that the child may allocate (`RLIMIT_DATA`), in bytes.
pub(crate) const MEMORY: u64 = 256 << 20;
/// Size of its address space (`RLIMIT_AS`), in bytes: includes the program and its libraries.
const ADDRESSES: u64 = 2 << 30;
/// Nice value added to the host's, so that the host's own work has priority.
const NICE: i32 = 10;

/// Maximum size of an example in a description, in bytes: that of a schema.
const MOST_EXAMPLE: usize = 64 << 10;
/// Maximum size of an [`Ask`], in bytes: a schema has 64 KiB, and JSON may encode a byte in six.
pub(crate) const MOST_ASK: usize = 512 << 10;
/// Maximum size of a value, in bytes: the largest limit of bodies that a configuration may set.
pub(crate) const MOST_VALUE: usize = 1 << 30;
/// Maximum size of a verdict, in bytes.
pub(crate) const MOST_VERDICT: usize = 64 << 10;
/// Maximum size of the faults, in bytes: twenty, each with a pointer of a kilobyte and a detail.
pub(crate) const MOST_FAULTS: usize = 512 << 10;

/// A request to the child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) what: What,
    /// The schema's identifier: the SHA-256 digest of its text.
    pub(crate) schema: String,
    /// The schema's text, if the child does not have it yet.
    pub(crate) text: Option<String>,
    /// Prefix of the faults' pointers.
    pub(crate) root: String,
}

/// Kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// Check the schema's cost and compile it.
    Examine,
    /// The same; the value is an example of a body.
    ExamineWithExample,
    /// Validate a body.
    Body,
    /// Validate the text of a query parameter.
    Query,
}

/// The response.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// The value fits.
    Fits,
    /// The value does not fit; the faults follow.
    Faulty,
    /// The value is not JSON.
    Malformed(String),
    /// The schema is invalid, or too costly.
    Unusable(String),
}

/// The wire format of a [`Fault`].
#[derive(Serialize, Deserialize)]
pub(crate) struct WireFault {
    pointer: String,
    code: String,
    detail: String,
}

impl From<WireFault> for Fault {
    fn from(WireFault { pointer, code, detail }: WireFault) -> Self {
        Self { pointer, code, detail }
    }
}

impl From<Fault> for WireFault {
    fn from(Fault { pointer, code, detail }: Fault) -> Self {
        Self { pointer, code, detail }
    }
}

/// Runs the child: responds to requests until its input ends, as it does when the parent ends.
///
/// # Errors
/// If the pipes fail, the parent violates the protocol, or the limits cannot be set.
pub fn child() -> anyhow::Result<()> {
    hardening::harden_process()?;
    limit(Resource::Data, MEMORY)?;
    limit(Resource::As, ADDRESSES)?;
    nice(NICE).context("the priority")?;
    let budget = Arc::new(Budget::default());
    let watch = watch(Arc::clone(&budget))?;
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut known: HashMap<String, Schema> = HashMap::new();
    while let Some(ask) = frame(&mut input, MOST_ASK)? {
        let value = frame(&mut input, MOST_VALUE)?.context("the value is missing")?;
        let ask: Ask = serde_json::from_slice(&ask)?;
        budget.begin()?;
        watch.unpark();
        answer(&ask, &value, &mut known, &mut output)?;
        budget.end();
    }
    Ok(())
}

fn answer(
    ask: &Ask,
    value: &[u8],
    known: &mut HashMap<String, Schema>,
    output: &mut impl Write,
) -> anyhow::Result<()> {
    if let Some(text) = &ask.text {
        let built = match ask.what {
            What::Examine | What::ExamineWithExample => Schema::compile(text),
            What::Body | What::Query => Schema::compile_uncounted(text),
        };
        match built {
            Ok(schema) => {
                known.insert(ask.schema.clone(), schema);
            }
            Err(fault) => return respond(output, &Verdict::Unusable(short(&fault.to_string()))),
        }
    }
    let schema = known.get(&ask.schema).context("a schema that was never sent")?;
    let parsed = match ask.what {
        What::Examine => return respond(output, &Verdict::Fits),
        What::ExamineWithExample if value.len() > MOST_EXAMPLE => {
            let why = "the example is larger than 64 KiB".to_owned();
            return respond(output, &Verdict::Unusable(why));
        }
        What::Query => Ok(schema.query_value(&String::from_utf8_lossy(value))),
        What::Body | What::ExamineWithExample => strict_json::parse(value),
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return respond(output, &Verdict::Malformed(short(&error.to_string()))),
    };
    if schema.fits(&parsed) {
        return respond(output, &Verdict::Fits);
    }
    respond(output, &Verdict::Faulty)?;
    let faults = schema.faults(&ask.root, &parsed, value.len());
    let faults: Vec<WireFault> = faults.into_iter().map(WireFault::from).collect();
    send(output, &serde_json::to_vec(&faults)?)
}

fn respond(output: &mut impl Write, verdict: &Verdict) -> anyhow::Result<()> {
    send(output, &serde_json::to_vec(verdict)?)
}

fn short(text: &str) -> String {
    text.chars().take(2000).collect()
}

/// The CPU time at which the child ends itself, in nanoseconds; 0 while it is idle.
#[derive(Debug, Default)]
struct Budget(AtomicU64);

impl Budget {
    /// Starts a request: [`CPU`] more than used so far. As a fallback, `RLIMIT_CPU` ends the process
    /// seconds later.
    fn begin(&self) -> anyhow::Result<()> {
        let most = used() + CPU;
        limit(Resource::Cpu, most.as_secs() + 2)?;
        self.0.store(u64::try_from(most.as_nanos())?, Ordering::SeqCst);
        Ok(())
    }

    fn end(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// The CPU time left; none while the child is idle.
    fn left(&self) -> Option<Duration> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            most => Some(Duration::from_nanos(most).saturating_sub(used())),
        }
    }
}

/// CPU time that this process has used.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let whole = Duration::from_secs(u64::try_from(used.tv_sec).unwrap_or_default());
    whole + Duration::from_nanos(u64::try_from(used.tv_nsec).unwrap_or_default())
}

/// Starts the thread that enforces the CPU time, since an evaluation cannot be interrupted and
/// `RLIMIT_CPU` counts whole seconds only.
fn watch(budget: Arc<Budget>) -> anyhow::Result<Thread> {
    let check = move || {
        loop {
            match budget.left() {
                None => std::thread::park(),
                Some(Duration::ZERO) => {
                    let _ = kill_process(getpid(), Signal::XCPU);
                }
                Some(_) => std::thread::sleep(INTERVAL),
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(check);
    Ok(thread.context("the thread that checks the CPU time")?.thread().clone())
}

fn send(output: &mut impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    output.write_all(&u32::try_from(bytes.len())?.to_le_bytes())?;
    output.write_all(bytes)?;
    output.flush().context("the response")
}

/// Reads the next frame; none if the input has ended.
fn frame(input: &mut impl Read, most: usize) -> anyhow::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = usize::try_from(u32::from_le_bytes(length))?;
    if length > most {
        bail!("a frame of {length} bytes");
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
