//! In-memory store of users and mailboxes, with change notification.
//!
//! One lock around everything: the mailroom serves one person or a test, and the lock is never held
//! over an await. Sessions keep their own view of a mailbox and compare it with the store, so the
//! store keeps no log of changes: only a version per message and one watch channel.
//!
//! Invariants: a mailbox created again under a deleted name does not repeat its UIDs, since its
//! UIDVALIDITY stays. Octets and mailboxes of a user are limited. Octets are shared by all copies.
//!
//! Standards: RFC 3501 §2.3.1.1 (UIDs), §5.1 (names), RFC 6154 (special use).

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::config::User;
use crate::error::MailroomError;
use crate::mailbox::{Change, Mailbox, MailboxId, Message, apply};

/// Storage quota of one user in octets; each message counts [`OVERHEAD`] more.
const QUOTA: usize = 512 * 1024 * 1024;
const OVERHEAD: usize = 512;
/// Maximum number of mailboxes of a user, deleted ones included.
const MAX_MAILBOXES: usize = 1000;

const SPECIAL: [(&str, Option<&str>); 6] = [
    ("INBOX", None),
    ("Archive", Some("\\Archive")),
    ("Drafts", Some("\\Drafts")),
    ("Junk", Some("\\Junk")),
    ("Sent", Some("\\Sent")),
    ("Trash", Some("\\Trash")),
];

/// Identifies a user; valid for this store only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UserId(usize);

/// Why the store refuses. The words in brackets are IMAP response codes (RFC 5530).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoSuchMailbox,
    AlreadyExists,
    HasChildren,
    Cannot,
    OverQuota,
}

/// Whether the messages stay in the source mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    Copy,
    Move,
}

struct Account {
    email: String,
    password: String,
    mailboxes: BTreeMap<String, Mailbox>,
    /// Deleted names, and the next UID of each.
    graves: BTreeMap<String, u32>,
    /// The last mailbox id assigned.
    ids: u64,
}

struct State {
    accounts: Vec<Account>,
    /// The last version assigned.
    version: u64,
}

/// The store.
pub(crate) struct Store {
    state: Mutex<State>,
    bell: watch::Sender<()>,
}

impl Store {
    pub(crate) fn new(users: Vec<User>) -> Result<Self, MailroomError> {
        let mut state = State { accounts: Vec::new(), version: 0 };
        for User { email, password } in users {
            let known = state.accounts.iter().any(|own| own.email.eq_ignore_ascii_case(&email));
            let parts = email.split_once('@');
            if known || parts.is_none_or(|(local, domain)| local.is_empty() || domain.is_empty()) {
                return Err(MailroomError::User { email });
            }
            let (mailboxes, graves) = (BTreeMap::new(), BTreeMap::new());
            let mut account = Account { email, password, mailboxes, graves, ids: 0 };
            for (name, special) in SPECIAL {
                account.open(name, special);
            }
            state.accounts.push(account);
        }
        Ok(Self { state: Mutex::new(state), bell: watch::Sender::new(()) })
    }

    /// Subscribes to changes.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Increases with every change.
    pub(crate) fn version(&self) -> u64 {
        self.lock().version
    }

    pub(crate) fn login(&self, email: &str, password: &str) -> Option<UserId> {
        let state = self.lock();
        let found = state.accounts.iter().position(|own| {
            own.email.eq_ignore_ascii_case(email) && own.password.as_bytes() == password.as_bytes()
        });
        found.map(UserId)
    }

    pub(crate) fn email(&self, user: UserId) -> Option<String> {
        self.lock().account(user).map(|own| own.email.clone())
    }

    /// The owner of an address; `local+anything@domain` also belongs to `local@domain`.
    pub(crate) fn owner(&self, address: &str) -> Option<UserId> {
        let state = self.lock();
        let (local, domain) = address.rsplit_once('@')?;
        let plain = format!("{}@{domain}", local.split('+').next().unwrap_or(local));
        let found = state.accounts.iter().position(|own| {
            own.email.eq_ignore_ascii_case(address) || own.email.eq_ignore_ascii_case(&plain)
        });
        found.map(UserId)
    }

    pub(crate) fn is_own_domain(&self, domain: &str) -> bool {
        let state = self.lock();
        let mut own = state.accounts.iter().filter_map(|own| own.email.rsplit_once('@'));
        own.any(|(_, own_domain)| own_domain.eq_ignore_ascii_case(domain))
    }

