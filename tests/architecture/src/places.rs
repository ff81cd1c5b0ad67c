//! No file names a place on somebody's machine: what is written must be true for
//! everybody who clones the project.

use crate::fault::Fault;
use crate::tree::Source;

/// Judges one file. Standards that we carry unchanged (`wit/deps`) are not ours to mend.
#[must_use]
pub fn check(file: &Source) -> Vec<Fault> {
    if file.path.starts_with("wit/deps/") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(place) = places().into_iter().find(|place| stands_in(line, place)) {
            faults.push(Fault::new(
                &file.path,
                index + 1,
                format!(
                    "`{place}` is a place on one machine: write a path from the project's root"
                ),
            ));
        }
    }
    faults
}

/// Built from parts, so that this file does not name them.
fn places() -> Vec<String> {
    let mut places: Vec<String> =
        ["home", "root", "work"].iter().map(|name| format!("/{name}/")).collect();
    places.push(["shared", "/"].concat());
    places
}

/// Whether `place` begins here: `a/work/b` and `unshared/` name something else.
fn stands_in(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(offset, _)| {
        let before = line.get(..offset).and_then(|text| text.chars().next_back());
        !before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '*' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_on_one_machine_is_a_fault() {
        check(&["see ", "/home", "/ann/notes"].concat(), 1);
        check(&["\"", "/root", "/.cargo\""].concat(), 1);
        check(&["`", "/work", "/main`"].concat(), 1);
        check(&["shared", "/design.md"].concat(), 1);
    }

    #[test]
    fn words_that_only_look_like_one_pass() {
        check("docs/homework/home", 0);
        check("components/work/src", 0);
        check("https://example.net/root", 0);
        check(&["un", "shared", "/text"].concat(), 0);
    }

    #[track_caller]
    fn check(line: &str, want: usize) {
        assert_eq!(super::check(&Source::new("a.md", line)).len(), want, "line {line:?}");
    }
}
