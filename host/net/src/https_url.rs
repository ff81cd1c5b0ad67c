//! Parsed https URLs, and resolution of redirects.
//!
//! Standards: RFC 3986, RFC 9110 §15.4 (redirects).

use http::Uri;
use model::port::lookup::FetchError;

/// An https URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpsUrl {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As in the URL: host, with a port if any.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl HttpsUrl {
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        let named = uri.scheme_str() == Some("https") && !authority.host().is_empty();
        if !named || authority.as_str().contains('@') {
            return None;
        }
        Some(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(443),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// Resolves a Location: an absolute URL, or a path on this host.
    pub(crate) fn redirect(&self, location: &str) -> Result<Self, FetchError> {
        let whole = match location {
            rest if rest.starts_with("//") => format!("https:{rest}"),
            path if path.starts_with('/') => format!("https://{}{path}", self.authority),
            other => other.to_owned(),
        };
        if !whole.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")) {
            return Err(FetchError::InsecureRedirect);
        }
        Self::parse(&whole).ok_or(FetchError::Address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_https_address_without_a_user_is_one() {
        check("https://a.example/x?y=1", Some(("a.example", 443, "/x?y=1")));
        check("https://a.example:8443", Some(("a.example", 8443, "/")));
        for url in
            ["http://a.example/", "https:///x", "https://u@a.example/", "/x", "", "file:///x"]
        {
            check(url, None);
        }
    }

    #[test]
    fn a_redirect_stays_with_https() {
        let from = HttpsUrl::parse("https://a.example/x").unwrap();
        let to = |location: &str| from.redirect(location).map(|to| (to.host, to.path));
        let want = |host: &str, path: &str| (host.to_owned(), path.to_owned());
        assert_eq!(to("https://b.example/y").unwrap(), want("b.example", "/y"));
        assert_eq!(to("HTTPS://b.example/y").unwrap(), want("b.example", "/y"));
        assert_eq!(to("//b.example/y").unwrap(), want("b.example", "/y"));
        assert_eq!(to("/z").unwrap(), want("a.example", "/z"));
        for bad in ["http://b.example/", "HTTP://b.example/", "file:///etc", "y", ""] {
            assert!(matches!(to(bad), Err(FetchError::InsecureRedirect)), "{bad}");
        }
        assert!(matches!(to("https://u:p@b.example/"), Err(FetchError::Address)));
    }

    #[track_caller]
    fn check(url: &str, want: Option<(&str, u16, &str)>) {
        let got = HttpsUrl::parse(url);
        let got = got.as_ref().map(|place| (place.host.as_str(), place.port, place.path.as_str()));
        assert_eq!(got, want, "{url}");
    }
}
