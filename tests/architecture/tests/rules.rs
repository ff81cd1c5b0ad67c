//! Every architecture rule over the whole tree. A failure lists file, line and correction.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the tree has failed")]

use std::path::Path;
use std::process::Command;

use architecture::crate_dependencies::Metadata;
use architecture::fault::{Fault, listed};
use architecture::source_files::{Source, root, rust_files, texts};
use architecture::{
    crate_dependencies, dependency_reasons, file_shape, forbidden_imports, import_order,
    machine_paths, problem_codes,
};
use model::problem::Code;

#[test]
fn every_file_is_short_and_has_an_opening_comment() {
    let files = rust_files(&root()).unwrap();
    assert!(files.len() > 10, "found only {} files: the walk is broken", files.len());
    hold(&files.iter().flat_map(file_shape::check).collect::<Vec<_>>());
}

#[test]
fn the_mailroom_stays_small() {
    hold(&file_shape::check_mailroom(&rust_files(&root()).unwrap()));
}

#[test]
fn the_root_of_a_crate_has_few_files() {
    let files = rust_files(&root()).unwrap();
    let roots = import_order::crate_roots(&files);
    hold(&roots.iter().flat_map(|root| file_shape::check_root(root, &files)).collect::<Vec<_>>());
}

#[test]
fn tests_include_no_files_by_path() {
    let files = rust_files(&root()).unwrap();
    hold(&files.iter().flat_map(file_shape::check_includes).collect::<Vec<_>>());
}

#[test]
fn reading_reaches_neither_the_outbox_nor_the_filters() {
    hold(&forbidden_imports::check(&forbidden_imports::READING, &rust_files(&root()).unwrap()));
}

#[test]
fn imports_point_up_the_reading_order() {
    let files = rust_files(&root()).unwrap();
    let roots = import_order::crate_roots(&files);
    assert!(roots.len() > 10, "found only the crates {roots:?}: the walk is broken");
    hold(&roots.iter().flat_map(|root| import_order::check(root, &files)).collect::<Vec<_>>());
}

#[test]
fn crates_depend_only_on_what_they_may() {
    let root = root().canonicalize().unwrap();
    let metadata = metadata(&root);
    assert!(metadata.packages.len() > 10, "cargo metadata names too few packages");
    let judge = |package: &crate_dependencies::Package| {
        let path = Path::new(&package.manifest_path);
        let text = std::fs::read_to_string(path).unwrap();
        let place = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        crate_dependencies::check(package, &place, &text)
    };
    hold(&metadata.packages.iter().flat_map(judge).collect::<Vec<_>>());
}

#[test]
fn every_dependency_has_a_reason() {
    let manifests = manifests();
    let judge = |file: &Source| match file.path.as_str() {
        "Cargo.toml" => dependency_reasons::check_root(&file.path, &file.text),
        _ => dependency_reasons::check_member(&file.path, &file.text),
    };
    hold(&manifests.iter().flat_map(judge).collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let files = texts(&root(), "").unwrap();
    hold(&files.iter().flat_map(machine_paths::check).collect::<Vec<_>>());
}

#[test]
fn every_problem_code_is_documented() {
    let page = "docs/problems.md";
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let table: Vec<problem_codes::Row> =
        Code::ALL.iter().map(|code| (code.as_str(), code.status())).collect();
    hold(&problem_codes::check(&table, page, &text));
}

fn manifests() -> Vec<Source> {
    let mut files = texts(&root(), "").unwrap();
    files.retain(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"));
    assert!(files.len() > 10, "found only {} manifests: the walk is broken", files.len());
    files
}

/// Direct dependencies only: no lock file is written and no network is used.
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
