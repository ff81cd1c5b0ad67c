//! Positions in lists of messages: anchored at a UID, with a hint for the sequence number;
//! [`model::paging`] binds them to their list.
//!
//! The next page holds only UIDs below the anchor, so arriving mail cannot repeat or hide a row.
//! Expunges only lower sequence numbers (RFC 9051 §2.3.1.2), so every message below the anchor
//! still lies at or below the hint.

use model::paging::ListFingerprint;

/// The end of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) uid_validity: u32,
    /// The lowest UID on the page.
    pub(crate) anchor: u32,
    /// The highest sequence number that a message below the anchor can have.
    pub(crate) hint: u32,
}

impl Cursor {
    pub(crate) fn encode(&self, list: ListFingerprint) -> String {
        let numbers = [self.uid_validity, self.anchor, self.hint];
        list.cursor(&numbers.map(u32::to_be_bytes).concat())
    }

    /// None when it is not a cursor of this list.
    pub(crate) fn decode(text: &str, list: ListFingerprint) -> Option<Self> {
        let position = list.position(text)?;
        let ([uid_validity, anchor, hint], []) = position.as_chunks::<4>() else { return None };
        let [uid_validity, anchor, hint] =
            [uid_validity, anchor, hint].map(|bytes| u32::from_be_bytes(*bytes));
        Some(Self { uid_validity, anchor, hint })
    }
}

#[cfg(test)]
mod tests {
    use model::mail::mailbox::MailboxName;

    use super::*;
    use crate::messages::message_id::{AccountFingerprint, MessageRef};
    use crate::tests::account::account;

    #[test]
    fn a_cursor_is_read_back_in_its_list_and_is_no_message_id() {
        let mailbox = |name| MailboxName::from_wire(name).unwrap();
        let tag = AccountFingerprint::of(&account("anna"));
        let list = tag.list(&mailbox("INBOX"));
        let cursor = Cursor { uid_validity: 7, anchor: 100, hint: u32::MAX };
        let text = cursor.encode(list);
        assert_eq!(Cursor::decode(&text, list), Some(cursor));
        let mut again = account("anna");
        again.generation += 1;
        for other in [
            tag.list(&mailbox("Work")),
            AccountFingerprint::of(&account("bela")).list(&mailbox("INBOX")),
            AccountFingerprint::of(&again).list(&mailbox("INBOX")),
        ] {
            assert_eq!(Cursor::decode(&text, other), None);
        }
        assert_eq!(MessageRef::parse(&text, tag), None);
        let id = MessageRef { tag, mailbox: mailbox("INBOX"), uid_validity: 7, uid: 100 }.key();
        let (short, long) = (list.cursor(&[0; 11]), list.cursor(&[0; 16]));
        for nonsense in ["nonsense", "", &id, &short, &long] {
            assert_eq!(Cursor::decode(nonsense, list), None, "{nonsense:?}");
        }
    }
}
