//! `postlet new`: creates an application from a template.
//!
//! Writes a manifest, a Rust crate and the WIT packages. The crate needs nothing of this
//! repository but `wit/`, so it builds wherever cargo does.
//!
//! Invariant: no existing file is overwritten.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::cli::output::note;

/// The template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A component that responds to requests.
    Endpoint,
    /// A component that filters mail before it is accepted for sending.
    Filter,
}

impl Kind {
    /// Path in the new directory, and text of each file.
    const fn files(self) -> [(&'static str, &'static str); 4] {
        const IGNORED: (&str, &str) = (".gitignore", include_str!("../../template/gitignore.txt"));
        match self {
            Self::Endpoint => [
                ("spin.toml", include_str!("../../template/spin.toml")),
                ("Cargo.toml", include_str!("../../template/Cargo.toml.txt")),
                ("src/lib.rs", include_str!("../../template/lib.rs")),
                IGNORED,
            ],
            Self::Filter => [
                ("spin.toml", include_str!("../../template/filter/spin.toml")),
                ("Cargo.toml", include_str!("../../template/filter/Cargo.toml.txt")),
                ("src/lib.rs", include_str!("../../template/filter/lib.rs")),
                IGNORED,
            ],
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Filter => "filter",
        }
    }
}

/// Bytes of the longest name.
const LONGEST_NAME: usize = 63;

/// Creates the directory; its last part is the name of the application, the crate and the route.
///
/// # Errors
/// When the directory exists, its name cannot be used, or a file cannot be written.
pub(crate) fn run(directory: &Path, kind: Kind) -> anyhow::Result<()> {
    let name = name(directory)?;
    // Also when it is empty: it may have another purpose.
    if directory.exists() {
        bail!("{} already exists; name a directory to create", directory.display());
    }
    let crate_name = name.replace('-', "_");
    for (path, text) in kind.files() {
        let text = text.replace("{{name}}", &name).replace("{{crate}}", &crate_name);
        write(&directory.join(path), &text)?;
    }
    for (path, text) in components::WIT {
        write(&directory.join("wit").join(path), text)?;
    }
    let manifest = directory.join("spin.toml");
    note(&format!(
        "{} is an application with one {}, written in Rust; serve it with\n  postlet dev --manifest {}",
        directory.display(),
        kind.noun(),
        manifest.display()
    ));
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let parent: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
    std::fs::create_dir_all(&parent)
        .with_context(|| format!("cannot create {}", parent.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The name of the new application, which must be valid as a component's id and as a crate's name.
fn name(directory: &Path) -> anyhow::Result<String> {
    let Some(name) = directory.file_name() else {
        let shown = directory.display();
        bail!("{shown} already exists; name a directory to create, such as `newest-subject`");
    };
    let name = name.to_str().unwrap_or_default();
    let word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.len() > LONGEST_NAME || !name.split('-').all(word) {
        bail!(
            "`{name}` cannot be the name of a component: use lower-case words with hyphens \
             between them, such as `newest-subject`"
        );
    }
    // Names of crates that the new one would conflict with, and of routes of the host.
    if ["core", "std", "alloc", "test", "proc-macro", "serde-json", "wit-bindgen"].contains(&name)
        || ["v1", "t"].contains(&name)
    {
        bail!("`{name}` is reserved; use another name");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use engine::app::manifest;

    use super::*;

    #[test]
    fn the_template_is_complete_and_its_manifest_is_valid() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("newest-subject");
        run(&directory, Kind::Endpoint).unwrap();
        let text = |path: &str| std::fs::read_to_string(directory.join(path)).unwrap();
        let manifest = manifest::parse(&text("spin.toml")).unwrap();
        let component = &manifest.components["newest-subject"];
        assert_eq!(component.source, "target/wasm32-wasip2/release/newest_subject.wasm");
        assert_eq!(manifest.routes[0].pattern.to_string(), "/newest-subject/:account");
        for path in
            ["Cargo.toml", "src/lib.rs", ".gitignore", "wit/worlds.wit", "wit/deps/http.wit"]
        {
            assert!(!text(path).is_empty() && !text(path).contains("{{"), "{path}");
        }
    }

    #[test]
    fn a_filter_is_bound_to_its_hook_and_granted_what_it_does() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("footer");
        run(&directory, Kind::Filter).unwrap();
        let text = |path: &str| std::fs::read_to_string(directory.join(path)).unwrap();
        let manifest = manifest::parse(&text("spin.toml")).unwrap();
        assert_eq!((manifest.filters[0].component.as_str(), manifest.routes.len()), ("footer", 0));
        assert_eq!(manifest.components["footer"].grants.edits.len(), 1);
        for path in ["spin.toml", "Cargo.toml", "src/lib.rs", "wit/before-send.wit"] {
            assert!(!text(path).is_empty() && !text(path).contains("{{"), "{path}");
        }
    }

    /// The page shows the files that `new` writes, which another test builds and serves.
    #[test]
    fn the_documentation_shows_the_filter_as_it_is_written() {
        let page = include_str!("../../../../docs/filters.md");
        for (language, path) in [("rust", "src/lib.rs"), ("toml", "spin.toml")] {
            let (_, text) = *Kind::Filter.files().iter().find(|(known, _)| *known == path).unwrap();
            let text = text.replace("{{name}}", "footer").replace("{{crate}}", "footer");
            assert!(page.contains(&format!("```{language}\n{text}```\n")), "{path}");
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("mine");
        std::fs::create_dir(&directory).unwrap();
        let error = run(&directory, Kind::Filter).unwrap_err().to_string();
        assert!(error.contains("already exists"), "{error}");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn a_name_is_one_for_a_crate_and_for_a_component() {
        check("hello", true);
        check("newest-subject2", true);
        for bad in ["Hello", "he llo", "9lives", "a--b", "-a", "a_b", "..", "core", "v1"] {
            check(bad, false);
        }
        check(&"a".repeat(64), false);
    }

    #[test]
    fn the_current_directory_is_no_name() {
        for path in [".", "..", "/", "some/.."] {
            let error = name(Path::new(path)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{path} already exists")), "{error}");
        }
    }

    #[track_caller]
    fn check(text: &str, want: bool) {
        assert_eq!(name(&Path::new("some").join(text)).is_ok(), want, "{text:?}");
    }
}
