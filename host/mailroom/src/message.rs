//! MIME structure of a message: header, fields, parts, and the sections of FETCH.
//!
//! Everything borrows from the stored octets; nothing is decoded here. Independent of mailboxes and
//! flags.
//!
//! Invariant: depth and number of parts are limited, so that the cost is linear in a message's
//! length.
//!
//! Standards: RFC 5322 §2.2 (fields), RFC 2046 §5.1 (multipart), RFC 3501 §6.4.5 (part numbers).

/// Maximum depth: deeper parts are leaves and treated as text.
const MAX_DEPTH: usize = 24;
/// Maximum number of parts; later ones are ignored.
const MAX_PARTS: usize = 1000;

/// One header field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    /// The text after the colon, including folds and the final line end.
    pub(crate) value: &'a [u8],
    /// The whole field with its line ends.
    pub(crate) raw: &'a [u8],
}

impl Field<'_> {
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value on one line, trimmed.
    pub(crate) fn unfolded(&self) -> Vec<u8> {
        let line: Vec<u8> =
            self.value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
        line.trim_ascii().to_vec()
    }
}

/// Header (with the empty line that ends it) and body.
pub(crate) fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
    }
    raw.split_at_checked(at).unwrap_or((raw, &[]))
}

/// The fields of a header; a line that is neither a field nor a fold is skipped.
pub(crate) fn fields(header: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = header;
    while !rest.is_empty() {
        let mut length = 0;
        for (index, line) in rest.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if index > 0 && !matches!(line.first(), Some(b' ' | b'\t')) {
                break;
            }
            length += line.len();
        }
        let Some((raw, after)) = rest.split_at_checked(length.max(1)) else { break };
        rest = after;
        let Some(colon) = raw.iter().position(|byte| *byte == b':') else { continue };
        let Some((name, value)) = raw.split_at_checked(colon) else { continue };
        let name = name.trim_ascii_end();
        if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
            fields.push(Field { name, value: value.get(1..).unwrap_or_default(), raw });
        }
    }
    fields
}

/// The first field of that name, unfolded.
pub(crate) fn field(header: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    fields(header).iter().find(|field| field.is(name)).map(Field::unfolded)
}

/// The content of a [`Part`].
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    Leaf,
    /// Never empty.
    Multipart(Vec<Part<'a>>),
    /// `message/rfc822`.
    Message(Box<Part<'a>>),
}

/// One node of the MIME tree; the root is the message itself.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) header: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) media: Media,
    pub(crate) kind: Kind<'a>,
}

/// A media type or disposition with parameters, as in `Content-Type` and `Content-Disposition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) main: String,
    pub(crate) sub: String,
    pub(crate) params: Vec<(String, Vec<u8>)>,
}

impl Media {
    fn plain() -> Self {
        Self { main: "text".into(), sub: "plain".into(), params: Vec::new() }
    }

    pub(crate) fn is(&self, main: &str, sub: &str) -> bool {
        self.main.eq_ignore_ascii_case(main) && self.sub.eq_ignore_ascii_case(sub)
    }

    pub(crate) fn param(&self, name: &str) -> Option<&[u8]> {
        let found = self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }
}

/// Parses a whole message.
pub(crate) fn parse(raw: &[u8]) -> Part<'_> {
    parse_part(raw, MAX_DEPTH, &mut MAX_PARTS.clone())
}

fn parse_part<'a>(raw: &'a [u8], depth: usize, budget: &mut usize) -> Part<'a> {
    *budget = budget.saturating_sub(1);
    let (header, body) = split(raw);
    let written = field(header, b"Content-Type");
    let mut media = written.and_then(|value| media(&value)).unwrap_or_else(Media::plain);
    let mut kind = Kind::Leaf;
    if depth > 0 && media.main.eq_ignore_ascii_case("multipart") {
        let mut children = Vec::new();
        for piece in media.param("boundary").map(|b| pieces(body, b)).unwrap_or_default() {
            if *budget > 0 {
                children.push(parse_part(piece, depth - 1, budget));
            }
        }
        if !children.is_empty() {
            kind = Kind::Multipart(children);
        }
    } else if depth > 0 && media.is("message", "rfc822") && *budget > 0 {
        kind = Kind::Message(Box::new(parse_part(body, depth - 1, budget)));
    }
    // A multipart without parts, or one too deep to parse, cannot be described as such (RFC 3501 §9
    // `body-type-mpart`): it is described as text.
    if matches!(kind, Kind::Leaf)
        && (media.main.eq_ignore_ascii_case("multipart") || media.is("message", "rfc822"))
    {
        media = Media::plain();
    }
    Part { header, body, media, kind }
}

/// The octets between the boundary lines; the line end before a boundary
/// belongs to the boundary (RFC 2046 §5.1.1).
fn pieces<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let (mut at, mut start) = (0, None);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let rest = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary));
        if let Some(rest) = rest.map(<[u8]>::trim_ascii_end)
            && (rest.is_empty() || rest == b"--")
            && pieces.len() < MAX_PARTS
        {
            if let Some(piece) = start.and_then(|from| body.get(from..at)) {
                pieces.push(without_line_end(piece));
            }
            start = rest.is_empty().then_some(at + line.len());
            if rest == b"--" {
                return pieces;
            }
        }
        at += line.len();
    }
    // The closing boundary is missing: the rest counts as a part.
    pieces.extend(start.and_then(|from| body.get(from..)));
    pieces
}

