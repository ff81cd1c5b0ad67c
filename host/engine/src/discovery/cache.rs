//! Cache of recent discovery results, so that a page that queries while a person types costs one
//! search.
//!
//! Bounded in number and in time; negative results expire sooner, since people are likely to
//! correct their cause.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

use model::discovery::DiscoveryResult;

const MOST: usize = 1024;
const KEEP: Duration = Duration::from_secs(60 * 60);
const KEEP_NOTHING: Duration = Duration::from_secs(60);

/// Results by normalised domain.
#[derive(Debug, Default)]
pub(crate) struct DiscoveryCache(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    found: DiscoveryResult,
    at: Duration,
}

impl Entry {
    fn fresh(&self, now: Duration) -> bool {
        let keep = if self.found.profile.is_some() { KEEP } else { KEEP_NOTHING };
        now.saturating_sub(self.at) < keep
    }
}

impl DiscoveryCache {
    /// A cached result with its age.
    pub(crate) fn get(&self, domain: &str, now: Duration) -> Option<(DiscoveryResult, Duration)> {
        let entries = self.0.lock();
        let entry = entries.get(domain).filter(|entry| entry.fresh(now))?;
        Some((entry.found.clone(), now.saturating_sub(entry.at)))
    }

    pub(crate) fn put(&self, domain: &str, found: DiscoveryResult, now: Duration) {
        let mut entries = self.0.lock();
        if entries.len() >= MOST {
            entries.retain(|_, entry| entry.fresh(now));
        }
        if entries.len() >= MOST {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.at);
            if let Some(oldest) = oldest.map(|(domain, _)| domain.clone()) {
                entries.remove(&oldest);
            }
        }
        entries.insert(domain.to_owned(), Entry { found, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_forgotten_sooner_than_something() {
        let memory = DiscoveryCache::default();
        memory.put("nothing.example", DiscoveryResult::default(), Duration::ZERO);
        let second = Duration::from_secs(1);
        assert!(memory.get("nothing.example", KEEP_NOTHING - second).is_some());
        assert!(memory.get("nothing.example", KEEP_NOTHING).is_none());
        assert!(memory.get("other.example", Duration::ZERO).is_none());
    }

    #[test]
    fn it_holds_so_many_and_the_oldest_goes() {
        let memory = DiscoveryCache::default();
        for at in 0..=MOST {
            let at = Duration::from_millis(u64::try_from(at).unwrap());
            memory.put(&format!("{}.example", at.as_millis()), DiscoveryResult::default(), at);
        }
        let now = Duration::from_secs(2);
        assert!(memory.get("0.example", now).is_none());
        assert!(memory.get("1.example", now).is_some());
        assert_eq!(memory.0.lock().len(), MOST);
    }
}
