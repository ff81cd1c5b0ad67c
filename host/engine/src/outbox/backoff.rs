//! Back-off between delivery attempts.

use std::time::Duration;

use model::port::clock::Entropy;

/// About the time of a restart.
const RESTART: Duration = Duration::from_secs(2);

/// The pause after `attempts` earlier ones: from the table, its last value repeated, with a jitter
/// of a tenth, so that messages that failed together are not retried together.
pub(crate) fn pause(table: &[Duration], attempts: u32, entropy: &dyn Entropy) -> Duration {
    let index = usize::try_from(attempts).unwrap_or(usize::MAX);
    let base = table.get(index).or(table.last()).copied().unwrap_or(Duration::from_secs(60));
    let mut random = [0_u8; 2];
    entropy.fill(&mut random);
    let tenth = base / 10;
    base - tenth + tenth * 2 * u32::from(u16::from_be_bytes(random)) / u32::from(u16::MAX)
}

/// The pauses after an attempt that ended with its process: with no earlier one, with one, and so
/// on. The first is short, since a restart is not caused by the server; from then on as if each had
/// failed, so that a host that crashes repeatedly does not call a server at each start.
pub(crate) fn after_crash(table: &[Duration], entropy: &dyn Entropy) -> Vec<Duration> {
    let first = table.first().copied().unwrap_or(RESTART).min(RESTART);
    let later = (0_u32..).zip(table).map(|(earlier, _)| pause(table, earlier, entropy));
    [first].into_iter().chain(later).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::tests::clock::Counting;

    #[test]
    fn pauses_grow_and_the_last_repeats() {
        check(0, 30);
        check(1, 120);
        check(7, 4 * 3600);
        check(u32::MAX, 4 * 3600);
    }

    #[test]
    fn the_first_crash_costs_a_moment_and_further_ones_what_a_failure_does() {
        let table = Settings::default().backoff;
        let after = after_crash(&table, &Counting::default());
        assert_eq!((after.len(), after[0]), (table.len() + 1, RESTART));
        assert!((27..=33).contains(&after[1].as_secs()), "{after:?}");
        assert!((108..=132).contains(&after[2].as_secs()), "{after:?}");
    }

    #[track_caller]
    fn check(attempts: u32, seconds: u64) {
        let base = Duration::from_secs(seconds);
        for _ in 0..100 {
            let pause = pause(&Settings::default().backoff, attempts, &Counting::default());
            assert!(pause >= base - base / 10 && pause <= base + base / 10, "{pause:?}");
        }
    }
}
