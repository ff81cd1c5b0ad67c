//! Fair queueing: round robin over tenants, and over the accounts of each tenant.
//!
//! Pure; both stores use it, so that they agree on the order.
//!
//! Invariant: a tenant with a million due submissions delays another one by at most one round, and
//! so does an account within its tenant.

use std::collections::{BTreeMap, HashMap, VecDeque};

use model::ids::{AccountId, SubmissionId, TenantId};
use model::instant::Timestamp;
use model::port::outbox::ClaimCapacity;

/// The tenant and the accounts served last.
#[derive(Debug, Default)]
pub(crate) struct Served {
    tenant: Option<TenantId>,
    /// The account served last, of each tenant with something waiting.
    accounts: HashMap<TenantId, AccountId>,
}

/// A due submission: when it was accepted, and its id.
pub(crate) type Due = (Timestamp, SubmissionId);

/// The due items of one party, in order.
type Queue<K, T> = (K, VecDeque<T>);

/// Chooses what to claim now, in order, and whether more may be due. `waiting` are the accounts
/// with something waiting; `due` returns the due items of one, the oldest first and at most as many
/// as requested.
pub(crate) fn choose<E>(
    waiting: impl IntoIterator<Item = (TenantId, AccountId)>,
    room: &ClaimCapacity,
    served: &mut Served,
    mut due: impl FnMut(&TenantId, &AccountId, u32) -> Result<Vec<Due>, E>,
) -> Result<(Vec<SubmissionId>, bool), E> {
    let limit = room.limit as usize;
    let mut tenants: BTreeMap<TenantId, Vec<AccountId>> = BTreeMap::new();
    for (tenant, account) in waiting {
        tenants.entry(tenant).or_default().push(account);
    }
    served.accounts.retain(|tenant, _| tenants.contains_key(tenant));
    let (mut more, mut queues) = (false, Vec::new());
    for tenant in in_turn(tenants.keys().cloned().collect(), served.tenant.as_ref()) {
        // Each of them gives one: more tenants than that are not served in this call.
        if queues.len() == limit {
            more = true;
            break;
        }
        let mut mine = Vec::new();
        let accounts = tenants.remove(&tenant).unwrap_or_default();
        for account in in_turn(accounts, served.accounts.get(&tenant)) {
            let room = room.for_account(&tenant, &account);
            if room == 0 || mine.len() == limit {
                more = true;
                continue;
            }
            // One more than the capacity shows whether something is left.
            let mut queue: VecDeque<_> = due(&tenant, &account, room + 1)?.into();
            more |= queue.len() > room as usize;
            queue.truncate(room as usize);
            if !queue.is_empty() {
                mine.push((account, queue));
            }
        }
        let (turns, left) = round_robin(mine, limit);
        more |= left;
        if !turns.is_empty() {
            queues.push((tenant, turns.into()));
        }
    }
    let (dealt, left) = round_robin(queues, limit);
    let mut ids = Vec::with_capacity(dealt.len());
    for (tenant, (account, (_, id))) in dealt {
        served.accounts.insert(tenant.clone(), account);
        served.tenant = Some(tenant);
        ids.push(id);
    }
    Ok((ids, more || left))
}

/// First attempts and retries of an account, each in the order in which they became due: of the
/// next two the older goes first, so that no retry waits behind a later submission.
pub(crate) fn merge(first: Vec<Due>, retries: Vec<Due>, limit: u32) -> Vec<Due> {
    let (mut first, mut retries) = (VecDeque::from(first), VecDeque::from(retries));
    let next = || match (first.front(), retries.front()) {
        (Some(new), Some(old)) if new < old => first.pop_front(),
        (Some(_), None) => first.pop_front(),
        (_, _) => retries.pop_front(),
    };
    std::iter::from_fn(next).take(limit as usize).collect()
}