    /// Whether `more` octets fit into the quota.
    pub(crate) fn has_room(&self, user: UserId, more: usize) -> bool {
        self.lock().account(user).is_some_and(|own| own.room_for(more).is_ok())
    }

    /// Reads one mailbox by name.
    pub(crate) fn named<R>(
        &self,
        user: UserId,
        name: &str,
        read: impl FnOnce(&Mailbox) -> R,
    ) -> Option<R> {
        self.lock().account(user)?.mailboxes.get(name).map(read)
    }

    /// Reads one mailbox by id; `None` once it is deleted.
    pub(crate) fn read<R>(
        &self,
        user: UserId,
        id: MailboxId,
        read: impl FnOnce(&Mailbox) -> R,
    ) -> Option<R> {
        let state = self.lock();
        state.account(user)?.mailboxes.values().find(|mailbox| mailbox.id == id).map(read)
    }

    /// Name, special use and subscription of every mailbox, by name.
    pub(crate) fn list(&self, user: UserId) -> Vec<(String, Option<&'static str>, bool)> {
        let state = self.lock();
        let all = state.account(user).into_iter().flat_map(|account| &account.mailboxes);
        all.map(|(name, own)| (name.clone(), own.special, own.subscribed)).collect()
    }

    /// Adds a message and returns its UID.
    pub(crate) fn append(
        &self,
        user: UserId,
        name: &str,
        raw: Bytes,
        flags: &[String],
        received: OffsetDateTime,
    ) -> Result<u32, Refusal> {
        self.change(user, |account, version| {
            account.room_for(raw.len())?;
            let mailbox = account.mailboxes.get_mut(name).ok_or(Refusal::NoSuchMailbox)?;
            let mut set = Vec::new();
            apply(&mut set, flags, Change::Add);
            Ok(mailbox.put(Message { uid: 0, flags: set, received, raw, version }))
        })
    }

    /// Copies or moves messages, with flags and INTERNALDATE, all or none (RFC 3501 §6.4.7);
    /// returns the pairs of old and new UIDs.
    pub(crate) fn transfer(
        &self,
        user: UserId,
        from: MailboxId,
        uids: &[u32],
        to: &str,
        transfer: Transfer,
    ) -> Result<Vec<(u32, u32)>, Refusal> {
        self.change(user, |account, version| {
            let source = account.by_id(from).ok_or(Refusal::NoSuchMailbox)?;
            let found: Vec<Message> =
                uids.iter().filter_map(|uid| source.get(*uid)).cloned().collect();
            if transfer == Transfer::Copy {
                account.room_for(found.iter().map(|message| message.raw.len()).sum())?;
            }
            let target = account.mailboxes.get_mut(to).ok_or(Refusal::NoSuchMailbox)?;
            let put = |message: Message| (message.uid, target.put(Message { version, ..message }));
            let pairs: Vec<(u32, u32)> = found.into_iter().map(put).collect();
            if let (Transfer::Move, Some(source)) = (transfer, account.by_id(from)) {
                let moved = |uid| pairs.binary_search_by_key(&uid, |pair| pair.0).is_ok();
                source.messages.retain(|message| !moved(message.uid));
            }
            Ok(pairs)
        })
    }

    /// Changes flags; returns UID, version before and version after.
    pub(crate) fn flag(
        &self,
        user: UserId,
        id: MailboxId,
        uids: &[u32],
        flags: &[String],
        change: Change,
    ) -> Vec<(u32, u64, u64)> {
        let changed = self.change(user, |account, version| {
            let mailbox = account.by_id(id).ok_or(Refusal::NoSuchMailbox)?;
            let mut changed = Vec::new();
            for message in &mut mailbox.messages {
                if uids.binary_search(&message.uid).is_err() {
                    continue;
                }
                let before = message.version;
                if apply(&mut message.flags, flags, change) {
                    message.version = version;
                }
                changed.push((message.uid, before, message.version));
            }
            Ok(changed)
        });
        changed.unwrap_or_default()
    }

    /// Removes the messages whose UID is `wanted`.
    pub(crate) fn remove(&self, user: UserId, id: MailboxId, wanted: impl Fn(&Message) -> bool) {
        // A mailbox that was deleted meanwhile has none left.
        let _ = self.change(user, |account, _| {
            let mailbox = account.by_id(id).ok_or(Refusal::NoSuchMailbox)?;
            mailbox.messages.retain(|message| !wanted(message));
            Ok(())
        });
    }

