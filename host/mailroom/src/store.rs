//! Users and their mailboxes, in memory, and the news that they changed.
//!
//! One lock around everything: the mailroom serves a person or a test, and a
//! lock that is never held over an await needs no thought. Sessions keep their
//! own picture of a mailbox and compare it with the store, so the store keeps
//! no log of changes: only a version per message and one bell that rings.
//!
//! Invariants: a name deleted and made anew does not repeat its UIDs, since
//! its UIDVALIDITY stays. Octets and mailboxes of a user are capped. Octets
//! are shared by all copies.
//!
//! Standards: RFC 3501 §2.3.1.1 (UIDs), §5.1 (names), RFC 6154 (special use).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::config::User;
use crate::error::MailroomError;
use crate::mailbox::{Change, Mailbox, MailboxId, Message, apply};

/// What one user may store; each message counts [`OVERHEAD`] more.
const QUOTA: u64 = 512 * 1024 * 1024;
const OVERHEAD: u64 = 512;
/// Mailboxes that a user may have, those deleted included.
const MAX_MAILBOXES: usize = 1000;

const SPECIAL: [(&str, Option<&str>); 6] = [
    ("INBOX", None),
    ("Archive", Some("\\Archive")),
    ("Drafts", Some("\\Drafts")),
    ("Junk", Some("\\Junk")),
    ("Sent", Some("\\Sent")),
    ("Trash", Some("\\Trash")),
];

/// Which user; valid for the store that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UserId(usize);

/// Why the store will not. The words in brackets are IMAP's (RFC 5530).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoSuchMailbox,
    AlreadyExists,
    HasChildren,
    Cannot,
    Limit,
    OverQuota,
}

/// Whether the messages stay where they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    Copy,
    Move,
}

struct Account {
    email: String,
    password: String,
    mailboxes: BTreeMap<String, Mailbox>,
    /// Names no longer in use, with what had them and the UIDs it gave.
    graves: BTreeMap<String, (MailboxId, u32)>,
    used: u64,
}

struct State {
    accounts: Vec<Account>,
    /// The last version and the last mailbox id given.
    version: u64,
    ids: u64,
}

/// The store. See the module.
pub(crate) struct Store {
    state: Mutex<State>,
    bell: watch::Sender<()>,
}

impl Store {
    pub(crate) fn new(users: Vec<User>) -> Result<Self, MailroomError> {
        let mut state = State { accounts: Vec::new(), version: 0, ids: 0 };
        for User { email, password } in users {
            let known = state.accounts.iter().any(|own| own.email.eq_ignore_ascii_case(&email));
            let parts = email.split_once('@');
            if known || parts.is_none_or(|(local, domain)| local.is_empty() || domain.is_empty()) {
                return Err(MailroomError::User { email });
            }
            let mut mailboxes = BTreeMap::new();
            for (name, special) in SPECIAL {
                let mailbox = Mailbox { special, ..state.new_mailbox(1) };
                mailboxes.insert(name.to_owned(), mailbox);
            }
            let graves = BTreeMap::new();
            state.accounts.push(Account { email, password, mailboxes, graves, used: 0 });
        }
        Ok(Self { state: Mutex::new(state), bell: watch::Sender::new(()) })
    }

    /// Hears every change from now on.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Rises with every change, whoever makes it.
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

    /// Whose address this is; `local+anything@domain` is also `local@domain`'s.
    pub(crate) fn owner(&self, address: &str) -> Option<UserId> {
        let state = self.lock();
        let (local, domain) = address.rsplit_once('@')?;
        let plain = local.split('+').next().unwrap_or(local);
        let found = state.accounts.iter().position(|own| {
            let parts = own.email.rsplit_once('@');
            own.email.eq_ignore_ascii_case(address)
                || parts.is_some_and(|(own_local, own_domain)| {
                    own_local.eq_ignore_ascii_case(plain) && own_domain.eq_ignore_ascii_case(domain)
                })
        });
        found.map(UserId)
    }

