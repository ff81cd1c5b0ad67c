//! How long to wait before the next attempt.

use std::time::Duration;

use model::port::clock::Entropy;

/// The pause after `attempts` earlier ones: from the table, its last figure repeated, give or take a
/// tenth, so that messages that failed together do not come back together.
pub(crate) fn pause(table: &[Duration], attempts: u32, entropy: &dyn Entropy) -> Duration {
    let index = usize::try_from(attempts).unwrap_or(usize::MAX);
    let base = table.get(index).or(table.last()).copied().unwrap_or(Duration::from_secs(60));
    let mut random = [0_u8; 2];
    entropy.fill(&mut random);
    let tenth = base / 10;
    base - tenth + tenth * 2 * u32::from(u16::from_be_bytes(random)) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::testing::clock::Counting;

    #[test]
    fn pauses_grow_and_the_last_repeats() {
        check(0, 30);
        check(1, 120);
        check(7, 4 * 3600);
        check(u32::MAX, 4 * 3600);
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
