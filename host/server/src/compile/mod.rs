//! Compilation of components in child processes with resource limits.
//!
//! A small component can cost a compiler minutes and gigabytes, and an allocator at its
//! limit aborts the process. So this binary runs itself as a child for each component:
//! it reads WebAssembly from standard input, and writes native code and the result of
//! `describe` to standard output. The child has resource limits on memory and CPU time,
//! and the parent a timeout. The answer may be cached. The embedded components are
//! trusted, and are compiled in the same way so that the compiler's memory is freed.
//!
//! Invariant: native code is accepted only from the pipe of a child that this process
//! has just started, or from a cached file that this host authenticated.

pub(crate) mod code_cache;
mod progress;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use model::ids::TenantId;
use prometheus_client::metrics::counter::Counter;
use runtime::Runtime;
use runtime::component::{Component, Operation};
use runtime::error::chain;
use rustix::process::{Resource, Signal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::compile::code_cache::CodeCache;
use crate::config::limits::Compile;
use crate::openapi::description;
use crate::os::child;
use crate::os::child_limits::limit;

/// The hidden subcommand of the child; the component's name and the limits follow.
pub const SUBCOMMAND: &str = "__compile";

/// Bytes of the largest component file: Python's interpreter has 18 MiB.
pub(crate) const MOST_WASM: usize = 32 << 20;
/// Bytes of the child's largest answer: native code is some three times as large as WebAssembly.
const MOST_ANSWER: u64 = 256 << 20;
/// Bytes of the largest description: that of a built-in component has up to 40 KiB.
const MOST_DESCRIPTION: usize = 4 << 20;
/// Bytes of the child's address space while it runs `describe`: each linear memory reserves 4 GiB of
/// address space, and the runtime limits the memory that the guest uses.
const MEMORY_FOR_GUEST: u64 = 32 << 30;
/// Part of the cache key. It changes whenever a child begins to refuse components that it accepted, so
/// that cached answers are not used.
const CHECKS: &[u8] = b"types of exports";
/// Bytes of a tenant's component that is logged before it is compiled: that takes seconds.
const LARGE: usize = 1 << 20;
/// Children at once.
const CHILDREN: usize = 2;

/// Starts the child processes that compile.
#[derive(Debug)]
pub(crate) struct Compiler {
    program: PathBuf,
    permits: Semaphore,
    limits: Compile,
    cache: Option<CodeCache>,
    children: Counter,
}

/// A compiled component, ready to be linked.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) component: Component,
    /// None when it does not export `describe`.
    pub(crate) operations: Option<Vec<Operation>>,
}

