//! The 404 problem of a path that no route matches.

use model::problem::{Code, Problem};

/// The problem of a `path` without a route; `exists` reports whether another path has one.
pub(crate) fn no_route(path: &str, exists: impl Fn(&str) -> bool) -> Problem {
    problem(path, exists, "no route matches this path; /-/docs lists the routes")
}

/// The same for a request without a token, which matches no route of a tenant's own application.
pub(crate) fn no_public_route(path: &str, exists: impl Fn(&str) -> bool) -> Problem {
    let detail = "no route matches this path without a token; /-/docs lists the routes, and those of a tenant's own application need its token, its host name, or the prefix /t/{tenant}";
    problem(path, exists, detail)
}

fn problem(path: &str, exists: impl Fn(&str) -> bool, otherwise: &str) -> Problem {
    let shorter = path.trim_end_matches('/');
    let slash = shorter.len() < path.len() && exists(shorter);
    let detail = "no route matches this path, but one does without the trailing slash";
    Problem::new(Code::NotFound, if slash { detail } else { otherwise })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_is_reported() {
        let exists = |path: &str| path == "/a";
        assert!(no_route("/a/", exists).detail.contains("without the trailing slash"));
        for path in ["/b/", "/b", "/", "/a/b"] {
            assert!(no_route(path, exists).detail.contains("/-/docs"), "{path}");
        }
    }
}
