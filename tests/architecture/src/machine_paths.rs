//! Machine-path rule: no file names a path of one developer's machine, since the text must be true
//! in every clone.

use crate::fault::Fault;
use crate::source_files::Source;

/// Checks one file. Standards that are copied unchanged (`wit/deps`) are exempt.
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

/// Assembled from parts, so that this file does not contain them.
fn places() -> Vec<String> {
    let mut places: Vec<String> =
        ["home", "root", "work"].iter().map(|name| format!("/{name}/")).collect();
    places.push(["shared", "/"].concat());
    places
}

/// Whether `place` begins here: `a/work/b` and `unshared/` are other paths.
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
    fn a_path_of_one_machine_is_a_fault() {
        check(&["see ", "/home", "/ann/notes"].concat(), 1);
        check(&["\"", "/root", "/.cargo\""].concat(), 1);
        check(&["`", "/work", "/main`"].concat(), 1);
        check(&["shared", "/design.md"].concat(), 1);
    }

    #[test]
    fn similar_words_pass() {
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