/// Up to `limit` from the queues, one of each in turn. The queues begin with the one whose turn it
/// is. Also returns whether something is left.
fn round_robin<K: Clone, T>(mut queues: Vec<Queue<K, T>>, limit: usize) -> (Vec<(K, T)>, bool) {
    let mut dealt = Vec::new();
    while dealt.len() < limit {
        let before = dealt.len();
        for (key, queue) in &mut queues {
            if dealt.len() == limit {
                break;
            }
            dealt.extend(queue.pop_front().map(|next| (key.clone(), next)));
        }
        if dealt.len() == before {
            break;
        }
    }
    let left = queues.iter().any(|(_, queue)| !queue.is_empty());
    (dealt, left)
}

/// In the order of their turns: those after the one served last come first.
fn in_turn<K: Ord>(mut keys: Vec<K>, last: Option<&K>) -> Vec<K> {
    keys.sort();
    let after = keys.partition_point(|key| last.is_some_and(|last| key <= last));
    keys.rotate_left(after);
    keys
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn turns_are_taken_until_the_limit() {
        check(&[("a", "123"), ("b", "4"), ("c", "56")], 5, "14526", true);
        check(&[("a", "123"), ("b", "4"), ("c", "56")], 6, "145263", false);
        check(&[("a", "123"), ("b", "45")], 3, "142", true);
        check(&[("a", "1")], 0, "", true);
        check(&[], 5, "", false);
    }

    #[test]
    fn the_turn_goes_on_where_it_stopped() {
        let turn = |last: Option<&str>| in_turn(vec!["c", "a", "b"], last.as_ref()).concat();
        assert_eq!(turn(None), "abc");
        assert_eq!(turn(Some("a")), "bca");
        assert_eq!(turn(Some("c")), "abc");
        assert_eq!(turn(Some("aa")), "bca");
    }

    #[test]
    fn a_tenant_with_many_accounts_has_one_turn() {
        let waiting = ["a1", "a2", "a3", "b1"].map(|who| {
            let (tenant, account) = who.split_at(1);
            (tenant.parse().unwrap(), format!("x{account}").parse().unwrap())
        });
        let mut served = Served::default();
        let mut order = String::new();
        for _ in 0..8 {
            // Every account always has more.
            let due = |tenant: &TenantId, account: &AccountId, _: u32| {
                let bytes = [tenant.as_str().as_bytes()[0], account.as_str().as_bytes()[1]];
                let mut id = [0; 10];
                id[..2].copy_from_slice(&bytes);
                Ok::<_, Infallible>(vec![(Timestamp::from_millis(0), SubmissionId::generate(id))])
            };
            let (ids, _) =
                choose(waiting.clone(), &ClaimCapacity::of(1), &mut served, due).unwrap();
            assert_eq!(ids.len(), 1);
            order += served.tenant.as_ref().unwrap().as_str();
            order += &served.accounts[served.tenant.as_ref().unwrap()].as_str()[1..];
            order += " ";
        }
        assert_eq!(order, "a1 b1 a2 b1 a3 b1 a1 b1 ");
    }

    #[test]
    fn a_retry_goes_before_what_is_newer_than_it() {
        let all = |times: &[i64]| -> Vec<Due> {
            let due = |at| (Timestamp::from_millis(at), SubmissionId::generate([0; 10]));
            times.iter().copied().map(due).collect()
        };
        let merged = |limit| -> Vec<i64> {
            let merged = merge(all(&[2, 1, 9]), all(&[5, 3]), limit);
            merged.into_iter().map(|(at, _)| at.millis()).collect()
        };
        assert_eq!(merged(9), [2, 1, 5, 3, 9]);
        assert_eq!(merged(3), [2, 1, 5]);
    }

    #[track_caller]
    fn check(queues: &[(&str, &str)], limit: usize, want: &str, more: bool) {
        let queues = queues.iter().map(|(key, due)| (*key, due.chars().collect()));
        let (dealt, left) = round_robin(queues.collect(), limit);
        assert_eq!(dealt.iter().map(|(_, one)| *one).collect::<String>(), want);
        assert_eq!(left, more);
    }
}
