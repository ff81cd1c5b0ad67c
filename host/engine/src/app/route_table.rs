//! Route table: matches request paths to patterns.
//!
//! Patterns are Spin's: `/a/b` exactly, `:name` for one segment, `/...` at the end for everything
//! below. In each segment a literal takes precedence over a parameter, and a parameter over `/...`;
//! so the longest prefix wins.
//!
//! Invariant: two patterns of equal precedence that match a common path cannot both be inserted:
//! the order of a manifest never decides.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use rules::percent;

/// Maximum number of segments of a pattern.
const MOST_SEGMENTS: usize = 32;

/// A checked path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
    wildcard: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Word(String),
    Parameter(String),
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoute {
    /// It does not start with a slash.
    #[error("a route begins with `/`")]
    NoSlash,
    /// `//`, or a slash at the end.
    #[error("a route has no empty segment and no slash at its end")]
    EmptySegment,
    /// `...` not at the end.
    #[error("`...` stands only at the end, as a segment of its own")]
    WildcardInside,
    /// `:` without a valid name; with what follows it.
    #[error("`:{0}` is no parameter: a name is letters, digits, `_` and `-`, once in a route")]
    Parameter(String),
    /// Characters that are not allowed in a path (RFC 3986 §3.3).
    #[error("{0:?} holds characters that a path cannot have")]
    Characters(String),
    /// More than 32 segments.
    #[error("a route has at most {MOST_SEGMENTS} segments")]
    TooLong,
}

impl FromStr for Pattern {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        let rest = text.strip_prefix('/').ok_or(InvalidRoute::NoSlash)?;
        let mut words: Vec<&str> = rest.split('/').collect();
        let wildcard = words.last() == Some(&"...");
        if wildcard || rest.is_empty() {
            words.pop();
        }
        if words.len() > MOST_SEGMENTS {
            return Err(InvalidRoute::TooLong);
        }
        let mut segments: Vec<Segment> = Vec::new();
        for word in words {
            let segment = Segment::parse(word)?;
            if matches!(segment, Segment::Parameter(_)) && segments.contains(&segment) {
                return Err(InvalidRoute::Parameter(word.trim_start_matches(':').to_owned()));
            }
            segments.push(segment);
        }
        Ok(Self { segments, wildcard })
    }
}

impl Segment {
    fn parse(word: &str) -> Result<Self, InvalidRoute> {
        if word.is_empty() {
            return Err(InvalidRoute::EmptySegment);
        }
        if word.contains("...") {
            return Err(InvalidRoute::WildcardInside);
        }
        if let Some(name) = word.strip_prefix(':') {
            let fits = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            return if fits {
                Ok(Self::Parameter(name.to_owned()))
            } else {
                Err(InvalidRoute::Parameter(name.to_owned()))
            };
        }
        // RFC 3986 §3.3 `pchar` without escapes: those are ambiguous in a pattern.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=@".contains(&byte);
        if word.bytes().all(fits) {
            Ok(Self::Word(word.to_owned()))
        } else {
            Err(InvalidRoute::Characters(word.to_owned()))
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Word(word) => write!(f, "/{word}")?,
                Segment::Parameter(name) => write!(f, "/:{name}")?,
            }
        }
        match (self.wildcard, self.segments.is_empty()) {
            (true, _) => f.write_str("/..."),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

impl Pattern {
    /// The names of its parameters, from left to right.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Word(_) => None,
            Segment::Parameter(name) => Some(name.as_str()),
        })
    }

    /// Whether there is a path that both match and this one gets: it is more specific there, or
    /// equal.
    #[must_use]
    pub fn takes_from(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (Some(Segment::Word(our)), Some(Segment::Word(their))) if our != their => {
                    return false;
                }
                (Some(Segment::Word(_)), Some(Segment::Word(_)))
                | (Some(Segment::Parameter(_)), Some(Segment::Parameter(_))) => {}
                // This segment decides, if the remaining segments can match a common path.
                (Some(Segment::Word(_)), Some(Segment::Parameter(_))) => {
                    return loop {
                        match (ours.next(), theirs.next()) {
                            (Some(Segment::Word(our)), Some(Segment::Word(their)))
                                if our != their =>
                            {
                                break false;
                            }
                            (Some(_), Some(_)) => {}
                            (Some(_), None) => break other.wildcard,
                            (None, Some(_)) => break self.wildcard,
                            (None, None) => break true,
                        }
                    };
                }
                (Some(Segment::Parameter(_)), Some(Segment::Word(_))) | (None, Some(_)) => {
                    return false;
                }
                (Some(_), None) => return other.wildcard,
                (None, None) => return other.wildcard || !self.wildcard,
            }
        }
    }

    /// Whether this pattern matches every path that `other` matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (Some(Segment::Word(our)), Some(Segment::Word(their))) if our == their => {}
                (Some(Segment::Parameter(_)), Some(_)) => {}
                (Some(_), _) => return false,
                (None, Some(_)) => return self.wildcard,
                (None, None) => return self.wildcard || !other.wildcard,
            }
        }
    }

    /// Whether it ends with `/...`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }
}

