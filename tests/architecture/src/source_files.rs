//! The source files of the project, read once.
//!
//! The directory is walked without git, so that a new file is checked before it is committed, and
//! an unpacked archive can be tested, too. Build output and hidden directories are skipped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A text file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path relative to the root of the project, with `/` on every system.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// The root of the project, two levels above this crate.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every UTF-8 file below `start`, a path relative to `root`; `""` is everything. Other files are
/// data (mail in other charsets, binaries) and are left out.
///
/// # Errors
/// When a directory or a file cannot be read.
pub fn texts(root: &Path, start: &str) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut waiting = vec![start.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(root.join(&directory)) else { continue };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path =
                if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                waiting.push(path);
            // In a second working tree, git keeps a file with the path of the first one here.
            } else if kind.is_file()
                && name != ".git"
                && let Some(text) = text_of(&entry.path())?
            {
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

/// None for a file that is not UTF-8, and for one that was removed between the listing and this
/// read.
fn text_of(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The Rust files of the project's source directories.
///
/// # Errors
/// When a directory or a file cannot be read.
pub fn rust_files(root: &Path) -> io::Result<Vec<Source>> {
    let mut files = Vec::new();
    for start in ["host", "components", "tests", "benches", "fuzz"] {
        files.extend(texts(root, start)?.into_iter().filter(|file| file.path.ends_with(".rs")));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_finds_this_file_and_no_build_output() {
        let files = rust_files(&root()).unwrap();
        assert!(files.iter().any(|file| file.path == "tests/architecture/src/source_files.rs"));
        assert!(files.iter().all(|file| !file.path.contains("target/")));
    }
}
