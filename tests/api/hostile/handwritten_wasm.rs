//! Handwritten WebAssembly: components that no compiler generates, for the limits of WebAssembly
//! itself.

use crate::deploy::site::Who;
use crate::hostile::fixture::{EVERYTHING, Ground};

/// An endpoint whose `handle` is this core code; `$host` is a host call that returns a list, so
/// that the host calls `cabi_realloc` inside it.
fn endpoint(fields: &str, handle: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
        (import "wasi:http/types@0.2.0" (instance $types
            (export "incoming-request" (type (sub resource)))
            (export "response-outparam" (type (sub resource)))))
        (import "wasi:random/random@0.2.0" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
        (alias export $types "incoming-request" (type $request))
        (alias export $types "response-outparam" (type $out))
        (core module $lent
            (memory (export "memory") 1)
            (table (export "table") 1 funcref)
            (type $realloc (func (param i32 i32 i32 i32) (result i32)))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                (call_indirect (type $realloc)
                    (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 0))))
        (core instance $lent (instantiate $lent))
        (alias core export $lent "memory" (core memory $memory))
        (alias core export $lent "realloc" (core func $realloc))
        (core func $host (canon lower (func $random "get-random-bytes")
            (memory $memory) (realloc (func $realloc))))
        (core module $guest
            (import "host" "call" (func $host (param i64 i32)))
            (import "lent" "table" (table $lent 1 funcref))
            {fields}
            (func $realloc (param i32 i32 i32 i32) (result i32)
                (call $host (i64.const 8) (i32.const 1024))
                (i32.const 2048))
            (elem (table $lent) (i32.const 0) func $realloc)
            (func (export "handle") (param i32 i32) {handle}))
        (core instance $guest (instantiate $guest
            (with "host" (instance (export "call" (func $host))))
            (with "lent" (instance $lent))))
        (func $handle (param "request" (own $request)) (param "response-out" (own $out))
            (canon lift (core func $guest "handle")))
        (instance (export "wasi:http/incoming-handler@0.2.0") (export "handle" (func $handle))))"#
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_stacks_are_limited() {
    let ground = Ground::empty("instances = 8").await;
    let grow = "(loop $more (br_if $more (i32.ne (i32.const -1)
        (table.grow $mine (ref.null func) (i32.const 1000))))) unreachable";
    for (fields, handle, want) in [
        ("(table $mine 1 funcref)", grow, "component-limit"),
        // Not a tail call: an instruction follows it.
        ("(func $deeper (call $deeper) (call $deeper))", "(call $deeper)", "component-failed"),
        // The host calls back to allocate memory, and the guest asks for more inside that call.
        ("", "(call $host (i64.const 8) (i32.const 1024))", "component-failed"),
    ] {
        ground.site.deploy(EVERYTHING, &endpoint(fields, handle)).await.unwrap();
        ground.beside(ground.check("/", want)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_memories_tables_and_instances_are_refused() {
    let ground = Ground::hostile("instances = 8").await;
    let instances = "(core instance (instantiate $one))".repeat(40);
    let instances = format!("(component (core module $one) {instances})");
    for (wasm, want) in [
        (endpoint(&"(memory 1)".repeat(5), ""), "defined memories count of 5"),
        (endpoint(&"(table 1 funcref)".repeat(20), ""), "defined tables count of 20"),
        (wat::parse_str(instances).unwrap(), "contains 40 core module instances"),
    ] {
        let told = ground.beside(ground.site.deploy(EVERYTHING, &wasm)).await.unwrap_err();
        let place = "line 8: `component.own.source`: component own cannot be compiled: ";
        assert!(told.starts_with(place) && told.contains(want), "{told}");
    }
    assert_eq!(ground.site.get(Who::Acme, "/env").await.status, 200);
}
