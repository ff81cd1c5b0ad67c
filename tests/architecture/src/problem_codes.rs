//! Problem-code rule: the table of codes and the page that documents them agree.
//!
//! A code is public for ever, so a code without documentation, or documentation of a code that does
//! not exist, is a fault. The rule reads the codes and statuses only.
//!
//! Standard: RFC 9457 §3.1.1 (a problem type is documented).

use crate::fault::Fault;

/// A row of the table: the code and its HTTP status.
pub type Row = (&'static str, u16);

/// Compares the table in code with `page`, whose rows begin ``| `code` | status |``.
#[must_use]
pub fn check(table: &[Row], file: &str, page: &str) -> Vec<Fault> {
    let explained: Vec<(usize, &str, &str)> = page
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let (code, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((index + 1, code, rest.split(" |").next()?))
        })
        .collect();
    let missing = table
        .iter()
        .filter(|(code, _)| !explained.iter().any(|(_, other, _)| other == code))
        .map(|(code, status)| {
            Fault::new(
                file,
                page.lines().count(),
                format!("explain `{code}`: add a row that begins ``| `{code}` | {status} |``"),
            )
        });
    let wrong = explained.iter().enumerate().filter_map(|(place, (line, code, status))| {
        let repeated = explained.iter().take(place).any(|(_, other, _)| other == code);
        match table.iter().find(|(known, _)| known == code) {
            None => Some(Fault::new(
                file,
                *line,
                format!("`{code}` is not in host/rules/src/problem_code.rs: remove the row"),
            )),
            Some((_, want)) if want.to_string() != *status => {
                Some(Fault::new(file, *line, format!("the status of `{code}` is {want}")))
            }
            Some(_) if repeated => {
                Some(Fault::new(file, *line, format!("`{code}` is explained twice")))
            }
            Some(_) => None,
        }
    });
    missing.chain(wrong).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_documented_once_passes() {
        check_page("| code | status |\n|---|---|\n| `not-found` | 404 | Look again. |\n", 0);
    }

    #[test]
    fn a_code_without_documentation_is_a_fault() {
        check_page("", 1);
        check_page("`not-found` is mentioned.\n", 1);
    }

    #[test]
    fn documentation_without_a_code_or_with_another_status_is_a_fault() {
        check_page("| `not-found` | 404 | |\n| `gone` | 410 | |\n", 1);
        check_page("| `not-found` | 410 | |\n", 1);
        check_page("| `not-found` | 404 | |\n| `not-found` | 404 | |\n", 1);
    }

    #[track_caller]
    fn check_page(page: &str, want: usize) {
        let faults = check(&[("not-found", 404)], "docs/problems.md", page);
        assert_eq!(faults.len(), want, "page {page:?}, faults {faults:?}");
    }
}
