//! Pagination cursors of message lists: anchored at a UID, with a hint for the sequence number.
//!
//! The next page holds only UIDs below the anchor, so arriving mail cannot repeat or hide a row.
//! Expunges only lower sequence numbers (RFC 9051 §2.3.1.2), so every message below the anchor
//! still lies at or below the hint.

use model::mail::mailbox::MailboxName;

use crate::messages::message_id::{self, AccountFingerprint};

/// Differs from the version of a message id, so that one is not accepted as the other.
const VERSION: u8 = 0xc1;

/// The end of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) tag: AccountFingerprint,
    pub(crate) mailbox: MailboxName,
    pub(crate) uid_validity: u32,
    /// The lowest UID on the page.
    pub(crate) anchor: u32,
    /// The highest sequence number that a message below the anchor can have.
    pub(crate) hint: u32,
}

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        let numbers = [self.uid_validity, self.anchor, self.hint];
        message_id::encode(VERSION, self.tag, numbers, &self.mailbox)
    }

    /// None when it is not a cursor, or not one of the account with `tag`.
    pub(crate) fn decode(text: &str, tag: AccountFingerprint) -> Option<Self> {
        let ([uid_validity, anchor, hint], mailbox) = message_id::decode(VERSION, text, tag)?;
        Some(Self { tag, mailbox, uid_validity, anchor, hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::message_id::MessageRef;
    use crate::tests::account::account;

    #[test]
    fn a_cursor_is_read_back_and_is_no_message_id() {
        let tag = AccountFingerprint::of(&account("anna"));
        let mailbox = MailboxName::from_wire("INBOX").unwrap();
        let cursor = Cursor { tag, mailbox, uid_validity: 7, anchor: 100, hint: 12 };
        assert_eq!(Cursor::decode(&cursor.encode(), tag), Some(cursor.clone()));
        let other = AccountFingerprint::of(&account("bela"));
        assert_eq!(Cursor::decode(&cursor.encode(), other), None);
        assert_eq!(MessageRef::parse(&cursor.encode(), tag), None);
        assert_eq!(Cursor::decode("nonsense", tag), None);
    }
}
