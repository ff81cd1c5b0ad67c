//! One child that evaluates JSON Schemas: its pipes, what it knows, and how it ended.
//!
//! Invariant: dropped, it is killed; so nothing is ever asked of a child whose
//! last answer was not read to its end.

use std::collections::HashSet;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use model::problem::Fault;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::schema::child::{
    Ask, CPU, MEMORY, MOST_ASK, MOST_FAULTS, MOST_VERDICT, SUBCOMMAND, Told, Verdict, What,
};

/// Schemas that a child keeps: more would only take memory from the next evaluation.
const MOST_KNOWN: usize = 64;
/// Bytes of their texts.
const MOST_KNOWN_BYTES: usize = 512 << 10;

/// A child that is ready to be asked.
#[derive(Debug)]
pub(crate) struct SchemaChild {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    known: HashSet<String>,
    known_bytes: usize,
}

/// What it said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Fits,
    Faulty(Vec<Fault>),
    /// The value is not JSON.
    Malformed(String),
    /// The schema is not taken.
    Unusable(String),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// No child could be started.
    Start(std::io::Error),
    /// It ended: by the system, which held it to its limits, or by a mistake.
    Ended(Ending),
    /// It did not answer in time.
    Late,
    /// The value does not fit; telling where was over the budget.
    Unsaid,
    /// Its answer is not one.
    Odd,
}

/// How a child ended.
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
                write!(f, "more than {} ms of computing", CPU.as_millis())
            }
            Self::Ended(Ending::Memory) => write!(f, "more than {} MiB of memory", MEMORY >> 20),
            Self::Ended(Ending::Other(how)) => write!(f, "the process ended with {how}"),
            Self::Late => f.write_str("more time than there is for it"),
            Self::Unsaid => f.write_str("it does not fit, and telling where takes too much"),
            Self::Odd => f.write_str("the process did not keep to its form"),
        }
    }
}

impl SchemaChild {
    /// Starts a child of this binary.
    pub(crate) fn start(program: &Path) -> Result<Self, Broken> {
        let mut child = Command::new(program)
            .arg(SUBCOMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(Broken::Start)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Broken::Odd);
        };
        Ok(Self { child, input, output, known: HashSet::new(), known_bytes: 0 })
    }

    /// Whether it knows the schema, or may be told it.
    pub(crate) fn has_room_for(&self, name: &str, text: &str) -> bool {
        self.known.contains(name)
            || (self.known.len() < MOST_KNOWN && self.known_bytes + text.len() <= MOST_KNOWN_BYTES)
    }

    /// Asks about a schema and a value, and reads the answer to its end.
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
        // A child that is killed half-way does not read to the end; its status tells why.
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
                let told = frame(&mut self.output, MOST_FAULTS).await?.ok_or(Broken::Unsaid)?;
                let told: Vec<Told> = serde_json::from_slice(&told).map_err(|_| Broken::Odd)?;
                Ok(Answer::Faulty(told.into_iter().map(Fault::from).collect()))
            }
        }
    }

    async fn ended(&mut self) -> Broken {
        let status = match self.child.wait().await {
            Ok(status) => status,
            Err(error) => return Broken::Ended(Ending::Other(error.to_string())),
        };
        // An allocator that meets its limit aborts, and so does a stack that ends.
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

/// The next frame; none where the child ended before it.
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
