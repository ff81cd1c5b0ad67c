//! Import order: `mod` lines are in reading order, and a module imports only from modules above it.
//! So there are no cycles, and a crate can be read from top to bottom.
//!
//! The same holds for the children of a directory module. Tests may import anything, since nothing
//! depends on them. Paths are followed as written; the expansion of macros is not seen.
//!
//! Invariant: a path that cannot be resolved is a fault, and is never skipped.

use std::collections::HashMap;
use std::ops::Range;

use crate::fault::Fault;
use crate::source_files::Source;
use crate::source_scanner::{
    code_only, declarations, inline_modules, is_word, line_of, test_ranges,
};

/// A module path from the crate's root; empty for the root itself.
type ModulePath = Vec<String>;

/// The `mod` lines of every parent, each in reading order.
type Children = HashMap<ModulePath, Vec<Declared>>;

#[derive(Debug)]
struct Declared {
    name: String,
    for_tests: bool,
}

/// Checks one crate. `root` is the directory of its `lib.rs` or `main.rs`, relative to the project;
/// `files` may contain other crates, too.
#[must_use]
pub fn check(root: &str, files: &[Source]) -> Vec<Fault> {
    let parsed: Vec<Parsed<'_>> = files.iter().filter_map(|file| Parsed::of(root, file)).collect();
    let mut children = Children::new();
    for file in &parsed {
        let names = declarations(&file.code)
            .into_iter()
            .map(|(name, offset)| Declared { name, for_tests: inside(&file.tests, offset) });
        children.entry(file.module.clone()).or_default().extend(names);
    }
    parsed.iter().flat_map(|file| file.faults(&children)).collect()
}

/// The root directories of all crates.
#[must_use]
pub fn crate_roots(files: &[Source]) -> Vec<String> {
    let mut roots: Vec<String> = files
        .iter()
        .filter_map(|file| {
            file.path.strip_suffix("/lib.rs").or_else(|| file.path.strip_suffix("/main.rs"))
        })
        .filter(|root| root.ends_with("/src"))
        .map(str::to_owned)
        .collect();
    roots.dedup();
    roots
}

/// One file of the crate, scanned.
struct Parsed<'a> {
    path: &'a str,
    module: ModulePath,
    code: String,
    tests: Vec<Range<usize>>,
}

/// A path in the code.
pub(crate) struct Named<'a> {
    pub(crate) offset: usize,
    pub(crate) segments: Vec<&'a str>,
    /// The text after the last segment.
    pub(crate) rest: &'a str,
}

impl<'a> Parsed<'a> {
    fn of(root: &str, file: &'a Source) -> Option<Self> {
        let inner = file.path.strip_prefix(root)?.strip_prefix('/')?.strip_suffix(".rs")?;
        let mut module: ModulePath = inner.split('/').map(str::to_owned).collect();
        if module.first().is_some_and(|first| first == "bin") {
            return None;
        }
        if module.last().is_some_and(|last| last == "mod")
            || (module.len() == 1 && matches!(inner, "lib" | "main"))
        {
            module.pop();
        }
        let code = code_only(&file.text);
        let tests = test_ranges(&code);
        Some(Self { path: &file.path, module, code, tests })
    }