    pub(crate) fn is_own_domain(&self, domain: &str) -> bool {
        let state = self.lock();
        let mut own = state.accounts.iter().filter_map(|own| own.email.rsplit_once('@'));
        own.any(|(_, own_domain)| own_domain.eq_ignore_ascii_case(domain))
    }

    /// Whether `more` octets still fit.
    pub(crate) fn has_room(&self, user: UserId, more: usize) -> bool {
        let state = self.lock();
        state.account(user).is_some_and(|own| own.used.saturating_add(cost(more)) <= QUOTA)
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
        let Some(account) = state.account(user) else { return Vec::new() };
        let all = account.mailboxes.iter();
        all.map(|(name, own)| (name.clone(), own.special, own.subscribed)).collect()
    }

    /// Adds a message and gives its UID.
    pub(crate) fn append(
        &self,
        user: UserId,
        name: &str,
        raw: Bytes,
        flags: &[String],
        received: OffsetDateTime,
    ) -> Result<u32, Refusal> {
        self.change(user, |account, version| {
            let mailbox = account.mailboxes.get_mut(name).ok_or(Refusal::NoSuchMailbox)?;
            account.used = room(account.used, raw.len())?;
            let mut set = Vec::new();
            apply(&mut set, flags, Change::Add);
            Ok(mailbox.put(Message { uid: 0, flags: set, received, raw, version }))
        })
    }

