//! Golden tests of manifests: good and bad files, each with its parsed form or its error.
//!
//! A new case is a new file; `UPDATE_EXPECT=1 cargo test -p engine` writes the expectations.

use std::path::{Path, PathBuf};

use expect_test::expect_file;

use super::*;

const EVERYTHING: &str = include_str!("golden/good/everything.toml");

#[test]
fn good_manifests_are_read_whole() {
    for path in golden("good") {
        let text = std::fs::read_to_string(&path).unwrap();
        let manifest = parse(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        expect_file![path.with_extension("txt")].assert_eq(&format!("{manifest:#?}\n"));
    }
}

#[test]
fn bad_manifests_are_refused_with_the_place_and_with_advice() {
    let paths = golden("bad");
    assert!(paths.len() > 50, "{} files", paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let Err(fault) = parse(&text) else { panic!("{} is taken", path.display()) };
        assert!(!fault.advice.is_empty(), "{}", path.display());
        expect_file![path.with_extension("txt")].assert_eq(&format!("{fault}\n"));
    }
}

/// One tenant's manifest is read while the others wait.
#[test]
fn an_application_has_at_most_so_many_routes_filters_and_components() {
    let whole = |routes: usize, filters: usize, components: usize| {
        let mut text = "spin_manifest_version = 2\n[application]\nname = \"many\"\n".to_owned();
        for number in 0..routes {
            text += &format!("[[trigger.http]]\nroute = \"/r{number}\"\ncomponent = \"c0\"\n");
        }
        for number in 0..filters {
            let id = number % components;
            text += &format!("[[trigger.mail]]\ncomponent = \"c{id}\"\nhook = \"before-send\"\n");
        }
        for number in 0..components {
            text += &format!("[component.c{number}]\nsource = \"own.wasm\"\n");
        }
        parse(&text).map_err(|fault| fault.to_string())
    };
    assert_eq!(whole(1000, 1000, 100).unwrap().routes.len(), 1000);
    for (routes, filters, components, want) in [
        (
            1001,
            100,
            100,
            "line 4: `trigger.http`: there are 1001 of these; an application has at most 1000",
        ),
        (
            1,
            1001,
            100,
            "line 7: `trigger.mail`: there are 1001 of these; an application has at most 1000",
        ),
        (
            1,
            101,
            101,
            "line 310: `component`: there are 101 of these; an application has at most 100",
        ),
    ] {
        assert_eq!(whole(routes, filters, components).unwrap_err(), want);
    }
}

#[test]
fn variables_are_filled_in_where_they_are_named() {
    let manifest = parse(EVERYTHING).unwrap();
    let given = BTreeMap::from([("api_key".to_owned(), "s3".to_owned())]);
    let environments = manifest.environments(&given).unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        environments["orders"],
        [pair("GREETING", "Hello, world"), pair("PLAIN", "as it is"), pair("API_KEY", "key:s3")]
    );
    assert!(environments["inner"].is_empty());
}

#[test]
fn a_required_variable_needs_a_value_and_a_value_needs_a_variable() {
    check(&[], "line 17: `variables.api_key`: it is required, and no value was given for it");
    check(
        &["api_key", "apikey"],
        "line 1: `variables.apikey`: a value was given, but the manifest declares no such variable",
    );
}

#[track_caller]
fn check(given: &[&str], want: &str) {
    let given = given.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
    let fault = parse(EVERYTHING).unwrap().environments(&given).unwrap_err();
    assert_eq!(fault.to_string(), want);
}

fn golden(kind: &str) -> Vec<PathBuf> {
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app/manifest/golden").join(kind);
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}
