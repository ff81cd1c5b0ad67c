//! The request as a component gets it: the host's words instead of the client's.
//!
//! No credential goes in, and no field of ours that a client wrote itself. The
//! fields are Spin's, so that its components find what they know.

use http::{HeaderName, HeaderValue, header, request};
use model::caller::Caller;
use model::problem::{Code, Problem};

use crate::auth::tenant::{TenantAddress, authority};

/// The route that a path matched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatchedRoute<'a> {
    pub(crate) pattern: &'a str,
    /// Name and value of each `:name`, decoded.
    pub(crate) params: &'a [(String, String)],
    /// What `/...` stood for.
    pub(crate) rest: &'a str,
}

/// What the component sees: no credential, and the host's words instead of the client's.
pub(crate) fn prepare(
    head: &mut request::Parts,
    caller: &Caller,
    place: &TenantAddress,
    route: &MatchedRoute<'_>,
) -> Result<(), Problem> {
    let MatchedRoute { pattern, params, rest } = route;
    let path = head.uri.path().to_owned();
    let full =
        head.uri.path_and_query().map_or_else(|| path.clone(), |full| full.as_str().to_owned());
    let authority = authority(&head.uri, &head.headers).map(str::to_owned);
    let Some(authority) = authority else {
        return Err(Problem::new(Code::MalformedRequest, "the Host header is missing"));
    };
    head.uri = http::Uri::builder()
        .scheme("http")
        .authority(authority.as_str())
        .path_and_query(full.as_str())
        .build()
        .map_err(|_| Problem::new(Code::MalformedRequest, "the Host header is not a host"))?;
    let stale: Vec<HeaderName> = head
        .headers
        .keys()
        .filter(|name| {
            **name == header::AUTHORIZATION
                || **name == header::PROXY_AUTHORIZATION
                || name.as_str().starts_with("spin-")
                || name.as_str().starts_with("postlet-")
        })
        .cloned()
        .collect();
    for name in stale {
        head.headers.remove(name);
    }
    let mut set = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
        {
            head.headers.insert(name, value);
        }
    };
    set("spin-full-url", &format!("http://{authority}{}{full}", place.base));
    // Spin's word for "nothing" is the slash.
    set("spin-base-path", if place.base.is_empty() { "/" } else { &place.base });
    set("spin-matched-route", pattern);
    set("spin-path-info", rest);
    if params.iter().any(|(_, value)| value.chars().any(char::is_control)) {
        return Err(Problem::new(
            Code::NotFound,
            "nothing is called so: the path holds control characters",
        ));
    }
    for (name, value) in *params {
        set(&format!("spin-path-match-{name}"), value);
    }
    set("postlet-request-id", caller.request.as_str());
    Ok(())
}