/// A table of patterns and their values.
#[derive(Debug)]
pub struct Routes<T> {
    root: Node<T>,
}

/// Two patterns of equal precedence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route `{new}` and the route `{old}` claim the same paths")]
pub struct Clash {
    /// The one that was rejected.
    pub new: String,
    /// The one already in the table.
    pub old: String,
}

/// The match for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'a, T> {
    pub value: &'a T,
    pub pattern: &'a Pattern,
    /// Name and value of each parameter, percent-decoded (RFC 3986 §2.1); a value may hold a slash.
    pub params: Vec<(String, String)>,
    /// The part that `/...` matched, undecoded: empty, or from its first slash.
    pub rest: String,
}

#[derive(Debug)]
struct Node<T> {
    words: HashMap<String, Node<T>>,
    parameter: Option<Box<Node<T>>>,
    exact: Option<(Pattern, T)>,
    wildcard: Option<(Pattern, T)>,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { words: HashMap::new(), parameter: None, exact: None, wildcard: None }
    }
}

impl<T> Routes<T> {
    /// # Errors
    /// When the table has a pattern of the same shape, whatever the names of its parameters.
    pub fn insert(&mut self, pattern: Pattern, value: T) -> Result<(), Clash> {
        let mut node = &mut self.root;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Word(word) => node.words.entry(word.clone()).or_default(),
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
            };
        }
        let slot = if pattern.wildcard { &mut node.wildcard } else { &mut node.exact };
        if let Some((old, _)) = slot {
            return Err(Clash { new: pattern.to_string(), old: old.to_string() });
        }
        *slot = Some((pattern, value));
        Ok(())
    }

    /// The most specific match for the path of a request, without its query.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Match<'_, T>> {
        let rest = path.strip_prefix('/')?;
        let segments: Vec<&str> =
            if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
        let mut values = Vec::new();
        let (pattern, value, depth) = self.root.find(&segments, 0, &mut values)?;
        let params =
            pattern.parameters().map(str::to_owned).zip(values).collect::<Vec<(String, String)>>();
        let rest = segments.get(depth..).unwrap_or_default();
        let rest = rest.iter().fold(String::new(), |rest, segment| rest + "/" + segment);
        Some(Match { value, pattern, params, rest })
    }
}

