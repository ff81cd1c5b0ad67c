//! Tests of `describe`: what components declare, and how a failing declaration is handled.

use std::sync::Arc;

use fakes::spool::InMemory;
use runtime::error::RuntimeError;
use runtime::limits::Limits;

use crate::support::{OneAccount, runtime};

#[tokio::test]
async fn every_embedded_endpoint_describes_itself_without_any_capability() {
    let runtime = runtime();
    for embedded in components::COMPONENTS {
        let component = runtime.component(embedded.source, embedded.wasm).unwrap();
        let operations = runtime.describe(&component).await.unwrap().expect("it exports describe");
        assert!(!operations.is_empty(), "{}", embedded.source);
        for operation in &operations {
            assert!(operation.path.starts_with("/v1/"), "{operation:?}");
            assert!(["read", "change", "send"].contains(&&*operation.scope), "{operation:?}");
        }
        runtime.endpoint(&component, Arc::new(OneAccount::default()), Limits::default()).unwrap();
    }
    assert_eq!(runtime.counters().live, 0);
}

#[tokio::test]
async fn a_component_without_describe_is_served() {
    let runtime = runtime();
    let echo = runtime.component("echo", guests::ECHO).unwrap();
    assert_eq!(runtime.describe(&echo).await.unwrap(), None);
}

#[tokio::test]
async fn a_file_that_is_not_a_component_is_refused_by_name() {
    let runtime = runtime();
    for wasm in [&b""[..], b"\0asm\x01\0\0\0", b"(component)"] {
        let refused = runtime.component("odd", wasm);
        assert!(matches!(refused, Err(RuntimeError::Wrong { .. })), "{refused:?}");
    }
    let refused = runtime.component("odd", &guests::ECHO[..1000]);
    assert!(matches!(refused, Err(RuntimeError::Compile { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_component_of_the_wrong_kind_is_refused() {
    let runtime = runtime();
    let echo = runtime.component("echo", guests::ECHO).unwrap();
    let mime = runtime.component("mime", components::MIME).unwrap();
    assert!(runtime.mime(&echo, Arc::new(InMemory)).is_err());
    let refused = runtime.endpoint(&mime, Arc::new(OneAccount::default()), Limits::default());
    assert!(matches!(refused, Err(RuntimeError::NotExported { .. })), "{refused:?}");
}
