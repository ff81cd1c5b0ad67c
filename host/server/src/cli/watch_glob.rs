//! The globs of `watch`: which files a build depends on.
//!
//! `*` and `?` stay within a segment of a path, `**` is any number of segments.
//! Directories that only hold what builds leave behind are never entered.

use std::path::Path;
use std::time::SystemTime;

/// Not entered: they hold what is built, or what was.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];
/// More files than this are not looked at: watching must stay cheap.
const MOST_FILES: usize = 20_000;

/// What is watched, as it was: path and time of every file, in order.
pub(crate) type Snapshot = Vec<(String, SystemTime)>;

/// The files under `root` that one of the globs means.
pub(crate) fn snapshot(root: &Path, globs: &[String]) -> Snapshot {
    let mut found = Snapshot::new();
    if !globs.is_empty() {
        let globs: Vec<Vec<&str>> = globs.iter().map(|glob| segments(glob)).collect();
        let mut left = MOST_FILES;
        walk(root, "", &globs, &mut left, &mut found);
    }
    found.sort();
    found
}

fn walk(root: &Path, under: &str, globs: &[Vec<&str>], left: &mut usize, found: &mut Snapshot) {
    let Ok(entries) = std::fs::read_dir(root.join(under)) else { return };
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if under.is_empty() { name.clone() } else { format!("{under}/{name}") };
        // Symbolic links are not followed, so there are no loops.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, globs, left, found);
            }
        } else if globs.iter().any(|glob| matches(glob, &segments(&path)))
            && let Ok(time) = entry.metadata().and_then(|data| data.modified())
        {
            found.push((path, time));
        }
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty() && *segment != ".").collect()
}

fn matches(glob: &[&str], path: &[&str]) -> bool {
    match (glob.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), None) => matches(rest, path),
        (Some((&"**", rest)), Some((_, below))) => matches(rest, path) || matches(glob, below),
        (Some((word, rest)), Some((name, below))) => {
            fits(word.as_bytes(), name.as_bytes()) && matches(rest, below)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// One segment. The last `*` is the only one that has to be taken back.
fn fits(word: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < name.len() {
        match word.get(at) {
            Some(b'*') => {
                star = Some((at + 1, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || name.get(seen) == Some(byte) => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (at, seen) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    word.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_segment_and_double_stars_do_not() {
        check("src/**/*.rs", "src/lib.rs", true);
        check("src/**/*.rs", "src/a/b/lib.rs", true);
        check("src/**/*.rs", "src/lib.txt", false);
        check("src/*.rs", "src/a/lib.rs", false);
        check("**", "a/b", true);
        check("./Cargo.toml", "Cargo.toml", true);
        check("Cargo.toml", "a/Cargo.toml", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b", "xxaxxbxx", false);
        check("", "a", false);
    }

    #[track_caller]
    fn check(glob: &str, path: &str, want: bool) {
        assert_eq!(matches(&segments(glob), &segments(path)), want, "{glob} and {path}");
    }

    #[test]
    fn a_snapshot_names_what_is_watched_and_skips_what_is_built() {
        let directory = tempfile::tempdir().unwrap();
        for path in ["src/a/b.rs", "src/c.txt", "target/d.rs", "e.rs"] {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = snapshot(directory.path(), &["**/*.rs".to_owned()]);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["e.rs", "src/a/b.rs"]);
        assert!(snapshot(directory.path(), &[]).is_empty());
    }
}