impl<T> Node<T> {
    /// Visits each node at most once, whatever the path.
    fn find<'a>(
        &'a self,
        segments: &[&str],
        depth: usize,
        values: &mut Vec<String>,
    ) -> Option<(&'a Pattern, &'a T, usize)> {
        let Some((first, rest)) = segments.split_first() else {
            let (pattern, value) = self.exact.as_ref().or(self.wildcard.as_ref())?;
            return Some((pattern, value, depth));
        };
        if let Some(found) =
            self.words.get(*first).and_then(|node| node.find(rest, depth + 1, values))
        {
            return Some(found);
        }
        if let Some(node) = &self.parameter
            && let Some(value) = percent::decode(first).filter(|value| !value.is_empty())
        {
            let before = values.len();
            values.push(value);
            if let Some(found) = node.find(rest, depth + 1, values) {
                return Some(found);
            }
            values.truncate(before);
        }
        self.wildcard.as_ref().map(|(pattern, value)| (pattern, value, depth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &[&str] = &[
        "/",
        "/v1/accounts/:a/messages",
        "/v1/accounts/:a/messages/:id",
        "/v1/accounts/:a/messages/query",
        "/v1/accounts/:a/messages/:id/parts/:path",
        "/v1/accounts/:a/...",
        "/v1/...",
        "/files/...",
    ];

    #[test]
    fn exact_beats_parameter_beats_wildcard() {
        check("/", Some(("/", &[], "")));
        check("/v1/accounts/anna/messages", Some((ROUTES[1], &["anna"], "")));
        check("/v1/accounts/anna/messages/x", Some((ROUTES[2], &["anna", "x"], "")));
        check("/v1/accounts/anna/messages/query", Some((ROUTES[3], &["anna"], "")));
        check(
            "/v1/accounts/anna/messages/x/parts/1.2",
            Some((ROUTES[4], &["anna", "x", "1.2"], "")),
        );
        check("/v1/accounts/anna/messages/x/y", Some((ROUTES[5], &["anna"], "/messages/x/y")));
        check("/v1/accounts/anna", Some((ROUTES[5], &["anna"], "")));
        check("/v1/accounts", Some((ROUTES[6], &[], "/accounts")));
        check("/files", Some((ROUTES[7], &[], "")));
        check("/files/", Some((ROUTES[7], &[], "/")));
        check("/other", None);
        check("", None);
    }

    #[test]
    fn parameters_are_decoded_once_and_broken_escapes_match_nothing_else() {
        check("/v1/accounts/a%2Fb/messages", Some((ROUTES[1], &["a/b"], "")));
        check("/v1/accounts/%25%32/messages", Some((ROUTES[1], &["%2"], "")));
        check("/v1/accounts/%C3%BC/messages", Some((ROUTES[1], &["ü"], "")));
        check("/v1/accounts/%zz/messages", Some((ROUTES[6], &[], "/accounts/%zz/messages")));
        check("/v1/accounts/%ff/messages", Some((ROUTES[6], &[], "/accounts/%ff/messages")));
        check("/v1/accounts//messages", Some((ROUTES[6], &[], "/accounts//messages")));
    }

    #[track_caller]
    fn check(path: &str, want: Option<(&str, &[&str], &str)>) {
        let mut routes = Routes::default();
        for route in ROUTES {
            routes.insert(route.parse().unwrap(), *route).unwrap();
        }
        let found = routes.find(path);
        let shown = found.as_ref().map(|found| {
            let values: Vec<&str> = found.params.iter().map(|(_, value)| value.as_str()).collect();
            (*found.value, values, found.rest.as_str())
        });
        let want = want.map(|(route, values, rest)| (route, values.to_vec(), rest));
        assert_eq!(shown, want, "{path}");
    }

    #[test]
    fn routes_with_equal_right_clash() {
        let mut routes = Routes::default();
        routes.insert("/a/:x".parse().unwrap(), ()).unwrap();
        routes.insert("/a/...".parse().unwrap(), ()).unwrap();
        let clash = routes.insert("/a/:y".parse().unwrap(), ()).unwrap_err();
        assert_eq!(clash, Clash { new: "/a/:y".to_owned(), old: "/a/:x".to_owned() });
        assert!(routes.insert("/a/...".parse().unwrap(), ()).is_err());
    }

    #[test]
    fn a_pattern_takes_what_it_would_be_chosen_for() {
        taking("/v1/accounts/special", "/v1/accounts/:account", true);
        taking("/v1/accounts/:account", "/v1/accounts/special", false);
        taking("/a/:x", "/a/:y", true);
        taking("/a/b", "/a/c", false);
        taking("/a/b/c", "/a/...", true);
        taking("/a/...", "/a/b/c", false);
        taking("/...", "/a", false);
        taking("/...", "/...", true);
        taking("/a", "/a/...", true);
        taking("/a/...", "/a", false);
        taking("/a/b/:x", "/a/:y/c", true);
        taking("/a/b/d", "/a/:y/c", false);
        taking("/a/b/...", "/a/:y/c", true);
        taking("/a/b", "/a/:y/c", false);
        taking("/a/b/c", "/a/:y", false);
        taking("/a/b/c", "/a/:y/...", true);
    }

    #[track_caller]
    fn taking(ours: &str, theirs: &str, want: bool) {
        let (one, other): (Pattern, Pattern) = (ours.parse().unwrap(), theirs.parse().unwrap());
        assert_eq!(one.takes_from(&other), want, "{ours} from {theirs}");
    }

    #[test]
    fn a_pattern_covers_what_lies_under_it() {
        covering("/a/...", "/a", true);
        covering("/a/...", "/a/b/:c", true);
        covering("/a/...", "/a/b/...", true);
        covering("/a/:x", "/a/b", true);
        covering("/a/:x", "/a/:y", true);
        covering("/a/b", "/a/:y", false);
        covering("/a/:x", "/a/b/c", false);
        covering("/a", "/a/...", false);
        covering("/b/...", "/a/b", false);
    }

    #[track_caller]
    fn covering(ours: &str, theirs: &str, want: bool) {
        let (one, other): (Pattern, Pattern) = (ours.parse().unwrap(), theirs.parse().unwrap());
        assert_eq!(one.covers(&other), want, "{ours} over {theirs}");
    }

    #[test]
    fn only_whole_patterns_are_routes() {
        refused("a", InvalidRoute::NoSlash);
        refused("/a/", InvalidRoute::EmptySegment);
        refused("/a//b", InvalidRoute::EmptySegment);
        refused("/.../a", InvalidRoute::WildcardInside);
        refused("/a...", InvalidRoute::WildcardInside);
        refused("/:", InvalidRoute::Parameter(String::new()));
        refused("/:a/:a", InvalidRoute::Parameter("a".to_owned()));
        refused("/a b", InvalidRoute::Characters("a b".to_owned()));
        for route in ROUTES {
            assert_eq!(route.parse::<Pattern>().unwrap().to_string(), *route);
        }
    }

    #[track_caller]
    fn refused(text: &str, want: InvalidRoute) {
        assert_eq!(text.parse::<Pattern>(), Err(want));
    }
}
