//! Message ids: where a message lies, in one opaque word.
//!
//! An id names account, mailbox, UIDVALIDITY and UID, so that it can never hit
//! the wrong message; it is no authority, and every use checks all of them.
//!
//! Invariant: two accounts, or two generations of one account, have different
//! tags. UIDVALIDITY is unique per mailbox only (RFC 9051 §2.3.1.1), hence the
//! mailbox's name in every id.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::account::Account;
use model::ids::{AccountId, TenantId};
use model::mailbox::MailboxName;
use sha2::{Digest, Sha256};

/// The first byte of every message id.
const VERSION: u8 = 1;

/// An account within the whole host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) account: AccountId,
}

impl Owner {
    pub(crate) fn of(account: &Account) -> Self {
        Self { tenant: account.tenant.clone(), account: account.id.clone() }
    }
}

/// Stands for one generation of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccountTag([u8; 8]);

impl AccountTag {
    pub(crate) fn of(account: &Account) -> Self {
        // Ids hold no NUL, so the words cannot run into each other.
        let digest = Sha256::new()
            .chain_update(account.tenant.as_str())
            .chain_update([0])
            .chain_update(account.id.as_str())
            .chain_update([0])
            .chain_update(account.generation.to_be_bytes())
            .finalize();
        let mut tag = [0; 8];
        tag.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(tag)
    }

    pub(crate) const fn bytes(self) -> [u8; 8] {
        self.0
    }
}

/// One message in one mailbox of one account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) tag: AccountTag,
    pub(crate) mailbox: MailboxName,
    pub(crate) uid_validity: u32,
    pub(crate) uid: u32,
}

impl Place {
    /// The opaque id.
    pub(crate) fn key(&self) -> String {
        encode(VERSION, self.tag, [self.uid_validity, self.uid], &self.mailbox)
    }

    /// None when it is no id, or not one of the account with `tag`.
    pub(crate) fn parse(key: &str, tag: AccountTag) -> Option<Self> {
        let (found, [uid_validity, uid], mailbox) = decode(VERSION, key)?;
        (found == tag).then_some(Self { tag, mailbox, uid_validity, uid })
    }
}

/// Base64url of version, tag, numbers and the mailbox's name on the wire.
pub(crate) fn encode<const N: usize>(
    version: u8,
    tag: AccountTag,
    numbers: [u32; N],
    mailbox: &MailboxName,
) -> String {
    let mut bytes = vec![version];
    bytes.extend(tag.bytes());
    bytes.extend(numbers.into_iter().flat_map(u32::to_be_bytes));
    bytes.extend(mailbox.wire().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`encode`] wrote with the same version.
pub(crate) fn decode<const N: usize>(
    version: u8,
    text: &str,
) -> Option<(AccountTag, [u32; N], MailboxName)> {
    // A mailbox's name has at most 1,000 bytes.
    if text.len() > 2_000 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (found, rest) = bytes.split_first()?;
    let (tag, mut rest) = rest.split_first_chunk::<8>()?;
    let mut numbers = [0; N];
    for number in &mut numbers {
        let (chunk, after) = rest.split_first_chunk::<4>()?;
        *number = u32::from_be_bytes(*chunk);
        rest = after;
    }
    let mailbox = MailboxName::from_wire(std::str::from_utf8(rest).ok()?).ok()?;
    (*found == version).then_some((AccountTag(*tag), numbers, mailbox))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::account::account;

    #[test]
    fn an_id_survives_the_trip_through_a_url() {
        let place = place("anna", 1);
        let key = place.key();
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(Place::parse(&key, place.tag), Some(place));
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

    #[track_caller]
    fn check(key: &str, id: &str, generation: u32, want: bool) {
        let found = Place::parse(key, place(id, generation).tag);
        assert_eq!(found.is_some(), want, "{key} {id} {generation}");
    }

    fn place(id: &str, generation: u32) -> Place {
        let mut account = account(id);
        account.generation = generation;
        Place {
            tag: AccountTag::of(&account),
            mailbox: MailboxName::from_wire("&U,BTFw-/x").unwrap(),
            uid_validity: 7,
            uid: u32::MAX,
        }
    }
}
