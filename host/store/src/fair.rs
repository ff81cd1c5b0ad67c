//! Fair shares: one submission of each tenant in turn.
//!
//! Pure; both stores deal with it, so that they agree on the order.
//!
//! Invariant: a tenant with a million due submissions delays another one by at
//! most one round.

use std::collections::VecDeque;

use model::ids::TenantId;

/// What is due for one tenant, in its order.
pub(crate) type Queue<T> = (TenantId, VecDeque<T>);

/// Up to `limit` from the queues, one of each in turn. The queues begin with the tenant whose turn
/// it is. Also tells who was served last.
pub(crate) fn deal<T>(mut queues: Vec<Queue<T>>, limit: usize) -> (Vec<T>, Option<TenantId>) {
    let mut dealt = Vec::new();
    let mut last = None;
    while dealt.len() < limit {
        let before = dealt.len();
        for (tenant, queue) in &mut queues {
            if dealt.len() == limit {
                break;
            }
            if let Some(next) = queue.pop_front() {
                dealt.push(next);
                last = Some(tenant.clone());
            }
        }
        if dealt.len() == before {
            break;
        }
    }
    (dealt, last)
}

/// Tenants in the order of their turns: those after the one that was served last come first.
pub(crate) fn in_turn(mut tenants: Vec<TenantId>, last: Option<&TenantId>) -> Vec<TenantId> {
    tenants.sort();
    let after = tenants.partition_point(|tenant| last.is_some_and(|last| tenant <= last));
    tenants.rotate_left(after);
    tenants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_take_turns_until_the_limit() {
        check(&[("a", "123"), ("b", "4"), ("c", "56")], 5, "14526", "c");
        check(&[("a", "123"), ("b", "4"), ("c", "56")], 9, "145263", "a");
        check(&[("a", "123"), ("b", "45")], 3, "142", "a");
        check(&[("a", "1")], 0, "", "-");
        check(&[], 5, "", "-");
    }

    #[test]
    fn the_turn_goes_on_where_it_stopped() {
        let turn = |last: Option<&str>| {
            let tenants = ["c", "a", "b"].map(|id| id.parse().unwrap()).to_vec();
            let last = last.map(|id| id.parse().unwrap());
            in_turn(tenants, last.as_ref()).iter().map(TenantId::as_str).collect::<String>()
        };
        assert_eq!(turn(None), "abc");
        assert_eq!(turn(Some("a")), "bca");
        assert_eq!(turn(Some("c")), "abc");
        assert_eq!(turn(Some("aa")), "bca");
    }

    #[track_caller]
    fn check(queues: &[(&str, &str)], limit: usize, want: &str, last: &str) {
        let queues = queues.iter().map(|(id, due)| (id.parse().unwrap(), due.chars().collect()));
        let (dealt, served) = deal(queues.collect(), limit);
        assert_eq!(dealt.iter().collect::<String>(), want);
        assert_eq!(served.as_ref().map_or("-", TenantId::as_str), last);
    }
}
