//! ENVELOPE and BODYSTRUCTURE, and IMAP strings.
//!
//! Depth is bounded by [`crate::message`].
//!
//! Standards: RFC 3501 §7.4.2 and §9 (`envelope`, `body`).

use crate::message::{Kind, Media, Part, field, media};

/// Maximum number of addresses of one field; further ones are left out.
const MAX_ADDRESSES: usize = 1000;

/// Writes a quoted string, or a literal where that is not possible. NUL has no representation (RFC
/// 3501 §9 `CHAR8`) and is left out.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() <= 1000 && text.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        out.push(b'"');
        for byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        out.push(b'"');
    } else {
        literal(out, text);
    }
}

/// Writes `{n}` and the octets.
pub(crate) fn literal(out: &mut Vec<u8>, octets: &[u8]) {
    if octets.contains(&0) {
        let said: Vec<u8> = octets.iter().copied().filter(|byte| *byte != 0).collect();
        return literal(out, &said);
    }
    out.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
    out.extend_from_slice(octets);
}

/// Writes a field of a header after a space, or NIL.
fn written(out: &mut Vec<u8>, header: &[u8], name: &str) {
    out.push(b' ');
    nstring(out, field(header, name.as_bytes()).as_deref());
}

fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Writes the envelope of the message whose header this is.
pub(crate) fn envelope(out: &mut Vec<u8>, header: &[u8]) {
    let people = |name: &[u8]| field(header, name).map(|text| addresses(&text)).unwrap_or_default();
    let from = people(b"From");
    // An absent or empty Sender or Reply-To defaults to From (RFC 3501 §7.4.2).
    let or_from = |list: Vec<Address>| if list.is_empty() { from.clone() } else { list };

    out.push(b'(');
    nstring(out, field(header, b"Date").as_deref());
    written(out, header, "Subject");
    let lists = [
        from.clone(),
        or_from(people(b"Sender")),
        or_from(people(b"Reply-To")),
        people(b"To"),
        people(b"Cc"),
        people(b"Bcc"),
    ];
    for list in lists {
        out.push(b' ');
        address_list(out, &list);
    }
    written(out, header, "In-Reply-To");
    written(out, header, "Message-ID");
    out.push(b')');
}

fn address_list(out: &mut Vec<u8>, list: &[Address]) {
    if list.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for address in list {
        out.push(b'(');
        nstring(out, address.name.as_deref());
        out.extend_from_slice(b" NIL ");
        nstring(out, address.local.as_deref());
        out.push(b' ');
        nstring(out, address.host.as_deref());
        out.push(b')');
    }
    out.push(b')');
}

/// One parsed address.
#[derive(Clone, Default)]
struct Address {
    name: Option<Vec<u8>>,
    local: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
}

/// Parses an address list (RFC 5322 §3.4). Deviation: of a group only the members are returned, and
/// comments are read as words.
fn addresses(value: &[u8]) -> Vec<Address> {
    let mut list = Vec::new();
    let (mut words, mut angle): (Vec<u8>, Option<Vec<u8>>) = (Vec::new(), None);
    let mut bytes = value.iter().copied().chain([b',']);
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
                    words.extend(if byte == b'\\' { bytes.next() } else { Some(byte) });
                }
            }
            b'<' => angle = Some(bytes.by_ref().take_while(|byte| *byte != b'>').collect()),
            b':' => words.clear(),
            b',' | b';' => {
                let words = std::mem::take(&mut words).trim_ascii().to_vec();
                let name = Some(words.clone()).filter(|name| angle.is_some() && !name.is_empty());
                let spec = angle.take().unwrap_or(words);
                if !spec.is_empty() && list.len() < MAX_ADDRESSES {
                    let at = spec.iter().rposition(|byte| *byte == b'@').unwrap_or(spec.len());
                    let (local, host) = spec.split_at_checked(at).unwrap_or((&spec, &[]));
                    let host = host.strip_prefix(b"@").unwrap_or(host).to_vec();
                    list.push(Address { name, local: Some(local.to_vec()), host: Some(host) });
                }
            }
            other => words.push(other),
        }
    }
    list
}

/// The form of [`structure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// `BODY`
    Basic,
    /// `BODYSTRUCTURE`
    Extended,
}

/// Writes the body structure of `part`.
pub(crate) fn structure(out: &mut Vec<u8>, part: &Part<'_>, detail: Detail) {
    out.push(b'(');
    match &part.kind {
        Kind::Multipart(children) => {
            for child in children {
                structure(out, child, detail);
            }
            out.push(b' ');
            string(out, part.media.sub.as_bytes());
            if detail == Detail::Extended {
                out.push(b' ');
                params(out, &part.media);
            }
        }
        Kind::Leaf | Kind::Message(_) => {
            single(out, part, detail);
            if detail == Detail::Extended {
                written(out, part.header, "Content-MD5");
            }
        }
    }
    if detail == Detail::Extended {
        out.push(b' ');
        disposition(out, part.header);
        written(out, part.header, "Content-Language");
        written(out, part.header, "Content-Location");
    }
    out.push(b')');
}

