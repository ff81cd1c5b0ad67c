//! Fair shares of a whole among parties: whether a party may take more.
//!
//! Pure arithmetic; waiting and release are in [`crate::limit::tenant_limiter`].
//!
//! Max-min fair shares, [`Rule::Fair`]: a party that holds `h` units may take one more when
//! afterwards enough are free for the others to reach `h` too. That reserve is never larger than
//! the largest of: every party's guaranteed minimum; an eighth of the whole while the party holds
//! few; from there on a quarter, or `h` if that is more.
//!
//! Invariants, for `n` units and `p` parties: a party that holds fewer than `n / 2p` is admitted at
//! once, always. One that holds none is admitted at once unless `n / 8` others at least hold one.
//! One party alone gets half of the whole at most, as long as there are others that could come.

use std::collections::HashMap;
use std::hash::Hash;

/// A party with fewer units, and fewer than an eighth of the whole, may take from the last quarter.
const FEW: u64 = 4;

/// How much of the whole one party may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A fixed maximum for each party. Nothing is reserved for others.
    Each(u64),
    /// Its max-min fair share.
    Fair {
        /// The maximum number of parties, including those that hold nothing.
        parties: u64,
        /// The minimum length of a party's queue; its share of the whole if that is more.
        queue: u64,
    },
}

/// The bound that prevents one more unit for a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The party's own limit.
    Own,
    /// The limit of the whole: nothing is free, or the rest is reserved for parties that hold less.
    Whole,
}

/// The units that each party holds.
#[derive(Debug)]
pub(crate) struct Shares<P> {
    rule: Rule,
    whole: u64,
    used: u64,
    held: HashMap<P, u64>,
}

impl<P: Clone + Eq + Hash> Shares<P> {
    pub(crate) fn new(rule: Rule, whole: u64) -> Self {
        Self { rule, whole, used: 0, held: HashMap::new() }
    }

