//! Tests of type errors at deployment: exports of another type than the host calls, and invalid
//! descriptions of responses.

use crate::deploy::site::{FILTER, Site, Who};
use testkit::site::APPLICATION;

/// A component that exports a function of this name in this interface, without parameters, whose
/// result is a number.
fn exporting(interface: &str, function: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
        (core module $guest (func (export "one") (result i32) (i32.const 1)))
        (core instance $guest (instantiate $guest))
        (func $one (result u32) (canon lift (core func $guest "one")))
        (instance (export "{interface}") (export "{function}" (func $one))))"#
    ))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_another_type_is_refused_at_deployment() {
    let site = Site::start().await;
    for (manifest, interface, function) in [
        (APPLICATION, "wasi:http/incoming-handler@0.2.0", "handle"),
        (APPLICATION, "wasi:http/handler@0.3.0", "handle"),
        (APPLICATION, "postlet:mail/describe@0.1.0", "operations"),
        (FILTER, "postlet:mail/before-send@0.1.0", "judge"),
    ] {
        let told = site.deploy(manifest, &exporting(interface, function)).await.unwrap_err();
        let name = interface.split('@').next().unwrap();
        let want =
            format!("component own exports {name} in another shape than Postlet calls it in");
        assert!(told.contains("line 8: `component.own.source`: "), "{told}");
        assert!(told.contains(&want), "{told}");
    }
    // An export of another name is not called by the host.
    for (manifest, interface, function) in [
        (APPLICATION, "wasi:http/incoming-handler@0.2.0", "handel"),
        (FILTER, "postlet:mail/before-send@0.1.0", "jugde"),
    ] {
        let told = site.deploy(manifest, &exporting(interface, function)).await.unwrap_err();
        assert!(told.contains("does not export "), "{told}");
    }
    assert_eq!(site.get(Who::Acme, "/anything").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_description_of_responses_is_refused() {
    let site = Site::start().await;
    for (word, want) in [
        ("status", "POST /things: the answer 9999: a status has to be between 200 and 599"),
        ("interim", "POST /things: the answer 100: a status has to be"),
        ("type", "POST /things: the answer 200: `text\\nplain` is not a media type"),
        ("other", "POST /things: `csv` is not the media type of a body"),
    ] {
        let told = site.deploy(APPLICATION, &guests::describer(word)).await.unwrap_err();
        let place = "line 8: `component.own.source`: its description (`operations()`) is invalid: ";
        assert!(told.starts_with(&format!("{place}{want}")), "{told}");
    }
}
