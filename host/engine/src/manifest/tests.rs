//! Good and bad manifests.

use super::*;

const GOOD: &str = r#"spin_manifest_version = 2

[application]
name = "postlet"
version = "0.1.0"
authors = ["somebody"]

[[trigger.http]]
route = "/v1/accounts/:account/messages/..."
component = "messages"

[[trigger.http]]
route = "/robots.txt"
static_response = { status_code = 404, headers = { x-a = "b" }, body = "no" }

[component.messages]
source = "messages.wasm"
[component.messages.build]
command = "cargo build"
watch = ["src/**/*.rs"]
[component.messages.tool.postlet]
memory-mib = 32
[component.messages.tool.other]
anything = true
"#;

#[test]
fn a_manifest_is_read_whole() {
    let manifest = parse(GOOD).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_deref()), ("postlet", Some("0.1.0")));
    assert_eq!(manifest.authors, ["somebody"]);
    assert_eq!(manifest.routes[0].target, Target::Component("messages".to_owned()));
    assert_eq!(manifest.routes[0].line, 9);
    let Target::Static(answer) = &manifest.routes[1].target else { panic!("no static answer") };
    assert_eq!((answer.status, answer.body.as_str()), (404, "no"));
    assert_eq!(answer.headers, [("x-a".to_owned(), "b".to_owned())]);
    let component = &manifest.components["messages"];
    assert_eq!(component.source, "messages.wasm");
    assert_eq!(component.build.as_ref().unwrap().command, ["cargo build"]);
    assert_eq!(component.limits.memory_mib, NonZeroU32::new(32));
}

#[test]
fn a_fault_names_key_and_line() {
    check("spin_manifest_version = 2", "spin_manifest_version = \"1\"", "spin_manifest_version", 1);
    check("spin_manifest_version = 2", "", "spin_manifest_version", 1);
    check("name = \"postlet\"", "", "application.name", 3);
    check("name = \"postlet\"", "name = 7", "application.name", 4);
    check("version = \"0.1.0\"", "targets = []", "application.targets", 5);
    check("route = \"/robots.txt\"", "route = \"robots\"", "trigger.http.route", 13);
    check("/robots.txt", "/v1/accounts/:x/messages/...", "trigger.http.route", 13);
    check("component = \"messages\"", "component = \"other\"", "trigger.http.component", 9);
    check("component = \"messages\"", "executor = 1", "trigger.http.component", 8);
    check("status_code = 404", "status_code = 99", "trigger.http.static_response.status_code", 14);
    check("source = \"messages.wasm\"", "", "component.messages.source", 16);
    check("watch = [", "files = [", "component.messages.build.files", 20);
    check("memory-mib = 32", "memory-mib = 0", "component.messages.tool.postlet.memory-mib", 22);
    check("memory-mib = 32", "speed = 1", "component.messages.tool.postlet.speed", 22);
    check(
        "source = ",
        "allowed_outbound_hosts = []\nsource = ",
        "component.messages.allowed_outbound_hosts",
        17,
    );
    check(
        "[component.messages]",
        "[component.idle]\nsource = \"x\"\n[component.messages]",
        "component.idle",
        16,
    );
    check(
        "[component.messages]",
        "[component.Big]\nsource = \"x\"\n[component.messages]",
        "component.Big",
        16,
    );
    check("[application]", "[application", "", 3);
}

#[track_caller]
fn check(from: &str, to: &str, key: &str, line: usize) {
    assert!(GOOD.contains(from), "{from:?} is not in the good one");
    let fault = parse(&GOOD.replacen(from, to, 1)).expect_err(to);
    assert_eq!((fault.key.as_str(), fault.line), (key, line), "{fault}");
    assert!(!fault.advice.is_empty());
}