fn single(out: &mut Vec<u8>, part: &Part<'_>, detail: Detail) {
    string(out, part.media.main.as_bytes());
    out.push(b' ');
    string(out, part.media.sub.as_bytes());
    out.push(b' ');
    params(out, &part.media);
    written(out, part.header, "Content-ID");
    written(out, part.header, "Content-Description");
    let encoding = field(part.header, b"Content-Transfer-Encoding");
    out.push(b' ');
    string(out, encoding.as_deref().filter(|text| !text.is_empty()).unwrap_or(b"7bit"));
    out.extend_from_slice(format!(" {}", part.body.len()).as_bytes());
    let lines = part.body.iter().filter(|byte| **byte == b'\n').count();
    if let Kind::Message(inner) = &part.kind {
        out.push(b' ');
        envelope(out, inner.header);
        out.push(b' ');
        structure(out, inner, detail);
        out.extend_from_slice(format!(" {lines}").as_bytes());
    } else if part.media.main.eq_ignore_ascii_case("text") {
        out.extend_from_slice(format!(" {lines}").as_bytes());
    }
}

fn params(out: &mut Vec<u8>, media: &Media) {
    if media.params.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for (index, (name, value)) in media.params.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        string(out, name.as_bytes());
        out.push(b' ');
        string(out, value);
    }
    out.push(b')');
}

fn disposition(out: &mut Vec<u8>, header: &[u8]) {
    match field(header, b"Content-Disposition").and_then(|value| media(&value)) {
        Some(written) => {
            out.push(b'(');
            string(out, written.main.as_bytes());
            out.push(b' ');
            params(out, &written);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
}

#[cfg(test)]
mod tests {
    use imap_codec::ResponseCodec;
    use imap_codec::decode::Decoder as _;

    use super::{Detail, envelope, structure};
    use crate::message::parse;

    #[test]
    fn an_envelope_tells_names_members_and_defaults() {
        let header = "Date: Mon\r\nSubject: a \"b\"\r\nFrom: \"Li, Ann\" <ann@x.y>\r\n\
            To: all: bo@z, <c@d>;, e@f\r\nMessage-ID: <1@x>\r\n\r\n";
        let mut out = Vec::new();
        envelope(&mut out, header.as_bytes());
        let ann = r#"(("Li, Ann" NIL "ann" "x.y"))"#;
        let to = r#"((NIL NIL "bo" "z")(NIL NIL "c" "d")(NIL NIL "e" "f"))"#;
        let want = format!(r#"("Mon" "a \"b\"" {ann} {ann} {ann} {to} NIL NIL NIL "<1@x>")"#);
        assert_eq!(String::from_utf8_lossy(&out), want);
    }

    #[test]
    fn a_text_and_an_attachment_are_described() {
        let raw = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n\r\n--b\r\n\
            Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\
            Content-Disposition: attachment; filename=\"a.png\"\r\n\r\nAAAA\r\n--b--\r\n";
        let text = r#"("text" "plain" NIL NIL NIL "7bit" 4 1"#;
        let image = r#"("image" "png" ("name" "a.png") NIL NIL "base64" 4"#;
        check(raw, Detail::Basic, &format!(r#"({text}){image}) "mixed")"#));
        check(
            raw,
            Detail::Extended,
            &format!(
                r#"({text} NIL NIL NIL NIL){image} NIL ("attachment" ("filename" "a.png")) NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL)"#
            ),
        );
    }

    #[test]
    fn a_message_in_a_message_brings_its_envelope() {
        let raw = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n";
        let inner = r#"("text" "plain" NIL NIL NIL "7bit" 3 1"#;
        let envelope = r#"(NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL)"#;
        let outer = format!(r#"("message" "rfc822" NIL NIL NIL "7bit" 18 {envelope} "#);
        check(raw, Detail::Basic, &format!("{outer}{inner}) 3)"));
        check(
            raw,
            Detail::Extended,
            &format!("{outer}{inner} NIL NIL NIL NIL) 3 NIL NIL NIL NIL)"),
        );
    }

    #[test]
    fn a_multipart_without_parts_is_text() {
        check(
            "Content-Type: multipart/mixed\r\n\r\nx",
            Detail::Basic,
            r#"("text" "plain" NIL NIL NIL "7bit" 1 0)"#,
        );
    }

    #[track_caller]
    fn check(raw: &str, detail: Detail, want: &str) {
        let mut out = Vec::new();
        structure(&mut out, &parse(raw.as_bytes()), detail);
        assert_eq!(String::from_utf8_lossy(&out), want);
        let row = format!("* 1 FETCH (BODYSTRUCTURE {want})\r\n");
        assert!(ResponseCodec::default().decode(row.as_bytes()).is_ok(), "{want}");
    }
}
