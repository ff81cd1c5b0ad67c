//! The children that evaluate tenants' JSON Schemas, seen from the host.
//!
//! A child is started when a tenant's schema is to be checked against, is kept
//! for the tenant's next check, and ends after half a minute without one. One
//! that goes over its budget of computing, time or memory is killed: that costs
//! its own request a 503, and the next one gets a new child.
//!
//! Invariants: a child serves one tenant. No tenant has more than two at work, and
//! its second one takes none from another tenant's first. What a child says is
//! foreign, and bounded. Nothing waits here without end.

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

/// Children at work, of tenants that have no other at work.
const FIRST: u64 = 8;
/// And of tenants that have one.
const SECOND: u64 = 4;
/// Children that wait for work.
const IDLE: usize = 12;
/// How long a request waits for one.
const PATIENCE: Duration = Duration::from_secs(5);
/// One check, on a machine that may be busy.
const WALL: Duration = Duration::from_secs(5);
/// All schemas of one description.
const EXAMINATION: Duration = Duration::from_secs(30);
/// Waiting children are looked at so often, and end at the third look.
const ROUND: Duration = Duration::from_secs(10);
const ROUNDS: u8 = 3;
/// When whoever met a limit is told to come again.
const AGAIN: Duration = Duration::from_secs(5);

/// Starts children that check, and keeps some.
#[derive(Debug)]
pub struct SchemaChildren {
    program: PathBuf,
    first: TenantLimiter<TenantId>,
    second: TenantLimiter<TenantId>,
    idle: Mutex<Idle>,
    this: Weak<Self>,
}

/// Children that wait, the one that has waited longest first.
#[derive(Debug, Default)]
struct Idle {
    workers: Vec<(TenantId, SchemaChild, u8)>,
    /// Somebody looks at them.
    watched: bool,
}

/// A tenant's schema as text: it is not built in this process.
#[derive(Debug)]
pub struct TenantSchema {
    /// The digest of the text.
    name: String,
    text: String,
}

impl TenantSchema {
    /// Takes the text as it is.
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

/// For whom something is checked: the caller, and the component that described the schema.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Who sent what is checked.
    pub caller: &'a Caller,
    /// Whose schema it is.
    pub component: &'a str,
}

/// Why a description is not taken: its schema, or the example of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("{0}")]
    Schema(String),
    #[error("the example does not fit the schema: {0}")]
    Example(String),
}

/// One text of a description.
#[derive(Debug)]
pub(crate) struct Specimen<'a> {
    pub(crate) text: &'a str,
    pub(crate) example: Option<&'a str>,
}

impl SchemaChildren {
    /// `program` is this binary.
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

    /// Looks at one schema as at those of a description.
    ///
    /// # Errors
    /// With a sentence that says why it is not taken.
    pub async fn examine_one(
        &self,
        tenant: &TenantId,
        schema: &str,
        example: Option<&str>,
    ) -> Result<(), String> {
        let ended = self.examine(tenant, &[Specimen { text: schema, example }]).await;
        ended.map_err(|(_, why)| why.to_string())
    }

    /// Looks at the schemas of a description, with their examples; else tells which is not taken, and why.
    pub(crate) async fn examine(
        &self,
        tenant: &TenantId,
        specimens: &[Specimen<'_>],
    ) -> Result<(), (usize, Unfit)> {
        let mut at = 0;
        let looked = tokio::time::timeout(EXAMINATION, async {
            // Never one that waits: examining leaves much behind.
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
                "the schema is too costly to evaluate ({costly}): to build it and to check its example took {broken}"
            )),
            Err(_) => Unfit::Schema(format!(
                "the schemas are too costly to evaluate ({costly}): to look at them takes too long"
            )),
        };
        Err((at, why))
    }

    /// Checks a body against a schema as it is, whatever that may cost.
    ///
    /// # Errors
    /// What does not fit, or that it could not be found out.
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

    /// Checks a query parameter; its first fault.
    ///
    /// # Errors
    /// That it could not be found out.
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
            let detail = "as many bodies and queries of this tenant are checked as may be at once";
            return Err(Problem::new(Code::Unavailable, detail).with_retry_after(AGAIN));
        };
        let (name, text) = schema.parts();
        let waiting = self.take(tenant).filter(|worker| worker.has_room_for(name, text));
        let again = waiting.is_some();
        let mut ended = self.once(waiting, what, schema, root, value).await;
        // What other schemas left behind in a child, or what ended it while it waited, is not this one's fault.
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
                    "a schema could not be checked against"
                );
                if let Broken::Unsaid = broken {
                    return Ok(Answer::Faulty(Vec::new()));
                }
                let detail = format!(
                    "checking the request against the schema of the component `{}` takes more than it may cost: {} ms of computing and {} MiB of memory",
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
        // A worker that is dropped is killed.
        let answer = asked.unwrap_or(Err(Broken::Late))?;
        Ok((worker, answer))
    }

    /// One of the tenant's two places. Strangers use the second only.
    async fn place(&self, tenant: &TenantId, token: bool) -> Result<Permit<TenantId>, Full> {
        tokio::select! {
            biased;
            place = self.first.take(tenant, 1), if token => place,
            place = self.second.take(tenant, 1) => place,
        }
    }

    /// The child of this tenant's that worked last.
    fn take(&self, tenant: &TenantId) -> Option<SchemaChild> {
        let mut idle = self.idle.lock();
        let at = idle.workers.iter().rposition(|(whose, ..)| whose == tenant)?;
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

    /// Ends children that have waited for long; whether any is left.
    fn look(&self) -> bool {
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
        if !checkers.upgrade().is_some_and(|checkers| checkers.look()) {
            return;
        }
    }
}

/// What was examined at deploy is not taken now.
fn unusable(asking: Asking<'_>, why: &str) -> Problem {
    let detail = format!("the schema of the component `{}` cannot be used", asking.component);
    Problem::new(Code::Internal, format!("{detail}: {why}"))
}
