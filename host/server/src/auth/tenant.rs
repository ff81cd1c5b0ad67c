//! Resolution of the tenant from the request target and the Host field.
//!
//! A tenant has host names (`hosts` in the configuration), and a path prefix, `/t/{tenant}`. Either
//! selects the tenant's routes before authentication, and a token has to be of the same tenant.
//!
//! Invariant: an address grants nothing, it only restricts. There, a token of another tenant is treated
//! like one that does not exist.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderMap, Uri, header, request};
use model::ids::TenantId;
use model::problem::Problem;

use crate::config::TenantConfig;
use crate::config::host_name::HostName;
use crate::http::no_route::no_route;

/// Path prefix of a tenant's address; the tenant's id follows.
pub(crate) const PREFIX: &str = "/t/";

/// The addresses of all tenants.
#[derive(Debug)]
pub(crate) struct TenantResolver {
    hosts: BTreeMap<HostName, TenantId>,
    tenants: BTreeSet<TenantId>,
}

/// The address of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantAddress {
    /// The tenant that it belongs to; none for an address of the whole host.
    pub(crate) tenant: Option<TenantId>,
    /// The prefix that was removed from the path: `/t/acme`, or empty.
    pub(crate) base: String,
}

impl TenantResolver {
    pub(crate) fn new(tenants: &[TenantConfig]) -> Self {
        let named = |tenant: &TenantConfig| {
            let hosts = tenant.hosts.clone().into_iter();
            hosts.map(|host| (host, tenant.id.clone())).collect::<Vec<_>>()
        };
        Self {
            hosts: tenants.iter().flat_map(named).collect(),
            tenants: tenants.iter().map(|tenant| tenant.id.clone()).collect(),
        }
    }

    /// Resolves the address of a request, and removes a tenant's prefix from its path.
    ///
    /// # Errors
    /// 404 for an unknown tenant, or for a prefix of another tenant than the host name's.
    pub(crate) fn place(&self, head: &mut request::Parts) -> Result<TenantAddress, Problem> {
        let by_host = authority(&head.uri, &head.headers)
            .and_then(HostName::of)
            .and_then(|name| self.hosts.get(&name))
            .cloned();
        let Some((id, rest)) = prefixed(head.uri.path()) else {
            return Ok(TenantAddress { tenant: by_host, base: String::new() });
        };
        let unknown = || no_route("", |_| false);
        let tenant =
            self.tenants.iter().find(|tenant| tenant.as_str() == id).ok_or_else(unknown)?.clone();
        // A tenant's own host name does not reveal other tenants.
        if by_host.is_some_and(|host| host != tenant) {
            return Err(unknown());
        }
        let base = format!("{PREFIX}{id}");
        let target = match head.uri.query() {
            Some(query) => format!("{rest}?{query}"),
            None => rest.to_owned(),
        };
        let mut parts = head.uri.clone().into_parts();
        parts.path_and_query = Some(target.parse().map_err(|_| unknown())?);
        head.uri = Uri::from_parts(parts).map_err(|_| unknown())?;
        Ok(TenantAddress { tenant: Some(tenant), base })
    }
}

impl TenantAddress {
    /// Whether a token of this tenant is valid at this address.
    pub(crate) fn admits(&self, tenant: &TenantId) -> bool {
        self.tenant.as_ref().is_none_or(|place| place == tenant)
    }
}

/// The authority of a request as sent: the absolute target's, which takes precedence (RFC 9112 §3.2.2),
/// or the Host field's.
pub(crate) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = || headers.get(header::HOST).and_then(|value| value.to_str().ok());
    uri.authority().map(http::uri::Authority::as_str).or_else(host)
}

/// Splits the path of a tenant: `/t/acme/v1/x` is `acme` and `/v1/x`.
fn prefixed(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(PREFIX)?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (id, rest) = rest.split_at_checked(end)?;
    Some((id, if rest.is_empty() { "/" } else { rest }))
}

#[cfg(test)]
mod tests {
    use model::problem::Code;

    use super::*;

    #[test]
    fn the_host_name_selects_the_tenant() {
        check("mail.acme.example", "/v1/x?a=b", Ok((Some("acme"), "", "/v1/x?a=b")));
        check("MAIL.acme.example:8080", "/", Ok((Some("acme"), "", "/")));
        check("globex.example.", "/", Ok((Some("globex"), "", "/")));
        check("other.example", "/", Ok((None, "", "/")));
        check("127.0.0.1:7400", "/", Ok((None, "", "/")));
        // An absolute target takes precedence over the Host field.
        check("other.example", "http://mail.acme.example/x", Ok((Some("acme"), "", "/x")));
    }

    #[test]
    fn the_prefix_selects_the_tenant_and_is_removed() {
        check(
            "other.example",
            "/t/acme/v1/x?a=/t/b",
            Ok((Some("acme"), "/t/acme", "/v1/x?a=/t/b")),
        );
        check("other.example", "/t/acme", Ok((Some("acme"), "/t/acme", "/")));
        check("other.example", "/t/acme/", Ok((Some("acme"), "/t/acme", "/")));
        check("other.example", "/t/acme//x", Ok((Some("acme"), "/t/acme", "//x")));
        check("mail.acme.example", "/t/acme/x", Ok((Some("acme"), "/t/acme", "/x")));
        check("other.example", "/t", Ok((None, "", "/t")));
        // The prefix is removed once.
        check("other.example", "/t/acme/t/acme/x", Ok((Some("acme"), "/t/acme", "/t/acme/x")));
    }

    #[test]
    fn other_tenants_are_not_revealed() {
        for (host, path) in [
            ("other.example", "/t/none/x"),
            ("other.example", "/t/"),
            ("other.example", "/t/ACME/x"),
            ("other.example", "/t/ac%6De/x"),
            ("mail.acme.example", "/t/globex/x"),
            ("mail.acme.example", "/t/none/x"),
        ] {
            check(host, path, Err(Code::NotFound));
        }
    }

    type Want<'a> = Result<(Option<&'a str>, &'a str, &'a str), Code>;

    #[track_caller]
    fn check(host: &str, target: &str, want: Want<'_>) {
        let tenant = |id: &str, host: &str| TenantConfig {
            id: id.parse().unwrap(),
            hosts: vec![host.parse().unwrap()],
            application: None,
            variables: BTreeMap::new(),
        };
        let tenancy = TenantResolver::new(&[
            tenant("acme", "mail.acme.example"),
            tenant("globex", "globex.example"),
        ]);
        let request = http::Request::get(target).header(header::HOST, host).body(()).unwrap();
        let (mut head, ()) = request.into_parts();
        let place = tenancy.place(&mut head).map_err(|problem| problem.code);
        let path = head.uri.path_and_query().unwrap().as_str();
        let got = place
            .as_ref()
            .map_err(|code| *code)
            .map(|place| (place.tenant.as_ref().map(TenantId::as_str), place.base.as_str(), path));
        assert_eq!(got, want, "{host} {target}");
    }
}
