//! Sent copies: appends each sent message to the mailbox with the role `\Sent`.
//!
//! Made beside the deliveries, after the verdict is durable, with a concurrency limit of its own;
//! never changes the state of a submission. The state of a copy is as durable as the verdict, so
//! that it is made even if the host ends in between. Services that file a copy themselves get none.
//!
//! Invariant: after a first try the mailbox is searched before the next, since any try may have
//! appended the message. IMAP has no way to append a message exactly once.
//!
//! Standard: RFC 3501 §6.3.11 (APPEND), §6.4.4 (SEARCH HEADER).

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{self, Either, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use model::account::Account;
use model::ids::SubmissionId;
use model::mail::mailbox::Role;
use model::port::BoxFuture;
use model::port::outbox::{ClaimCapacity, ClaimRequest, ClaimedCopies, SentCopyTask};
use model::port::store_error::StoreError;
use model::problem::Problem;
use model::submission::SentCopy;

use crate::login::account_ref::AccountRef;
use crate::messages::mailboxes;
use crate::outbox::worker::Worker;

/// Copies made concurrently.
const AT_ONCE: usize = 8;
/// Of those, for one account: fewer than it has sessions, so that readers are served.
const PER_ACCOUNT: usize = 2;
/// The pauses after each try; after the last try it is given up.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(4 * 60 * 60),
    Duration::from_secs(12 * 60 * 60),
];
/// Pending copies are queried at least this often.
const ROUND: Duration = Duration::from_secs(60);
/// Minimum interval, whatever the store says is due; also the pause after the store failed.
const SHORTEST: Duration = Duration::from_secs(1);

/// Whether sent messages of the account are copied.
pub(crate) fn is_wanted(worker: &Worker, account: &Account) -> bool {
    // A second copy would be displayed twice.
    let profiles = &worker.profiles;
    let files_itself =
        account.smtp.as_ref().is_some_and(|server| profiles.keeps_sent_mail(&server.host));
    worker.settings.copy_to_sent && !files_itself && account.imap.is_some()
}

/// Makes pending copies, for ever. May be dropped at any point: an unfinished try is repeated
/// later.
pub(crate) async fn run(worker: &Worker) {
    let clock = &worker.clock;
    let mut under_way: FuturesUnordered<BoxFuture<'_, (AccountRef, SubmissionId)>> =
        FuturesUnordered::new();
    let mut taken: HashMap<AccountRef, usize> = HashMap::new();
    let mut filing: HashSet<SubmissionId> = HashSet::new();
    let (mut look, mut left) = (true, false);
    loop {
        let now = clock.now();
        if look && under_way.len() < AT_ONCE {
            look = false;
            match claim(worker, &taken, under_way.len()).await {
                Ok(ClaimedCopies { copies, more }) => {
                    left = more;
                    for copy in copies {
                        // A try may take longer than the pause after it; its end triggers the next.
                        if !filing.insert(copy.id.clone()) {
                            continue;
                        }
                        let id = copy.id.clone();
                        let owner = AccountRef {
                            tenant: copy.tenant.clone(),
                            account: copy.account.clone(),
                        };
                        *taken.entry(owner.clone()).or_default() += 1;
                        under_way.push(file(worker, copy).map(|()| (owner, id)).boxed());
                    }
                }
                Err(error) => tracing::error!(%error, "copies of sent mail cannot be claimed"),
            }
        }
        let pause = match worker.outbox.next_copy(now).await {
            Ok(Some(due)) => due.since(now).clamp(SHORTEST, ROUND),
            Ok(None) | Err(_) => ROUND,
        };
        let told = pin!(worker.sent.notified());
        let woken = future::select(told, clock.sleep(pause));
        let ended = async {
            if under_way.is_empty() {
                future::pending::<()>().await;
            }
            under_way.next().await
        };
        match future::select(pin!(ended), woken).await {
            Either::Left((ended, _)) => {
                if let Some((owner, id)) = ended {
                    filing.remove(&id);
                    if let Some(count) = taken.get_mut(&owner) {
                        *count -= 1;
                        if *count == 0 {
                            taken.remove(&owner);
                        }
                    }
                }
                look |= left;
            }
            Either::Right(_) => look = true,
        }
    }
}

async fn claim(
    worker: &Worker,
    taken: &HashMap<AccountRef, usize>,
    under_way: usize,
) -> Result<ClaimedCopies, StoreError> {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let left = |(owner, count): (&AccountRef, &usize)| {
        let key = (owner.tenant.clone(), owner.account.clone());
        (key, number(PER_ACCOUNT.saturating_sub(*count)))
    };
    let room = ClaimCapacity {
        limit: number(AT_ONCE.saturating_sub(under_way)),
        each: number(PER_ACCOUNT),
        accounts: taken.iter().map(left).collect(),
    };
    let (owner, now) = (worker.settings.owner.clone(), worker.clock.now());
    let wish =
        ClaimRequest { owner, now, lease: worker.settings.lease, room, pauses: PAUSES.to_vec() };
    worker.outbox.claim_copies(wish).await
}

/// One try of one copy.
async fn file(worker: &Worker, copy: SentCopyTask) {
    let account = match worker.accounts.get(&copy.tenant, &copy.account).await {
        // It stays pending.
        Err(error) => return tracing::error!(%error, "an account cannot be read"),
        Ok(account) => account.filter(|account| account.generation == copy.generation),
    };
    let ended = match &account {
        Some(account) if is_wanted(worker, account) => match append(worker, account, &copy).await {
            Ok(ended) => ended,
            Err(problem) => {
                let last = copy.tries as usize + 1 >= PAUSES.len();
                let id = account.id.as_str();
                tracing::warn!(account = id, %problem, last, "no copy of a sent message was kept");
                if !last {
                    return;
                }
                SentCopy::GivenUp
            }
        },
        Some(_) | None => SentCopy::GivenUp,
    };
    if let Err(error) = worker.outbox.record_copy(&copy.id, ended).await {
        tracing::error!(%error, "the end of a copy cannot be recorded");
    }
}

async fn append(
    worker: &Worker,
    account: &Account,
    copy: &SentCopyTask,
) -> Result<SentCopy, Problem> {
    let Some(mailbox) = mailboxes::with_role(&worker.pool, account, Role::Sent).await? else {
        return Ok(SentCopy::GivenUp);
    };
    let seen = ["\\Seen".parse()].into_iter().flatten().collect::<Vec<_>>();
    let mut lease = worker.pool.lease(account, Some(&mailbox)).await?;
    let filed = async {
        if copy.tries > 0 {
            lease.select(&mailbox).await?;
            if !lease.search_header("Message-ID", &copy.message_id).await?.is_empty() {
                return Ok(());
            }
        }
        lease.append(&mailbox, &seen, &copy.raw).await.map(drop)
    };
    let answer = filed.await;
    lease.keep();
    Ok(answer.map(|()| SentCopy::Done)?)
}
