//! STORE, MOVE, COPY and EXPUNGE for many messages at once.
//!
//! Ids are grouped by mailbox, each group uses one session, and every id gets its own result. A
//! message that is gone has an error; the rest of its batch goes on.
//!
//! Invariant: success is reported only after the server's OK, and only for messages that were seen
//! in the mailbox with the id's UIDVALIDITY. Of flags it is reported only for those that the server
//! keeps: an OK to STORE says less.
//!
//! Standards: RFC 9051 §6.4, §7.1 (PERMANENTFLAGS), RFC 4315 (UIDPLUS), RFC 6851 (MOVE).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::account::Account;
use model::mail::mailbox::{MailboxName, Role};
use model::mail::message::{Flag, FlagChange, Moved};
use model::port::imap::{CopyUid, FetchItem, ImapError, Messages};
use model::problem::{Code, Problem};
use rules::foreign_text::printable;

use crate::imap_pool::SessionError;
use crate::imap_pool::lease::Lease;
use crate::messages::message_id::{AccountFingerprint, MessageRef};
use crate::messages::reader::Reader;
use crate::messages::{mailboxes, open};
use crate::problems;

/// UIDs in one command. RFC 7162 §4 asks servers to accept lines of 8,192 octets, and a UID takes
/// up to 11.
const MOST: usize = 500;

/// One result for each id.
type Answers<T> = Vec<Result<T, Problem>>;

/// Changes flags; returns the flags afterwards.
pub(crate) async fn change_flags(
    reader: &Reader,
    account: &Account,
    keys: &[String],
    change: &FlagChange,
) -> Answers<Vec<String>> {
    let batch = Batch::of(account, keys);
    let mut done = HashMap::new();
    for group in &batch.groups {
        let answer = with_lease(reader, account, group, async |lease: &mut Lease| {
            flag(lease, group, change).await
        });
        note(&mut done, group, answer.await);
    }
    let answers = batch.answers(&done, |_, flags: &Result<Vec<String>, Problem>| flags.clone());
    answers.into_iter().map(|answer| answer.and_then(|flags| flags)).collect()
}

/// The flags that must be set afterwards.
fn wanted(change: &FlagChange) -> &[Flag] {
    match change {
        FlagChange::Set(flags) => flags,
        FlagChange::Edit { add, .. } => add,
    }
}

/// A flag that is not in PERMANENTFLAGS is ignored, or kept until the session ends (RFC 9051 §7.1):
/// with an OK in both cases.
fn unkept(flag: &str, told: &str, others: &[String]) -> Problem {
    let shown = |flag: &str| format!("`{}`", printable(flag));
    let others: Vec<String> = others.iter().take(50).map(|flag| shown(flag)).collect();
    let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    let detail = format!(
        "the mail server does not keep the flag {} in this mailbox; {told}: {others}",
        shown(flag)
    );
    Problem::new(Code::UpstreamRefused, detail)
}

/// The flags of a message after a change, if all requested flags are set.
fn settled(change: &FlagChange, flags: Vec<String>) -> Result<Vec<String>, Problem> {
    let has = |flag: &&Flag| flags.iter().any(|other| flag.same_as(other));
    match wanted(change).iter().find(|flag| !has(flag)) {
        Some(missing) => Err(unkept(missing.as_str(), "the message now has", &flags)),
        None => Ok(flags),
    }
}

async fn flag(
    lease: &mut Lease,
    group: &Group,
    change: &FlagChange,
) -> Result<HashMap<u32, Result<Vec<String>, Problem>>, Problem> {
    if let Some((flag, kept)) = lease.unkept(wanted(change)) {
        return Err(unkept(flag.as_str(), "it keeps", kept));
    }
    let uids = group.uids();
    let empty =
        matches!(change, FlagChange::Edit { add, remove } if add.is_empty() && remove.is_empty());
    let mut flags: HashMap<u32, Vec<String>> = HashMap::new();
    if !empty {
        let told = lease.store(&uids, change).await.map_err(unsure)?;
        flags.extend(told.into_iter().map(|row| (row.uid, row.flags)));
    }
    // UID STORE returns OK for a UID that is gone (RFC 9051 §6.4.9), and servers may omit flags
    // that did not change: fetch the flags that were not returned.
    let untold: Vec<u32> = uids.into_iter().filter(|uid| !flags.contains_key(uid)).collect();
    if !untold.is_empty() {
        flags.extend(present(lease, untold).await?);
    }
    Ok(flags.into_iter().map(|(uid, flags)| (uid, settled(change, flags))).collect())
}

