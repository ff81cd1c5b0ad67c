//! File-shape rules: the size of a file, its opening comment, and the number of files beside a
//! crate's root.

use crate::fault::Fault;
use crate::source_files::Source;
use crate::source_scanner::{code_only, line_of, test_ranges};

/// Maximum number of lines of a file. Aim at 120 to 350.
pub const MOST_LINES: usize = 500;

/// Maximum size of the mailroom, which is a helper for `dev` and tests.
pub const MOST_MAILROOM_LINES: usize = 4_100;

/// Maximum number of files beside `lib.rs`: files that belong together get a folder.
pub const MOST_ROOT_FILES: usize = 15;

/// Guests are empty on every other target, and say so in their first lines.
const GUEST_GATE: &str = "#![cfg(target_family = \"wasm\")]";

/// Checks size and opening comment of one Rust file.
#[must_use]
pub fn check(file: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    let count = file.text.lines().count();
    if count > MOST_LINES {
        faults.push(Fault::new(
            &file.path,
            count,
            format!("has {count} lines, at most {MOST_LINES} are allowed: split it by subject"),
        ));
    }
    let mut lines = file.text.lines();
    let first = match lines.next() {
        Some(GUEST_GATE) => lines.next(),
        line => line,
    };
    if !first.is_some_and(|line| line.starts_with("//! ")) {
        faults.push(Fault::new(
            &file.path,
            1,
            "begin the file with `//! ` and say what it is, why it exists and what it refuses to know",
        ));
    }
    faults.extend(check_examples(file));
    faults
}

/// `.ci/run` runs no documentation tests: there are none, and asking each crate takes a minute.
fn check_examples(file: &Source) -> Vec<Fault> {
    let opens = |line: &str| {
        let text = line.trim_start();
        let text = text.strip_prefix("///").or_else(|| text.strip_prefix("//!"));
        text.is_some_and(|text| text.trim_start().starts_with("```"))
    };
    // Every second fence closes a block.
    let fences = file.text.lines().enumerate().filter(|(_, line)| opens(line)).step_by(2);
    fences
        .filter(|(_, line)| !line.trim_end().ends_with("```text"))
        .map(|(at, _)| {
            let advice =
                "an example in the documentation is not run: make it a test, or mark it as `text`";
            Fault::new(&file.path, at + 1, advice)
        })
        .collect()
}

/// Checks the number of files beside a crate's `lib.rs` or `main.rs`. `root` is their directory.
#[must_use]
pub fn check_root(root: &str, files: &[Source]) -> Vec<Fault> {
    let beside = |file: &&Source| {
        let inner = file.path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
        inner.is_some_and(|inner| !inner.contains('/'))
    };
    let count = files.iter().filter(beside).count();
    if count <= MOST_ROOT_FILES {
        return Vec::new();
    }
    vec![Fault::new(
        root,
        1,
        format!(
            "has {count} files, at most {MOST_ROOT_FILES} are allowed: put what belongs together into a folder"
        ),
    )]
}

/// Tests share code through a crate (`tests/testkit`): a file that `#[path]` includes is compiled
/// once for each binary, and is half dead code there. A build script cannot use that crate.
#[must_use]
pub fn check_includes(file: &Source) -> Vec<Fault> {
    let of_tests = ["tests/", "benches/"].iter().any(|start| file.path.starts_with(start));
    if !of_tests || file.path.ends_with("/build.rs") {
        return Vec::new();
    }
    let code = code_only(&file.text);
    code.match_indices("#[path")
        .map(|(offset, _)| {
            let advice = "no `#[path]` in tests: what several need belongs into tests/testkit";
            Fault::new(&file.path, line_of(&code, offset), advice)
        })
        .collect()
}

