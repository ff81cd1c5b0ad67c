//! Pool of the child processes that evaluate tenants' JSON Schemas.
//!
//! A child is started for a validation, kept for the tenant's next one, and ended after about 30
//! seconds of idleness. One that exceeds its CPU time, duration or memory is killed: its request fails
//! with 503, and the next one gets a new child.
//!
//! Invariants: a child serves one tenant. No tenant has more than two running, and its second one does
//! not take the slot of another tenant's first. Responses of a child are untrusted, and bounded. Every
//! wait has a time limit.

use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use model::caller::Caller;
use model::ids::TenantId;
use model::limit::shares::Rule;
use model::limit::tenant_limiter::{Full, Permit, TenantLimiter};
use model::problem::{Code, Fault, Problem};
use sha2::{Digest, Sha256};

use crate::os::task;
use crate::schema::child::{CPU, MEMORY, What};
use crate::schema::child_process::{Answer, Broken, SchemaChild};
use crate::schema::{invalid, malformed};

/// Maximum number of running children that are their tenant's first.
const FIRST: u64 = 8;
/// Maximum number of running children that are their tenant's second.
const SECOND: u64 = 4;
/// Maximum number of idle children.
const IDLE: usize = 12;
/// How long a request waits for a slot.
const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum duration of one validation.
const WALL: Duration = Duration::from_secs(5);
/// Maximum duration of the examination of all schemas of one description.
const EXAMINATION: Duration = Duration::from_secs(30);
/// Interval at which idle children are examined.
const ROUND: Duration = Duration::from_secs(10);
/// Number of intervals after which an idle child is ended.
const ROUNDS: u8 = 3;
/// Retry-After of a request that exceeded a limit.
const AGAIN: Duration = Duration::from_secs(5);

/// Pool of child processes.
#[derive(Debug)]
pub struct SchemaChildren {
    program: PathBuf,
    first: TenantLimiter<TenantId>,
    second: TenantLimiter<TenantId>,
    idle: Mutex<Idle>,
    this: Weak<Self>,
}

/// Idle children, the one that has been idle longest first.
#[derive(Debug, Default)]
struct Idle {
    workers: Vec<(TenantId, SchemaChild, u8)>,
    /// Whether the task that ends idle children is running.
    watched: bool,
}

/// A tenant's schema as text, which is not compiled in this process.
#[derive(Debug)]
pub struct TenantSchema {
    /// The SHA-256 digest of the text, in hexadecimal.
    name: String,
    text: String,
}

impl TenantSchema {
    /// A schema with this text, which is not checked here.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let digest = Sha256::digest(text);
        let name = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name, text: text.to_owned() }
    }

    fn parts(&self) -> (&str, &str) {
        (&self.name, &self.text)
    }
}

/// Context of a validation: the caller, and the component whose schema it is.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The caller that sent the value.
    pub caller: &'a Caller,
    /// The component that describes the schema.
    pub component: &'a str,
}

/// Why a description is refused: a schema, or an example.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("{0}")]
    Schema(String),
    #[error("the example does not fit the schema: {0}")]
    Example(String),
}

/// A schema of a description, with its example.
#[derive(Debug)]
pub(crate) struct Specimen<'a> {
    pub(crate) text: &'a str,
    pub(crate) example: Option<&'a str>,
}

