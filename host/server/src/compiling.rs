//! Compiling other people's components, where it can be stopped.
//!
//! A small component can cost a compiler minutes and gigabytes, and an
//! allocator that meets its limit ends the process. So this binary runs itself
//! as a child for each component: WebAssembly on its standard input, native code
//! and what `describe` said on its output. The child has limits on memory and
//! CPU from the system, and the parent a clock.
//!
//! Invariant: native code is taken only from the pipe of a child that this
//! process has just started; nothing is kept on disk.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use runtime::Runtime;
use runtime::component::{Component, Operation};
use runtime::error::chain;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

/// The hidden subcommand; the name of the component follows.
pub const SUBCOMMAND: &str = "__compile";

/// Bytes of WebAssembly: Python's interpreter has 18 MiB.
pub(crate) const MOST_WASM: usize = 32 << 20;
/// Bytes of the child's answer: native code is some three times as large.
const MOST_ANSWER: u64 = 256 << 20;
/// Bytes of a description: the largest of ours has 40 KiB.
const MOST_TOLD: usize = 4 << 20;
/// The child's address space while it compiles.
const MEMORY: u64 = 3_000_000_000;
/// The same while it runs `describe`: each linear memory reserves 4 GiB that it never touches, and
/// what the guest may touch is limited by the runtime.
const MEMORY_FOR_GUEST: u64 = 32 << 30;
/// The child's computing time, in seconds.
const CPU: u64 = 10;
/// From start to end; longer than `CPU`, for a machine that is busy.
const WALL: Duration = Duration::from_secs(40);
/// Children at once.
const CHILDREN: usize = 2;

/// Starts children that compile.
#[derive(Debug)]
pub(crate) struct Compiler {
    program: PathBuf,
    places: Semaphore,
}

/// A component that is ready to be linked.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) component: Component,
    /// None when it does not describe itself.
    pub(crate) operations: Option<Vec<Operation>>,
}

/// Why a component is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileFault {
    /// What the compiler, the linker or `describe` said.
    #[error("{0}")]
    Refused(String),
    /// It went over a limit.
    #[error(
        "it is too complex: compiling it needs more than {CPU} s of computing or {} GB of memory",
        MEMORY / 1_000_000_000
    )]
    TooComplex,
    /// The file is too large to be tried.
    #[error("it has {0} bytes; at most {MOST_WASM} are taken")]
    TooLarge(usize),
    /// The child could not be run, or broke off.
    #[error("the compiler cannot be run: {0}")]
    Child(String),
}

/// The child's answer; the native code follows it.
#[derive(Serialize, Deserialize)]
struct Answer {
    outcome: Result<Option<Vec<Operation>>, String>,
    /// SHA-256 of the code.
    digest: [u8; 32],
}

impl Compiler {
    /// `program` is this binary.
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program, places: Semaphore::new(CHILDREN) }
    }

    /// Compiles and describes in a child.
    pub(crate) async fn compile(
        &self,
        runtime: &Runtime,
        name: &str,
        wasm: &[u8],
    ) -> Result<Compiled, CompileFault> {
        if wasm.len() > MOST_WASM {
            return Err(CompileFault::TooLarge(wasm.len()));
        }
        let _place = self.places.acquire().await.map_err(broken)?;
        let mut child = Command::new(&self.program)
            .args([SUBCOMMAND, name])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(broken)?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(CompileFault::Child("it has no pipes".to_owned()));
        };
        let talk = async {
            // A child that is killed half-way does not read to the end; its status tells why.
            let write = async move {
                let _ = input.write_all(wasm).await;
            };
            let mut said = Vec::new();
            let mut limited = output.take(MOST_ANSWER);
            let ((), read) = tokio::join!(write, limited.read_to_end(&mut said));
            read.map_err(broken)?;
            drop(limited);
            Ok((said, child.wait().await.map_err(broken)?))
        };
        let (said, status) =
            tokio::time::timeout(WALL, talk).await.map_err(|_| CompileFault::TooComplex)??;
        judge(runtime, name, wasm, &said, status)
    }
}

fn judge(
    runtime: &Runtime,
    name: &str,
    wasm: &[u8],
    said: &[u8],
    status: ExitStatus,
) -> Result<Compiled, CompileFault> {
    // Out of memory aborts, out of time is SIGXCPU; whatever the signal, it was this component's doing.
    if status.code().is_none() {
        return Err(CompileFault::TooComplex);
    }
    let odd = || CompileFault::Child(format!("it ended with {status}"));
    if !status.success() {
        return Err(odd());
    }
    let (length, rest) = said.split_first_chunk::<8>().ok_or_else(odd)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| odd())?;
    let (answer, code) = rest
        .split_at_checked(length)
        .filter(|(answer, _)| answer.len() <= MOST_TOLD)
        .ok_or_else(odd)?;
    let answer: Answer = serde_json::from_slice(answer).map_err(broken)?;
    let operations = answer.outcome.map_err(CompileFault::Refused)?;
    let digest: [u8; 32] = Sha256::digest(code).into();
    if digest != answer.digest {
        return Err(CompileFault::Child("its answer was cut".to_owned()));
    }
    // The parent has a pool and the child has none: one with more memories, tables or instances than
    // a place in the pool is refused only here.
    let component = runtime
        .adopt(name, Sha256::digest(wasm).into(), code)
        .map_err(|error| CompileFault::Refused(chain(&error)))?;
    Ok(Compiled { component, operations })
}

fn broken(error: impl std::error::Error) -> CompileFault {
    CompileFault::Child(error.to_string())
}

/// The child: one component from standard input, its answer to standard output. On one thread, so
/// that its address space does not depend on the machine.
///
/// # Errors
/// When the pipes break or the limits cannot be set; what is wrong with the component is an answer.
pub fn child(name: &str) -> anyhow::Result<()> {
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, CPU)?;
    limit(Resource::As, MEMORY)?;
    let mut wasm = Vec::new();
    std::io::stdin().lock().take(MOST_WASM as u64 + 1).read_to_end(&mut wasm)?;
    let (outcome, code) = match prepare(name, &wasm) {
        Ok((operations, code)) => (Ok(operations), code),
        Err(error) => (Err(told(&error)), Vec::new()),
    };
    let digest = Sha256::digest(&code).into();
    let mut answer = serde_json::to_vec(&Answer { outcome, digest })?;
    if answer.len() > MOST_TOLD {
        let outcome = Err(format!("its description has more than {MOST_TOLD} bytes"));
        answer = serde_json::to_vec(&Answer { outcome, digest })?;
    }
    let mut out = std::io::stdout().lock();
    out.write_all(&(answer.len() as u64).to_le_bytes())?;
    out.write_all(&answer)?;
    out.write_all(&code)?;
    out.flush()?;
    Ok(())
}

fn prepare(name: &str, wasm: &[u8]) -> anyhow::Result<(Option<Vec<Operation>>, Vec<u8>)> {
    let runtime = Runtime::for_one_component()?;
    let component = runtime.component(name, wasm)?;
    let code = component.code()?;
    limit(Resource::As, MEMORY_FOR_GUEST)?;
    let describe = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("the runtime of tasks")?
        .block_on(runtime.describe(&component));
    Ok((describe?, code))
}

/// Every cause in one line, but no backtrace, and no more than a person reads.
fn told(error: &anyhow::Error) -> String {
    let whole = format!("{error:#}");
    let lines = whole.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ").chars().take(2000).collect()
}

fn limit(resource: Resource, most: u64) -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    let most = maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum })
        .with_context(|| format!("the limit of {resource:?}"))
}
