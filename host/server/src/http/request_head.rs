//! Validation of a request's head, before anything else reads it.
//!
//! Whatever two parsers could interpret differently is refused: a proxy in front may have used the
//! other interpretation (request smuggling). If there are both Transfer-Encoding and Content-Length,
//! hyper keeps the former only and closes the connection after the response, as RFC 9112 §6.3 requires.
//!
//! Standards: RFC 9110 §7.2, RFC 9112 §3.2 (Host), §6.1 (Transfer-Encoding).

use http::uri::Authority;
use http::{HeaderMap, HeaderName, Version, header, request};
use model::problem::{Code, Problem};

/// Maximum length of path and query, in bytes.
pub(crate) const LONGEST_URI: usize = 8 << 10;
/// Maximum size of all header fields, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// Maximum number of header fields.
const HEAD_FIELDS: usize = 100;

/// Refuses a head that is too large, or ambiguous.
///
/// # Errors
/// [`Code::UriTooLong`], [`Code::HeadTooLarge`], or [`Code::MalformedRequest`].
pub(crate) fn check(head: &request::Parts) -> Result<(), Problem> {
    if head.uri.path_and_query().is_some_and(|path| path.as_str().len() > LONGEST_URI) {
        return Err(Problem::new(
            Code::UriTooLong,
            format!("path and query may have at most {LONGEST_URI} bytes together"),
        ));
    }
    small(&head.headers)?;
    once(head)?;
    if is_coded(&head.headers) {
        return refuse("the only transfer coding supported is `chunked`, once");
    }
    host(head)
}

/// Whether the body has a transfer coding that is not supported. Its end is unknown then, so the
/// connection cannot be reused.
pub(crate) fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next();
    first.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
}

/// Checks the size of the header section. The listener accepts more, so that a problem document can be
/// sent.
fn small(headers: &HeaderMap) -> Result<(), Problem> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size <= HEAD_BYTES && headers.len() <= HEAD_FIELDS {
        return Ok(());
    }
    let detail =
        format!("a request may have {HEAD_FIELDS} header fields with {HEAD_BYTES} bytes in total");
    Err(Problem::new(Code::HeadTooLarge, detail))
}

fn once(head: &request::Parts) -> Result<(), Problem> {
    let single =
        [header::HOST, header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_LENGTH];
    for name in single.iter().map(HeaderName::as_str).chain(["idempotency-key"]) {
        if head.headers.get_all(name).iter().nth(1).is_some() {
            return refuse(&format!("the header `{name}` is repeated"));
        }
    }
    Ok(())
}

/// Checks the Host field, which HTTP/1.1 requires (RFC 9112 §3.2) and which selects the tenant.
fn host(head: &request::Parts) -> Result<(), Problem> {
    let target = head.uri.authority();
    if target.is_some_and(|target| !is_host(target.as_str())) {
        return refuse("the request target does not name a host");
    }
    let Some(field) = head.headers.get(header::HOST) else {
        return match head.version {
            Version::HTTP_11 => refuse("the header `host` is missing; HTTP/1.1 requires it"),
            _ => Ok(()),
        };
    };
    let Some(host) = field.to_str().ok().filter(|text| is_host(text)) else {
        return refuse("the header `host` is not a host with an optional port");
    };
    // A proxy in front may use one of them, and the other selects the tenant.
    if target.is_some_and(|target| !target.as_str().eq_ignore_ascii_case(host)) {
        return refuse("the request target and the header `host` name different hosts");
    }
    Ok(())
}

/// `uri-host [ ":" port ]`, without a user.
fn is_host(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let port = text.strip_prefix(authority.host()).filter(|_| !authority.host().is_empty());
    port.is_some_and(|rest| {
        let number = rest.strip_prefix(':').filter(|port| !port.is_empty());
        matches!(rest, "" | ":")
            || number.is_some_and(|port| {
                port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
            })
    })
}

fn refuse(detail: &str) -> Result<(), Problem> {
    Err(Problem::new(Code::MalformedRequest, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in ["a", "a.example:8080", "127.0.0.1", "[::1]:80", "my_app:7400", "a:", "A.b."] {
            assert!(is_host(good), "{good}");
        }
        let bad = [
            "", ":80", "a:b", "a:99999", "u@a", "a@a", "u:p@a", "a:+1", "a/b", "a b", "[::1",
            "a:1:2",
        ];
        for bad in bad {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
