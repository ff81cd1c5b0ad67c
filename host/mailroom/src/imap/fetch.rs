//! FETCH responses.
//!
//! Independent of sessions; [`plan`] checks the requested items, [`row`] writes the response for
//! one message.
//!
//! Standards: RFC 3501 §6.4.5, §7.4.2.

use std::borrow::Cow;
use std::num::NonZeroU32;

use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::fetch::{
    MacroOrMessageDataItemNames, MessageDataItemName, Part as Path, Section,
};

use crate::bodystructure::{Detail, envelope, literal, structure};
use crate::dates::imap_date;
use crate::imap::answer::Answer;
use crate::imap::sequence_numbers::Numbering;
use crate::mailbox::Message;
use crate::message::{Choice, Kind, Part, chosen, find, parse, split};

/// Maximum number of items: a row is built in memory, and each item may be the whole message.
const MAX_ITEMS: usize = 32;

/// The items requested of every message.
pub(crate) struct Plan<'a> {
    items: Vec<MessageDataItemName<'a>>,
    /// Whether this sets `\Seen`.
    pub(crate) marks_seen: bool,
    pub(crate) tells_flags: bool,
}

/// Checks a list of items.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other items do nothing to flags")]
pub(crate) fn plan<'a>(
    wanted: &'a MacroOrMessageDataItemNames<'a>,
    by: Numbering,
) -> Result<Plan<'a>, Answer> {
    let mut items = match wanted {
        MacroOrMessageDataItemNames::Macro(short) => short.expand(),
        MacroOrMessageDataItemNames::MessageDataItemNames(items) => items.clone(),
    };
    if by == Numbering::Uid && !items.contains(&MessageDataItemName::Uid) {
        // RFC 3501 §6.4.8: always included.
        items.insert(0, MessageDataItemName::Uid);
    }
    let (mut marks_seen, mut tells_flags) = (false, false);
    for item in &items {
        match item {
            MessageDataItemName::BodyExt { peek: false, .. }
            | MessageDataItemName::Rfc822
            | MessageDataItemName::Rfc822Text => marks_seen = true,
            MessageDataItemName::Flags => tells_flags = true,
            MessageDataItemName::Binary { .. } | MessageDataItemName::BinarySize { .. } => {
                return Err(Answer::bad("BINARY is not offered"));
            }
            _ => {}
        }
    }
    if items.is_empty() || items.len() > MAX_ITEMS {
        return Err(Answer::bad("nothing, or too much, is asked for"));
    }
    Ok(Plan { items, marks_seen, tells_flags })
}

/// Writes `* n FETCH (…)`; `now_seen` adds the flags if the FETCH changed them.
pub(crate) fn row(
    out: &mut Vec<u8>,
    number: u32,
    message: &Message,
    plan: &Plan<'_>,
    now_seen: bool,
) {
    out.extend_from_slice(format!("* {number} FETCH (").as_bytes());
    let raw: &[u8] = &message.raw;
    let (header, body) = split(raw);
    let mut tree: Option<Part<'_>> = None;
    for (index, item) in plan.items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        match item {
            MessageDataItemName::Flags => flags(out, message),
            MessageDataItemName::Uid => {
                out.extend_from_slice(format!("UID {}", message.uid).as_bytes())
            }
            MessageDataItemName::InternalDate => {
                let date = imap_date(message.received);
                out.extend_from_slice(format!("INTERNALDATE \"{date}\"").as_bytes());
            }
            MessageDataItemName::Rfc822Size => {
                out.extend_from_slice(format!("RFC822.SIZE {}", raw.len()).as_bytes());
            }
            MessageDataItemName::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                envelope(out, header);
            }
            MessageDataItemName::Body => {
                out.extend_from_slice(b"BODY ");
                structure(out, tree.get_or_insert_with(|| parse(raw)), Detail::Basic);
            }
            MessageDataItemName::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                structure(out, tree.get_or_insert_with(|| parse(raw)), Detail::Extended);
            }
            MessageDataItemName::Rfc822 => named(out, b"RFC822 ", raw),
            MessageDataItemName::Rfc822Header => named(out, b"RFC822.HEADER ", header),
            MessageDataItemName::Rfc822Text => named(out, b"RFC822.TEXT ", body),
            MessageDataItemName::BodyExt { section, partial, .. } => {
                body_item(out, raw, &mut tree, section.as_ref(), *partial);
            }
            // Refused by `plan`.
            MessageDataItemName::Binary { .. } | MessageDataItemName::BinarySize { .. } => {}
        }
    }
    if now_seen && !plan.tells_flags {
        out.push(b' ');
        flags(out, message);
    }
    out.extend_from_slice(b")\r\n");
}

