//! Mailbox lookup: by name, by role, and the list of all.
//!
//! A name is selected as it is, and only a refusal leads to a LIST: so the common request costs
//! none. A role needs the list, which may be some seconds old.
//!
//! Standard: RFC 6154 (special-use mailboxes).

use std::sync::Arc;

use model::account::Account;
use model::mail::mailbox::{Mailbox, MailboxName, MailboxRef, Role, RoleSource};
use model::port::imap::{ImapError, NoCode, Selected};
use model::problem::{Code, Problem};

use crate::imap_pool::lease::Lease;
use crate::imap_pool::{Pool, SessionError};
use crate::problems;

/// Every mailbox. A mailbox whose STATUS is refused has no counters; when all are, that is a
/// problem.
pub(crate) async fn all(
    pool: &Pool,
    account: &Account,
    with_counters: bool,
) -> Result<Vec<Mailbox>, Problem> {
    let mut lease = pool.lease(account, None).await?;
    let answer = listed(pool, account, &mut lease, with_counters).await;
    lease.keep();
    answer
}

async fn listed(
    pool: &Pool,
    account: &Account,
    lease: &mut Lease,
    with_counters: bool,
) -> Result<Vec<Mailbox>, Problem> {
    let mut mailboxes = lease.list().await?;
    pool.account_pool(account)?.cache_mailboxes(&Arc::new(mailboxes.clone()));
    if with_counters {
        count(lease, &mut mailboxes).await?;
    }
    Ok(mailboxes)
}

async fn count(lease: &mut Lease, mailboxes: &mut [Mailbox]) -> Result<(), Problem> {
    let (mut counted, mut refusal) = (false, None);
    for mailbox in mailboxes.iter_mut().filter(|mailbox| mailbox.selectable) {
        match lease.counters(&mailbox.name).await {
            Ok(counters) => {
                mailbox.counters = Some(counters);
                counted = true;
            }
            Err(error @ SessionError::Command(ImapError::No { .. })) => {
                refusal = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match refusal {
        Some(error) if !counted => Err(error.into()),
        _ => Ok(()),
    }
}

/// The wire name of a mailbox reference. Whether a name exists is not checked here.
pub(crate) async fn resolve(
    pool: &Pool,
    account: &Account,
    named: &str,
) -> Result<MailboxName, Problem> {
    match MailboxRef::parse(named).map_err(|_| problems::no_such_mailbox(named))? {
        MailboxRef::Named(name) => Ok(name),
        MailboxRef::Role(role) => with_role(pool, account, role).await?.ok_or_else(|| {
            let detail = format!("the account has no mailbox with the role `{}`", role.attribute());
            Problem::new(Code::NoSuchMailbox, detail)
        }),
    }
}

/// The mailbox with a role: a SPECIAL-USE attribute takes precedence over a well-known name.
pub(crate) async fn with_role(
    pool: &Pool,
    account: &Account,
    role: Role,
) -> Result<Option<MailboxName>, Problem> {
    if role == Role::Inbox {
        return Ok(MailboxName::from_wire("INBOX").ok());
    }
    let mailboxes = cached_mailboxes(pool, account).await?;
    let find = |source: RoleSource| {
        mailboxes.iter().find(|mailbox| mailbox.selectable && mailbox.role == Some((role, source)))
    };
    let found = find(RoleSource::SpecialUse).or_else(|| find(RoleSource::Name));
    Ok(found.map(|mailbox| mailbox.name.clone()))
}

async fn cached_mailboxes(pool: &Pool, account: &Account) -> Result<Arc<Vec<Mailbox>>, Problem> {
    let room = pool.account_pool(account)?;
    if let Some(mailboxes) = room.mailboxes(pool.mailboxes_fresh()) {
        return Ok(mailboxes);
    }
    let mut lease = pool.lease(account, None).await?;
    let answer = lease.list().await;
    lease.keep();
    let mailboxes = Arc::new(answer?);
    room.cache_mailboxes(&mailboxes);
    Ok(mailboxes)
}

/// SELECT; a NO may mean that there is no such mailbox. Not every server has a response code for it
/// (RFC 5530 is optional), so the list decides.
pub(crate) async fn enter(lease: &mut Lease, mailbox: &MailboxName) -> Result<Selected, Problem> {
    match lease.select(mailbox).await {
        Ok(selected) => Ok(selected),
        Err(error) => Err(classify_refusal(lease, mailbox, error).await),
    }
}

/// Distinguishes a refusal because of `mailbox` from any other.
pub(crate) async fn classify_refusal(
    lease: &mut Lease,
    mailbox: &MailboxName,
    error: SessionError,
) -> Problem {
    let SessionError::Command(ImapError::No { code, .. }) = &error else { return error.into() };
    let missing = match code {
        NoCode::NoSuchMailbox => true,
        NoCode::OverQuota | NoCode::Busy => false,
        NoCode::Other => match lease.list().await {
            Ok(mailboxes) => {
                !mailboxes.iter().any(|found| found.selectable && found.name == *mailbox)
            }
            Err(_) => false,
        },
    };
    if missing { problems::no_such_mailbox(&mailbox.decoded()) } else { error.into() }
}
