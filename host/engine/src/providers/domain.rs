//! Normalised domain names, and patterns of mail exchangers.
//!
//! Invariant: two spellings of one domain (case, a final dot, an internationalised name and its
//! A-label) become the same text.
//!
//! Standards: RFC 5890 §2.3.2.1 (A-labels), UTS 46.

use rules::domain;

/// The normalised form of a mail domain, which has two labels at least; none when it is not one.
pub(crate) fn normalise(domain: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    domain::in_ascii(domain).filter(|ascii| ascii.contains('.'))
}

/// A host name as in a certificate: lower case, at least two labels.
pub(crate) fn is_host(text: &str) -> bool {
    normalise(text).is_some_and(|host| host == text)
}

/// A suffix of mail exchanger names. A `*` in its first label matches any number of digits, since
/// services number their exchangers: `mx*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MxSuffix {
    /// The parts before and after the `*`; without one, the whole label and none.
    first: (String, Option<String>),
    rest: Vec<String>,
}

impl MxSuffix {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // The `*` matches digits, so with one in its place the suffix has to be a name.
        if !is_host(&text.replacen('*', "0", 1)) {
            return None;
        }
        let mut labels = text.split('.');
        let first = labels.next()?;
        let first = match first.split_once('*') {
            Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
            None => (first.to_owned(), None),
        };
        let rest: Vec<String> = labels.map(str::to_owned).collect();
        (!rest.iter().any(|label| label.contains('*'))).then_some(Self { first, rest })
    }

    /// How specifically it matches `host`, a normalised name: more labels are more specific, and a
    /// literal label more than one with a `*`. None when it does not match.
    pub(crate) fn fit(&self, host: &str) -> Option<(usize, bool)> {
        let mut labels = host.rsplit('.');
        for label in self.rest.iter().rev() {
            if labels.next()? != label {
                return None;
            }
        }
        let first = labels.next()?;
        let fits = match &self.first {
            (label, None) => first == label,
            (before, Some(after)) => first
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())),
        };
        fits.then_some((self.rest.len(), self.first.1.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_spelling() {
        check("Example.COM", Some("example.com"));
        check("example.com.", Some("example.com"));
        check("bücher.example", Some("xn--bcher-kva.example"));
        check("邮箱.中国", Some("xn--c0zu34b.xn--fiqs8s"));
        check("XN--BCHER-KVA.example", Some("xn--bcher-kva.example"));
    }

    #[test]
    fn what_cannot_be_a_domain_is_none() {
        for text in ["", ".", "localhost", "a..b", "-a.example", "a b.example", "a@b.example"] {
            check(text, None);
        }
        check(&format!("{}.example", "a".repeat(64)), None);
        check(&"a.".repeat(2000), None);
    }

    #[test]
    fn an_exchanger_is_known_by_the_end_of_its_name() {
        fits("mx.example.com", "mx.example.com", true);
        fits("mx.example.com", "eu.mx.example.com", true);
        fits("mx.example.com", "amx.example.com", false);
        fits("mx.example.com", "example.com", false);
        fits("mx*.example.com", "mx.example.com", true);
        fits("mx*.example.com", "mx12.example.com", true);
        fits("mx*.example.com", "mxa.example.com", false);
        fits("mx*n.example.com", "mx1.example.com", false);
    }

    #[test]
    fn a_pattern_has_a_star_in_its_first_label_only() {
        for text in ["*", "mx.*.com", "mx**.example.com", "com", "MX.example.com", "*.*.com"] {
            assert_eq!(MxSuffix::parse(text), None, "{text}");
        }
    }

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        assert_eq!(normalise(text).as_deref(), want, "{text:?}");
    }

    #[track_caller]
    fn fits(pattern: &str, host: &str, want: bool) {
        let pattern = MxSuffix::parse(pattern).unwrap();
        assert_eq!(pattern.fit(host).is_some(), want, "{pattern:?} and {host}");
    }
}
