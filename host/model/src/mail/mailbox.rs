//! IMAP mailboxes: wire names, decoded names, and special-use roles.
//!
//! Invariant: [`MailboxName`] keeps the bytes that the server sent, since they are part of every
//! message's identity; the decoded form is for display only.
//!
//! Standards: RFC 3501 §5.1.3 (modified UTF-7), RFC 6154 (special use).

use std::fmt;

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};

/// Modified base64: `,` for `/`, no padding.
const MUTF7: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// A mailbox name in wire form. `INBOX` is stored in upper case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailboxName(Box<str>);

/// The name cannot be sent: it is empty, longer than 1,000 bytes or holds control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mailbox name has 1 to 1000 characters and no control characters")]
pub struct InvalidMailboxName;

impl MailboxName {
    /// Takes a name as a server sent it; not necessarily valid modified UTF-7.
    ///
    /// # Errors
    /// When it could not be sent back: empty, too long, or with CR, LF or NUL.
    pub fn from_wire(wire: &str) -> Result<Self, InvalidMailboxName> {
        if wire.is_empty() || wire.len() > 1000 || wire.chars().any(char::is_control) {
            return Err(InvalidMailboxName);
        }
        if wire.eq_ignore_ascii_case("inbox") {
            Ok(Self("INBOX".into()))
        } else {
            Ok(Self(wire.into()))
        }
    }

    /// Encodes a decoded name.
    ///
    /// # Errors
    /// As [`MailboxName::from_wire`].
    pub fn from_decoded(name: &str) -> Result<Self, InvalidMailboxName> {
        if name.chars().any(char::is_control) {
            return Err(InvalidMailboxName);
        }
        Self::from_wire(&encode(name))
    }

    /// The wire form.
    #[must_use]
    pub fn wire(&self) -> &str {
        &self.0
    }

    /// The decoded name; the wire form where that is not modified UTF-7.
    #[must_use]
    pub fn decoded(&self) -> String {
        decode(&self.0).unwrap_or_else(|| self.0.to_string())
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn encode(name: &str) -> String {
    let mut wire = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    let flush = |wire: &mut String, shifted: &mut Vec<u8>| {
        if !shifted.is_empty() {
            wire.push('&');
            wire.push_str(&MUTF7.encode(&*shifted));
            wire.push('-');
            shifted.clear();
        }
    };
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut wire, &mut shifted);
            wire.push(c);
            if c == '&' {
                wire.push('-');
            }
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                shifted.extend_from_slice(&unit.to_be_bytes());
            }
        }
    }
    flush(&mut wire, &mut shifted);
    wire
}

fn decode(wire: &str) -> Option<String> {
    let mut name = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((plain, after)) = rest.split_once('&') {
        name.push_str(plain);
        let (shifted, tail) = after.split_once('-')?;
        if shifted.is_empty() {
            name.push('&');
        } else {
            let bytes = MUTF7.decode(shifted).ok()?;
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
                .map(u16::from_be_bytes)
                .collect();
            if units.len() * 2 != bytes.len() {
                return None;
            }
            name.push_str(&String::from_utf16(&units).ok()?);
        }
        rest = tail;
    }
    name.push_str(rest);
    if name.chars().any(char::is_control) { None } else { Some(name) }
}

/// A special-use role (RFC 6154 §2). `Inbox` is the mailbox that is always `INBOX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are RFC 6154's words")]
pub enum Role {
    Inbox,
    Sent,
    Drafts,
    Trash,
    Junk,
    Archive,
    All,
    Flagged,
}

impl Role {
    /// Every role.
    pub const EVERY: [Self; 8] = [
        Self::Inbox,
        Self::Sent,
        Self::Drafts,
        Self::Trash,
        Self::Junk,
        Self::Archive,
        Self::All,
        Self::Flagged,
    ];

    /// The attribute with its backslash, as the API shows it.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Inbox => "\\Inbox",
            Self::Sent => "\\Sent",
            Self::Drafts => "\\Drafts",
            Self::Trash => "\\Trash",
            Self::Junk => "\\Junk",
            Self::Archive => "\\Archive",
            Self::All => "\\All",
            Self::Flagged => "\\Flagged",
        }
    }

    /// Parses an attribute in any case, since servers differ.
    #[must_use]
    pub fn from_attribute(attribute: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|role| role.attribute().eq_ignore_ascii_case(attribute))
    }
}

/// How a mailbox's role was determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoleSource {
    /// A SPECIAL-USE attribute of the server (RFC 6154).
    SpecialUse,
    /// A well-known name.
    Name,
}

/// One mailbox of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name on the wire.
    pub name: MailboxName,
    /// The decoded name, split at the hierarchy delimiter.
    pub path: Vec<String>,
    /// Its role, and how that was determined.
    pub role: Option<(Role, RoleSource)>,
    /// Whether it can be selected (no `\Noselect`).
    pub selectable: bool,
    /// Filled in on request only.
    pub counters: Option<Counters>,
}

/// STATUS (RFC 9051 §6.3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// All messages.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
}

/// A reference to a mailbox in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailboxRef {
    /// By its name.
    Named(MailboxName),
    /// By its role (`\Sent`).
    Role(Role),
}

impl MailboxRef {
    /// Parses a reference; a leading backslash marks a role.
    ///
    /// # Errors
    /// For an unknown role and for a name that cannot stand on the wire.
    pub fn parse(text: &str) -> Result<Self, InvalidMailboxName> {
        if text.starts_with('\\') {
            return Role::from_attribute(text).map(Self::Role).ok_or(InvalidMailboxName);
        }
        MailboxName::from_decoded(text).map(Self::Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_travel_in_modified_utf7_and_come_back() {
        check("INBOX", "INBOX");
        check("A & B", "A &- B");
        check("台北", "&U,BTFw-");
        check("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        check("Entwürfe", "Entw&APw-rfe");
        check("📬", "&2D3c7A-");
    }

    #[test]
    fn what_is_not_modified_utf7_is_shown_as_it_is() {
        for wire in ["a&b", "&!-", "&AA-", "plain"] {
            assert_eq!(MailboxName::from_wire(wire).unwrap().decoded(), wire);
        }
    }

    #[test]
    fn a_name_with_a_line_break_never_reaches_the_wire() {
        for name in ["", "a\r\nA2 DELETE INBOX", "a\0"] {
            assert!(MailboxName::from_decoded(name).is_err(), "{name:?}");
        }
    }

    #[track_caller]
    fn check(name: &str, wire: &str) {
        let mailbox = MailboxName::from_decoded(name).unwrap();
        assert_eq!(mailbox.wire(), wire);
        assert_eq!(mailbox.decoded(), name);
    }
}
