//! Golden tests of the configuration: the result of each good file, and the error for each bad one.
//!
//! The expected result of `config/good/x.toml` or `config/bad/x.toml` is `x.txt` beside it; run
//! with `UPDATE_EXPECT=1` to rewrite them, then review the difference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use server::config::Config;

#[test]
fn a_good_configuration_has_its_expected_result() {
    for (name, result) in parsed("good") {
        let config = result.unwrap_or_else(|message| panic!("{name}: {message}"));
        expect_file![place("good").join(name).with_extension("txt")].assert_eq(&config);
    }
}

#[test]
fn the_error_for_a_bad_configuration_names_the_key() {
    for (name, result) in parsed("bad") {
        let Err(message) = result else { panic!("{name} is taken") };
        expect_file![place("bad").join(name).with_extension("txt")].assert_eq(&message);
    }
}

#[test]
fn the_example_in_the_documentation_is_good() {
    let example = place("../../../docs/configuration.md");
    let Ok(text) = std::fs::read_to_string(&example) else { return };
    let mut blocks = 0;
    for block in text.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        // An excerpt with a single table is not a complete configuration.
        if block.contains("[[tenant]]") {
            Config::parse(&without_roots(block), &place("good")).unwrap();
            blocks += 1;
        }
    }
    assert!(blocks > 0, "{} contains no complete configuration", example.display());
}

/// The root certificates of an example exist on no disk.
fn without_roots(block: &str) -> String {
    block
        .lines()
        .filter(|line| !line.starts_with("extra-roots"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Every configuration of a directory, with its result or its error.
fn parsed(kind: &str) -> Vec<(String, Result<String, String>)> {
    let base = place(kind);
    let shown = |text: String| text.replace(base.to_str().unwrap(), "<here>") + "\n";
    let files: BTreeSet<PathBuf> =
        std::fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().path()).collect();
    let names = files.iter().filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let all: Vec<_> = names
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let result = Config::parse(&text, &base)
                .map(|config| shown(format!("{config:#?}")))
                .map_err(|fault| shown(fault.to_string()));
            (path.file_name().unwrap().to_str().unwrap().to_owned(), result)
        })
        .collect();
    assert!(!all.is_empty(), "no files in {}", base.display());
    all
}

fn place(kind: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/binary/config").join(kind);
    here.canonicalize().unwrap_or(here)
}
