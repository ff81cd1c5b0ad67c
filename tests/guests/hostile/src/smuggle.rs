//! Response splitting: header fields that would make two responses of one, or none of two.

use serde_json::{Map, Value};
use wasip2::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// Bytes that a client which trusts the Content-Length would read as the next response.
const SMUGGLED: &[u8] = b"HTTP/1.1 299 Smuggled\r\ncontent-length: 0\r\n\r\n";

/// `{what: "taken" or "refused"}`; only those whose name begins with `ok` are harmless.
pub(crate) fn fields() -> Map<String, Value> {
    let tries: [(&str, &str, &[u8]); 20] = [
        ("ok", "x-fine", b"fine"),
        ("ok: a tab inside", "x-fine", b"a\tb"),
        ("CRLF", "x-odd", b"a\r\nset-cookie: b"),
        ("CRLF twice", "x-odd", b"a\r\n\r\nHTTP/1.1 299 Smuggled"),
        ("CR", "x-odd", b"a\rb"),
        ("LF", "x-odd", b"a\nb"),
        ("LF at the end", "x-odd", b"a\n"),
        ("a folded line", "x-odd", b"a\r\n b"),
        ("NUL", "x-odd", b"a\0b"),
        ("CRLF in the name", "x-odd\r\nx-more", b"a"),
        ("a colon in the name", "x-odd: x", b"a"),
        ("a space in the name", "x-odd ", b"a"),
        ("an empty name", "", b"a"),
        ("Transfer-Encoding", "transfer-encoding", b"chunked"),
        ("Transfer-Encoding in capitals", "Transfer-Encoding", b"chunked"),
        ("Connection", "connection", b"keep-alive"),
        ("Keep-Alive", "keep-alive", b"timeout=600"),
        ("Host", "host", b"elsewhere.test"),
        ("Upgrade", "upgrade", b"h2c"),
        ("Proxy-Connection", "proxy-connection", b"keep-alive"),
    ];
    let outcome = |taken: bool| Value::from(if taken { "taken" } else { "refused" });
    let mut told = Map::new();
    for (what, name, value) in tries {
        let one = [(name.to_owned(), value.to_vec())];
        let each = [
            ("append", Fields::new().append(name, value).is_ok()),
            ("set", Fields::new().set(name, &[value.to_vec()]).is_ok()),
            ("list", Fields::from_list(&one).is_ok()),
        ];
        told.extend(each.map(|(how, taken)| (format!("{what} ({how})"), outcome(taken))));
    }
    told
}

/// A Content-Length from the query, other than the body's.
pub(crate) fn length(out: ResponseOutparam, target: &str) {
    let fields = Fields::new();
    let lengths: &[&str] = match target.rsplit('=').next().unwrap_or_default() {
        "short" => &["4"],
        "long" => &["9999"],
        "twice" => &["4", "58"],
        "list" => &["4, 58"],
        "plus" => &["+4"],
        "zero" => &["0"],
        _ => &[],
    };
    for length in lengths {
        let _ = fields.append("content-length", length.as_bytes());
    }
    let response = OutgoingResponse::new(fields);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(stream) = body.write() {
        // Refusals are ignored.
        let _ = stream.blocking_write_and_flush(b"four");
        let _ = stream.blocking_write_and_flush(SMUGGLED);
    }
    let _ = OutgoingBody::finish(body, None);
}