    fn faults(&self, children: &Children) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut tests_only = false;
        for (depth, own) in self.module.iter().enumerate() {
            let parent = self.module.get(..depth).unwrap_or_default();
            match children.get(parent).and_then(|all| all.iter().find(|one| one.name == *own)) {
                Some(declared) => tests_only |= declared.for_tests,
                None => {
                    faults.push(Fault::new(
                        self.path,
                        1,
                        "no `mod` line declares this file: declare it or delete it",
                    ));
                    return faults;
                }
            }
        }
        faults.extend(self.globs());
        if !tests_only {
            faults.extend(self.import_lines());
        }
        faults.extend(self.supers(tests_only));
        for named in paths(&self.code, "crate::") {
            let relaxed = tests_only || inside(&self.tests, named.offset);
            if let Some(advice) = self.misplaced(&named, children, relaxed) {
                faults.push(self.at(named.offset, advice));
            }
        }
        faults
    }

    /// Resolves a `crate::` path from the root, relative to this file's own path.
    fn misplaced(&self, named: &Named<'_>, children: &Children, relaxed: bool) -> Option<String> {
        if named.segments.is_empty() {
            return Some(
                "write one `use crate::module::…;` line for each module, no `crate::{…}` and no `crate::*`".to_owned(),
            );
        }
        for (depth, own) in self.module.iter().enumerate() {
            let siblings = children.get(self.module.get(..depth)?)?;
            let place = |name: &str| siblings.iter().position(|one| one.name == name);
            let segment = named.segments.get(depth).copied()?;
            match (place(segment), place(own)) {
                (None, _) if depth == 0 && !named.rest.starts_with('!') => {
                    return Some(format!(
                        "`crate::{segment}` is not a module: import it from the module that defines it"
                    ));
                }
                (Some(theirs), Some(ours)) if theirs > ours && !relaxed => {
                    return Some(format!(
                        "`{own}` uses `{segment}`, which stands below it: move the `mod` line up, or what is shared into a module above both"
                    ));
                }
                (Some(theirs), Some(ours)) if theirs == ours => {}
                _ => return None,
            }
        }
        None
    }

    /// One `use` line for each module, so that the layers are visible.
    fn import_lines(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut seen = Vec::new();
        for named in paths(&self.code, "crate::") {
            let start = self.code.get(..named.offset).and_then(|text| text.rfind('\n'));
            let before = self.code.get(start.map_or(0, |at| at + 1)..named.offset);
            let Some(verb) = before.filter(|verb| verb.ends_with("use ")) else { continue };
            if named.segments.is_empty() || inside(&self.tests, named.offset) {
                continue;
            }
            let mut module = named.segments.clone();
            if let Some(group) = named.rest.strip_prefix("::{") {
                if group.split('}').next().is_some_and(|names| names.contains("::")) {
                    faults.push(self.at(
                        named.offset,
                        "names two modules in one import: write one line for each module",
                    ));
                }
            } else if module.len() > 1 {
                module.pop();
            } else {
                continue;
            }
            if seen.contains(&(verb, module.clone())) {
                faults.push(self.at(
                    named.offset,
                    format!("a second import from `{}`: join the two lines", module.join("::")),
                ));
            }
            seen.push((verb, module));
        }
        faults
    }

    /// `super::` hides which layer is meant. Tests and inline modules may use it: there it means
    /// this file.
    fn supers(&self, tests_only: bool) -> Vec<Fault> {
        let inline = inline_modules(&self.code);
        paths(&self.code, "super::")
            .into_iter()
            .filter(|named| !tests_only && !inside(&self.tests, named.offset))
            .filter(|named| !inside(&inline, named.offset))
            .map(|named| self.at(named.offset, "write the path from `crate::`, not `super::`"))
            .collect()
    }

    fn globs(&self) -> Vec<Fault> {
        self.code
            .match_indices("pub use ")
            .filter(|(offset, _)| {
                let line = self.code.get(*offset..).and_then(|rest| rest.split(';').next());
                line.is_some_and(|line| line.contains('*'))
            })
            .map(|(offset, _)| self.at(offset, "name what is re-exported, no `*`"))
            .collect()
    }

    fn at(&self, offset: usize, advice: impl Into<String>) -> Fault {
        Fault::new(self.path, line_of(&self.code, offset), advice)
    }
}

/// Every path in `code` that begins with `start`. `pub(in crate::…)` is a visibility and no import.
pub(crate) fn paths<'a>(code: &'a str, start: &str) -> Vec<Named<'a>> {
    code.match_indices(start)
        .filter(|(offset, _)| {
            let before = code.get(..*offset).unwrap_or_default();
            !before.ends_with(is_word) && !before.ends_with("::") && !before.ends_with("(in ")
        })
        .map(|(offset, _)| {
            let mut rest = code.get(offset + start.len()..).unwrap_or_default();
            let mut segments = Vec::new();
            loop {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let (segment, after) = rest.split_at(end);
                if segment.is_empty() {
                    break;
                }
                segments.push(segment);
                rest = after;
                match after.strip_prefix("::") {
                    Some(next) if next.starts_with(is_word) => rest = next,
                    _ => break,
                }
            }
            Named { offset, segments, rest }
        })
        .collect()
}

