//! Compiling components where it can be stopped, and leaves nothing behind.
//!
//! A small component can cost a compiler minutes and gigabytes, and an
//! allocator that meets its limit ends the process. So this binary runs itself
//! as a child for each component: WebAssembly on its standard input, native code
//! and what `describe` said on its output. The child has limits on memory and
//! CPU from the system, and the parent a clock. What it answered may be kept
//! for the next time. The embedded components are trusted, and go the same way
//! so that the compiler's memory goes with the child.
//!
//! Invariant: native code is taken only from the pipe of a child that this
//! process has just started, or from a file that carries this host's seal.

pub(crate) mod code_cache;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use prometheus_client::metrics::counter::Counter;
use runtime::Runtime;
use runtime::component::{Component, Operation};
use runtime::error::chain;
use rustix::process::{Resource, Signal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::compile::code_cache::CodeCache;
use crate::config::limits::Compile;
use crate::openapi::description;
use crate::os::child_limits::limit;

/// The hidden subcommand; the name of the component follows.
pub const SUBCOMMAND: &str = "__compile";

/// Bytes of WebAssembly: Python's interpreter has 18 MiB.
pub(crate) const MOST_WASM: usize = 32 << 20;
/// Bytes of the child's answer: native code is some three times as large.
const MOST_ANSWER: u64 = 256 << 20;
/// Bytes of a description: the largest of ours has 40 KiB.
const MOST_TOLD: usize = 4 << 20;
/// The child's address space while it runs `describe`: each linear memory reserves 4 GiB that it never touches, and
/// what the guest may touch is limited by the runtime.
const MEMORY_FOR_GUEST: u64 = 32 << 30;
/// Another one whenever a child begins to refuse what it took before: what was kept is asked for again.
const CHECKS: &[u8] = b"types of exports";
/// Children at once.
const CHILDREN: usize = 2;

/// Starts children that compile.
#[derive(Debug)]
pub(crate) struct Compiler {
    program: PathBuf,
    places: Semaphore,
    limits: Compile,
    keeper: Option<CodeCache>,
    children: Counter,
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
    /// It went over a limit: how much that is, and the key of the configuration.
    #[error(
        "it is too complex: compiling it takes more than {0}; `compile.{1}` of the configuration raises that"
    )]
    TooComplex(String, &'static str),
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
    pub(crate) fn new(program: PathBuf, limits: Compile, keeper: Option<CodeCache>) -> Self {
        let (places, children) = (Semaphore::new(CHILDREN), Counter::default());
        Self { program, places, limits, keeper, children }
    }

    /// This binary.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Children that were started.
    pub(crate) fn children(&self) -> &Counter {
        &self.children
    }

    /// Compiles and describes in a child, or takes what one has answered before.
    pub(crate) async fn compile(
        &self,
        runtime: &Runtime,
        name: &str,
        wasm: &[u8],
    ) -> Result<Compiled, CompileFault> {
        if wasm.len() > MOST_WASM {
            return Err(CompileFault::TooLarge(wasm.len()));
        }
        let digest: [u8; 32] = Sha256::digest(wasm).into();
        let Some(keeper) = self.keeper.clone() else {
            let said = self.run(name, wasm).await?;
            return taken(runtime, name, digest, &said);
        };
        let key = kept_as(runtime, digest);
        let (keeper, found) = blocking(move || {
            let found = keeper.find(&key);
            (keeper, found)
        })
        .await?;
        // Sealed here and useless all the same: another version of wasmtime, most likely.
        if let Some(compiled) = found.and_then(|said| taken(runtime, name, digest, &said).ok()) {
            return Ok(compiled);
        }
        let said = self.run(name, wasm).await?;
        let compiled = taken(runtime, name, digest, &said)?;
        blocking(move || keeper.keep(&key, &said)).await?;
        Ok(compiled)
    }

    /// One child, from its start to its last byte.
    async fn run(&self, name: &str, wasm: &[u8]) -> Result<Vec<u8>, CompileFault> {
        let _place = self.places.acquire().await.map_err(broken)?;
        self.children.inc();
        let (cpu, memory) = (self.limits.cpu.as_secs().to_string(), self.limits.memory.to_string());
        let mut child = Command::new(&self.program)
            .args([SUBCOMMAND, name, &cpu, &memory])
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
        let (said, status) = tokio::time::timeout(self.limits.wall, talk)
            .await
            .map_err(|_| over_time(self.limits))??;
        if let Some(signal) = status.signal() {
            return Err(ended_by(signal, self.limits));
        }
        if !status.success() {
            return Err(CompileFault::Child(format!("it ended with {status}")));
        }
        Ok(said)
    }
}

