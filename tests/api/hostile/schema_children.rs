//! Tests of the child processes that evaluate tenants' schemas: the limits of each, and their
//! number.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use model::caller::Caller;
use model::ids::{RequestId, TokenId};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::json;
use server::schema::child;
use server::schema::child_pool::{Asking, SchemaChildren, TenantSchema};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::hostile::costly_schemas::doubled;
use testkit::proc::{children, limit};
use testkit::wait::{wait_for, wait_until};

/// A program that reads its input and never answers.
const SILENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/api/hostile/silent.sh");

/// Longer than every time limit of the host for one check, or for all of a description.
const TOO_LONG: Duration = Duration::from_secs(60);

#[test]
fn a_child_has_limits_of_memory_and_cpu_time() {
    let mut child = Checking::start();
    child.ask("true", b"{}");
    child.agrees();
    let pid = child.0.id();
    assert_eq!(limit(pid, "Max data size"), Some(256 << 20));
    assert_eq!(limit(pid, "Max address space"), Some(2 << 30));
    assert_eq!(limit(pid, "Max core file size"), Some(0));
    // Half a second more than it has used, in whole seconds, and some time to exit.
    let computing = limit(pid, "Max cpu time");
    assert!(computing.is_some_and(|seconds| seconds < 10), "{computing:?}");
}

#[test]
fn a_child_that_exceeds_its_memory_ends() {
    let mut child = Checking::start();
    child.ask("true", b"{}");
    child.agrees();
    child.frame(b"{}");
    // The length of a value for which it allocates memory.
    child.announce(1 << 30);
    assert_eq!(child.ended_by(), Some(Signal::ABORT.as_raw()));
}

#[test]
fn a_child_that_exceeds_its_cpu_time_ends() {
    let mut child = Checking::start();
    child.ask(&doubled(40, |next| json!({"allOf": [next, next]})).to_string(), b"{}");
    // The system would kill it a little later: that limit is removed.
    let pid = child.0.id();
    wait_for("the child's CPU limit", || limit(pid, "Max cpu time"));
    let (pid, most) = (Pid::from_raw(pid.cast_signed()), getrlimit(Resource::Cpu).maximum);
    prlimit(pid, Resource::Cpu, Rlimit { current: most, maximum: most }).unwrap();
    assert_eq!(child.ended_by(), Some(Signal::XCPU.as_raw()));
}

#[tokio::test]
async fn children_are_limited_per_tenant_and_in_total() {
    let tenants: Vec<String> = (0..20).map(|at| format!("tenant-{at}")).collect();
    let many = |who: Caller| vec![who; 5];
    check(&many(caller("acme", true)), 2);
    check(&many(caller("acme", false)), 1);
    let all = |times| {
        let callers = tenants.iter().flat_map(move |tenant| vec![caller(tenant, true); times]);
        callers.collect::<Vec<Caller>>()
    };
    check(&all(1), 8 + 4);
    check(&all(2), 8 + 4);
}

/// Asserts the number of children when all of these have asked, before any is answered.
#[track_caller]
fn check(callers: &[Caller], want: usize) {
    let (_directory, program) = named(SILENT);
    let (checkers, schema) = (SchemaChildren::new(program.clone()), TenantSchema::new("true"));
    let asked = callers.iter().map(|caller| Asking { caller, component: "own" });
    let mut asked: Vec<_> =
        asked.map(|asking| Box::pin(checkers.body(asking, &schema, b"{}"))).collect();
    for one in &mut asked {
        assert!(
            tokio::task::unconstrained(one).now_or_never().is_none(),
            "there is a response already"
        );
    }
    assert_eq!(count(&program), want);
}

#[tokio::test]
async fn idle_children_are_limited() {
    let (_directory, program) = named(env!("CARGO_BIN_EXE_postlet"));
    let (checkers, schema) = (SchemaChildren::new(program.clone()), TenantSchema::new("true"));
    for at in 0..20 {
        let caller = caller(&format!("tenant-{at}"), true);
        checkers.body(Asking { caller: &caller, component: "own" }, &schema, b"{}").await.unwrap();
    }
    // The host has no other thread that would end idle children.
    wait_until("the others to end", || count(&program) == 12);
}

/// The paused clock advances when nothing else is left to wait for.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_child_or_for_its_answer_has_a_time_limit() {
    let (checkers, schema) =
        (SchemaChildren::new(PathBuf::from(SILENT)), TenantSchema::new("true"));
    let caller = caller("acme", true);
    let refused = async || {
        let asked = checkers.body(Asking { caller: &caller, component: "own" }, &schema, b"{}");
        timeout(TOO_LONG, asked).await.expect("an end").unwrap_err()
    };
    let late = refused().await;
    assert!(late.detail.contains("exceeds the limits of"), "{late:?}");
    // Two have a child, and the others wait for one.
    let told = join_all((0..40).map(|_| refused())).await;
    let waited = "the maximum number of bodies and queries of this tenant is being checked";
    assert!(told.iter().any(|problem| problem.detail == waited), "{told:?}");
    let examined = checkers.examine_one(&caller.tenant, "true", None);
    let told = timeout(TOO_LONG, examined).await.expect("an end").unwrap_err();
    assert!(told.contains("examining them takes too long"), "{told}");
}

/// A caller of this tenant, with a token or without one.
pub(crate) fn caller(tenant: &str, token: bool) -> Caller {
    Caller {
        tenant: tenant.parse().unwrap(),
        token: token.then(|| TokenId::generate([1; 10])),
        scopes: Vec::new(),
        accounts: None,
        request: RequestId::generate([2; 10]),
        idempotency_key: None,
        confined: None,
    }
}

/// A program under a name that no other test uses, by which its children are counted.
fn named(program: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("postlet");
    std::os::unix::fs::symlink(program, &name).unwrap();
    (directory, name)
}

fn count(program: &Path) -> usize {
    children(program.to_str().unwrap()).len()
}

/// The real child, driven as the host does.
struct Checking(Child);

impl Checking {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postlet"));
        command.arg(child::SUBCOMMAND).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Asks whether the value matches the schema.
    fn ask(&mut self, schema: &str, value: &[u8]) {
        let ask = json!({"what": "Body", "schema": "it", "text": schema, "root": ""});
        self.frame(ask.to_string().as_bytes());
        self.frame(value);
    }

    fn frame(&mut self, bytes: &[u8]) {
        self.announce(u32::try_from(bytes.len()).unwrap());
        self.0.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn announce(&mut self, bytes: u32) {
        self.0.stdin.as_mut().unwrap().write_all(&bytes.to_le_bytes()).unwrap();
    }

    /// Waits for the response that the value matches.
    fn agrees(&mut self) {
        let mut answer = [0; 10];
        self.0.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x06\0\0\0\"Fits\"");
    }

    /// The signal that ended it.
    fn ended_by(mut self) -> Option<i32> {
        drop(self.0.stdin.take());
        wait_for("the child to exit", || self.0.try_wait().unwrap()).signal()
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