    pub(crate) fn held(&self, party: &P) -> u64 {
        self.held.get(party).copied().unwrap_or(0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The maximum length of one party's queue.
    pub(crate) fn queue(&self) -> u64 {
        match self.rule {
            Rule::Each(_) => u64::MAX,
            Rule::Fair { parties, queue } => self.fair(parties).max(queue),
        }
    }

    /// Whether the party would exceed its own maximum.
    pub(crate) fn exceeds_own(&self, party: &P, units: u64) -> bool {
        match self.rule {
            Rule::Each(most) => self.held(party).saturating_add(units) > most,
            Rule::Fair { .. } => false,
        }
    }

    pub(crate) fn admits(&self, party: &P, units: u64) -> bool {
        let free = self.whole.saturating_sub(self.used);
        let reserve = match self.rule {
            Rule::Each(_) => 0,
            Rule::Fair { parties, .. } => self.reserve(parties, party, units),
        };
        !self.exceeds_own(party, units)
            && free.checked_sub(units).is_some_and(|after| after >= reserve)
    }

    /// The bound that prevents so many units; call it only when they are not admitted.
    pub(crate) fn bound(&self, party: &P, units: u64) -> Bound {
        let own = match self.rule {
            Rule::Each(_) => self.exceeds_own(party, units),
            Rule::Fair { parties, .. } => self.held(party) >= self.fair(parties),
        };
        if own { Bound::Own } else { Bound::Whole }
    }

    /// Takes units; call it only when they are admitted.
    pub(crate) fn take(&mut self, party: &P, units: u64) {
        if units > 0 {
            self.used += units;
            *self.held.entry(party.clone()).or_insert(0) += units;
        }
    }

    pub(crate) fn give_back(&mut self, party: &P, units: u64) {
        let Some(held) = self.held.get_mut(party) else { return };
        *held -= units;
        self.used -= units;
        if *held == 0 {
            self.held.remove(party);
        }
    }

    /// A party's share of the whole, among the parties that hold something and one more.
    fn fair(&self, parties: u64) -> u64 {
        let here = (self.held.len() as u64).max(1);
        (self.whole / here.saturating_add(u64::from(here < parties))).max(1)
    }

    /// The units that must stay free after the party has taken `units`: what the last of them needs.
    fn reserve(&self, parties: u64, party: &P, units: u64) -> u64 {
        let Some(others_units) = units.checked_sub(1) else { return 0 };
        let held = self.held(party).saturating_add(others_units);
        let parties = parties.max(1);
        let here = self.held.len() as u64 + u64::from(!self.held.contains_key(party));
        let others = parties.max(here) - 1;
        let has: u64 = self
            .held
            .iter()
            .filter(|(other, _)| *other != party)
            .map(|(_, count)| held.min(*count))
            .sum();
        let lacking = held.saturating_mul(others).saturating_sub(has);
        let tier = if held == 0 {
            0
        } else if held < FEW.min(self.whole / 8) {
            self.whole.div_ceil(8)
        } else {
            held.max(self.whole.div_ceil(4))
        };
        // The minimum that every party can hold at once.
        let guaranteed = self.whole / 2 / parties;
        lacking.min(tier.max(guaranteed * parties))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn fair<P: Clone + Eq + Hash>(whole: u64, parties: u64) -> Shares<P> {
        Shares::new(Rule::Fair { parties, queue: 0 }, whole)
    }

    /// The units of the first parties when one after the other takes as many as it gets.
    #[track_caller]
    fn check(rule: Rule, whole: u64, want: &[u64]) {
        let mut shares = Shares::new(rule, whole);
        for (party, want) in want.iter().enumerate() {
            while shares.admits(&party, 1) {
                shares.take(&party, 1);
            }
            assert_eq!(shares.held(&party), *want, "party {party} of {rule:?} at {whole}");
        }
    }

    #[test]
    fn a_party_that_takes_all_it_gets_leaves_units_for_the_next() {
        for (whole, parties, want) in [
            (8, 1, &[8][..]),
            (8, 2, &[4, 4]),
            (400, 2, &[200, 200]),
            (8, 3, &[4, 2, 2]),
            (200, 3, &[100, 50, 50]),
            (8, 4, &[4, 2, 1, 1]),
            (200, 1000, &[100, 50, 4, 4, 4, 4, 4, 4, 1, 1]),
            (8, 1000, &[4, 2, 1, 1]),
            (5, 1000, &[3, 1, 1]),
            (2, 1000, &[1, 1]),
            (1, 5, &[1, 0]),
        ] {
            check(Rule::Fair { parties, queue: 0 }, whole, want);
        }
    }

    #[test]
    fn with_a_fixed_maximum_the_whole_is_served_first_come_first_served() {
        check(Rule::Each(3), 8, &[3, 3, 2, 0]);
        check(Rule::Each(3), u64::MAX, &[3, 3, 3, 3]);
        check(Rule::Each(9), 8, &[8, 0]);
        check(Rule::Each(0), 8, &[0]);
    }

    #[test]
    fn the_bound_that_was_met_is_named() {
        let mut shares = Shares::new(Rule::Each(4), 6);
        shares.take(&'a', 3);
        assert_eq!(shares.bound(&'a', 2), Bound::Own);
        assert_eq!(shares.bound(&'b', 4), Bound::Whole);
        assert_eq!(shares.bound(&'b', 5), Bound::Own);
        let mut shares = fair(8, 3);
        shares.take(&'a', 4);
        assert_eq!(shares.bound(&'a', 1), Bound::Own);
        assert_eq!(shares.bound(&'b', 1), Bound::Whole);
    }

    proptest! {
        /// Parties take and release in any order.
        #[test]
        fn below_its_guaranteed_minimum_no_party_is_refused(
            places in 1_u64..60,
            parties in 1_u64..12,
            steps in vec((any::<prop::sample::Index>(), 0_u8..4), 0..400),
        ) {
            let mut shares = fair(places, parties);
            for (party, what) in steps {
                let party = party.index(parties as usize) as u64;
                // Three in four steps take, one releases.
                if what == 0 {
                    shares.give_back(&party, 1_u64.min(shares.held(&party)));
                } else if shares.admits(&party, 1) {
                    shares.take(&party, 1);
                }
                prop_assert!(shares.used <= places);
                prop_assert_eq!(shares.used, shares.held.values().sum::<u64>());
                for every in 0..parties {
                    let below = shares.held(&every) < places / 2 / parties;
                    prop_assert!(!below || shares.admits(&every, 1), "{every} in {shares:?}");
                }
            }
        }

        /// With more parties than slots, a minimum cannot be guaranteed to all of them at once.
        #[test]
        fn few_parties_leave_a_slot_for_a_new_one(
            places in 8_u64..300,
            steps in vec(0_u64..12, 0..2000),
        ) {
            let mut shares = fair(places, 1000);
            for party in steps {
                if shares.admits(&party, 1) {
                    shares.take(&party, 1);
                }
                let here = shares.held.len() as u64;
                prop_assert!(here >= places.div_ceil(8) || shares.admits(&999, 1), "{shares:?}");
            }
        }

        /// When a party is admitted, every party that holds less would be, too.
        #[test]
        fn a_party_that_holds_less_is_preferred(
            places in 1_u64..60,
            parties in 2_u64..12,
            steps in vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let mut shares = fair(places, parties);
            for party in steps {
                let party = party.index(parties as usize) as u64;
                if shares.admits(&party, 1) {
                    for less in (0..parties).filter(|other| shares.held(other) < shares.held(&party)) {
                        prop_assert!(shares.admits(&less, 1), "{less} beside {party} in {shares:?}");
                    }
                    shares.take(&party, 1);
                }
            }
        }

        /// Several units are admitted exactly if they would be one by one.
        #[test]
        fn several_units_are_admitted_as_one_by_one(
            places in 1_u64..60,
            parties in 1_u64..12,
            steps in vec((any::<prop::sample::Index>(), 0_u64..6), 0..100),
        ) {
            let mut shares = fair(places, parties);
            for (party, units) in steps {
                let party = party.index(parties as usize) as u64;
                let together = shares.admits(&party, units);
                let before = shares.held(&party);
                while shares.held(&party) < before + units && shares.admits(&party, 1) {
                    shares.take(&party, 1);
                }
                let taken = shares.held(&party) - before;
                prop_assert_eq!(together, taken == units, "{} of {:?}", units, shares);
                if !together {
                    shares.give_back(&party, taken);
                }
            }
        }
    }
}
