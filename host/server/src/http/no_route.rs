//! The 404 problem of a path that no route holds.

use model::problem::{Code, Problem};

/// The problem of a `path` without a route; `leads` says whether another path has one.
pub(crate) fn no_route(path: &str, leads: impl Fn(&str) -> bool) -> Problem {
    problem(path, leads, "no route leads here; /-/docs shows those that there are")
}

/// The same for a request without a token, which reaches no route of a tenant's own application.
pub(crate) fn no_public_route(path: &str, leads: impl Fn(&str) -> bool) -> Problem {
    let detail = "no route leads here without a token; /-/docs shows those that there are, and the routes of a tenant's own application are reached with its token, under its host name, or below /t/{tenant}";
    problem(path, leads, detail)
}

fn problem(path: &str, leads: impl Fn(&str) -> bool, otherwise: &str) -> Problem {
    let shorter = path.trim_end_matches('/');
    let slash = shorter.len() < path.len() && leads(shorter);
    let detail = "no route leads here, but one does without the slash at the end";
    Problem::new(Code::NotFound, if slash { detail } else { otherwise })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_too_many_is_told() {
        let leads = |path: &str| path == "/a";
        assert!(no_route("/a/", leads).detail.contains("without the slash"));
        for path in ["/b/", "/b", "/", "/a/b"] {
            assert!(no_route(path, leads).detail.contains("/-/docs"), "{path}");
        }
    }
}
