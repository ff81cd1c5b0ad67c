//! Tests of refused deployments: each error names its place, and the running deployment stays.

use guests::describer;
use server::compile;
use tokio::io::AsyncReadExt;

use crate::deploy::compile_bombs;
use crate::deploy::site::{Site, Who};
use testkit::proc::{children, limit};

const GOOD: &str = r#"spin_manifest_version = 2

[application]
name = "things"

[variables]
greeting = { default = "hello" }

[[trigger.http]]
route = "/things"
component = "own"

[component.own]
source = "own.wasm"
environment = { GREETING = "{{ greeting }}, world" }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_deploys_its_own_code_and_no_other_tenant_sees_it() {
    let site = Site::start().await;
    assert_eq!(site.get(Who::Acme, "/things").await.status, 404);
    site.deploy(GOOD, &describer("fine")).await.unwrap();
    let body = Some(r#"{"name": "ann", "count": 3}"#);
    let answer = site.ask(Who::Acme, "POST", "/things", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["environment"]["GREETING"], "hello, world");
    assert_eq!(answer.json()["environment"].as_object().unwrap().len(), 1, "{answer:?}");
    // The default application is served beside it, and neither another tenant nor an anonymous
    // caller sees it.
    assert_eq!(site.get(Who::Acme, "/v1/accounts/none/mailboxes").await.code(), "no-such-account");
    assert_eq!(site.ask(Who::Globex, "POST", "/things", body).await.status, 404);
    assert_eq!(site.ask(Who::Nobody, "POST", "/things", body).await.status, 404);
    let told = site.get(Who::Acme, "/-/openapi.json").await.json();
    assert!(told["paths"]["/things"]["post"].is_object(), "{told:#}");
    for who in [Who::Globex, Who::Nobody] {
        let told = site.get(who, "/-/openapi.json").await.json();
        assert!(told["paths"]["/things"].is_null(), "{told:#}");
    }
    // An application for Spin is served unchanged, without checks.
    let spin = GOOD.replace("route = \"/things\"", "route = \"/...\"");
    site.deploy(&spin, guests::ECHO).await.unwrap();
    let answer = site.ask(Who::Acme, "POST", "/any/where", Some(r#"{"a":1}"#)).await;
    assert_eq!((answer.status, answer.json()["echoed"].as_bool()), (200, Some(true)));
    assert_eq!(site.get(Who::Acme, "/-/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_wasi_only_is_served_unchecked() {
    let ours = b"postlet:mail/";
    let imports = |wasm: &[u8]| wasm.windows(ours.len()).any(|bytes| bytes == ours);
    assert!(imports(guests::ECHO) && !imports(guests::PLAIN));
    let site = Site::start().await;
    let before = site.get(Who::Acme, "/-/openapi.json").await.json();
    let spin = GOOD.replace("route = \"/things\"", "route = \"/plain/...\"");
    site.deploy(&spin, guests::PLAIN).await.unwrap();
    for (method, path) in [("GET", "/plain/a?b=c"), ("PUT", "/plain/d")] {
        let answer = site.ask(Who::Acme, method, path, None).await;
        assert_eq!((answer.status, answer.body), (200, format!("plain {path}\n")));
    }
    assert_eq!(site.get(Who::Globex, "/plain/a").await.status, 404);
    // A component of WASI 0.3 is, too.
    assert!(!imports(guests::ASYNC));
    site.deploy(&spin, guests::ASYNC).await.unwrap();
    let answer = site.get(Who::Acme, "/plain/a").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "async /plain/a\n"));
    let answer = site.ask(Who::Acme, "POST", "/plain/echo", Some(r#"{"a":1}"#)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"a":1}"#));
    assert_eq!(site.get(Who::Acme, "/plain/panic").await.code(), "component-failed");
    // The route is documented, without a description of its input.
    let mut after = site.get(Who::Acme, "/-/openapi.json").await.json();
    let item = after["paths"].as_object_mut().unwrap().remove("/plain/{rest}").unwrap();
    assert_eq!(item["summary"], "Served by `own`, which describes no operations");
    assert_eq!(item["parameters"][0]["name"], "rest");
    assert!(item.get("get").is_none(), "{item:#}");
    assert_eq!(after["paths"], before["paths"]);
}

/// Some toolchains use one WIT world for everything, so that every component exports `operations`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_with_an_empty_description_is_served_unchecked() {
    let site = Site::start().await;
    let manifest = GOOD.replace("\"/things\"", "\"/things/:rest/...\"");
    site.deploy(&manifest, &describer("empty")).await.unwrap();
    for (method, path) in [("GET", "/things/a?b=c"), ("DELETE", "/things/a/b")] {
        let answer = site.ask(Who::Acme, method, path, None).await;
        assert_eq!((answer.status, answer.code().as_str()), (200, ""), "{answer:?}");
    }
    let told = site.get(Who::Acme, "/-/openapi.json").await.json();
    let item = &told["paths"]["/things/{rest}/{rest_}"];
    assert_eq!(item["parameters"].as_array().unwrap().len(), 2, "{told:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_deployment_names_the_line_of_its_error() {
    let site = Site::start().await;
    site.deploy(GOOD, &describer("fine")).await.unwrap();
    let fine = describer("fine");
    for (from, to, want) in [
        ("name = \"things\"", "nom = \"things\"", "line 3: `application.name`: is missing"),
        ("source =", "sauce =", "line 13: `component.own.source`: is missing"),
        (
            "source = \"own.wasm\"",
            "source = \"none.wasm\"",
            "line 14: `component.own.source`: own/none.wasm cannot be read: No such file or directory (os error 2)",
        ),
        (
            "\"/things\"",
            "\"/v1/accounts/special\"",
            "line 10: `trigger.http.route`: `/v1/accounts/special` would take paths from `/v1/accounts/:account`, which is the host's own; choose another path",
        ),
        (
            "\"/things\"",
            "\"/-/things\"",
            "line 10: `trigger.http.route`: `/-/things` would take paths from `/-/...`, which is the host's own; choose another path",
        ),
        (
            "default = \"hello\"",
            "required = true",
            "line 7: `variables.greeting`: it is required, and no value was given for it",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        check(&site, &GOOD.replacen(from, to, 1), &fine, want).await;
    }
    let default = GOOD.replacen("/things", "/v1/accounts/anna/send", 1);
    let ended = site.deploy(&default, &fine).await.unwrap_err();
    assert!(ended.starts_with("line 10: `trigger.http.route`: `/v1/accounts/anna/send` would take paths from `/v1/accounts/:account/send`, which is line "), "{ended}");
    assert!(
        ended.ends_with("of the default application's spin.toml; choose another path"),
        "{ended}"
    );

    let at = "line 14: `component.own.source`: ";
    for (word, want) in [
        (
            "panic",
            "component own cannot describe itself (it wrote: thread '<unnamed>' (1) panicked at tests/guests/describer/src/lib.rs:",
        ),
        ("loop", "component own cannot describe itself: the component used up its"),
        (
            "eat",
            "component own cannot describe itself: the component went over its limit of memory",
        ),
        ("flood", "component own cannot describe itself: "),
        ("log", "component own cannot describe itself: "),
        ("long", "its description has more than 4194304 bytes"),
        (
            "schema",
            "its description (`operations()`) is invalid: POST /things: the body: the schema is not valid",
        ),
        (
            "remote",
            "its description (`operations()`) is invalid: POST /things: the body: the schema is not valid",
        ),
        (
            "example",
            "its description (`operations()`) is invalid: POST /things: the example does not fit the schema",
        ),
        (
            "outside",
            "its description (`operations()`) is invalid: POST /elsewhere: no route of this component in the manifest covers this path; its routes are `/things` (line 10)",
        ),
        (
            "scope",
            "its description (`operations()`) is invalid: POST /things: \"operate\" is not one of read, change and send",
        ),
    ] {
        check(&site, GOOD, &describer(word), &format!("{at}{want}")).await;
    }
    check(&site, GOOD, b"\0asm\x01\0\0\0", &format!("{at}component own cannot be run")).await;
    let missing = compile_bombs::missing_import();
    let want = format!("{at}component own asks for what Postlet does not have");
    let told = check(&site, GOOD, &missing, &want).await;
    assert!(told.contains("launch-missiles"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_finished_by_the_deployment_that_began_it() {
    let site = Site::start().await;
    let all = GOOD.replace("route = \"/things\"", "route = \"/...\"");
    site.deploy(&all, guests::HOSTILE).await.unwrap();
    let mut old = site.open(Who::Acme, "/trickle").await;
    let mut some = [0; 1024];
    assert!(old.read(&mut some).await.unwrap() > 0);
    site.deploy(&all, guests::ECHO).await.unwrap();
    let answer = site.ask(Who::Acme, "POST", "/trickle", Some(r#"{"a":1}"#)).await;
    assert_eq!(answer.json()["echoed"].as_bool(), Some(true), "{answer:?}");
    // The first body continues, byte by byte.
    for _ in 0..2 {
        assert!(old.read(&mut some).await.unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compile_bomb_affects_its_own_deployment_only() {
    let site = Site::start().await;
    site.deploy(GOOD, &describer("fine")).await.unwrap();
    for bomb in [compile_bombs::function_bomb(), compile_bombs::loop_bomb()] {
        let want = "line 14: `component.own.source`: it is too complex";
        let mut deploy = std::pin::pin!(check(&site, GOOD, &bomb, want));
        // Meanwhile another tenant is served, and the child has the limits of the configuration.
        let (mut served, mut limited) = (0, false);
        loop {
            tokio::select! {
                _ = &mut deploy => break,
                answer = site.get(Who::Globex, "/v1/accounts/none/mailboxes") => {
                    assert_eq!(answer.code(), "no-such-account");
                    served += 1;
                    limited |= children(compile::SUBCOMMAND).into_iter().any(is_limited);
                }
            }
        }
        assert!(served > 10, "{served} requests");
        assert!(limited, "no child has its limits");
    }
}

/// Whether a compiling child has the configured limit of computing time, and the default limit of
/// memory.
fn is_limited(pid: u32) -> bool {
    limit(pid, "Max cpu time") == Some(10)
        && limit(pid, "Max address space") == Some(3_000_000_000)
        && limit(pid, "Max core file size") == Some(0)
}

/// The host can read files that the tenant must not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_outside_of_the_manifests_directory_is_not_read() {
    let site = Site::start().await;
    site.deploy(GOOD, &describer("fine")).await.unwrap();
    std::fs::write(site.path("neighbour.wasm"), describer("fine")).unwrap();
    let at = |source: &str| GOOD.replacen("own.wasm", source, 1);
    let advice = "line 14: `component.own.source`: a path below the directory of the manifest";
    let absolute = site.path("neighbour.wasm").display().to_string();
    for source in [absolute.as_str(), "../neighbour.wasm", "own/../../neighbour.wasm"] {
        let told = check(&site, &at(source), &describer("fine"), advice).await;
        assert!(told.ends_with("have the build copy the file"), "{told}");
    }
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, site.path("own").join(name)).unwrap();
    };
    link("../neighbour.wasm", "far.wasm");
    link("..", "up");
    for source in ["far.wasm", "up/neighbour.wasm"] {
        let want = format!(
            "line 14: `component.own.source`: own/{source} cannot be read: it is outside of the directory of the manifest"
        );
        check(&site, &at(source), &describer("fine"), &want).await;
    }
    link("own.wasm", "near.wasm");
    site.deploy(&at("near.wasm"), &describer("fine")).await.unwrap();
}

/// Asserts that a deployment fails with `want`, and the running one is unchanged.
async fn check(site: &Site, manifest: &str, wasm: &[u8], want: &str) -> String {
    let told = match site.deploy(manifest, wasm).await {
        Ok(()) => panic!("it is deployed: {want}"),
        Err(told) => told,
    };
    assert!(told.starts_with(want), "{told:?} is not {want:?}");
    let body = Some(r#"{"name": "ann", "count": 3}"#);
    let answer = site.ask(Who::Acme, "POST", "/things", body).await;
    assert_eq!(answer.status, 200, "after {want}: {answer:?}");
    told
}