/// The reason why a component is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileFault {
    /// An error of the compiler, the linker or `describe`.
    #[error("{0}")]
    Refused(String),
    /// It exceeds a limit: the limit with its unit, and its key in the configuration.
    #[error(
        "it is too complex: compiling it takes more than {0}; `compile.{1}` of the configuration raises that"
    )]
    TooComplex(String, &'static str),
    /// The file is too large to be compiled.
    #[error("it has {0} bytes; at most {MOST_WASM} are allowed")]
    TooLarge(usize),
    /// The child could not be started, or failed.
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
    /// `program` is the path of this binary.
    pub(crate) fn new(program: PathBuf, limits: Compile, cache: Option<CodeCache>) -> Self {
        let (permits, children) = (Semaphore::new(CHILDREN), Counter::default());
        Self { program, permits, limits, cache, children }
    }

    /// The path of this binary.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The number of children that were started.
    pub(crate) fn children(&self) -> &Counter {
        &self.children
    }

    /// Compiles and describes a component in a child, or uses a cached answer. `tenant` is its owner, for
    /// the log; none for the embedded components.
    ///
    /// # Errors
    /// When the component is refused or exceeds a limit, or the child fails.
    pub(crate) async fn compile(
        &self,
        runtime: &Runtime,
        tenant: Option<&TenantId>,
        name: &str,
        wasm: &[u8],
    ) -> Result<Compiled, CompileFault> {
        if wasm.len() > MOST_WASM {
            return Err(CompileFault::TooLarge(wasm.len()));
        }
        let digest: [u8; 32] = Sha256::digest(wasm).into();
        let Some(cache) = self.cache.clone() else {
            let answer = self.run(tenant, name, wasm).await?;
            return read_answer(runtime, name, digest, &answer);
        };
        let key = cache_key(runtime, digest);
        let (cache, found) = blocking(move || {
            let found = cache.find(&key);
            (cache, found)
        })
        .await?;
        // An authentic answer may be unusable, for example of another version of wasmtime.
        let cached = found.and_then(|answer| read_answer(runtime, name, digest, &answer).ok());
        if let Some(compiled) = cached {
            return Ok(compiled);
        }
        let answer = self.run(tenant, name, wasm).await?;
        let compiled = read_answer(runtime, name, digest, &answer)?;
        blocking(move || cache.keep(&key, &answer)).await?;
        Ok(compiled)
    }

    /// Runs one child, as soon as there is a permit, and returns its output. Logs the progress of those
    /// that take long.
    async fn run(
        &self,
        tenant: Option<&TenantId>,
        name: &str,
        wasm: &[u8],
    ) -> Result<Vec<u8>, CompileFault> {
        let _permit = self.permits.acquire().await.map_err(broken)?;
        let (tenant, component) = (tenant.map(TenantId::as_str), name);
        let mut is_logged = tenant.is_some() && wasm.len() >= LARGE;
        if is_logged {
            let bytes = wasm.len();
            tracing::info!(tenant, component, bytes, "compiling a large component");
        }
        let still = |so_far: Duration| {
            is_logged = true;
            let seconds = so_far.as_secs();
            tracing::info!(tenant, component, seconds, "still compiling a component");
        };
        let (answer, took) = progress::reported(self.child(name, wasm), still).await;
        if is_logged {
            let seconds = took.as_secs();
            tracing::info!(tenant, component, seconds, "the compilation of a component has ended");
        }
        answer
    }

    /// Runs one child, from its start to its last byte.
    async fn child(&self, name: &str, wasm: &[u8]) -> Result<Vec<u8>, CompileFault> {
        self.children.inc();
        let (cpu, memory) = (self.limits.cpu.as_secs().to_string(), self.limits.memory.to_string());
        let arguments = [SUBCOMMAND, name, &cpu, &memory];
        let (mut child, mut input, output) =
            child::start(&self.program, &arguments).map_err(broken)?;
        let exchange = async {
            // A child that is killed does not read to the end; its status has the reason.
            let write = async move {
                let _ = input.write_all(wasm).await;
            };
            let mut answer = Vec::new();
            let mut limited = output.take(MOST_ANSWER);
            let ((), read) = tokio::join!(write, limited.read_to_end(&mut answer));
            read.map_err(broken)?;
            drop(limited);
            Ok((answer, child.wait().await.map_err(broken)?))
        };
        let (answer, status) = tokio::time::timeout(self.limits.wall, exchange)
            .await
            .map_err(|_| over_time(self.limits))??;
        if let Some(signal) = status.signal() {
            return Err(ended_by(signal, self.limits));
        }
        if !status.success() {
            return Err(CompileFault::Child(format!("it ended with {status}")));
        }
        Ok(answer)
    }
}

fn over_time(limits: Compile) -> CompileFault {
    let most = format!("{} s on this machine", limits.wall.as_secs());
    CompileFault::TooComplex(most, "wall-secs")
}

/// The limit behind a signal: SIGXCPU is the CPU time; an allocator aborts at the memory limit, and any
/// other signal is counted as that.
fn ended_by(signal: i32, limits: Compile) -> CompileFault {
    if signal == Signal::XCPU.as_raw() {
        let most = format!("{} s of CPU time", limits.cpu.as_secs());
        return CompileFault::TooComplex(most, "cpu-secs");
    }
    let most = format!("{} MB of memory", limits.memory / 1_000_000);
    CompileFault::TooComplex(most, "memory-bytes")
}

/// The cache key: a digest of everything that the answer of a child depends on, which is the component,
/// the format of the answer, and the engine.
fn cache_key(runtime: &Runtime, digest: [u8; 32]) -> [u8; 32] {
    let mut name = Sha256::new();
    name.update(digest);
    name.update(CHECKS);
    name.update(runtime.kind_of_code());
    name.update(env!("CARGO_PKG_VERSION"));
    name.finalize().into()
}

/// Runs disk access and an HMAC over some 40 MB on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileFault> {
    tokio::task::spawn_blocking(work).await.map_err(broken)
}

/// Parses the output of a child, and loads its native code.
fn read_answer(
    runtime: &Runtime,
    name: &str,
    digest: [u8; 32],
    output: &[u8],
) -> Result<Compiled, CompileFault> {
    let malformed = || CompileFault::Child("its answer is malformed".to_owned());
    let (length, rest) = output.split_first_chunk::<8>().ok_or_else(malformed)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| malformed())?;
    let (answer, code) = rest
        .split_at_checked(length)
        .filter(|(answer, _)| answer.len() <= MOST_DESCRIPTION)
        .ok_or_else(malformed)?;
    let answer: Answer = serde_json::from_slice(answer).map_err(broken)?;
    let operations = answer.outcome.map_err(CompileFault::Refused)?;
    description::check(operations.as_deref().unwrap_or_default()).map_err(CompileFault::Refused)?;
    if <[u8; 32]>::from(Sha256::digest(code)) != answer.digest {
        return Err(CompileFault::Child("its answer is truncated".to_owned()));
    }
    // Only the parent has a pooling allocator: a component with more memories, tables or instances than
    // a slot of the pool is refused here.
    let component =
        runtime.adopt(name, digest, code).map_err(|error| CompileFault::Refused(chain(&error)))?;
    Ok(Compiled { component, operations })
}