/// Moves to another mailbox. A message that is there already stays.
pub(crate) async fn move_to(
    reader: &Reader,
    account: &Account,
    keys: &[String],
    mailbox: &str,
) -> Answers<Moved> {
    match mailboxes::resolve(&reader.pool, account, mailbox).await {
        Ok(target) => transfer(reader, account, keys, &target, Transfer::Move).await,
        Err(problem) => keys.iter().map(|_| Err(problem.clone())).collect(),
    }
}

/// Copies to another mailbox, or to the same.
pub(crate) async fn copy_to(
    reader: &Reader,
    account: &Account,
    keys: &[String],
    mailbox: &str,
) -> Answers<Moved> {
    match mailboxes::resolve(&reader.pool, account, mailbox).await {
        Ok(target) => transfer(reader, account, keys, &target, Transfer::Copy).await,
        Err(problem) => keys.iter().map(|_| Err(problem.clone())).collect(),
    }
}

/// Moves to the mailbox with the role `\Trash`; a message that is there already stays.
pub(crate) async fn trash(reader: &Reader, account: &Account, keys: &[String]) -> Answers<Moved> {
    move_to(reader, account, keys, Role::Trash.attribute()).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    Move,
    Copy,
}

async fn transfer(
    reader: &Reader,
    account: &Account,
    keys: &[String],
    target: &MailboxName,
    kind: Transfer,
) -> Answers<Moved> {
    let batch = Batch::of(account, keys);
    let mut done = HashMap::new();
    for group in &batch.groups {
        let answer = with_lease(reader, account, group, async |lease: &mut Lease| {
            transfer_group(lease, group, target, kind).await
        });
        note(&mut done, group, answer.await);
    }
    batch.answers(&done, |key, now: &Option<MessageRef>| Moved {
        key: key.to_owned(),
        now: now.as_ref().map(MessageRef::key),
        mailbox: target.decoded(),
    })
}

async fn transfer_group(
    lease: &mut Lease,
    group: &Group,
    target: &MailboxName,
    kind: Transfer,
) -> Result<HashMap<u32, Option<MessageRef>>, Problem> {
    let found: Vec<u32> = present(lease, group.uids()).await?.into_keys().collect();
    if kind == Transfer::Move && group.mailbox == *target {
        return Ok(found.into_iter().map(|uid| (uid, Some(group.place(uid)))).collect());
    }
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    let answer = match kind {
        Transfer::Move => lease.move_to(&found, target).await,
        Transfer::Copy => lease.copy_to(&found, target).await,
    };
    let copied = match answer {
        Ok(copied) => copied,
        Err(error @ SessionError::Command(ImapError::No { .. })) => {
            return Err(mailboxes::classify_refusal(lease, target, error).await);
        }
        Err(error) => return Err(unsure(error)),
    };
    Ok(found.into_iter().map(|uid| (uid, now(group, target, copied.as_ref(), uid))).collect())
}

/// The new message id, if the server returned COPYUID (RFC 4315 §3).
fn now(
    group: &Group,
    target: &MailboxName,
    copied: Option<&CopyUid>,
    uid: u32,
) -> Option<MessageRef> {
    let copied = copied?;
    let (_, new) = copied.pairs.iter().find(|(old, _)| *old == uid)?;
    Some(MessageRef {
        tag: group.tag,
        mailbox: target.clone(),
        uid_validity: copied.uid_validity,
        uid: *new,
    })
}

/// Deletes permanently.
pub(crate) async fn expunge_forever(
    reader: &Reader,
    account: &Account,
    keys: &[String],
) -> Answers<()> {
    let batch = Batch::of(account, keys);
    let mut done = HashMap::new();
    for group in &batch.groups {
        let answer = with_lease(reader, account, group, async |lease: &mut Lease| {
            let found: Vec<u32> = present(lease, group.uids()).await?.into_keys().collect();
            if !found.is_empty() {
                lease.expunge_forever(&found).await.map_err(unsure)?;
            }
            Ok(found.into_iter().map(|uid| (uid, ())).collect())
        });
        note(&mut done, group, answer.await);
    }
    batch.answers(&done, |_, ()| ())
}

/// The flags of those UIDs that exist in the selected mailbox.
async fn present(lease: &mut Lease, uids: Vec<u32>) -> Result<BTreeMap<u32, Vec<String>>, Problem> {
    let asked: BTreeSet<u32> = uids.iter().copied().collect();
    let rows = lease.fetch(&Messages::Uids(uids), &[FetchItem::Flags]).await?;
    Ok(rows
        .into_iter()
        .filter(|row| asked.contains(&row.uid))
        .filter_map(|row| Some((row.uid, row.flags?)))
        .collect())
}

