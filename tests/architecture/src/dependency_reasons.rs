//! Dependency-reason rule: every dependency has a comment with its reason in the root manifest.
//!
//! The manifest is read as lines of text, since a TOML parser would drop the comments.

use crate::fault::Fault;

/// Checks the root manifest: each line of `[workspace.dependencies]`, other than our own crates,
/// has a reason, or is in a block that begins with one.
#[must_use]
pub fn check_root(file: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (mut within, mut explained) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            within = line == "[workspace.dependencies]";
        } else if line.is_empty() {
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if within && !explained && !is_own(line) && reason(line).is_none() {
            faults.push(Fault::new(
                file,
                index + 1,
                "say at the end of the line why this dependency is needed: `# …`",
            ));
        }
    }
    faults
}

/// Checks a member's manifest: versions are chosen in the root, beside the reasons.
#[must_use]
pub fn check_member(file: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut within = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            within = line.ends_with("dependencies]");
        } else if within && line.contains('=') && !line.starts_with('#') {
            let inherited = line.contains("workspace = true") || line.contains(".workspace = true");
            if !inherited && !is_own(line) {
                faults.push(Fault::new(
                    file,
                    index + 1,
                    "write `workspace = true` and choose the version in the root Cargo.toml, with its reason",
                ));
            }
        }
    }
    faults
}

fn is_own(line: &str) -> bool {
    line.contains("path = \"")
}

/// The text after a `#` outside of a string.
fn reason(line: &str) -> Option<&str> {
    let mut quoted = false;
    let hash = line.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == '#' && !quoted
    });
    let text = line.get(hash?.0 + 1..)?.trim();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_on_the_line_or_above_its_block() {
        check("http = \"1\" # HTTP types without I/O", 0);
        check("# Vocabulary.\nhttp = \"1\"\nbytes = \"1\"", 0);
        check("model = { path = \"host/model\" }", 0);
    }

    #[test]
    fn a_dependency_without_a_reason_is_a_fault() {
        check("http = \"1\"", 1);
        check("http = \"1\" #", 1);
        check("http = \"1#2\"", 1);
        check("# Vocabulary.\n\nhttp = \"1\"", 1);
    }

    #[test]
    fn other_tables_need_no_reason() {
        assert_eq!(check_root("Cargo.toml", "[profile.dev]\ndebug = 1\n"), []);
    }

    #[test]
    fn members_take_their_versions_from_the_root() {
        let member = |line: &str| {
            check_member(
                "Cargo.toml",
                &format!("[package]\nname = \"a\"\n[dev-dependencies]\n{line}\n"),
            )
            .len()
        };
        assert_eq!(member("http = { workspace = true }"), 0);
        assert_eq!(member("http.workspace = true"), 0);
        assert_eq!(member("http = \"1\""), 1);
    }

    #[track_caller]
    fn check(lines: &str, want: usize) {
        let text = format!("[workspace.dependencies]\n{lines}\n");
        assert_eq!(check_root("Cargo.toml", &text).len(), want, "lines {lines:?}");
    }
}
