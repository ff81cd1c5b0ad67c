//! Reachability rule: modules that a part of a crate must not import, directly or through its
//! imports.
//!
//! The order of modules (`order`) gives the direction of imports; this rule forbids some targets
//! altogether. It follows the paths in the code from file to file; the type of an argument is named
//! where it is used, and so is found. Tests may import anything.
//!
//! Invariant: a fault lists the whole chain of imports, so that it is clear which one to remove.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::fault::Fault;
use crate::import_order::{Named, paths};
use crate::source_files::Source;
use crate::source_scanner::{code_only, declarations, line_of, test_ranges};

/// A boundary inside a crate.
#[derive(Clone, Copy, Debug)]
pub struct Boundary {
    /// The directory of the crate's `lib.rs`.
    pub root: &'static str,
    /// Modules of the crate that must not reach the forbidden paths.
    pub from: &'static [&'static str],
    /// The forbidden paths; those that begin with `crate::` are in the same crate.
    pub never: &'static [&'static str],
    pub reason: &'static str,
}

/// Reading of messages must not reach sending.
pub const READING: Boundary = Boundary {
    root: "host/engine/src",
    from: &["messages", "imap_pool", "login"],
    never: &["crate::outbox", "crate::submit", "model::port::outbox", "model::port::filter"],
    reason: "reading knows neither the outbox nor the filters",
};

/// A path in the code of a file.
#[derive(Debug)]
struct Import {
    line: usize,
    /// As written, with the crate's name in front.
    path: String,
}

/// Checks one boundary; `files` may contain other crates, too.
#[must_use]
pub fn check(boundary: &Boundary, files: &[Source]) -> Vec<Fault> {
    let crate_files: BTreeMap<&str, Vec<Import>> = files
        .iter()
        .filter_map(|file| {
            let inner = file.path.strip_prefix(boundary.root)?.strip_prefix('/')?;
            Some((inner.strip_suffix(".rs")?, imports(inner, &file.text)))
        })
        .collect();
    let mut faults = Vec::new();
    for from in boundary.from {
        let starts: Vec<&str> =
            crate_files.keys().copied().filter(|file| belongs(file, from)).collect();
        if starts.is_empty() {
            let advice =
                format!("`{from}` is not a module any more: name here what took its place");
            faults.push(Fault::new(&format!("{}/lib.rs", boundary.root), 1, advice));
        }
        for start in starts {
            faults.extend(judge(boundary, &crate_files, start));
        }
    }
    faults
}

/// The shortest chain of imports from this file to each forbidden path.
fn judge(boundary: &Boundary, files: &BTreeMap<&str, Vec<Import>>, start: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut seen = vec![start];
    // The file, the chain to it, and the line of the first import in that chain.
    let mut waiting = VecDeque::from([(start, vec![start.to_owned()], None)]);
    while let Some((file, way, first)) = waiting.pop_front() {
        for import in files.get(file).into_iter().flatten() {
            let line = first.unwrap_or(import.line);
            let forbidden = boundary.never.iter().find(|never| within(&import.path, never));
            if let Some(never) = forbidden {
                let advice = format!(
                    "reaches `{never}` ({} -> {}): {}",
                    way.join(" -> "),
                    import.path,
                    boundary.reason
                );
                faults.push(Fault::new(&format!("{}/{start}.rs", boundary.root), line, advice));
            } else if let Some(next) = file_of(files, &import.path)
                && !seen.contains(&next)
            {
                seen.push(next);
                let mut way = way.clone();
                way.push(next.to_owned());
                waiting.push_back((next, way, Some(line)));
            }
        }
    }
    faults
}

/// All paths in the code of one file, without its tests.
fn imports(inner: &str, text: &str) -> Vec<Import> {
    let code = code_only(text);
    let tests = test_ranges(&code);
    let mut found = Vec::new();
    for start in ["crate::", "model::"] {
        add(&mut found, &code, &tests, start, start.trim_end_matches(':'));
    }
    // A module that the file declares can be named without `crate::`.
    let own = inner.trim_end_matches(".rs").trim_end_matches("/mod");
    let here = match own {
        "lib" | "main" => "crate".to_owned(),
        own => format!("crate::{}", own.replace('/', "::")),
    };
    for (child, _) in declarations(&code) {
        add(&mut found, &code, &tests, &format!("{child}::"), &format!("{here}::{child}"));
    }
    found
}

