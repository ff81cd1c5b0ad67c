//! The problem of a path that nothing answers: one text, wherever it is found out.

use model::problem::{Code, Problem};

/// Nothing leads to `path`; `leads` says whether something leads to another one.
pub(crate) fn no_route(path: &str, leads: impl Fn(&str) -> bool) -> Problem {
    let shorter = path.trim_end_matches('/');
    let detail = if shorter.len() < path.len() && leads(shorter) {
        "no route leads here, but one does without the slash at the end"
    } else {
        "no route leads here; /-/docs shows those that there are"
    };
    Problem::new(Code::NotFound, detail)
}

/// The same for one who shows no token, to whom a tenant's own routes are not there.
pub(crate) fn no_public_route(path: &str, leads: impl Fn(&str) -> bool) -> Problem {
    let mut problem = no_route(path, leads);
    problem.detail +=
        ". A tenant's own need its token, its host name or /t/ and its id before the path";
    problem
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
