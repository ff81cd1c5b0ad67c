//! Attachments as MIME parts: header fields and content.
//!
//! Files are sent in base64. A message may not be (RFC 2046 section 5.2.1, RFC 2045 section 6.4):
//! it is sent as it is, with line ends made CRLF. One that no line-based transport carries (NUL, a
//! lone CR, a line of more than 998 octets) is sent as a file, application/octet-stream in base64,
//! so that nothing of it is lost; message/partial and message/external-body must be seven-bit too.
//!
//! Invariant: the bytes that were examined are those that are written, and at most a chunk of them
//! is in memory.
//!
//! Standards: RFC 2045 section 6, RFC 2046 section 5.2, RFC 6532 section 3.7 (message/global may be
//! encoded).

use crate::compose::draft::Attachment;
use crate::compose::header_writer;
use crate::compose::transfer_encode::Base64Lines;
use crate::fault::Fault;
use crate::octets::{Buffered, each_chunk};

/// RFC 5322 section 2.1.1, without the line end.
const LONGEST_LINE: usize = 998;
const OCTETS: &str = "application/octet-stream";

/// The transfer encoding of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    Base64,
    /// A message without encoding, all ASCII.
    SevenBit,
    /// A message without encoding. The multiparts around it must declare 8bit (RFC 2045 section
    /// 6.4).
    EightBit,
    /// Base64, under a content type that allows it.
    AsOctets,
}

impl Carriage {
    /// Chooses the encoding.
    ///
    /// # Errors
    /// That of reading.
    pub fn of(attachment: &Attachment) -> Result<Self, Fault> {
        let main = attachment.content_type.split(';').next().unwrap_or_default();
        let kind = main.trim().to_ascii_lowercase();
        if !kind.starts_with("message/") || kind.starts_with("message/global") {
            return Ok(Self::Base64);
        }
        let mut lines = Lines::default();
        each_chunk(attachment.content.as_ref(), &mut |chunk| {
            chunk.iter().for_each(|byte| lines.look(*byte));
            Ok(())
        })?;
        let ascii_only = matches!(kind.as_str(), "message/partial" | "message/external-body");
        Ok(match lines.end() {
            Some(true) => Self::SevenBit,
            Some(false) if !ascii_only => Self::EightBit,
            _ => Self::AsOctets,
        })
    }
}

/// Whether lines can be sent without encoding.
#[derive(Default)]
struct Lines {
    length: usize,
    after_cr: bool,
    beyond_ascii: bool,
    broken: bool,
}

impl Lines {
    fn look(&mut self, byte: u8) {
        self.broken |= self.after_cr && byte != b'\n';
        self.after_cr = byte == b'\r';
        match byte {
            b'\n' => self.length = 0,
            b'\r' => {}
            _ => self.length += 1,
        }
        self.beyond_ascii |= !byte.is_ascii();
        self.broken |= byte == 0 || self.length > LONGEST_LINE;
    }

    /// Whether all is ASCII; none where it cannot be sent without encoding.
    fn end(&self) -> Option<bool> {
        (!self.broken && !self.after_cr).then_some(!self.beyond_ascii)
    }
}

/// Writes the part, header first.
///
/// # Errors
/// Those of reading and writing.
pub fn write(
    attachment: &Attachment,
    carriage: Carriage,
    out: &mut Buffered<'_>,
) -> Result<(), Fault> {
    let (content_type, encoding) = match carriage {
        Carriage::Base64 => (attachment.content_type.as_str(), "base64"),
        Carriage::SevenBit => (attachment.content_type.as_str(), "7bit"),
        Carriage::EightBit => (attachment.content_type.as_str(), "8bit"),
        Carriage::AsOctets => (OCTETS, "base64"),
    };
    let mut fields = header_writer::verbatim("Content-Type", content_type);
    fields += &header_writer::disposition(attachment.disposition, attachment.filename.as_deref());
    if let Some(id) = &attachment.content_id {
        fields += &header_writer::verbatim("Content-ID", &format!("<{id}>"));
    }
    fields += &header_writer::verbatim("Content-Transfer-Encoding", encoding);
    fields += "\r\n";
    out.put(fields.as_bytes())?;
    match carriage {
        Carriage::Base64 | Carriage::AsOctets => base64(attachment, out),
        Carriage::SevenBit | Carriage::EightBit => as_it_is(attachment, out),
    }
}

