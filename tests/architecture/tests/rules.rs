//! Every house rule over the whole tree. A failure lists file, line and what to do.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the tree has failed")]

use std::path::Path;
use std::process::Command;

use architecture::fault::{Fault, listed};
use architecture::tree::{Source, root, rust_files, texts};
use architecture::walls::Metadata;
use architecture::{codes, order, places, reach, reasons, shape, walls};
use model::problem::Code;

#[test]
fn every_file_is_short_and_says_what_it_is() {
    let files = rust_files(&root()).unwrap();
    assert!(files.len() > 10, "found only {} files: the walk is broken", files.len());
    hold(&files.iter().flat_map(shape::check).collect::<Vec<_>>());
}

#[test]
fn the_mailroom_stays_small() {
    hold(&shape::check_mailroom(&rust_files(&root()).unwrap()));
}

#[test]
fn the_root_of_a_crate_has_few_files() {
    let files = rust_files(&root()).unwrap();
    let roots = order::crate_roots(&files);
    hold(&roots.iter().flat_map(|root| shape::check_root(root, &files)).collect::<Vec<_>>());
}

#[test]
fn tests_share_crates_and_not_files() {
    let files = rust_files(&root()).unwrap();
    hold(&files.iter().flat_map(shape::check_includes).collect::<Vec<_>>());
}

#[test]
fn reading_reaches_neither_the_outbox_nor_the_filters() {
    hold(&reach::check(&reach::READING, &rust_files(&root()).unwrap()));
}

#[test]
fn imports_point_up_the_reading_order() {
    let files = rust_files(&root()).unwrap();
    let roots = order::crate_roots(&files);
    assert!(roots.len() > 10, "found only the crates {roots:?}: the walk is broken");
    hold(&roots.iter().flat_map(|root| order::check(root, &files)).collect::<Vec<_>>());
}

#[test]
fn crates_stay_behind_their_walls() {
    let root = root().canonicalize().unwrap();
    let metadata = metadata(&root);
    assert!(metadata.packages.len() > 10, "cargo metadata names too few packages");
    let judge = |package: &walls::Package| {
        let path = Path::new(&package.manifest_path);
        let text = std::fs::read_to_string(path).unwrap();
        let place = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        walls::check(package, &place, &text)
    };
    hold(&metadata.packages.iter().flat_map(judge).collect::<Vec<_>>());
}

#[test]
fn every_dependency_says_why_it_is_here() {
    let manifests = manifests();
    let judge = |file: &Source| match file.path.as_str() {
        "Cargo.toml" => reasons::check_root(&file.path, &file.text),
        _ => reasons::check_member(&file.path, &file.text),
    };
    hold(&manifests.iter().flat_map(judge).collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    let files = texts(&root(), "").unwrap();
    hold(&files.iter().flat_map(places::check).collect::<Vec<_>>());
}

#[test]
fn every_problem_code_is_explained() {
    let page = "docs/problems.md";
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let table: Vec<codes::Row> =
        Code::ALL.iter().map(|code| (code.as_str(), code.status())).collect();
    hold(&codes::check(&table, page, &text));
}

fn manifests() -> Vec<Source> {
    let mut files = texts(&root(), "").unwrap();
    files.retain(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"));
    assert!(files.len() > 10, "found only {} manifests: the walk is broken", files.len());
    files
}

/// Direct dependencies only: no lock file is written and no network is asked.
fn metadata(root: &Path) -> Metadata {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn hold(faults: &[Fault]) {
    assert!(faults.is_empty(), "{} broken:{}\n", faults.len(), listed(faults));
}
