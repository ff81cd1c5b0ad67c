//! Message ids of the API: an opaque encoding of a message's position.
//!
//! An id names account, mailbox, UIDVALIDITY and UID, so that it can never reach the wrong message;
//! it carries no authority, and every use checks all of them.
//!
//! Invariant: two accounts, or two generations of one account, have different tags. UIDVALIDITY is
//! unique per mailbox only (RFC 9051 §2.3.1.1), hence the mailbox's name in every id.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::account::Account;
use model::mail::mailbox::MailboxName;
use model::paging::{ListFingerprint, short_digest};

use crate::login::account_ref::AccountRef;

/// The first byte of every message id.
const VERSION: u8 = 1;

/// Identifies one generation of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccountFingerprint {
    /// The part that ids contain.
    shown: [u8; 8],
    /// The same for every generation; not part of an id.
    owner: [u8; 8],
}

impl AccountFingerprint {
    /// Host and login are included: whatever happens to generations, ids of one mailbox are invalid
    /// in another person's.
    pub(crate) fn of(account: &Account) -> Self {
        let generation = account.generation.to_be_bytes();
        let imap = account.imap.as_ref();
        let host = imap.map(|server| server.host.to_ascii_lowercase()).unwrap_or_default();
        let login = imap.map(|server| server.username.as_bytes()).unwrap_or_default();
        let (tenant, id) = (account.tenant.as_str().as_bytes(), account.id.as_str().as_bytes());
        Self {
            shown: short_digest(&[tenant, id, &generation, host.as_bytes(), login]),
            owner: short_digest(&[tenant, id]),
        }
    }

    /// The messages of a mailbox of the account.
    pub(crate) fn list(self, mailbox: &MailboxName) -> ListFingerprint {
        ListFingerprint::of("messages", &[&self.shown, mailbox.wire().as_bytes()])
    }

    pub(crate) fn belongs_to(self, owner: &AccountRef) -> bool {
        let (tenant, id) = (owner.tenant.as_str().as_bytes(), owner.account.as_str().as_bytes());
        self.owner == short_digest(&[tenant, id])
    }
}

/// The position of one message in one mailbox of one account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MessageRef {
    pub(crate) tag: AccountFingerprint,
    pub(crate) mailbox: MailboxName,
    pub(crate) uid_validity: u32,
    pub(crate) uid: u32,
}

impl MessageRef {
    /// The opaque id: base64url of version, tag, numbers and the mailbox's wire name.
    pub(crate) fn key(&self) -> String {
        let [validity, uid] = [self.uid_validity, self.uid].map(u32::to_be_bytes);
        let mailbox = self.mailbox.wire().as_bytes();
        URL_SAFE_NO_PAD.encode([&[VERSION][..], &self.tag.shown, &validity, &uid, mailbox].concat())
    }

    /// None when it is not an id, or not one of the account with `tag`.
    pub(crate) fn parse(key: &str, tag: AccountFingerprint) -> Option<Self> {
        // A mailbox's name has at most 1,000 bytes.
        if key.len() > 2_000 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(key).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (shown, rest) = rest.split_first_chunk::<8>()?;
        let (validity, rest) = rest.split_first_chunk::<4>()?;
        let (uid, mailbox) = rest.split_first_chunk::<4>()?;
        if *version != VERSION || *shown != tag.shown {
            return None;
        }
        let mailbox = MailboxName::from_wire(std::str::from_utf8(mailbox).ok()?).ok()?;
        let [uid_validity, uid] = [validity, uid].map(|bytes| u32::from_be_bytes(*bytes));
        Some(Self { tag, mailbox, uid_validity, uid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::account::account;

    #[test]
    fn an_id_survives_the_trip_through_a_url() {
        let place = place("anna", 1);
        let key = place.key();
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(MessageRef::parse(&key, place.tag), Some(place));
    }

    #[test]
    fn an_id_of_another_account_or_generation_is_none() {
        let key = place("anna", 1).key();
        check(&key, "anna", 1, true);
        check(&key, "anna", 2, false);
        check(&key, "bela", 1, false);
        check("", "anna", 1, false);
        check("AAAA", "anna", 1, false);
        check(&key.replace('A', "*"), "anna", 1, false);
    }

    #[test]
    fn an_account_that_is_made_again_with_another_login_has_other_ids() {
        let first = account("anna");
        let mut second = account("anna");
        second.imap.as_mut().unwrap().username = "somebody".to_owned();
        let (first, second) = (AccountFingerprint::of(&first), AccountFingerprint::of(&second));
        assert_ne!(first.shown, second.shown);
        let owner = AccountRef::of(&account("anna"));
        assert!(first.belongs_to(&owner) && second.belongs_to(&owner));
        assert!(!first.belongs_to(&AccountRef::of(&account("bela"))));
    }

    #[track_caller]
    fn check(key: &str, id: &str, generation: u32, want: bool) {
        let found = MessageRef::parse(key, place(id, generation).tag);
        assert_eq!(found.is_some(), want, "{key} {id} {generation}");
    }

    fn place(id: &str, generation: u32) -> MessageRef {
        let mut account = account(id);
        account.generation = generation;
        MessageRef {
            tag: AccountFingerprint::of(&account),
            mailbox: MailboxName::from_wire("&U,BTFw-/x").unwrap(),
            uid_validity: 7,
            uid: u32::MAX,
        }
    }
}