fn broken(error: impl std::error::Error) -> CompileFault {
    CompileFault::Child(error.to_string())
}

/// Runs the child process: reads one component from standard input, and writes the answer to standard
/// output. It has one thread, so that its address space does not depend on the machine. `args` are the
/// component's name, seconds of CPU time, and bytes of address space.
///
/// # Errors
/// When the pipes break or the limits cannot be set. An error of the component is part of the answer.
pub fn child(mut args: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let name = args.next().context("the name of the component is missing")?;
    let mut number =
        || args.next().and_then(|text| text.parse().ok()).context("a limit is missing");
    let (cpu, memory): (u64, u64) = (number()?, number()?);
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, cpu)?;
    limit(Resource::As, memory)?;
    let mut wasm = Vec::new();
    std::io::stdin().lock().take(MOST_WASM as u64 + 1).read_to_end(&mut wasm)?;
    let (outcome, code) = match prepare(&name, &wasm, memory) {
        Ok((operations, code)) => (Ok(operations), code),
        Err(error) => (Err(one_line(&error)), Vec::new()),
    };
    let digest = Sha256::digest(&code).into();
    let mut answer = serde_json::to_vec(&Answer { outcome, digest })?;
    if answer.len() > MOST_DESCRIPTION {
        let outcome = Err(format!("its description has more than {MOST_DESCRIPTION} bytes"));
        answer = serde_json::to_vec(&Answer { outcome, digest })?;
    }
    let mut out = std::io::stdout().lock();
    out.write_all(&(answer.len() as u64).to_le_bytes())?;
    out.write_all(&answer)?;
    out.write_all(&code)?;
    out.flush()?;
    Ok(())
}

fn prepare(
    name: &str,
    wasm: &[u8],
    memory: u64,
) -> anyhow::Result<(Option<Vec<Operation>>, Vec<u8>)> {
    let runtime = Runtime::for_one_component()?;
    let component = runtime.component(name, wasm)?;
    let code = component.code()?;
    limit(Resource::As, memory.max(MEMORY_FOR_GUEST))?;
    let describe = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot start the asynchronous runtime")?
        .block_on(runtime.describe(&component));
    Ok((describe?, code))
}

/// The error with its causes in one line of at most 2000 characters, without a backtrace.
fn one_line(error: &anyhow::Error) -> String {
    let whole = format!("{error:#}");
    let lines = whole.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ").chars().take(2000).collect()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// A program that never writes an answer.
    const SILENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/api/hostile/silent.sh");

    /// Time passes when there is nothing else to wait for.
    #[tokio::test(start_paused = true)]
    async fn a_child_that_does_not_answer_times_out() {
        let compiler = compiler();
        let ended = compiler.run(None, "own", b"wasm");
        let ended = tokio::time::timeout(2 * Compile::default().wall, ended).await;
        assert!(matches!(ended, Ok(Err(CompileFault::TooComplex(..)))), "{ended:?}");
    }

    #[tokio::test]
    async fn only_two_components_are_compiled_at_once() {
        let compiler = compiler();
        let mut all: Vec<_> =
            (0..5).map(|_| Box::pin(compiler.run(None, "own", b"wasm"))).collect();
        assert!(all.iter_mut().all(|one| one.now_or_never().is_none()));
        assert_eq!(compiler.children().get(), 2);
    }

    fn compiler() -> Compiler {
        Compiler::new(PathBuf::from(SILENT), Compile::default(), None)
    }

    #[test]
    fn a_refusal_names_the_limit_and_its_key() {
        let limits = Compile::default();
        check(&over_time(limits), "180 s on this machine; `compile.wall-secs`");
        let ended = |signal: Signal| ended_by(signal.as_raw(), limits);
        check(&ended(Signal::XCPU), "60 s of CPU time; `compile.cpu-secs`");
        check(&ended(Signal::ABORT), "3000 MB of memory; `compile.memory-bytes`");
        check(&ended(Signal::KILL), "3000 MB of memory; `compile.memory-bytes`");
    }

    #[track_caller]
    fn check(fault: &CompileFault, want: &str) {
        let whole = format!(
            "it is too complex: compiling it takes more than {want} of the configuration raises that"
        );
        assert_eq!(fault.to_string(), whole);
    }
}