fn without_line_end(piece: &[u8]) -> &[u8] {
    let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
    piece.strip_suffix(b"\r").unwrap_or(piece)
}

/// Parses `type/subtype; name=value; name="value"`. Comments are not supported.
pub(crate) fn media(value: &[u8]) -> Option<Media> {
    let pieces = parameters(value);
    let (first, rest) = pieces.split_first()?;
    let first = String::from_utf8_lossy(first).trim().to_ascii_lowercase();
    let (main, sub) = first.split_once('/').unwrap_or((&first, ""));
    let is_token = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    if main.is_empty() || !is_token(main) || !is_token(sub) {
        return None;
    }
    let mut params = Vec::new();
    for piece in rest {
        let Some(equals) = piece.iter().position(|byte| *byte == b'=') else { continue };
        let Some((name, value)) = piece.split_at_checked(equals) else { continue };
        let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
        let value = unquoted(value.get(1..).unwrap_or_default().trim_ascii());
        if !name.is_empty() {
            params.push((name, value));
        }
    }
    Some(Media { main: main.to_owned(), sub: sub.to_owned(), params })
}

/// Splits at `;` outside quoted strings.
fn parameters(value: &[u8]) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(|byte| {
            let cut = !quoted && *byte == b';';
            if *byte == b'"' && !escaped {
                quoted = !quoted;
            }
            escaped = quoted && !escaped && *byte == b'\\';
            cut
        })
        .take(64)
        .collect()
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"") else { return value.to_vec() };
    let mut out = Vec::new();
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => out.extend(bytes.next()),
            other => out.push(*other),
        }
    }
    out
}

/// Finds the part with a number like `2.1` (RFC 3501 §6.4.5). A message that is not multipart has
/// one part, 1: its body.
pub(crate) fn find<'p, 'a>(message: &'p Part<'a>, path: &[u32]) -> Option<&'p Part<'a>> {
    let (number, rest) = path.split_first()?;
    let part = match &message.kind {
        Kind::Multipart(children) => {
            children.get(usize::try_from(*number).ok()?.checked_sub(1)?)?
        }
        Kind::Leaf | Kind::Message(_) if *number == 1 => message,
        Kind::Leaf | Kind::Message(_) => return None,
    };
    match (&part.kind, rest) {
        (_, []) => Some(part),
        (Kind::Multipart(_), _) => find(part, rest),
        (Kind::Message(inner), _) => find(inner, rest),
        (Kind::Leaf, _) => None,
    }
}

/// Which of the named fields [`chosen`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Only,
    Except,
}

/// The fields of `header` by name, in their order, and an empty line.
pub(crate) fn chosen(header: &[u8], names: &[&[u8]], choice: Choice) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields(header) {
        let named = names.iter().any(|name| field.is(name));
        if named == (choice == Choice::Only) {
            out.extend_from_slice(field.raw);
        }
    }
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::{Choice, chosen, find, media, parse, split};

    const NESTED: &[u8] =
        b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=\"a;b\"\r\n\r\n\
        preamble\r\n--a;b\r\n\r\nfirst\r\n--a;b\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
        --c\r\n\r\nplain\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>\r\n--c--\r\n\r\n--a;b--\r\n";

    #[test]
    fn part_numbers_name_what_the_standard_says() {
        check(NESTED, &[1], Some("first"));
        check(NESTED, &[2, 1], Some("plain"));
        check(NESTED, &[2, 2], Some("<p>"));
        check(NESTED, &[2, 3], None);
        check(NESTED, &[1, 1], None);
        check(b"A: b\r\n\r\nonly", &[1], Some("only"));
        check(b"A: b\r\n\r\nonly", &[2], None);
    }

    #[test]
    fn a_thousand_levels_are_not_followed() {
        let deep = b"Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
        assert!(find(&parse(&deep), &[1; 40]).is_none());
    }

    #[test]
    fn fields_are_chosen_with_their_folds() {
        let header = b"To: a,\r\n b\r\nFrom: c\r\nX: d\r\n\r\n";
        assert_eq!(chosen(header, &[b"to"], Choice::Only), b"To: a,\r\n b\r\n\r\n");
        assert_eq!(chosen(header, &[b"to", b"x"], Choice::Except), b"From: c\r\n\r\n");
        assert_eq!(chosen(header, &[b"bcc"], Choice::Only), b"\r\n");
    }

    #[test]
    fn a_message_without_a_body_is_all_header() {
        assert_eq!(split(b"A: b\r\n"), (&b"A: b\r\n"[..], &b""[..]));
        assert_eq!(split(b"A: b\n\nc"), (&b"A: b\n\n"[..], &b"c"[..]));
    }

    #[test]
    fn a_quoted_parameter_may_hold_a_semicolon() {
        let media = media(br#"Text/HTML; charset="u;t\"f"; x=y"#).unwrap();
        assert!(media.is("text", "html"));
        assert_eq!(media.param("CHARSET"), Some(&b"u;t\"f"[..]));
        assert_eq!(media.param("x"), Some(&b"y"[..]));
    }

    #[track_caller]
    fn check(raw: &[u8], path: &[u32], want: Option<&str>) {
        let root = parse(raw);
        let got = find(&root, path).map(|part| String::from_utf8_lossy(part.body).into_owned());
        assert_eq!(got.as_deref(), want, "part {path:?}");
    }
}
