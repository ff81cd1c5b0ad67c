//! Tests of common wrong files: each is refused with its place and an instruction.

use crate::deploy::site::{FILTER, Site, Who};
use testkit::site::APPLICATION;

/// A component that imports one instance and exports another, both with a function `f`.
fn between(import: &str, export: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
        (import "{import}" (instance (export "f" (func))))
        (core module $guest (func (export "f")))
        (core instance $guest (instantiate $guest))
        (func $f (canon lift (core func $guest "f")))
        (instance (export "{export}") (export "f" (func $f))))"#
    ))
    .unwrap()
}

fn importing(import: &str) -> Vec<u8> {
    between(import, "acme:own/thing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_for_a_common_wrong_file_says_what_to_do() {
    let site = Site::start().await;
    let other = "and this host's contract is postlet:mail@0.1.0: take `wit/` from /-/wit.tar";
    for (wasm, want) in [
        (Vec::new(), "the file is empty"),
        (
            b"\0asm\x01\0\0\0".to_vec(),
            "it is a core module, not a component: build it for wasm32-wasip2, or make a component of it",
        ),
        (b"(component)".to_vec(), "it is WebAssembly's text format"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "it is packed by gzip"),
        (b"\x7fELF\x02\x01\x01\0".to_vec(), "it is an ELF file"),
        (b"<!doctype html>".to_vec(), "it is no WebAssembly"),
        (
            importing("wasi:http/types@0.3.0-rc-2026-03-15"),
            "it imports `wasi:http/types@0.3.0-rc-2026-03-15`, a release candidate of WASI",
        ),
        (
            between("wasi:io/error@0.2.0", "wasi:http/handler@0.3.0-rc-2026-03-15"),
            "it exports `wasi:http/handler@0.3.0-rc-2026-03-15`, a release candidate",
        ),
        (
            importing("fermyon:spin/key-value@2.0.0"),
            "it imports `fermyon:spin/key-value@2.0.0`, a service of Spin's that there is not here: leave it out",
        ),
        (
            importing("spin:variables/variables@3.0.0"),
            "it imports `spin:variables/variables@3.0.0`, a service of Spin's that there is not here: read the environment",
        ),
        (
            importing("postlet:mail/accounts@0.2.0"),
            &format!("it imports `postlet:mail/accounts@0.2.0`, {other}"),
        ),
        (
            between("wasi:io/error@0.2.0", "postlet:mail/describe@2.0.0"),
            &format!("it exports `postlet:mail/describe@2.0.0`, {other}"),
        ),
    ] {
        let told = site.deploy(APPLICATION, &wasm).await.unwrap_err();
        let place = "line 8: `component.own.source`: component own cannot be run: ";
        assert!(told.starts_with(&format!("{place}{want}")), "{told}");
        assert!(told.len() < 500, "{told}");
    }
    assert_eq!(site.get(Who::Acme, "/anything").await.status, 404);
}

/// An import of an interface that the host has without that function, or with another type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_the_host_does_not_have_is_named_with_advice() {
    let site = Site::start().await;
    let mistyped = r#"(component (import "postlet:mail/accounts@0.1.0" (instance
        (export "open" (func (param "id" u32))))))"#;
    let method = r#"(component (import "postlet:mail/reading@0.1.0" (instance
        (export "message" (type $message (sub resource)))
        (export "[method]message.verdict" (func (param "self" (borrow $message)))))))"#;
    let has = "this host's contract postlet:mail@0.1.0";
    let advice = "take `wit/` from /-/wit.tar of the host, and build it again";
    for (wasm, wants) in [
        (
            importing("postlet:mail/accounts@0.1.0"),
            ["it imports `f` of `postlet:mail/accounts@0.1.0`, which ", has, advice],
        ),
        (
            importing("postlet:mail/calendars@0.1.0"),
            ["it imports `f` of `postlet:mail/calendars@0.1.0`, which ", has, advice],
        ),
        (
            wat::parse_str(method).unwrap(),
            ["it imports `message.verdict` of `postlet:mail/reading@0.1.0`, which ", has, advice],
        ),
        (
            wat::parse_str(mistyped).unwrap(),
            ["it imports `open` of `postlet:mail/accounts@0.1.0` with another type", has, advice],
        ),
        (
            importing("wasi:keyvalue/store@0.2.0"),
            [
                "it imports `f` of `wasi:keyvalue/store@0.2.0`, which this host does not have",
                "it has postlet:mail@0.1.0",
                "HTTP",
            ],
        ),
    ] {
        for manifest in [APPLICATION, FILTER] {
            let told = site.deploy(manifest, &wasm).await.unwrap_err();
            let place = "line 8: `component.own.source`: component own cannot be run: ";
            assert!(told.starts_with(&format!("{place}{}", wants[0])), "{told}");
            assert!(wants.iter().all(|want| told.contains(want)), "{told}");
            assert!(!told.contains("linker") && told.len() < 600, "{told}");
        }
    }
    assert_eq!(site.get(Who::Acme, "/anything").await.status, 404);
}

/// A component with one export and no imports.
fn exporting(export: Option<&str>) -> Vec<u8> {
    let export =
        export.map(|name| format!(r#"(instance (export "{name}") (export "f" (func $f)))"#));
    wat::parse_str(format!(
        r#"(component
        (core module $guest (func (export "f")))
        (core instance $guest (instantiate $guest))
        (func $f (canon lift (core func $guest "f")))
        {})"#,
        export.unwrap_or_default()
    ))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_for_a_component_in_the_wrong_place_names_the_right_one() {
    let site = Site::start().await;
    for (manifest, wasm, want) in [
        (
            FILTER,
            guests::ECHO.to_vec(),
            "component own does not export postlet:mail/before-send: it is an endpoint: give it a route",
        ),
        (
            FILTER,
            guests::HOSTILE.to_vec(),
            "component own cannot be run: it imports `postlet:mail/accounts@0.1.0`, which a filter may not",
        ),
        (
            FILTER,
            guests::PLAIN.to_vec(),
            "component own does not export postlet:mail/before-send: it is an endpoint: give it a route",
        ),
        (FILTER, guests::ASYNC.to_vec(), "component own cannot be run: it imports `wasi:"),
        (
            APPLICATION,
            components::FILTER_FOOTER.to_vec(),
            "component own does not export wasi:http/incoming-handler (or handler, of WASI 0.3): it is a filter: bind it",
        ),
        (
            APPLICATION,
            exporting(Some("wasi:cli/run@0.2.0")),
            "component own does not export wasi:http/incoming-handler (or handler, of WASI 0.3): it is a command",
        ),
        (
            APPLICATION,
            exporting(None),
            "component own does not export wasi:http/incoming-handler (or handler, of WASI 0.3): it exports nothing at all",
        ),
    ] {
        let told = site.deploy(manifest, &wasm).await.unwrap_err();
        let place = "line 8: `component.own.source`: ";
        assert!(told.starts_with(&format!("{place}{want}")), "{told}");
    }
    let told = site.deploy(FILTER, guests::HOSTILE).await.unwrap_err();
    assert!(told.contains("a filter reads the one message that it is lent"), "{told}");
    assert_eq!(site.get(Who::Acme, "/anything").await.status, 404);
}