fn inside(ranges: &[Range<usize>], offset: usize) -> bool {
    ranges.iter().any(|range| range.contains(&offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "pub mod a;\nmod b;\npub mod c;\npub use b::Thing;\n";

    #[test]
    fn a_module_may_import_from_modules_above_it() {
        check("use crate::a::One;\n", 0);
        check("fn f() -> crate::a::One { crate::a::one() }\n", 0);
        check("use crate::b::Own;\n", 0);
    }

    #[test]
    fn an_import_from_a_module_below_is_a_fault() {
        check("use crate::c::Late;\n", 1);
        check("fn f() { crate::c::late(); }\n", 1);
        check("// crate::c is below.\nfn f() -> &'static str { \"crate::c::x\" }\n", 0);
        check("pub(in crate::c) fn f() {}\n", 0);
    }

    #[test]
    fn tests_may_import_from_below_but_not_through_the_root() {
        check("#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::c::Late;\n}\n", 0);
        check("#[cfg(test)]\nmod tests {\n    use crate::Thing;\n}\n", 1);
    }

    #[test]
    fn an_import_of_a_root_re_export_is_a_fault_and_of_a_macro_is_not() {
        check("use crate::Thing;\n", 1);
        check("crate::id!(A);\n", 0);
    }

    #[test]
    fn each_import_line_names_one_module() {
        check("use crate::{a, b};\n", 1);
        check("use crate::*;\n", 1);
        check("use crate::a::{One, Two};\n", 0);
        check("use crate::a::{x::One, y::Two};\n", 1);
        check("use crate::a::One;\nuse crate::a::Two;\n", 1);
        check("use crate::a;\nuse crate::b;\n", 0);
    }

    #[test]
    fn super_is_allowed_in_tests_and_inline_modules() {
        check("use super::a::One;\n", 1);
        check("mod inner {\n    use super::One;\n}\n", 0);
        check("pub(super) fn f() {}\n", 0);
    }

    #[test]
    fn a_glob_re_export_is_a_fault() {
        check("pub use crate::a::*;\n", 1);
    }

    #[test]
    fn a_file_without_a_mod_line_is_a_fault() {
        let files = [Source::new("x/src/lib.rs", LIB), Source::new("x/src/lost.rs", "")];
        assert_eq!(super::check("x/src", &files).len(), 1);
    }

    #[test]
    fn children_of_a_directory_module_are_ordered_too() {
        let nested = |text: &str| {
            let files = [
                Source::new("x/src/lib.rs", "mod a;\nmod dir;\n"),
                Source::new("x/src/a.rs", ""),
                Source::new("x/src/dir/mod.rs", "mod one;\nmod two;\nstruct Shared;\n"),
                Source::new("x/src/dir/one.rs", text),
                Source::new("x/src/dir/two.rs", "use crate::dir::one::One;\n"),
            ];
            super::check("x/src", &files).len()
        };
        assert_eq!(nested("use crate::a::A;\nuse crate::dir::Shared;\n"), 0);
        assert_eq!(nested("use crate::dir::two::Two;\n"), 1);
    }

    /// Checks `text` as module `b` between `a` and `c`.
    #[track_caller]
    fn check(text: &str, want: usize) {
        let files = [
            Source::new("x/src/lib.rs", LIB),
            Source::new("x/src/a.rs", ""),
            Source::new("x/src/b.rs", text),
            Source::new("x/src/c.rs", ""),
        ];
        let faults = super::check("x/src", &files);
        assert_eq!(faults.len(), want, "text {text:?}, faults {faults:?}");
    }
}
