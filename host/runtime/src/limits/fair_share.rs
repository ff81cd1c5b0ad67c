//! Max-min fair shares of a number of slots: admission of one more.
//!
//! Pure arithmetic; waiting and release are in `slot_pool`.
//!
//! The rule: a party that holds `h` slots may take one more when afterwards enough slots are free
//! for the others to reach `h` too. That reserve is never larger than the largest of: every party's
//! guaranteed minimum; an eighth of the slots while the party holds few; from there on a quarter,
//! or `h` if that is more.
//!
//! Invariants, for `n` slots and `p` parties: a party that holds fewer than `n / 2p` slots is
//! admitted at once, always. One that holds none is admitted at once unless `n / 8` others at least
//! hold a place. One party alone gets half of the slots at most, as long as there are others that
//! could come.

use std::collections::HashMap;
use std::hash::Hash;

/// A party with fewer slots, and fewer than an eighth, may take of the last quarter.
const FEW: u32 = 4;

/// The number of slots held by each party.
#[derive(Debug)]
pub(crate) struct Shares<P> {
    places: u32,
    parties: u32,
    used: u32,
    held: HashMap<P, u32>,
}

impl<P: Clone + Eq + Hash> Shares<P> {
    /// `parties` is their maximum number, whether they hold slots or not.
    pub(crate) fn new(places: u32, parties: u32) -> Self {
        Self { places, parties: parties.max(1), used: 0, held: HashMap::new() }
    }

    pub(crate) fn held(&self, party: &P) -> u32 {
        self.held.get(party).copied().unwrap_or(0)
    }

    /// What every party could hold at once, whatever the others hold.
    pub(crate) fn guaranteed(&self) -> u32 {
        self.places / 2 / self.parties
    }

    /// A party's share of the whole, among the present parties and one more.
    pub(crate) fn fair(&self) -> u32 {
        let here = u32::try_from(self.held.len()).unwrap_or(u32::MAX).max(1);
        (self.places / here.saturating_add(u32::from(here < self.parties))).max(1)
    }

    pub(crate) fn admits(&self, party: &P) -> bool {
        let held = self.held(party);
        let free = self.places.saturating_sub(self.used);
        free.checked_sub(1).is_some_and(|after| after >= self.reserve(party, held))
    }

    /// To be called only for a party that is admitted.
    pub(crate) fn take(&mut self, party: &P) {
        self.used += 1;
        *self.held.entry(party.clone()).or_insert(0) += 1;
    }

    pub(crate) fn give_back(&mut self, party: &P) {
        let Some(held) = self.held.get_mut(party) else { return };
        *held -= 1;
        self.used -= 1;
        if *held == 0 {
            self.held.remove(party);
        }
    }

    /// The slots that must stay free once `party`, which holds `held`, has one more.
    fn reserve(&self, party: &P, held: u32) -> u32 {
        let here = self.held.len() + usize::from(!self.held.contains_key(party));
        let others = self.parties.max(u32::try_from(here).unwrap_or(u32::MAX)) - 1;
        let has: u32 = self
            .held
            .iter()
            .filter(|(other, _)| *other != party)
            .map(|(_, count)| held.min(*count))
            .sum();
        let lacking = held.saturating_mul(others).saturating_sub(has);
        let tier = if held == 0 {
            0
        } else if held < FEW.min(self.places / 8) {
            self.places.div_ceil(8)
        } else {
            held.max(self.places.div_ceil(4))
        };
        lacking.min(tier.max(self.guaranteed() * self.parties))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// How many each of the first parties has when one after the other takes all that it gets.
    #[track_caller]
    fn check(places: u32, parties: u32, want: &[u32]) {
        let mut shares = Shares::new(places, parties);
        for (party, want) in want.iter().enumerate() {
            while shares.admits(&party) {
                shares.take(&party);
            }
            assert_eq!(shares.held(&party), *want, "party {party} of {parties} at {places}");
        }
    }

    #[test]
    fn whoever_takes_all_it_gets_leaves_room_for_the_next() {
        check(8, 1, &[8]);
        check(8, 2, &[4, 4]);
        check(400, 2, &[200, 200]);
        check(8, 3, &[4, 2, 2]);
        check(200, 3, &[100, 50, 50]);
        check(8, 4, &[4, 2, 1, 1]);
        check(200, 1000, &[100, 50, 4, 4, 4, 4, 4, 4, 1, 1]);
        check(8, 1000, &[4, 2, 1, 1]);
        check(5, 1000, &[3, 1, 1]);
        check(2, 1000, &[1, 1]);
        check(1, 5, &[1, 0]);
    }

    proptest! {
        /// Parties take and release in any order.
        #[test]
        fn below_its_guaranteed_minimum_nobody_is_refused(
            places in 1_u32..60,
            parties in 1_u32..12,
            steps in vec((any::<prop::sample::Index>(), 0_u8..4), 0..400),
        ) {
            let mut shares = Shares::new(places, parties);
            for (party, what) in steps {
                let party = u32::try_from(party.index(parties as usize)).unwrap();
                // Three take for each that releases.
                if what == 0 {
                    shares.give_back(&party);
                } else if shares.admits(&party) {
                    shares.take(&party);
                }
                prop_assert!(shares.used <= places);
                prop_assert_eq!(shares.used, shares.held.values().sum::<u32>());
                for every in 0..parties {
                    let below = shares.held(&every) < shares.guaranteed();
                    prop_assert!(!below || shares.admits(&every), "{every} in {shares:?}");
                }
            }
        }

        /// More parties than slots: no guarantee can hold for all of them at once.
        #[test]
        fn few_parties_cannot_keep_a_newcomer_out(
            places in 8_u32..300,
            steps in vec(0_u32..12, 0..2000),
        ) {
            let mut shares = Shares::new(places, 1000);
            for party in steps {
                if shares.admits(&party) {
                    shares.take(&party);
                }
                let here = u32::try_from(shares.held.len()).unwrap();
                prop_assert!(here >= places.div_ceil(8) || shares.admits(&999), "{shares:?}");
            }
        }

        /// A party that holds less than another is not refused what the other gets.
        #[test]
        fn whoever_has_less_goes_first(
            places in 1_u32..60,
            parties in 2_u32..12,
            steps in vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let mut shares = Shares::new(places, parties);
            for party in steps {
                let party = u32::try_from(party.index(parties as usize)).unwrap();
                if shares.admits(&party) {
                    for less in (0..parties).filter(|other| shares.held(other) < shares.held(&party)) {
                        prop_assert!(shares.admits(&less), "{less} beside {party} in {shares:?}");
                    }
                    shares.take(&party);
                }
            }
        }
    }
}