impl SchemaChildren {
    /// A pool without children; `program` is the path of this executable.
    #[must_use]
    pub fn new(program: PathBuf) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            program,
            first: TenantLimiter::new(Rule::Each(1), FIRST),
            second: TenantLimiter::new(Rule::Each(1), SECOND),
            idle: Mutex::default(),
            this: this.clone(),
        })
    }

    /// Examines one schema like those of a description.
    ///
    /// # Errors
    /// The reason why the schema or the example is refused.
    pub async fn examine_one(
        &self,
        tenant: &TenantId,
        schema: &str,
        example: Option<&str>,
    ) -> Result<(), String> {
        let ended = self.examine(tenant, &[Specimen { text: schema, example }]).await;
        ended.map_err(|(_, why)| why.to_string())
    }

    /// Examines the schemas of a description, with their examples.
    ///
    /// # Errors
    /// The index of the first one that is refused, and the reason.
    pub(crate) async fn examine(
        &self,
        tenant: &TenantId,
        specimens: &[Specimen<'_>],
    ) -> Result<(), (usize, Unfit)> {
        let mut at = 0;
        let looked = tokio::time::timeout(EXAMINATION, async {
            // Never an idle child: an examination leaves much memory allocated.
            let _place = self.place(tenant, true).await;
            let mut worker = SchemaChild::start(&self.program)?;
            for specimen in specimens {
                let schema = TenantSchema::new(specimen.text);
                if !worker.has_room_for(&schema.name, &schema.text) {
                    worker = SchemaChild::start(&self.program)?;
                }
                let what = match specimen.example {
                    Some(_) => What::ExamineWithExample,
                    None => What::Examine,
                };
                let example = specimen.example.unwrap_or_default();
                match worker.ask(what, schema.parts(), "", example.as_bytes()).await? {
                    Answer::Fits => {}
                    Answer::Faulty(faults) => {
                        return Ok(Some(Unfit::Example(invalid(faults).detail)));
                    }
                    Answer::Malformed(why) => {
                        return Ok(Some(Unfit::Example(malformed(&why).detail)));
                    }
                    Answer::Unusable(why) => return Ok(Some(Unfit::Schema(why))),
                }
                at += 1;
            }
            Ok::<_, Broken>(None)
        })
        .await;
        let costly = Code::SchemaTooCostly.as_str();
        let why = match looked {
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(why))) => why,
            Ok(Err(broken)) => Unfit::Schema(format!(
                "the schema is too costly to evaluate ({costly}): compiling it or checking its example failed: {broken}"
            )),
            Err(_) => Unfit::Schema(format!(
                "the schemas are too costly to evaluate ({costly}): examining them takes too long"
            )),
        };
        Err((at, why))
    }

    /// Validates a body against a schema whose cost need not have been checked.
    ///
    /// # Errors
    /// [`Code::InvalidBody`] or [`Code::MalformedJson`]; [`Code::Unavailable`] if a limit was exceeded or
    /// no child was free; [`Code::Internal`] if the schema cannot be used.
    pub async fn body(
        &self,
        asking: Asking<'_>,
        schema: &TenantSchema,
        body: &[u8],
    ) -> Result<(), Problem> {
        match self.check(asking, What::Body, schema, "", body).await? {
            Answer::Fits => Ok(()),
            Answer::Faulty(faults) => Err(invalid(faults)),
            Answer::Malformed(why) => Err(malformed(&why)),
            Answer::Unusable(why) => Err(unusable(asking, &why)),
        }
    }

    /// Validates a query parameter; returns its first fault.
    ///
    /// # Errors
    /// [`Code::Unavailable`] if a limit was exceeded or no child was free; [`Code::Internal`] if the
    /// schema cannot be used.
    pub async fn parameter(
        &self,
        asking: Asking<'_>,
        schema: &TenantSchema,
        name: &str,
        value: &str,
    ) -> Result<Option<Fault>, Problem> {
        let root = format!("/{name}");
        match self.check(asking, What::Query, schema, &root, value.as_bytes()).await? {
            Answer::Fits => Ok(None),
            Answer::Faulty(faults) => Ok(Some(faults.into_iter().next().unwrap_or_else(|| {
                let detail = format!("`{name}` does not fit its schema");
                Fault { pointer: root, code: "invalid".to_owned(), detail }
            }))),
            Answer::Malformed(why) | Answer::Unusable(why) => Err(unusable(asking, &why)),
        }
    }

    async fn check(
        &self,
        asking: Asking<'_>,
        what: What,
        schema: &TenantSchema,
        root: &str,
        value: &[u8],
    ) -> Result<Answer, Problem> {
        let tenant = &asking.caller.tenant;
        let place = self.place(tenant, asking.caller.token.is_some());
        let Ok(Ok(_place)) = tokio::time::timeout(PATIENCE, place).await else {
            let detail = "the maximum number of bodies and queries of this tenant is being checked";
            return Err(Problem::new(Code::Unavailable, detail).with_retry_after(AGAIN));
        };
        let (name, text) = schema.parts();
        let idle = self.take(tenant).filter(|worker| worker.has_room_for(name, text));
        let again = idle.is_some();
        let mut ended = self.once(idle, what, schema, root, value).await;
        // An idle child may end for reasons of other schemas, such as the memory that they left allocated.
        if again && matches!(ended, Err(Broken::Ended(_))) {
            ended = self.once(None, what, schema, root, value).await;
        }
        match ended {
            Ok((worker, answer)) => {
                self.keep(tenant.clone(), worker);
                Ok(answer)
            }
            Err(broken) => {
                tracing::warn!(
                    tenant = tenant.as_str(),
                    request = asking.caller.request.as_str(),
                    component = asking.component,
                    cause = %broken,
                    "a validation against a schema failed"
                );
                if let Broken::Unsaid = broken {
                    return Ok(Answer::Faulty(Vec::new()));
                }
                let detail = format!(
                    "checking the request against the schema of the component `{}` exceeds the limits of {} ms of CPU time and {} MiB of memory",
                    asking.component,
                    CPU.as_millis(),
                    MEMORY >> 20
                );
                Err(Problem::new(Code::Unavailable, detail).with_retry_after(AGAIN))
            }
        }
    }

    async fn once(
        &self,
        worker: Option<SchemaChild>,
        what: What,
        schema: &TenantSchema,
        root: &str,
        value: &[u8],
    ) -> Result<(SchemaChild, Answer), Broken> {
        let mut worker = match worker {
            Some(worker) => worker,
            None => SchemaChild::start(&self.program)?,
        };
        let asked = tokio::time::timeout(WALL, worker.ask(what, schema.parts(), root, value)).await;
        // Dropping a worker kills its process.
        let answer = asked.unwrap_or(Err(Broken::Late))?;
        Ok((worker, answer))
    }

    /// Acquires one of the tenant's two slots. Callers without a token use the second slot only.
    async fn place(&self, tenant: &TenantId, token: bool) -> Result<Permit<TenantId>, Full> {
        // The two are raced: the first one that is free is taken.
        tokio::select! {
            biased;
            place = self.first.take(tenant, 1), if token => place,
            place = self.second.take(tenant, 1) => place,
        }
    }

    /// The tenant's idle child that was used last.
    fn take(&self, tenant: &TenantId) -> Option<SchemaChild> {
        let mut idle = self.idle.lock();
        let at = idle.workers.iter().rposition(|(owner, ..)| owner == tenant)?;
        let (_, worker, _) = idle.workers.remove(at);
        Some(worker)
    }

    fn keep(&self, tenant: TenantId, worker: SchemaChild) {
        let mut idle = self.idle.lock();
        idle.workers.push((tenant, worker, 0));
        if idle.workers.len() > IDLE {
            idle.workers.remove(0);
        }
        if !idle.watched {
            idle.watched = true;
            drop(task::spawn("idle checkers", watch(self.this.clone())));
        }
    }

    /// Ends children that have been idle for [`ROUNDS`]; returns whether any is left.
    fn end_idle(&self) -> bool {
        let mut idle = self.idle.lock();
        idle.workers.iter_mut().for_each(|(_, _, rounds)| *rounds += 1);
        idle.workers.retain(|(_, _, rounds)| *rounds < ROUNDS);
        idle.watched = !idle.workers.is_empty();
        idle.watched
    }
}

async fn watch(checkers: Weak<SchemaChildren>) {
    loop {
        tokio::time::sleep(ROUND).await;
        if !checkers.upgrade().is_some_and(|checkers| checkers.end_idle()) {
            return;
        }
    }
}

/// The problem of a schema that was accepted at deploy and is refused now.
fn unusable(asking: Asking<'_>, why: &str) -> Problem {
    let detail = format!("the schema of the component `{}` cannot be used", asking.component);
    Problem::new(Code::Internal, format!("{detail}: {why}"))
}
