//! Faults of a message or a draft, as WIT returns them.
//!
//! A code is an enum here and a string in WIT; the list below has all codes of this component.
//! Faults never repeat bytes of a message that was received; of a draft, an address.

/// One fault. `pointer` is a JSON Pointer (RFC 6901) into the draft; empty when the fault concerns
/// the message as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    pub pointer: String,
    pub code: Code,
    pub detail: String,
}

/// The kinds of fault. Add freely; never rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The message is longer than the parser accepts.
    TooLarge,
    /// Multiparts are nested too deep.
    TooDeep,
    /// More parts than the parser accepts.
    TooManyParts,
    /// A header block is longer than the parser accepts.
    HeaderTooLarge,
    /// The end of a requested member is left out.
    Cut,
    /// No part at that path.
    NoSuchPart,
    /// The host failed to return the bytes.
    OctetsUnreadable,
    /// The host refused to write the bytes.
    SpoolRefused,
    /// A draft without a sender.
    NoSender,
    /// A draft without any recipient.
    NoRecipients,
    /// More recipients than one message may have.
    TooManyRecipients,
    /// A control character where none is allowed.
    ControlCharacter,
    /// Not one mailbox of the form `local@domain`.
    BadAddress,
    /// An address that would need SMTPUTF8 (RFC 6531).
    NotAscii,
    /// Not a field name (RFC 5322 section 2.2).
    BadHeaderName,
    /// A field that is written from other members of the draft.
    ReservedHeader,
    /// Not a media type that an attachment may have.
    BadContentType,
    /// Not a content id (RFC 2392).
    BadContentId,
    /// Not a message id (RFC 5322 section 3.6.4).
    BadMessageId,
    /// A date that RFC 5322 cannot express.
    BadDate,
    /// Longer than the limit of the field.
    TooLong,
    /// More edits than one verdict may hold.
    TooManyEdits,
}

impl Code {
    /// The code as WIT and the API have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::TooDeep => "too-deep",
            Self::TooManyParts => "too-many-parts",
            Self::HeaderTooLarge => "header-too-large",
            Self::Cut => "cut",
            Self::NoSuchPart => "no-such-part",
            Self::OctetsUnreadable => "octets-unreadable",
            Self::SpoolRefused => "spool-refused",
            Self::NoSender => "no-sender",
            Self::NoRecipients => "no-recipients",
            Self::TooManyRecipients => "too-many-recipients",
            Self::ControlCharacter => "control-character",
            Self::BadAddress => "bad-address",
            Self::NotAscii => "not-ascii",
            Self::BadHeaderName => "bad-header-name",
            Self::ReservedHeader => "reserved-header",
            Self::BadContentType => "bad-content-type",
            Self::BadContentId => "bad-content-id",
            Self::BadMessageId => "bad-message-id",
            Self::BadDate => "bad-date",
            Self::TooLong => "too-long",
            Self::TooManyEdits => "too-many-edits",
        }
    }
}

impl Fault {
    /// A fault of the message as a whole.
    pub fn of_message(code: Code, detail: impl Into<String>) -> Self {
        Self::at("", code, detail)
    }

    /// A fault at one member of the draft.
    pub fn at(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}