fn over_time(limits: Compile) -> CompileFault {
    let most = format!("{} s on this machine", limits.wall.as_secs());
    CompileFault::TooComplex(most, "wall-secs")
}

/// Out of computing time is SIGXCPU, out of memory aborts; whatever other signal, it was this component's doing.
fn ended_by(signal: i32, limits: Compile) -> CompileFault {
    if signal == Signal::XCPU.as_raw() {
        let most = format!("{} s of computing", limits.cpu.as_secs());
        return CompileFault::TooComplex(most, "cpu-secs");
    }
    let most = format!("{} MB of memory", limits.memory / 1_000_000);
    CompileFault::TooComplex(most, "memory-bytes")
}

/// What the answer of a child depends on: the component, the form of the answer, and the engine.
fn kept_as(runtime: &Runtime, digest: [u8; 32]) -> [u8; 32] {
    let mut name = Sha256::new();
    name.update(digest);
    // What is asked of a component before it is answered for.
    name.update(CHECKS);
    name.update(runtime.kind_of_code());
    name.update(env!("CARGO_PKG_VERSION"));
    name.finalize().into()
}

/// A disk may be slow, and a seal over 40 MB takes its time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileFault> {
    tokio::task::spawn_blocking(work).await.map_err(broken)
}

/// Takes over what a child has answered.
fn taken(
    runtime: &Runtime,
    name: &str,
    digest: [u8; 32],
    said: &[u8],
) -> Result<Compiled, CompileFault> {
    let odd = || CompileFault::Child("its answer is not one".to_owned());
    let (length, rest) = said.split_first_chunk::<8>().ok_or_else(odd)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| odd())?;
    let (answer, code) = rest
        .split_at_checked(length)
        .filter(|(answer, _)| answer.len() <= MOST_TOLD)
        .ok_or_else(odd)?;
    let answer: Answer = serde_json::from_slice(answer).map_err(broken)?;
    let operations = answer.outcome.map_err(CompileFault::Refused)?;
    description::check(operations.as_deref().unwrap_or_default()).map_err(CompileFault::Refused)?;
    if <[u8; 32]>::from(Sha256::digest(code)) != answer.digest {
        return Err(CompileFault::Child("its answer was cut".to_owned()));
    }
    // The parent has a pool and the child has none: one with more memories, tables or instances than
    // a place in the pool is refused only here.
    let component =
        runtime.adopt(name, digest, code).map_err(|error| CompileFault::Refused(chain(&error)))?;
    Ok(Compiled { component, operations })
}

fn broken(error: impl std::error::Error) -> CompileFault {
    CompileFault::Child(error.to_string())
}

/// The child: one component from standard input, its answer to standard output. On one thread, so
/// that its address space does not depend on the machine. `args` are the component's name and the
/// limits: seconds of computing, and bytes of address space.
///
/// # Errors
/// When the pipes break or the limits cannot be set; what is wrong with the component is an answer.
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
        .context("the runtime of tasks")?
        .block_on(runtime.describe(&component));
    Ok((describe?, code))
}

/// Every cause in one line, but no backtrace, and no more than a person reads.
fn one_line(error: &anyhow::Error) -> String {
    let whole = format!("{error:#}");
    let lines = whole.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ").chars().take(2000).collect()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// It takes what it is told and never answers.
    const SILENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/api/hostile/silent.sh");

    /// Time passes when there is nothing else to wait for.
    #[tokio::test(start_paused = true)]
    async fn a_child_that_does_not_answer_is_given_up() {
        let compiler = compiler();
        let ended = compiler.run("own", b"wasm");
        let ended = tokio::time::timeout(2 * Compile::default().wall, ended).await;
        assert!(matches!(ended, Ok(Err(CompileFault::TooComplex(..)))), "{ended:?}");
    }

    #[tokio::test]
    async fn only_two_components_are_compiled_at_once() {
        let compiler = compiler();
        let mut all: Vec<_> = (0..5).map(|_| Box::pin(compiler.run("own", b"wasm"))).collect();
        assert!(all.iter_mut().all(|one| one.now_or_never().is_none()));
        assert_eq!(compiler.children().get(), 2);
    }

    fn compiler() -> Compiler {
        Compiler::new(PathBuf::from(SILENT), Compile::default(), None)
    }

    #[test]
    fn a_refusal_names_the_limit_that_was_met_and_its_key() {
        let limits = Compile::default();
        check(&over_time(limits), "180 s on this machine; `compile.wall-secs`");
        let ended = |signal: Signal| ended_by(signal.as_raw(), limits);
        check(&ended(Signal::XCPU), "60 s of computing; `compile.cpu-secs`");
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