    /// Creates a mailbox and its parents.
    pub(crate) fn create(&self, user: UserId, name: &str) -> Result<(), Refusal> {
        self.change(user, |account, _| {
            if account.mailboxes.contains_key(name) {
                return Err(Refusal::AlreadyExists);
            }
            let mut wanted: Vec<&str> =
                name.match_indices('/').map(|(at, _)| name.split_at(at).0).collect();
            wanted.push(name);
            if wanted.iter().any(|part| part.is_empty() || part.ends_with('/')) {
                return Err(Refusal::Cannot);
            }
            if account.mailboxes.len() + account.graves.len() + wanted.len() > MAX_MAILBOXES {
                return Err(Refusal::OverQuota);
            }
            wanted.retain(|part| !account.mailboxes.contains_key(*part));
            for part in wanted {
                account.open(part, None);
            }
            Ok(())
        })
    }

    pub(crate) fn delete(&self, user: UserId, name: &str) -> Result<(), Refusal> {
        self.change(user, |account, _| {
            let mailbox = account.mailboxes.get(name).ok_or(Refusal::NoSuchMailbox)?;
            if name == "INBOX" {
                return Err(Refusal::Cannot);
            }
            let below = format!("{name}/");
            if account.mailboxes.keys().any(|other| other.starts_with(&below)) {
                return Err(Refusal::HasChildren);
            }
            account.graves.insert(name.to_owned(), mailbox.uid_next);
            account.mailboxes.remove(name);
            Ok(())
        })
    }

    pub(crate) fn subscribe(&self, user: UserId, name: &str, on: bool) -> Result<(), Refusal> {
        self.change(user, |account, _| {
            let mailbox = account.mailboxes.get_mut(name).ok_or(Refusal::NoSuchMailbox)?;
            mailbox.subscribed = on;
            Ok(())
        })
    }

    /// Runs a change, assigns it a version and notifies subscribers.
    fn change<R>(
        &self,
        user: UserId,
        work: impl FnOnce(&mut Account, u64) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        let done = work(state.accounts.get_mut(user.0).ok_or(Refusal::NoSuchMailbox)?, version);
        drop(state);
        self.bell.send_replace(());
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn account(&self, user: UserId) -> Option<&Account> {
        self.accounts.get(user.0)
    }
}

impl Account {
    fn open(&mut self, name: &str, special: Option<&'static str>) {
        self.ids += 1;
        let uid_next = self.graves.remove(name).unwrap_or(1);
        let mailbox = Mailbox { special, ..Mailbox::new(MailboxId(self.ids), uid_next) };
        self.mailboxes.insert(name.to_owned(), mailbox);
    }

    fn by_id(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        self.mailboxes.values_mut().find(|mailbox| mailbox.id == id)
    }

    fn room_for(&self, more: usize) -> Result<(), Refusal> {
        let all = self.mailboxes.values().flat_map(|mailbox| &mailbox.messages);
        let used: usize = all.map(|message| message.raw.len() + OVERHEAD).sum();
        if used.saturating_add(more) <= QUOTA { Ok(()) } else { Err(Refusal::OverQuota) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Refusal, Store, UserId};
    use crate::config::User;
    use crate::dates::now;

    fn store() -> (Store, UserId) {
        let user = User { email: "Ann@x.test".into(), password: "pw".into() };
        let store = Store::new(vec![user]).unwrap();
        let ann = store.login("ann@X.test", "pw").unwrap();
        (store, ann)
    }

    #[test]
    fn a_name_made_anew_does_not_repeat_its_uids() {
        let (store, ann) = store();
        let put = |name| store.append(ann, name, Bytes::from_static(b"x"), &[], now());
        store.create(ann, "a/b").unwrap();
        assert_eq!(put("a/b"), Ok(1));
        assert_eq!(store.delete(ann, "a"), Err(Refusal::HasChildren));
        store.delete(ann, "a/b").unwrap();
        assert_eq!(put("a/b"), Err(Refusal::NoSuchMailbox));
        store.create(ann, "a/b").unwrap();
        assert_eq!(put("a/b"), Ok(2));
    }

    #[test]
    fn an_alias_belongs_to_its_user() {
        let (store, ann) = store();
        assert_eq!(store.owner("ANN+shop@x.TEST"), Some(ann));
        assert_eq!(store.owner("bo@x.test"), None);
        assert_eq!(store.owner("ann@y.test"), None);
        assert!(store.login("ann@x.test", "PW").is_none());
    }
}
