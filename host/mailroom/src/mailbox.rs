//! A mailbox: messages with their UIDs and flags.
//!
//! Independent of users and names.
//!
//! Invariant: UIDs are assigned from 1 upwards and never reused.
//!
//! Standards: RFC 3501 §2.3.1.1 (UIDs), §2.3.2 (flags).

use bytes::Bytes;
use time::OffsetDateTime;

/// The same for all mailboxes; see the crate's invariants.
pub(crate) const UIDVALIDITY: u32 = 1_700_000_001;
/// Maximum number of flags of one message.
const MAX_FLAGS: usize = 64;

/// Identifies a mailbox of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MailboxId(pub(crate) u64);

/// One message in one mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) uid: u32,
    /// System flags as `\Seen`; at most one spelling of each.
    pub(crate) flags: Vec<String>,
    pub(crate) received: OffsetDateTime,
    pub(crate) raw: Bytes,
    /// Increases, over the whole store, when the flags change.
    pub(crate) version: u64,
}

impl Message {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own.eq_ignore_ascii_case(flag))
    }
}

/// One mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) id: MailboxId,
    pub(crate) special: Option<&'static str>,
    pub(crate) subscribed: bool,
    pub(crate) uid_next: u32,
    /// In the order of their UIDs.
    pub(crate) messages: Vec<Message>,
}

impl Mailbox {
    pub(crate) fn new(id: MailboxId, uid_next: u32) -> Self {
        Self { id, special: None, subscribed: true, uid_next, messages: Vec::new() }
    }

    pub(crate) fn get(&self, uid: u32) -> Option<&Message> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        self.messages.get(at)
    }

    /// Adds a message under the next UID, and returns that.
    pub(crate) fn put(&mut self, message: Message) -> u32 {
        let uid = self.uid_next;
        self.uid_next = self.uid_next.saturating_add(1);
        self.messages.push(Message { uid, ..message });
        uid
    }
}

/// How STORE changes flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add,
    Remove,
    Replace,
}

/// Changes `own`; returns whether it is different now.
pub(crate) fn apply(own: &mut Vec<String>, flags: &[String], change: Change) -> bool {
    let before = own.clone();
    let among = |list: &[String], flag: &str| list.iter().any(|f| f.eq_ignore_ascii_case(flag));
    match change {
        Change::Remove => own.retain(|flag| !among(flags, flag)),
        Change::Replace => own.retain(|flag| among(flags, flag)),
        Change::Add => {}
    }
    if change != Change::Remove {
        for flag in flags {
            if !among(own, flag) && own.len() < MAX_FLAGS {
                own.push(flag.clone());
            }
        }
    }
    *own != before
}

#[cfg(test)]
mod tests {
    use super::{Change, apply};

    #[test]
    fn flags_are_compared_without_regard_to_case() {
        check(&["\\Seen", "a"], &["A", "b"], Change::Add, &["\\Seen", "a", "b"]);
        check(&["\\Seen", "a"], &["A"], Change::Remove, &["\\Seen"]);
        check(&["\\Seen", "a"], &["A", "b"], Change::Replace, &["a", "b"]);
    }

    #[track_caller]
    fn check(own: &[&str], flags: &[&str], change: Change, want: &[&str]) {
        let owned = |list: &[&str]| list.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>();
        let mut set = owned(own);
        assert!(apply(&mut set, &owned(flags), change));
        assert_eq!(set, owned(want));
    }
}
