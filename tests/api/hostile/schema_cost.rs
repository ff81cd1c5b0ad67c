//! Tests of costly JSON Schemas in a tenant's description.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use guests::describing;
use model::ids::TenantId;
use model::problem::Code;
use serde_json::{Value, json};
use server::schema::child;
use server::schema::child_pool::{Asking, SchemaChildren, TenantSchema};

use crate::deploy::site::Who;
use crate::hostile::costly_schemas::{Cost, costs, doubled};
use crate::hostile::fixture::{EVERYTHING, Ground};
use crate::hostile::schema_children::caller;
use testkit::proc::{children, status};

/// Upper bound of a wait for one response, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory of a child in kB: its limit of allocations, and the program itself.
const MOST_RESIDENT: u64 = (256 + 128) << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costly_schemas_do_not_slow_other_tenants() {
    let ground = Ground::empty("instances = 8").await;
    ground
        .beside(async {
            refused(&ground).await;
            a_hundred(&ground).await;
        })
        .await;
}

/// Forty levels of doubling in 2.8 kB, as a body's schema with an example and as a parameter's.
async fn refused(ground: &Ground) {
    let schema = doubled(40, |next| json!({"allOf": [next, next]})).to_string();
    let fine = r#"{"type": "object"}"#;
    for (told, what) in [
        (json!({"body": schema, "example": "{}"}), "the body"),
        (json!({"body": fine, "query": schema}), "the parameter `q`"),
    ] {
        let wasm = describing(&told.to_string());
        let ended = ground.site.deploy(EVERYTHING, &wasm).await.unwrap_err();
        let want = format!(
            "line 8: `component.own.source`: its description (`operations()`) is invalid: POST /things: \
             {what}: the schema is too costly to evaluate (schema-too-costly): at `#/$defs/a"
        );
        assert!(ended.starts_with(&want), "{ended}");
    }
}

/// A hundred concurrent checks that exceed their budget.
async fn a_hundred(ground: &Ground) {
    // The schema multiplies nothing, but the value is large: it can be deployed.
    let many: Vec<Value> = (0..900).map(|_| json!({"minimum": 1})).collect();
    let told = json!({"body": json!({"items": {"allOf": many}}).to_string(), "example": "[1]",
        "query": r#"{"enum": ["a"]}"#});
    ground.site.deploy(EVERYTHING, &describing(&told.to_string())).await.unwrap();
    let large = format!("[{}7]", "7,".repeat(300_000));
    let send = async |body: &str| {
        let answer = ground.site.ask(Who::Acme, "POST", "/things?q=a", Some(body)).await;
        (answer.status, answer.head)
    };
    assert_eq!(send("[1]").await.0, 200);
    let asked = stream::iter(0..100).map(|_| send(&large)).buffer_unordered(100);
    let seen = Cell::new(0);
    let health = async {
        loop {
            let answer = ground.site.get(Who::Nobody, "/-/health").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            seen.set(heaviest().unwrap_or(0).max(seen.get()));
        }
    };
    let answers: Vec<(u16, String)> = tokio::select! {
        answers = asked.collect() => answers,
        () = health => unreachable!(),
    };
    assert!((1..MOST_RESIDENT).contains(&seen.get()), "{} kB", seen.get());
    for (status, head) in &answers {
        // The bodies together exceed a tenant's share of memory.
        assert!([429, 503].contains(status) && head.contains("retry-after: 5"), "{head}");
    }
    // The next one gets a new child.
    assert_eq!(send("[1]").await.0, 200);
    assert_eq!(send("[0]").await.0, 422);
    assert_eq!(ground.site.ask(Who::Acme, "POST", "/things?q=b", Some("[1]")).await.status, 400);
}

/// Each is refused at deployment; if that check is bypassed, a value still gets a response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_costly_schema_gets_a_response() {
    let checkers = &SchemaChildren::new(PathBuf::from(env!("CARGO_BIN_EXE_postlet")));
    let all = costs();
    let looked = stream::iter(all.iter().enumerate()).map(async |(at, cost)| {
        // Each of a tenant of its own: the requests of one tenant wait for each other.
        let tenant: TenantId = format!("tenant-{at}").parse().unwrap();
        let refused = answered(cost, examined(checkers, &tenant, cost)).await;
        assert!(refused || !cost.foreseen, "{} is deployed", cost.name);
        let code = answered(cost, forced(checkers, &tenant, cost)).await;
        let known = [None, Some(Code::InvalidBody), Some(Code::Unavailable)];
        assert!(known.contains(&code), "{}: {code:?}", cost.name);
        // The library itself has no protection against it.
        assert!(cost.name != "allOf" || code == Some(Code::Unavailable), "{code:?}");
    });
    looked.buffer_unordered(4).collect::<Vec<()>>().await;
}

#[test]
fn a_child_ends_when_its_host_ends() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_postlet"));
    child.arg(child::SUBCOMMAND).stdin(std::process::Stdio::null());
    assert!(child.status().unwrap().success());
}

async fn answered<T>(cost: &Cost, work: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, work).await;
    let ended = ended.unwrap_or_else(|_| panic!("{} gets no response", cost.name));
    heaviest().inspect(|most| assert!(*most < MOST_RESIDENT, "{}: {most} kB", cost.name));
    ended
}

/// Whether it is refused at deployment, with the value as its example.
async fn examined(checkers: &SchemaChildren, tenant: &TenantId, cost: &Cost) -> bool {
    let ended = checkers.examine_one(tenant, &cost.schema, Some(&cost.value)).await;
    ended.is_err_and(|told| told.contains("schema-too-costly"))
}

/// The response to the value, as a body and as a query parameter, when the schema was not examined.
async fn forced(checkers: &SchemaChildren, tenant: &TenantId, cost: &Cost) -> Option<Code> {
    let caller = caller(tenant.as_str(), true);
    let asking = Asking { caller: &caller, component: "own" };
    let schema = TenantSchema::new(&cost.schema);
    let body = checkers.body(asking, &schema, cost.value.as_bytes()).await;
    if ["allOf", "oneOf"].contains(&cost.name) {
        let query = checkers.parameter(asking, &schema, "q", &cost.value).await;
        assert!(query.err().is_none_or(|problem| problem.code == Code::Unavailable));
    }
    body.err().map(|problem| problem.code)
}

/// Peak memory of the largest child that checks, in kB.
fn heaviest() -> Option<u64> {
    // The children that compile belong to this process, too.
    let children = children(child::SUBCOMMAND).into_iter();
    children.filter_map(|pid| status(pid, "VmHWM:")).max()
}
