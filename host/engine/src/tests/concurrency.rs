//! Tests of concurrency limits: several tenants with silent servers, and the capacity left for
//! others.

use crate::login::account_ref::AccountRef;
use crate::outbox::concurrency::{Bounds, Fate, SlotTable};

fn owner(tenant: &str, account: usize) -> AccountRef {
    AccountRef { tenant: tenant.parse().unwrap(), account: format!("a{account}").parse().unwrap() }
}

/// One delivery to a server that responds.
fn deliver(places: &mut SlotTable, owner: &AccountRef) {
    let mut ticket = places.begin(owner);
    assert!(places.settle(&mut ticket, "answers.test"));
    places.answered(&mut ticket);
    places.end(&ticket);
}

/// Eight slow deliveries of a tenant: its limit. Another account's server has responded.
fn with_its_share() -> (SlotTable, AccountRef) {
    let mut places = SlotTable::new(Bounds { total: 32, per_account: 2, slow: 8 });
    let good = owner("acme", 1000);
    deliver(&mut places, &good);
    for account in 0..8 {
        let mut ticket = places.begin(&owner("acme", account));
        assert!(places.settle(&mut ticket, &format!("h{account}.test")));
        assert_eq!(places.fall_silent(&mut ticket, true), Fate::Slow);
    }
    (places, good)
}

/// Any number of tenants use their limits, at servers that are silent at the dot, whether those had
/// responded before or not: another tenant's dots have capacity beside them, and its mail a slot.
#[test]
fn many_tenants_with_servers_silent_at_the_dot_leave_slots_to_others() {
    for tenants in 1..=6 {
        for answered in [false, true] {
            let mut places = SlotTable::new(Bounds { total: 32, per_account: 2, slow: 256 });
            let names: Vec<String> = (0..tenants).map(|at| format!("t{at}")).collect();
            let host = |tenant: &str, at: usize| format!("h{at}.{tenant}.test");
            for (at, name) in (0..700).flat_map(|at| names.iter().map(move |name| (at, name))) {
                if answered {
                    let mut ticket = places.begin(&owner(name, at));
                    assert!(places.settle(&mut ticket, &host(name, at)));
                    places.answered(&mut ticket);
                    places.end(&ticket);
                }
            }
            let mut held = Vec::new();
            for (at, name) in (0..700).flat_map(|at| names.iter().map(move |name| (at, name))) {
                if !places.accepted(&owner(name, at)) {
                    continue;
                }
                let mut ticket = places.begin(&owner(name, at));
                if places.settle(&mut ticket, &host(name, at)) {
                    places.fall_silent(&mut ticket, true);
                    held.push(ticket);
                } else {
                    places.end(&ticket);
                }
            }
            let (taken, slow) = places.counts();
            let told = format!("{tenants} {answered}: {slow} slow, {taken} taken");
            assert!((256..512 + 64).contains(&slow), "{told}");
            assert!(taken <= 8, "{told}");
            // Its own limit, too: more than there are slots of an account.
            for at in 0..8 {
                let newcomer = owner("newcomer", at);
                assert!(places.accepted(&newcomer), "{told}");
                let mut ticket = places.begin(&newcomer);
                assert!(places.settle(&mut ticket, &host("newcomer", at)), "{told}");
                assert_eq!(places.fall_silent(&mut ticket, true), Fate::Slow, "{at} {told}");
            }
        }
    }
}

/// A tenant at its limit of slow deliveries still delivers where servers respond.
#[test]
fn a_tenant_at_its_limit_of_slow_deliveries_still_delivers_elsewhere() {
    let (mut places, good) = with_its_share();
    assert!(!places.accepted(&owner("acme", 8)));
    for _ in 0..20 {
        assert!(places.accepted(&good));
        deliver(&mut places, &good);
    }
}

/// Each further tenant takes half of what the one before left, so that ten of them take all. One
/// without slow deliveries still delivers: to a server that responds, of unknown state, or that is
/// silent.
#[test]
fn a_tenant_without_slow_deliveries_delivers_beside_many_with_them() {
    let mut places = SlotTable::new(Bounds { total: 32, per_account: 2, slow: 256 });
    for tenant in (0..16).map(|at| format!("t{at}")) {
        for at in 0..700 {
            if !places.accepted(&owner(&tenant, at)) {
                break;
            }
            let mut ticket = places.begin(&owner(&tenant, at));
            assert!(places.settle(&mut ticket, &format!("h{at}.{tenant}.test")));
            assert_eq!(places.fall_silent(&mut ticket, true), Fate::Slow, "{at} of {tenant}");
        }
    }
    let (taken, slow) = places.counts();
    assert!(taken == 0 && slow >= 512, "{slow} slow, {taken} taken");
    let newcomer = owner("newcomer", 0);
    // First of unknown state, and then known to respond.
    for _ in 0..20 {
        assert!(places.accepted(&newcomer));
        deliver(&mut places, &newcomer);
    }
    for dot in [false, true] {
        let mut ticket = places.begin(&owner("newcomer", 1));
        assert!(places.settle(&mut ticket, "h.newcomer.test"));
        assert_eq!(places.fall_silent(&mut ticket, dot), Fate::Slow);
        assert!(!places.accepted(&owner("newcomer", 2)), "it has its share");
        assert!(places.accepted(&newcomer), "where servers answer it has not");
        places.end(&ticket);
    }
}

/// A tenant at its limit may start the next delivery as soon as another's delivery completes or
/// ends, without waiting for the next round.
#[test]
fn a_tenant_at_its_limit_delivers_as_soon_as_a_slot_is_free() {
    for answered in [true, false] {
        let (mut places, good) = with_its_share();
        let mut others: Vec<_> = (0..8)
            .map(|at| {
                let mut ticket = places.begin(&owner("zoe", at));
                assert!(places.settle(&mut ticket, &format!("h{at}.zoe.test")));
                ticket
            })
            .collect();
        assert!(!places.accepted(&good), "others have the quarter of it");
        while places.take_look().is_some() {}
        assert!(!places.accepted(&good));
        assert!(!places.is_due());
        let ticket = &mut others[0];
        if answered {
            places.answered(ticket);
        } else {
            places.end(ticket);
        }
        assert!(places.is_due(), "{answered}");
        assert!(places.accepted(&good));
    }
}
