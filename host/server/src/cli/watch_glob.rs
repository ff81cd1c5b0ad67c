//! Glob patterns of `watch` in a manifest, which name the files that a build depends on.
//!
//! `*` and `?` match within a path segment, `**` any number of segments; `[abc]` and `{a,b}` are
//! supported as well. Directories that hold build output are skipped.

use std::path::Path;
use std::time::SystemTime;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Directories that are skipped.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];
/// The largest number of directory entries that one poll reads: polling must stay cheap.
const MOST_FILES: usize = 20_000;

/// Path and modification time of every watched file, sorted.
pub(crate) type Snapshot = Vec<(String, SystemTime)>;

/// The files under `root` that one of the globs matches.
pub(crate) fn snapshot(root: &Path, globs: &[String]) -> Snapshot {
    let mut found = Snapshot::new();
    if !globs.is_empty() {
        let mut left = MOST_FILES;
        walk(root, "", &compile(globs), &mut left, &mut found);
    }
    found.sort();
    found
}

fn walk(root: &Path, under: &str, globs: &GlobSet, left: &mut usize, found: &mut Snapshot) {
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
        } else if globs.is_match(&path)
            && let Ok(time) = entry.metadata().and_then(|data| data.modified())
        {
            found.push((path, time));
        }
    }
}

/// Compiles the globs. One that cannot be parsed matches the file of that name.
fn compile(globs: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let glob = glob.trim_start_matches("./");
        let parse = |glob: &str| GlobBuilder::new(glob).literal_separator(true).build();
        if let Ok(glob) = parse(glob).or_else(|_| parse(&globset::escape(glob))) {
            set.add(glob);
        }
    }
    set.build().unwrap_or_else(|_| GlobSet::empty())
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
        check("*.{js,ts}", "a.ts", true);
        check("[", "[", true);
    }

    #[track_caller]
    fn check(glob: &str, path: &str, want: bool) {
        assert_eq!(compile(&[glob.to_owned()]).is_match(path), want, "{glob} and {path}");
    }

    #[test]
    fn a_snapshot_has_the_watched_files_without_build_output() {
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
