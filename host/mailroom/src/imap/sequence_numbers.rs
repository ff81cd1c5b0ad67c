//! A session's view of its mailbox: sequence numbers, and the state reported to the client.
//!
//! The view changes only when the client is notified, in [`SequenceView::catch_up`], by comparing
//! it with the store. So a number means the same message to both sides, whatever other sessions do
//! meanwhile.
//!
//! Standards: RFC 3501 §5.2, §7.4.1 (when EXPUNGE may be sent).

use imap_codec::imap_types::sequence::SequenceSet;

use crate::imap::answer::Answer;
use crate::imap::sets::{exceeds, holds};
use crate::mailbox::{Mailbox, MailboxId, Message};
use crate::store::{Store, UserId};

/// Whether sequence numbers may change now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expunges {
    Tell,
    Withhold,
}

/// How a command identifies messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbering {
    Sequence,
    Uid,
}

impl From<bool> for Numbering {
    /// From the codec's flag: whether the command began with UID.
    fn from(uid: bool) -> Self {
        if uid { Self::Uid } else { Self::Sequence }
    }
}

#[derive(Clone, Copy, Debug)]
struct Known {
    uid: u32,
    version: u64,
}

/// The view.
pub(crate) struct SequenceView {
    pub(crate) user: UserId,
    pub(crate) mailbox: MailboxId,
    pub(crate) read_only: bool,
    /// Ascending by UID; the index is the sequence number less one.
    known: Vec<Known>,
    /// The greatest UID ever known.
    top: u32,
    /// The store's version at the last complete comparison.
    compared: Option<u64>,
}

impl SequenceView {
    pub(crate) fn new(user: UserId, mailbox: &Mailbox, read_only: bool) -> Self {
        let know = |message: &Message| Known { uid: message.uid, version: message.version };
        let known = mailbox.messages.iter().map(know).collect();
        Self {
            user,
            mailbox: mailbox.id,
            read_only,
            known,
            top: mailbox.uid_next - 1,
            compared: None,
        }
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.known.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn last_uid(&self) -> u32 {
        self.known.last().map_or(0, |known| known.uid)
    }

    /// UIDs of the messages in `set`, ascending. Sequence numbers without a message are an error;
    /// UIDs without one are not (RFC 3501 §6.4.8).
    pub(crate) fn uids(&self, set: &SequenceSet, by: Numbering) -> Result<Vec<u32>, Answer> {
        if by == Numbering::Sequence && exceeds(set, self.count()) {
            return Err(Answer::bad("there is no message with such a number"));
        }
        let (count, last) = (self.count(), self.last_uid());
        let wanted = (1..).zip(&self.known).filter(|(number, known)| match by {
            Numbering::Sequence => holds(set, *number, count),
            Numbering::Uid => holds(set, known.uid, last),
        });
        Ok(wanted.map(|(_, known)| known.uid).collect())
    }

    /// The messages of `uids` that still exist, with their sequence numbers.
    pub(crate) fn messages(&self, store: &Store, uids: &[u32]) -> Vec<(u32, Message)> {
        let read = store.read(self.user, self.mailbox, |mailbox| {
            let numbered = uids
                .iter()
                .filter_map(|uid| Some((self.number(*uid)?, mailbox.get(*uid)?.clone())));
            numbered.collect()
        });
        read.unwrap_or_default()
    }

    /// All messages of the view that still exist.
    pub(crate) fn all(&self, store: &Store) -> Vec<(u32, Message)> {
        let uids: Vec<u32> = self.known.iter().map(|known| known.uid).collect();
        self.messages(store, &uids)
    }

    fn number(&self, uid: u32) -> Option<u32> {
        let at = self.known.binary_search_by_key(&uid, |known| known.uid).ok()?;
        u32::try_from(at + 1).ok()
    }

    fn known(&mut self, uid: u32) -> Option<&mut Known> {
        let at = self.known.binary_search_by_key(&uid, |known| known.uid).ok()?;
        self.known.get_mut(at)
    }

    /// Records that these flags were sent to the client.
    pub(crate) fn told(&mut self, uid: u32, version: u64) {
        if let Some(known) = self.known(uid) {
            known.version = version;
        }
    }

    /// Records flags that the client itself changed with STORE .SILENT; earlier changes by others
    /// are still reported.
    pub(crate) fn silenced(&mut self, changed: &[(u32, u64, u64)]) {
        for (uid, before, after) in changed {
            if let Some(known) = self.known(*uid).filter(|known| known.version == *before) {
                known.version = *after;
            }
        }
    }

    /// Writes responses for all differences, and updates the view.
    pub(crate) fn catch_up(&mut self, store: &Store, expunges: Expunges, out: &mut Vec<u8>) {
        // Read before comparing: changes in between are compared once more.
        let version = store.version();
        if self.compared == Some(version) {
            return;
        }
        self.compared = (expunges == Expunges::Tell).then_some(version);
        let (user, id) = (self.user, self.mailbox);
        if store.read(user, id, |mailbox| self.compare(mailbox, expunges, out)).is_none() {
            // The mailbox was deleted with all its messages.
            self.compare(&Mailbox::new(id, 1), expunges, out);
        }
    }

    fn compare(&mut self, mailbox: &Mailbox, expunges: Expunges, out: &mut Vec<u8>) {
        if expunges == Expunges::Tell {
            // From the end, so that the remaining numbers stay valid.
            for at in (0..self.known.len()).rev() {
                if self.known.get(at).is_some_and(|known| mailbox.get(known.uid).is_none()) {
                    self.known.remove(at);
                    out.extend_from_slice(format!("* {} EXPUNGE\r\n", at + 1).as_bytes());
                }
            }
        }
        let from = mailbox.messages.partition_point(|message| message.uid <= self.top);
        let before = self.known.len();
        for message in mailbox.messages.iter().skip(from) {
            self.known.push(Known { uid: message.uid, version: message.version });
            self.top = message.uid;
        }
        if self.known.len() > before {
            out.extend_from_slice(format!("* {} EXISTS\r\n", self.count()).as_bytes());
        }
        for (number, known) in (1_u32..).zip(&mut self.known) {
            if let Some(message) = mailbox.get(known.uid)
                && message.version > known.version
            {
                known.version = message.version;
                flag_notice(out, number, message);
            }
        }
    }
}

/// `* n FETCH (UID u FLAGS (…))`; the UID saves the client a FETCH.
pub(crate) fn flag_notice(out: &mut Vec<u8>, number: u32, message: &Message) {
    let (uid, flags) = (message.uid, message.flags.join(" "));
    out.extend_from_slice(format!("* {number} FETCH (UID {uid} FLAGS ({flags}))\r\n").as_bytes());
}