/// Checks the size of the mailroom, without its tests.
#[must_use]
pub fn check_mailroom(files: &[Source]) -> Vec<Fault> {
    let count: usize = files
        .iter()
        .filter(|file| file.path.starts_with("host/mailroom/src/"))
        .filter(|file| !file.path.contains("/tests"))
        .map(|file| file.text.lines().count() - test_lines(&file.text))
        .sum();
    if count <= MOST_MAILROOM_LINES {
        return Vec::new();
    }
    vec![Fault::new(
        "host/mailroom/src/lib.rs",
        1,
        format!(
            "the mailroom has {count} lines, at most {MOST_MAILROOM_LINES} are allowed: it serves `dev` and tests only"
        ),
    )]
}

fn test_lines(text: &str) -> usize {
    let code = code_only(text);
    let lines = |offset| line_of(&code, offset);
    test_ranges(&code).iter().map(|range| lines(range.end) - lines(range.start) + 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_an_opening_comment_passes() {
        judge("//! What it is.\nfn a() {}\n", 0);
        judge("#![cfg(target_family = \"wasm\")]\n//! A guest.\n", 0);
    }

    #[test]
    fn a_file_without_an_opening_comment_is_a_fault() {
        judge("", 1);
        judge("use std::fmt;\n//! Too late.\n", 1);
        judge("#![cfg(target_family = \"wasm\")]\nfn a() {}\n", 1);
        judge("#!/usr/bin/env run\n//! Not here.\n", 1);
    }

    #[test]
    fn a_documentation_test_is_a_fault() {
        judge("//! What it is.\n//!\n//! ```text\n//! a picture\n//! ```\n", 0);
        judge("//! What it is.\n//!\n//! ```\n//! assert!(true);\n//! ```\n", 1);
        judge(
            "//! What it is.\n/// ```text\n/// ```\n/// ```rust\n/// f();\n/// ```\nfn f() {}\n",
            1,
        );
    }

    #[test]
    fn a_file_with_one_line_too_many_is_a_fault() {
        let lines = |count: usize| format!("//! Long.\n{}", "\n".repeat(count - 1));
        judge(&lines(MOST_LINES), 0);
        judge(&lines(MOST_LINES + 1), 1);
    }

    #[test]
    fn a_mailroom_above_its_maximum_size_is_a_fault() {
        let file = |lines: usize| {
            let tests = "#[cfg(test)]\nmod tests {\n}";
            Source::new("host/mailroom/src/imap.rs", &format!("{}{tests}", "\n".repeat(lines)))
        };
        assert_eq!(check_mailroom(&[file(2_050), file(2_050)]), []);
        assert_eq!(check_mailroom(&[file(2_050), file(2_051)]).len(), 1);
    }

    #[test]
    fn the_sixteenth_file_beside_the_root_of_a_crate_is_a_fault() {
        let files = |count: usize| -> Vec<Source> {
            let beside = (1..count).map(|n| Source::new(&format!("x/src/m{n}.rs"), ""));
            let elsewhere = ["x/src/lib.rs", "x/src/folder/mod.rs", "x/srcs/other.rs"];
            beside.chain(elsewhere.map(|path| Source::new(path, ""))).collect()
        };
        assert_eq!(check_root("x/src", &files(15)), []);
        assert_eq!(check_root("x/src", &files(16)).len(), 1);
    }

    #[test]
    fn a_path_attribute_in_a_test_is_a_fault() {
        let include = |path: &str| {
            let text = "//! A test.\n// #[path = \"a.rs\"]\n#[path = \"../other/a.rs\"]\nmod a;\n";
            check_includes(&Source::new(path, text))
                .iter()
                .map(|fault| fault.line)
                .collect::<Vec<_>>()
        };
        assert_eq!(include("tests/api/main.rs"), [3]);
        assert_eq!(include("benches/other/main.rs"), [3]);
        assert_eq!(include("tests/guests/build.rs"), []);
        assert_eq!(include("components/build.rs"), []);
    }

    #[track_caller]
    fn judge(text: &str, want: usize) {
        assert_eq!(check(&Source::new("a.rs", text)).len(), want, "text {text:?}");
    }
}
