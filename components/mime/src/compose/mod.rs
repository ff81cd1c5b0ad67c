//! Composition of a message from a draft.
//!
//! The MIME structure is fixed, so nothing recurses: `mixed(related(alternative(text, html),
//! pictures), files)`, each layer only where it holds more than one part. Attachments are streamed
//! in chunks; a message is never whole in memory. Everything is seven-bit, except attached messages
//! that are not.
//!
//! Invariant: lines end in CRLF and hold at most 998 bytes, no other CR or LF exists, and the
//! message ends in exactly one CRLF (an empty body leaves just the empty line after the header).
//! Bcc is never written.
//!
//! Standards: RFC 5322, RFC 2045, RFC 2046, RFC 2183, RFC 2387.

use std::hash::BuildHasher;
use std::hash::RandomState;

use crate::compose::attachment::Carriage;
use crate::compose::draft::{Attachment, Disposition, Draft, Stamp};
use crate::compose::draft_check::check;
use crate::compose::transfer_encode::text as encode_text;
use crate::fault::Fault;
use crate::octets::{Buffered, Sink};

pub mod draft;
pub mod edit;
pub mod address;
pub mod bad_address;
pub mod draft_check;
pub mod transfer_encode;
pub mod header_writer;
pub mod attachment;

/// The RFC 5321 envelope of the composed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub sender: String,
    /// Without duplicates, Bcc included.
    pub recipients: Vec<String>,
}

/// Validates the draft, then writes it.
///
/// # Errors
/// All faults of the draft, before anything is written; or the fault of reading or writing.
pub fn compose(draft: &Draft, stamp: &Stamp, sink: &mut dyn Sink) -> Result<Envelope, Vec<Fault>> {
    let checked = check(draft, stamp)?;
    let mut out = Buffered::new(sink);
    let header = [
        header_writer::people("From", std::slice::from_ref(&checked.sender)),
        header_writer::people("Reply-To", &checked.reply_to),
        header_writer::people("To", &checked.to),
        header_writer::people("Cc", &checked.cc),
        draft
            .subject
            .as_deref()
            .map(|subject| header_writer::text("Subject", subject))
            .unwrap_or_default(),
        header_writer::date(stamp.date),
        header_writer::verbatim("Message-ID", &format!("<{}>", stamp.message_id)),
        header_writer::ids("In-Reply-To", &checked.in_reply_to),
        header_writer::ids("References", &checked.references),
        header_writer::verbatim("MIME-Version", "1.0"),
        draft
            .headers
            .iter()
            .map(|header| header_writer::text(&header.name, &header.value))
            .collect(),
    ];
    let written = out
        .put(header.concat().as_bytes())
        .and_then(|()| Skeleton::of(draft)?.write(&mut out))
        .and_then(|()| out.finish());
    match written {
        Ok(()) => Ok(Envelope {
            sender: checked.sender.mailbox.spelled(),
            recipients: checked.recipients,
        }),
        Err(fault) => Err(vec![fault]),
    }
}

/// The MIME structure: which parts go where.
struct Skeleton<'a> {
    text: Option<&'a str>,
    html: Option<&'a str>,
    /// Inline parts of the HTML.
    pictures: Vec<(&'a Attachment, Carriage)>,
    files: Vec<(&'a Attachment, Carriage)>,
    /// Whether an attached message is eight-bit.
    eight_bit: bool,
}

impl<'a> Skeleton<'a> {
    fn of(draft: &'a Draft) -> Result<Self, Fault> {
        let html = draft.html.as_deref();
        let attachments = draft.attachments.iter();
        let attachments = attachments
            .map(|attachment| Ok((attachment, Carriage::of(attachment)?)))
            .collect::<Result<Vec<_>, Fault>>()?;
        let eight_bit = attachments.iter().any(|(_, carriage)| *carriage == Carriage::EightBit);
        let (pictures, files) = attachments.into_iter().partition(|(attachment, _)| {
            html.is_some()
                && attachment.disposition == Disposition::Inline
                && attachment.content_id.is_some()
        });
        // A message without a body has an empty text: mail clients expect one.
        let text = draft.text.as_deref().or(if html.is_none() { Some("") } else { None });
        Ok(Self { text, html, pictures, files, eight_bit })
    }

    fn write(&self, out: &mut Buffered<'_>) -> Result<(), Fault> {
        if self.files.is_empty() {
            return self.body(out);
        }
        let mixed = self.begin("mixed", "", out)?;
        mixed.next(out)?;
        self.body(out)?;
        for (file, carriage) in &self.files {
            mixed.next(out)?;
            attachment::write(file, *carriage, out)?;
        }
        mixed.end(out)
    }

    fn body(&self, out: &mut Buffered<'_>) -> Result<(), Fault> {
        match (self.text, self.html) {
            (Some(text), Some(html)) => {
                let alternative = self.begin("alternative", "", out)?;
                alternative.next(out)?;
                body("plain", text, out)?;
                alternative.next(out)?;
                self.page(html, out)?;
                alternative.end(out)
            }
            (None, Some(html)) => self.page(html, out),
            (text, None) => body("plain", text.unwrap_or_default(), out),
        }
    }

    /// Declares 8bit for the whole multipart, though a branch may be seven-bit.
    fn begin(&self, kind: &str, more: &str, out: &mut Buffered<'_>) -> Result<Multipart, Fault> {
        let boundary = boundary();
        let mut fields =
            format!("Content-Type: multipart/{kind}{more};\r\n boundary=\"{boundary}\"\r\n");
        if self.eight_bit {
            fields += &header_writer::verbatim("Content-Transfer-Encoding", "8bit");
        }
        out.put(fields.as_bytes())?;
        out.put(b"\r\n")?;
        Ok(Multipart(boundary))
    }

    fn page(&self, html: &str, out: &mut Buffered<'_>) -> Result<(), Fault> {
        if self.pictures.is_empty() {
            return body("html", html, out);
        }
        let related = self.begin("related", "; type=\"text/html\"", out)?;
        related.next(out)?;
        body("html", html, out)?;
        for (picture, carriage) in &self.pictures {
            related.next(out)?;
            attachment::write(picture, *carriage, out)?;
        }
        related.end(out)
    }
}

struct Multipart(String);

impl Multipart {
    /// Parts end in CRLF, which thereby belongs to them: a parser that assigns it to the delimiter
    /// sees a text without its last line end, which is the same text.
    fn next(&self, out: &mut Buffered<'_>) -> Result<(), Fault> {
        out.put(format!("--{}\r\n", self.0).as_bytes())
    }

    fn end(&self, out: &mut Buffered<'_>) -> Result<(), Fault> {
        out.put(format!("--{}--\r\n", self.0).as_bytes())
    }
}

/// 128 random bits, so that no text can contain it by chance or by intent. `=_` occurs in neither
/// base64 nor quoted-printable (RFC 2045 section 6.7, note).
pub fn boundary() -> String {
    let halves = [RandomState::new().hash_one(1), RandomState::new().hash_one(2)];
    format!("=_{:016x}{:016x}", halves[0], halves[1])
}

fn body(kind: &str, text: &str, out: &mut Buffered<'_>) -> Result<(), Fault> {
    let encoded = encode_text(text);
    out.put(text_fields(kind, encoded.encoding).as_bytes())?;
    out.put(b"\r\n")?;
    out.put(encoded.body.as_bytes())
}

/// The header fields of a text part.
pub fn text_fields(kind: &str, encoding: &str) -> String {
    format!("Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n")
}

#[cfg(test)]
pub(crate) mod tests;
