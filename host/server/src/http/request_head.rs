//! The head of a request, before anything in it is believed.
//!
//! What two readers could understand differently is refused: a proxy in front may
//! have gone by the other meaning. Of Transfer-Encoding together with
//! Content-Length hyper keeps the former alone and closes the connection after the
//! answer, as RFC 9112 §6.3 has it, so neither is seen here together.
//!
//! Standards: RFC 9110 §7.2, RFC 9112 §3.2 (Host), §6.1 (Transfer-Encoding).

use http::uri::Authority;
use http::{HeaderMap, HeaderName, Version, header, request};
use model::problem::{Code, Problem};

pub(crate) const LONGEST_URI: usize = 8 << 10;
const HEAD_BYTES: usize = 16 << 10;
const HEAD_FIELDS: usize = 100;

/// Refuses what is too large, or ambiguous.
pub(crate) fn check(head: &request::Parts) -> Result<(), Problem> {
    if head.uri.path_and_query().is_some_and(|path| path.as_str().len() > LONGEST_URI) {
        return Err(Problem::new(
            Code::UriTooLong,
            format!("path and query have at most {LONGEST_URI} bytes together"),
        ));
    }
    small(&head.headers)?;
    once(head)?;
    if is_coded(&head.headers) {
        return refuse("of transfer codings only `chunked` is understood, once");
    }
    host(head)
}

/// The body's end is found by a coding that is not understood here; what follows it on the connection
/// is not to be read.
pub(crate) fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next();
    first.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
}

/// The edge takes more than this, so that it can be said what is wrong.
fn small(headers: &HeaderMap) -> Result<(), Problem> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size <= HEAD_BYTES && headers.len() <= HEAD_FIELDS {
        return Ok(());
    }
    let detail = format!("there may be {HEAD_FIELDS} header fields with {HEAD_BYTES} bytes in all");
    Err(Problem::new(Code::HeadTooLarge, detail))
}

fn once(head: &request::Parts) -> Result<(), Problem> {
    let single =
        [header::HOST, header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_LENGTH];
    for name in single.iter().map(HeaderName::as_str).chain(["idempotency-key"]) {
        if head.headers.get_all(name).iter().nth(1).is_some() {
            return refuse(&format!("the header `{name}` is there twice"));
        }
    }
    Ok(())
}

/// HTTP/1.1 names its host, and nothing but a host; whose request it is hangs on it.
fn host(head: &request::Parts) -> Result<(), Problem> {
    let target = head.uri.authority();
    if target.is_some_and(|target| !is_host(target.as_str())) {
        return refuse("the address does not name a host");
    }
    let Some(field) = head.headers.get(header::HOST) else {
        return match head.version {
            Version::HTTP_11 => {
                refuse("the header `host` is missing; it names the host of the address")
            }
            _ => Ok(()),
        };
    };
    let Some(host) = field.to_str().ok().filter(|text| is_host(text)) else {
        return refuse("the header `host` is not a host with or without a port");
    };
    // A proxy in front may go by one of them, and the tenant is the other's.
    if target.is_some_and(|target| !target.as_str().eq_ignore_ascii_case(host)) {
        return refuse("the address and the header `host` name different hosts");
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
