//! Tests of the runner: the component's result becomes the status of the process, and its imports
//! are defined.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

use std::process::{Command, Output};

#[test]
fn the_components_result_is_the_exit_status() {
    assert_eq!(status("i32.const 0"), Some(0));
    assert_eq!(status("i32.const 1"), Some(1));
}

#[test]
fn a_trap_is_a_failure_with_its_cause() {
    fails(&run("unreachable"), "unreachable");
}

#[test]
fn a_function_of_the_host_is_defined_and_traps() {
    fails(&run("call $send\ni32.const 0"), "postlet:mail/outbox");
}

#[test]
fn a_file_that_is_not_a_component_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_wasi-runner")).arg("none.wasm").output().unwrap();
    fails(&output, "none.wasm");
}

#[track_caller]
fn fails(output: &Output, want: &str) {
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(want), "{told}");
}

fn status(body: &str) -> Option<i32> {
    run(body).status.code()
}

/// A command whose `run` is `body`; it may call `$send`, which no host of these tests provides.
fn run(body: &str) -> Output {
    let text = format!(
        r#"(component
            (import "postlet:mail/outbox" (instance $outbox (export "send" (func))))
            (alias export $outbox "send" (func $send))
            (core func $lowered (canon lower (func $send)))
            (core module $module
                (import "outbox" "send" (func $send))
                (func (export "run") (result i32) {body}))
            (core instance $instance (instantiate $module
                (with "outbox" (instance (export "send" (func $lowered))))))
            (func $run (result (result)) (canon lift (core func $instance "run")))
            (instance $command (export "run" (func $run)))
            (export "wasi:cli/run@0.2.12" (instance $command)))"#
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("command.wasm");
    std::fs::write(&file, wat::parse_str(&text).expect("the text is a component")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_wasi-runner")).arg(&file).output().unwrap()
}