    /// Copies or moves messages, with flags and INTERNALDATE, all or none
    /// (RFC 3501 §6.4.7), and gives the pairs of old and new UIDs.
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
            let mut used = account.used;
            if transfer == Transfer::Copy {
                for message in &found {
                    used = room(used, message.raw.len())?;
                }
            }
            let target = account.mailboxes.get_mut(to).ok_or(Refusal::NoSuchMailbox)?;
            let put = |message: Message| (message.uid, target.put(Message { version, ..message }));
            let pairs: Vec<(u32, u32)> = found.into_iter().map(put).collect();
            account.used = used;
            if let (Transfer::Move, Some(source)) = (transfer, account.by_id(from)) {
                let moved = |uid| pairs.binary_search_by_key(&uid, |pair| pair.0).is_ok();
                source.messages.retain(|message| !moved(message.uid));
            }
            Ok(pairs)
        })
    }

    /// Changes flags; gives UID, version before and version after.
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

    /// Removes the messages whose UID is wanted.
    pub(crate) fn remove(&self, user: UserId, id: MailboxId, wanted: impl Fn(&Message) -> bool) {
        let removed = self.change(user, |account, _| {
            let mailbox = account.by_id(id).ok_or(Refusal::NoSuchMailbox)?;
            let mut freed = 0;
            mailbox.messages.retain(|message| {
                let goes = wanted(message);
                freed += if goes { cost(message.raw.len()) } else { 0 };
                !goes
            });
            account.used = account.used.saturating_sub(freed);
            Ok(())
        });
        if removed.is_err() {
            tracing::debug!("the mailbox was deleted before its messages");
        }
    }

    /// Makes a mailbox and those above it.
    pub(crate) fn create(&self, user: UserId, name: &str) -> Result<(), Refusal> {
        let mut state = self.lock();
        let account = state.account(user).ok_or(Refusal::NoSuchMailbox)?;
        if account.mailboxes.contains_key(name) {
            return Err(Refusal::AlreadyExists);
        }
        let mut wanted: Vec<&str> =
            name.match_indices('/').map(|(at, _)| name.split_at(at).0).collect();
        wanted.push(name);
        if wanted.iter().any(|part| part.is_empty() || part.ends_with('/')) || name.ends_with('/') {
            return Err(Refusal::Cannot);
        }
        if account.mailboxes.len() + account.graves.len() + wanted.len() > MAX_MAILBOXES {
            return Err(Refusal::Limit);
        }
        for part in wanted {
            if state.account(user).is_some_and(|own| own.mailboxes.contains_key(part)) {
                continue;
            }
            let grave = state.account_mut(user).and_then(|own| own.graves.remove(part));
            let mailbox = state.new_mailbox(grave.map_or(1, |(_, uid_next)| uid_next));
            if let Some(account) = state.account_mut(user) {
                account.mailboxes.insert(part.to_owned(), mailbox);
            }
        }
        Ok(())
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
            let freed: u64 = mailbox.messages.iter().map(|message| cost(message.raw.len())).sum();
            account.used = account.used.saturating_sub(freed);
            account.graves.insert(name.to_owned(), (mailbox.id, mailbox.uid_next));
            account.mailboxes.remove(name);
            Ok(())
        })
    }

    /// Renames a mailbox and those below it. A name that another mailbox had
    /// is refused: its UIDs would mean other messages (RFC 3501 §2.3.1.1).
    pub(crate) fn rename(&self, user: UserId, from: &str, to: &str) -> Result<(), Refusal> {
        self.change(user, |account, _| {
            if !account.mailboxes.contains_key(from) {
                return Err(Refusal::NoSuchMailbox);
            }
            let below = format!("{from}/");
            if from == "INBOX" || to.is_empty() || to.ends_with('/') || to.starts_with(&below) {
                return Err(Refusal::Cannot);
            }
            let moved = account.mailboxes.keys().filter(|n| *n == from || n.starts_with(&below));
            let pairs: Vec<(String, String)> = moved
                .map(|old| (old.clone(), format!("{to}{}", old.strip_prefix(from).unwrap_or(""))))
                .collect();
            for (old, new) in &pairs {
                let id = account.mailboxes.get(old).map(|own| own.id);
                if account.mailboxes.contains_key(new) {
                    return Err(Refusal::AlreadyExists);
                }
                if account.graves.get(new).is_some_and(|(other, _)| Some(*other) != id) {
                    return Err(Refusal::Cannot);
                }
            }
            if account.mailboxes.len() + account.graves.len() + pairs.len() > MAX_MAILBOXES {
                return Err(Refusal::Limit);
            }
            for (old, new) in pairs {
                if let Some(mailbox) = account.mailboxes.remove(&old) {
                    account.graves.insert(old, (mailbox.id, mailbox.uid_next));
                    account.graves.remove(&new);
                    account.mailboxes.insert(new, mailbox);
                }
            }
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

    /// Every change goes through here: it gets a version, and the bell rings.
    fn change<R>(
        &self,
        user: UserId,
        work: impl FnOnce(&mut Account, u64) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        let done = work(state.account_mut(user).ok_or(Refusal::NoSuchMailbox)?, version);
        drop(state);
        self.bell.send_replace(());
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn account(&self, user: UserId) -> Option<&Account> {
        self.accounts.get(user.0)
    }

    fn account_mut(&mut self, user: UserId) -> Option<&mut Account> {
        self.accounts.get_mut(user.0)
    }

    fn new_mailbox(&mut self, uid_next: u32) -> Mailbox {
        self.ids += 1;
        Mailbox::new(MailboxId::new(self.ids), uid_next)
    }
}

impl Account {
    fn by_id(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        self.mailboxes.values_mut().find(|mailbox| mailbox.id == id)
    }
}

fn cost(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX).saturating_add(OVERHEAD)
}

fn room(used: u64, more: usize) -> Result<u64, Refusal> {
    let used = used.saturating_add(cost(more));
    if used <= QUOTA { Ok(used) } else { Err(Refusal::OverQuota) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Refusal, Store, UserId};
    use crate::calendar::now;
    use crate::config::User;

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
    fn a_rename_takes_the_mailboxes_below_and_never_another_ones_name() {
        let (store, ann) = store();
        store.create(ann, "a/b").unwrap();
        store.create(ann, "c").unwrap();
        assert_eq!(store.rename(ann, "a", "c"), Err(Refusal::AlreadyExists));
        store.delete(ann, "c").unwrap();
        assert_eq!(store.rename(ann, "a", "c"), Err(Refusal::Cannot));
        store.rename(ann, "a", "d").unwrap();
        assert!(store.named(ann, "d/b", |_| ()).is_some());
        store.rename(ann, "d", "a").unwrap();
        assert!(store.named(ann, "a/b", |_| ()).is_some());
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
