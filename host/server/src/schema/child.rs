//! Evaluating a tenant's JSON Schema in a child process, where it can be stopped.
//!
//! A schema of a few kilobytes can ask for any amount of computing and memory, and
//! nothing stops an evaluation but the end of its process. So this binary runs
//! itself as a child, which builds schemas and checks values against them: asked
//! on standard input, answering on standard output, and ended by its limits or
//! its parent. It holds no key and no secret beyond the schema and the value.
//!
//! Each message is a frame: four bytes of length, little-endian, and so many
//! bytes. A question is two frames, an [`Ask`] in JSON and the value; its answer
//! is a [`Verdict`] in JSON, and after [`Verdict::Faulty`] a frame with the faults.
//! So whether a value fits is known even where saying what is wrong takes too long.
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

/// Computing for one question: after so much of it the child ends itself.
pub(crate) const CPU: Duration = Duration::from_millis(500);
/// How often it looks at what it has used.
const LOOK: Duration = Duration::from_millis(25);
/// What the child may allocate.
pub(crate) const MEMORY: u64 = 256 << 20;
/// Its address space has room for the program and its libraries too.
const ADDRESSES: u64 = 2 << 30;
/// Added to the priority of the host, whose workers come first.
const NICE: i32 = 10;

/// Bytes of an example in a description: as many as a schema may have.
const MOST_EXAMPLE: usize = 64 << 10;
/// Bytes of a question: a schema has 64 KiB, and JSON may spell a byte in six.
pub(crate) const MOST_ASK: usize = 512 << 10;
/// Bytes of a value: the largest cap that a configuration may set on bodies.
pub(crate) const MOST_VALUE: usize = 1 << 30;
/// Bytes of a verdict.
pub(crate) const MOST_VERDICT: usize = 64 << 10;
/// Bytes of the faults: twenty, each with a pointer of a kilobyte and a few sentences.
pub(crate) const MOST_FAULTS: usize = 512 << 10;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) what: What,
    /// The name of the schema: the digest of its text.
    pub(crate) schema: String,
    /// Its text, when the child does not know it yet.
    pub(crate) text: Option<String>,
    /// What the pointers of faults begin with.
    pub(crate) root: String,
}

/// What is to be done with the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// Count what it can cost and build it.
    Examine,
    /// The same, and the value is an example of a body.
    ExamineWithExample,
    /// Check a body.
    Body,
    /// Check the text of a query parameter.
    Query,
}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// The value fits.
    Fits,
    /// It does not; the faults follow.
    Faulty,
    /// It is not JSON.
    Malformed(String),
    /// The schema cannot be used, or can cost too much.
    Unusable(String),
}

/// A fault on its way out of the child.
#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    pointer: String,
    code: String,
    detail: String,
}

impl From<Told> for Fault {
    fn from(Told { pointer, code, detail }: Told) -> Self {
        Self { pointer, code, detail }
    }
}

impl From<Fault> for Told {
    fn from(Fault { pointer, code, detail }: Fault) -> Self {
        Self { pointer, code, detail }
    }
}

/// The child: answers until its input ends, as it does when the parent is gone.
///
/// # Errors
/// When the pipes break, the parent does not keep to the form, or the limits cannot be set.
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
            Err(fault) => return say(output, &Verdict::Unusable(short(&fault.to_string()))),
        }
    }
    let schema = known.get(&ask.schema).context("a schema that was never told")?;
    let parsed = match ask.what {
        What::Examine => return say(output, &Verdict::Fits),
        What::ExamineWithExample if value.len() > MOST_EXAMPLE => {
            let why = "the example is larger than 64 KiB".to_owned();
            return say(output, &Verdict::Unusable(why));
        }
        What::Query => Ok(schema.query_value(&String::from_utf8_lossy(value))),
        What::Body | What::ExamineWithExample => strict_json::parse(value),
    };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return say(output, &Verdict::Malformed(short(&error.to_string()))),
    };
    if schema.fits(&parsed) {
        return say(output, &Verdict::Fits);
    }
    say(output, &Verdict::Faulty)?;
    let faults: Vec<Told> =
        schema.faults(&ask.root, &parsed, value.len()).into_iter().map(Told::from).collect();
    send(output, &serde_json::to_vec(&faults)?)
}

fn say(output: &mut impl Write, verdict: &Verdict) -> anyhow::Result<()> {
    send(output, &serde_json::to_vec(verdict)?)
}

fn short(text: &str) -> String {
    text.chars().take(2000).collect()
}

/// The computing at which the child ends itself, in nanoseconds; nothing while it does nothing.
#[derive(Debug, Default)]
struct Budget(AtomicU64);

impl Budget {
    /// So much more than until now. Should nobody look, the system ends it seconds later.
    fn begin(&self) -> anyhow::Result<()> {
        let most = used() + CPU;
        limit(Resource::Cpu, most.as_secs() + 2)?;
        self.0.store(u64::try_from(most.as_nanos())?, Ordering::SeqCst);
        Ok(())
    }

    fn end(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// None while there is nothing to do.
    fn left(&self) -> Option<Duration> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            most => Some(Duration::from_nanos(most).saturating_sub(used())),
        }
    }
}

/// Computing of this process until now.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let whole = Duration::from_secs(u64::try_from(used.tv_sec).unwrap_or_default());
    whole + Duration::from_nanos(u64::try_from(used.tv_nsec).unwrap_or_default())
}

/// Looks beside the evaluation, which never looks up: `RLIMIT_CPU` counts whole seconds only.
fn watch(budget: Arc<Budget>) -> anyhow::Result<Thread> {
    let look = move || {
        loop {
            match budget.left() {
                None => std::thread::park(),
                Some(Duration::ZERO) => {
                    let _ = kill_process(getpid(), Signal::XCPU);
                }
                Some(_) => std::thread::sleep(LOOK),
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(look);
    Ok(thread.context("the thread that looks at the time")?.thread().clone())
}

fn send(output: &mut impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    output.write_all(&u32::try_from(bytes.len())?.to_le_bytes())?;
    output.write_all(bytes)?;
    output.flush().context("the answer")
}

/// The next frame; none where the input ends before it.
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