/// The response to a command that changes something was lost.
fn unsure(error: SessionError) -> Problem {
    let lost = matches!(
        error,
        SessionError::Command(ImapError::Lost(_) | ImapError::Timeout | ImapError::Protocol(_))
    );
    let mut problem = Problem::from(error);
    if lost {
        problem.detail.push_str("; whether the change was made is not known");
    }
    problem
}

/// Selects the group's mailbox, checks its UIDVALIDITY and runs the commands.
async fn with_lease<T>(
    reader: &Reader,
    account: &Account,
    group: &Group,
    work: impl AsyncFnOnce(&mut Lease) -> Result<HashMap<u32, T>, Problem>,
) -> Result<HashMap<u32, T>, Problem> {
    let mut lease = reader.pool.lease(account, Some(&group.mailbox)).await?;
    let answer = match open::enter(&mut lease, &group.place(0)).await {
        Ok(()) => work(&mut lease).await,
        Err(problem) => Err(problem),
    };
    lease.keep();
    answer
}

fn note<T>(
    done: &mut HashMap<MessageRef, Result<T, Problem>>,
    group: &Group,
    answer: Result<HashMap<u32, T>, Problem>,
) {
    match answer {
        Ok(found) => {
            done.extend(found.into_iter().map(|(uid, value)| (group.place(uid), Ok(value))));
        }
        Err(problem) => {
            let uids = group.uids.iter();
            done.extend(uids.map(|uid| (group.place(*uid), Err(problem.clone()))));
        }
    }
}

/// Message ids as positions, in order and in groups.
#[derive(Debug)]
struct Batch<'a> {
    places: Vec<(&'a str, Option<MessageRef>)>,
    groups: Vec<Group>,
}

/// Messages of one mailbox with one UIDVALIDITY, no more than one command names.
#[derive(Debug)]
struct Group {
    tag: AccountFingerprint,
    mailbox: MailboxName,
    uid_validity: u32,
    uids: BTreeSet<u32>,
}

impl<'a> Batch<'a> {
    fn of(account: &Account, keys: &'a [String]) -> Self {
        let tag = AccountFingerprint::of(account);
        let places: Vec<(&str, Option<MessageRef>)> =
            keys.iter().map(|key| (key.as_str(), MessageRef::parse(key, tag))).collect();
        let mut groups: BTreeMap<(MailboxName, u32), BTreeSet<u32>> = BTreeMap::new();
        for place in places.iter().filter_map(|(_, place)| place.as_ref()) {
            let group = (place.mailbox.clone(), place.uid_validity);
            groups.entry(group).or_default().insert(place.uid);
        }
        let groups = groups
            .into_iter()
            .flat_map(|((mailbox, uid_validity), uids)| {
                let uids: Vec<u32> = uids.into_iter().collect();
                let chunks = uids.chunks(MOST).map(|chunk| chunk.iter().copied().collect());
                let group = |uids| Group { tag, mailbox: mailbox.clone(), uid_validity, uids };
                chunks.map(group).collect::<Vec<Group>>()
            })
            .collect();
        Self { places, groups }
    }

    /// An id without a result names no message.
    fn answers<T, U>(
        &self,
        done: &HashMap<MessageRef, Result<T, Problem>>,
        show: impl Fn(&str, &T) -> U,
    ) -> Answers<U> {
        self.places
            .iter()
            .map(|(key, place)| match place.as_ref().and_then(|place| done.get(place)) {
                Some(Ok(value)) => Ok(show(key, value)),
                Some(Err(problem)) => Err(problem.clone()),
                None => Err(problems::no_such_message()),
            })
            .collect()
    }
}

impl Group {
    fn place(&self, uid: u32) -> MessageRef {
        MessageRef {
            tag: self.tag,
            mailbox: self.mailbox.clone(),
            uid_validity: self.uid_validity,
            uid,
        }
    }

    fn uids(&self) -> Vec<u32> {
        self.uids.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_is_not_there_afterwards_was_refused() {
        let flags = |some: &[&str]| some.iter().map(|flag| flag.parse().unwrap()).collect();
        let add = |some: &[&str]| FlagChange::Edit { add: flags(some), remove: flags(&["x"]) };
        let after = || vec!["\\Seen".to_owned(), "$Forwarded".to_owned()];
        for change in
            [add(&[]), add(&["\\seen", "$forwarded"]), FlagChange::Set(flags(&["\\Seen"]))]
        {
            assert_eq!(settled(&change, after()).unwrap(), after(), "{change:?}");
        }
        for change in [add(&["work"]), FlagChange::Set(flags(&["\\Seen", "work"]))] {
            let problem = settled(&change, after()).unwrap_err();
            assert_eq!(problem.code, Code::UpstreamRefused);
            assert!(problem.detail.contains("the flag `work`"), "{problem:?}");
        }
    }
}