fn add(found: &mut Vec<Import>, code: &str, tests: &[Range<usize>], start: &str, place: &str) {
    for named in paths(code, start) {
        if tests.iter().any(|range| range.contains(&named.offset)) {
            continue;
        }
        let line = line_of(code, named.offset);
        let stem = [&[place][..], &named.segments].concat().join("::");
        for path in spread(&stem, &named) {
            found.push(Import { line, path });
        }
    }
}

/// A path with a group after it is one path for each name of the group.
fn spread(stem: &str, named: &Named<'_>) -> Vec<String> {
    let Some(group) = named.rest.strip_prefix("::{").and_then(|rest| rest.split(';').next()) else {
        return vec![stem.to_owned()];
    };
    group
        .split([',', '{', '}'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(|name| format!("{stem}::{name}"))
        .collect()
}

/// Whether a path is `place` or below it.
fn within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn belongs(file: &str, module: &str) -> bool {
    file.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The file that defines a path of the crate: the longest prefix that exists as a file.
fn file_of<'a>(files: &BTreeMap<&'a str, Vec<Import>>, path: &str) -> Option<&'a str> {
    let mut place = path.strip_prefix("crate::")?.replace("::", "/");
    loop {
        let found = [place.clone(), format!("{place}/mod")]
            .iter()
            .find_map(|name| files.get_key_value(name.as_str()).map(|(name, _)| *name));
        if found.is_some() {
            return found;
        }
        place.truncate(place.rfind('/')?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDARY: Boundary = Boundary {
        root: "x/src",
        from: &["messages"],
        never: &["crate::outbox", "model::port::outbox"],
        reason: "it reads",
    };

    #[test]
    fn imports_on_the_same_side_pass() {
        assert_eq!(judged("use crate::ports::Clock;\nuse model::port::clock::Clock;\n"), []);
        assert_eq!(
            judged("// crate::outbox is not ours.\nconst A: &str = \"crate::outbox\";\n"),
            []
        );
        assert_eq!(judged("use crate::outboxes::Other;\n"), []);
        assert_eq!(judged("#[cfg(test)]\nmod tests {\n    use crate::outbox::Outbox;\n}\n"), []);
    }

    #[test]
    fn an_import_across_the_boundary_is_a_fault() {
        found(
            "//! Reads.\nuse crate::outbox::Driver;\n",
            "x/src/messages/reader.rs:2: reaches `crate::outbox`",
        );
        found("fn f() { crate::outbox::send(); }\n", "reaches `crate::outbox`");
        found("use model::port::outbox::Outbox;\n", "reaches `model::port::outbox`");
        found("use model::port::{clock, outbox};\n", "reaches `model::port::outbox`");
    }

    #[test]
    fn an_indirect_import_is_a_fault_that_lists_the_chain() {
        found(
            "use crate::desk::Desk;\n",
            "(messages/reader -> desk/mod -> desk/drawer -> crate::outbox::Driver): it reads",
        );
    }

    #[test]
    fn a_boundary_of_a_missing_module_is_a_fault() {
        assert_eq!(check(&BOUNDARY, &[Source::new("x/src/lib.rs", "")]).len(), 1);
    }

    fn judged(text: &str) -> Vec<Fault> {
        check(
            &BOUNDARY,
            &[
                Source::new("x/src/lib.rs", "mod messages;\nmod outbox;\n"),
                Source::new("x/src/ports.rs", "pub struct Clock;\n"),
                Source::new("x/src/desk/mod.rs", "mod drawer;\npub use drawer::Desk;\n"),
                Source::new("x/src/desk/drawer.rs", "use crate::outbox::Driver;\n"),
                Source::new("x/src/messages/mod.rs", "mod reader;\n"),
                Source::new("x/src/messages/reader.rs", text),
                Source::new("x/src/outbox/mod.rs", "pub struct Driver;\n"),
            ],
        )
    }

    /// Checks the text as `messages/reader.rs`, below a parent that declares it.
    #[track_caller]
    fn found(text: &str, want: &str) {
        let faults: Vec<String> = judged(text).iter().map(Fault::to_string).collect();
        assert!(faults.iter().any(|fault| fault.contains(want)), "text {text:?}: {faults:?}");
    }
}