fn base64(attachment: &Attachment, out: &mut Buffered<'_>) -> Result<(), Fault> {
    let mut base64 = Base64Lines::default();
    let mut lines = Vec::new();
    each_chunk(attachment.content.as_ref(), &mut |chunk| {
        lines.clear();
        base64.push(chunk, &mut lines);
        out.put(&lines)
    })?;
    lines.clear();
    base64.finish(&mut lines);
    out.put(&lines)
}

/// The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1), so one more
/// is written.
fn as_it_is(attachment: &Attachment, out: &mut Buffered<'_>) -> Result<(), Fault> {
    let mut after_cr = false;
    let mut lines = Vec::new();
    each_chunk(attachment.content.as_ref(), &mut |chunk| {
        lines.clear();
        for byte in chunk {
            if *byte == b'\n' && !after_cr {
                lines.push(b'\r');
            }
            after_cr = *byte == b'\r';
            lines.push(*byte);
        }
        out.put(&lines)
    })?;
    out.put(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::compose;
    use crate::compose::draft::{Disposition, Draft, Stamp};
    use crate::header::address_list::Address;
    use crate::octets::memory::Memory;

    #[test]
    fn a_message_goes_out_as_it_is() {
        let raw = written("message/rfc822", b"Subject: x\n\nhi\n");
        assert!(raw.contains("Content-Type: message/rfc822\r\n"), "{raw}");
        assert!(
            raw.contains("Transfer-Encoding: 7bit\r\n\r\nSubject: x\r\n\r\nhi\r\n\r\n--"),
            "{raw}"
        );
        assert!(!raw.contains("8bit"), "{raw}");
        let raw = written("Message/RFC822; x=y", "Subject: x\r\n\r\nüber".as_bytes());
        assert!(
            raw.contains("Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n\r\nüber\r\n--"),
            "{raw}"
        );
        assert_eq!(raw.matches("Content-Transfer-Encoding: 8bit\r\n").count(), 2, "{raw}");
    }

    #[test]
    fn what_cannot_go_as_it_is_goes_as_a_file() {
        let long = "x".repeat(999);
        for (kind, content) in [
            ("message/rfc822", "Subject: x\n\na\0b"),
            ("message/rfc822", "Subject: x\n\na\rb"),
            ("message/rfc822", "Subject: x\n\na\r"),
            ("message/rfc822", long.as_str()),
            ("message/partial; id=x", "é"),
            ("message/external-body", "é"),
        ] {
            let raw = written(kind, content.as_bytes());
            assert!(raw.contains("Content-Type: application/octet-stream\r\n"), "{raw}");
            assert!(raw.contains("filename=\"fwd.eml\"") && raw.contains("base64"), "{raw}");
            assert!(!raw.contains(kind.split(';').next().unwrap()), "{raw}");
        }
    }

    #[test]
    fn other_types_are_files() {
        for kind in ["text/plain", "message/global", "application/octet-stream"] {
            let raw = written(kind, b"plain");
            assert!(raw.contains(kind) && raw.contains("Transfer-Encoding: base64"), "{raw}");
        }
    }

    fn written(kind: &str, content: &[u8]) -> String {
        let attachment = Attachment {
            filename: Some("fwd.eml".to_owned()),
            content_type: kind.to_owned(),
            disposition: Disposition::Attachment,
            content_id: None,
            content: Box::new(Memory(content.to_vec())),
        };
        let ann = || Address { name: None, email: "ann@x.example".to_owned() };
        let draft = Draft {
            sender: Some(ann()),
            to: vec![ann()],
            attachments: vec![attachment],
            ..Draft::default()
        };
        let stamp = Stamp { message_id: "1@x.example".to_owned(), date: 0 };
        let mut memory = Memory::default();
        compose(&draft, &stamp, &mut memory).unwrap();
        String::from_utf8(memory.0).unwrap()
    }
}