fn flags(out: &mut Vec<u8>, message: &Message) {
    out.extend_from_slice(format!("FLAGS ({})", message.flags.join(" ")).as_bytes());
}

fn named(out: &mut Vec<u8>, name: &[u8], octets: &[u8]) {
    out.extend_from_slice(name);
    literal(out, octets);
}

fn body_item<'a>(
    out: &mut Vec<u8>,
    raw: &'a [u8],
    tree: &mut Option<Part<'a>>,
    section: Option<&Section<'_>>,
    partial: Option<(u32, NonZeroU32)>,
) {
    let (header, body) = split(raw);
    let path = section.and_then(path_of);
    let part = path.and_then(|path| {
        let path: Vec<u32> = path.0.as_ref().iter().map(|number| number.get()).collect();
        find(tree.get_or_insert_with(|| parse(raw)), &path)
    });
    // HEADER and TEXT of a part are those of the message in it (RFC 3501 §6.4.5).
    let inner = part.and_then(|part| match &part.kind {
        Kind::Message(inner) => Some((inner.header, inner.body)),
        Kind::Leaf | Kind::Multipart(_) => None,
    });
    let (header, body) = if path.is_some() {
        (inner.map(|both| both.0), inner.map(|both| both.1))
    } else {
        (Some(header), Some(body))
    };
    let fields = |names: &[AString<'_>], choice| {
        let names: Vec<&[u8]> = names.iter().map(AsRef::as_ref).collect();
        header.map(|header| Cow::Owned(chosen(header, &names, choice)))
    };
    let octets: Option<Cow<'_, [u8]>> = match section {
        None => Some(raw.into()),
        Some(Section::Part(_)) => part.map(|part| part.body.into()),
        Some(Section::Mime(_)) => part.map(|part| part.header.into()),
        Some(Section::Header(_)) => header.map(Cow::Borrowed),
        Some(Section::Text(_)) => body.map(Cow::Borrowed),
        Some(Section::HeaderFields(_, names)) => fields(names.as_ref(), Choice::Only),
        Some(Section::HeaderFieldsNot(_, names)) => fields(names.as_ref(), Choice::Except),
    };
    out.extend_from_slice(b"BODY[");
    out.extend_from_slice(section.map(section_name).unwrap_or_default().as_bytes());
    out.push(b']');
    if let Some((origin, _)) = partial {
        out.extend_from_slice(format!("<{origin}>").as_bytes());
    }
    out.push(b' ');
    match octets {
        Some(octets) => literal(out, window(&octets, partial)),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// The octets of `<origin.count>`; none past the end.
fn window(octets: &[u8], partial: Option<(u32, NonZeroU32)>) -> &[u8] {
    let Some((origin, count)) = partial else { return octets };
    let from = usize::try_from(origin).unwrap_or(usize::MAX).min(octets.len());
    let count = usize::try_from(count.get()).unwrap_or(usize::MAX);
    let to = from.saturating_add(count).min(octets.len());
    octets.get(from..to).unwrap_or_default()
}

fn path_of<'s>(section: &'s Section<'_>) -> Option<&'s Path> {
    match section {
        Section::Part(path) | Section::Mime(path) => Some(path),
        Section::Header(path)
        | Section::HeaderFields(path, _)
        | Section::HeaderFieldsNot(path, _)
        | Section::Text(path) => path.as_ref(),
    }
}

fn section_name(section: &Section<'_>) -> String {
    let path = path_of(section).map(|path| path.0.as_ref().iter().map(ToString::to_string));
    let path = path.map(|numbers| numbers.collect::<Vec<_>>().join("."));
    let listed = |word: &str, names: &[AString<'_>]| {
        let names = names.iter().map(|name| String::from_utf8_lossy(name.as_ref()));
        format!("{word} ({})", names.collect::<Vec<_>>().join(" "))
    };
    let word = match section {
        Section::Part(_) => None,
        Section::Mime(_) => Some("MIME".to_owned()),
        Section::Header(_) => Some("HEADER".to_owned()),
        Section::Text(_) => Some("TEXT".to_owned()),
        Section::HeaderFields(_, names) => Some(listed("HEADER.FIELDS", names.as_ref())),
        Section::HeaderFieldsNot(_, names) => Some(listed("HEADER.FIELDS.NOT", names.as_ref())),
    };
    [path, word].into_iter().flatten().collect::<Vec<_>>().join(".")
}
