//! Handle of a child process that evaluates JSON Schemas: its pipes, its known schemas, its exit status.
//!
//! Invariant: dropping it kills the process, so no request is sent to a child whose last response was not
//! read completely.

use std::collections::HashSet;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use model::problem::Fault;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::os::child;
use crate::schema::child::{
    Ask, CPU, MEMORY, MOST_ASK, MOST_FAULTS, MOST_VERDICT, SUBCOMMAND, Verdict, What, WireFault,
};

/// Maximum number of schemas that a child keeps: they take memory from the evaluation.
const MOST_KNOWN: usize = 64;
/// Maximum size of their texts, in bytes.
const MOST_KNOWN_BYTES: usize = 512 << 10;

/// A child process that is ready for a request.
#[derive(Debug)]
pub(crate) struct SchemaChild {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    known: HashSet<String>,
    known_bytes: usize,
}

/// The response of a child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Fits,
    Faulty(Vec<Fault>),
    /// The value is not JSON.
    Malformed(String),
    /// The schema is invalid or too costly.
    Unusable(String),
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The process could not be started.
    Start(std::io::Error),
    /// The process ended: it exceeded a limit, or crashed.
    Ended(Ending),
    /// It did not respond in time.
    Late,
    /// The value does not fit; finding the faults exceeded a limit.
    Unsaid,
    /// It violated the protocol.
    Odd,
}

/// How a child process ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Computing,
    Memory,
    Other(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "a process cannot be started: {error}"),
            Self::Ended(Ending::Computing) => {
                write!(f, "more than {} ms of CPU time", CPU.as_millis())
            }
            Self::Ended(Ending::Memory) => write!(f, "more than {} MiB of memory", MEMORY >> 20),
            Self::Ended(Ending::Other(how)) => write!(f, "the process ended with {how}"),
            Self::Late => f.write_str("more time than allowed"),
            Self::Unsaid => {
                f.write_str("the value does not fit, and finding the faults exceeds a limit")
            }
            Self::Odd => f.write_str("the process violated the protocol"),
        }
    }
}

impl SchemaChild {
    /// Starts a child process of this executable, with an empty environment.
    pub(crate) fn start(program: &Path) -> Result<Self, Broken> {
        let (child, input, output) = child::start(program, &[SUBCOMMAND]).map_err(Broken::Start)?;
        Ok(Self { child, input, output, known: HashSet::new(), known_bytes: 0 })
    }

    /// Whether the child has the schema, or may be sent it.
    pub(crate) fn has_room_for(&self, name: &str, text: &str) -> bool {
        self.known.contains(name)
            || (self.known.len() < MOST_KNOWN && self.known_bytes + text.len() <= MOST_KNOWN_BYTES)
    }

    /// Sends a request, and reads the response completely.
    pub(crate) async fn ask(
        &mut self,
        what: What,
        (name, text): (&str, &str),
        root: &str,
        value: &[u8],
    ) -> Result<Answer, Broken> {
        let new = !self.known.contains(name);
        let text = new.then(|| text.to_owned());
        let length = text.as_ref().map_or(0, String::len);
        let ask = Ask { what, schema: name.to_owned(), text, root: root.to_owned() };
        let ask = serde_json::to_vec(&ask).map_err(|_| Broken::Odd)?;
        if ask.len() > MOST_ASK {
            return Ok(Answer::Unusable("the schema is larger than 64 KiB".to_owned()));
        }
        // A child that is killed does not read the whole request; its exit status has the reason.
        let written = async {
            send(&mut self.input, &ask).await?;
            send(&mut self.input, value).await
        }
        .await;
        if written.is_err() {
            return Err(self.ended().await);
        }
        let Some(verdict) = frame(&mut self.output, MOST_VERDICT).await? else {
            return Err(self.ended().await);
        };
        let verdict: Verdict = serde_json::from_slice(&verdict).map_err(|_| Broken::Odd)?;
        if !matches!(verdict, Verdict::Unusable(_)) && new {
            self.known.insert(name.to_owned());
            self.known_bytes += length;
        }
        match verdict {
            Verdict::Fits => Ok(Answer::Fits),
            Verdict::Malformed(why) => Ok(Answer::Malformed(why)),
            Verdict::Unusable(why) => Ok(Answer::Unusable(why)),
            Verdict::Faulty => {
                let faults = frame(&mut self.output, MOST_FAULTS).await?.ok_or(Broken::Unsaid)?;
                let faults: Vec<WireFault> =
                    serde_json::from_slice(&faults).map_err(|_| Broken::Odd)?;
                Ok(Answer::Faulty(faults.into_iter().map(Fault::from).collect()))
            }
        }
    }

    async fn ended(&mut self) -> Broken {
        let status = match self.child.wait().await {
            Ok(status) => status,
            Err(error) => return Broken::Ended(Ending::Other(error.to_string())),
        };
        // A failed allocation aborts, and so does a stack overflow.
        let memory = [Signal::ABORT, Signal::SEGV, Signal::BUS, Signal::KILL];
        Broken::Ended(match status.signal() {
            Some(signal) if signal == Signal::XCPU.as_raw() => Ending::Computing,
            Some(signal) if memory.iter().any(|one| one.as_raw() == signal) => Ending::Memory,
            Some(_) | None => Ending::Other(status.to_string()),
        })
    }
}

async fn send(input: &mut ChildStdin, bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    input.write_all(&length.to_le_bytes()).await?;
    input.write_all(bytes).await
}

/// Reads the next frame; none if the child has ended.
async fn frame(output: &mut ChildStdout, most: usize) -> Result<Option<Vec<u8>>, Broken> {
    let mut length = [0; 4];
    if output.read_exact(&mut length).await.is_err() {
        return Ok(None);
    }
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| Broken::Odd)?;
    if length > most {
        return Err(Broken::Odd);
    }
    let mut bytes = vec![0; length];
    Ok(output.read_exact(&mut bytes).await.is_ok().then_some(bytes))
}
