//! Message cache: summaries and whole messages, in bounded memory.
//!
//! Entries are immutable: a position (account generation, mailbox, UIDVALIDITY, UID) never holds
//! another message, and the digest of the parser is part of the key. Flags change, so they are
//! never cached.
//!
//! Invariant: the weights of all entries together stay under the limit; the least recently used are
//! evicted first.

use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use model::instant::Timestamp;
use model::mail::message::{HeaderSummary, ParseOptions, ParsedMessage};

use crate::login::account_ref::AccountRef;
use crate::messages::message_id::MessageRef;

/// Summaries and whole messages of every account.
#[derive(Debug)]
pub(crate) struct Cache {
    facts: Mutex<Lru<CacheKey, Arc<CachedSummary>>>,
    messages: Mutex<Lru<CacheKey, Arc<LoadedMessage>>>,
}

/// A message position, and the version of the parser.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(crate) place: MessageRef,
    pub(crate) digest: [u8; 32],
}

/// The immutable part of a list row.
#[derive(Clone, Debug)]
pub(crate) struct CachedSummary {
    pub(crate) received: Option<Timestamp>,
    pub(crate) size: Option<u64>,
    /// None when the parser failed.
    pub(crate) facts: Option<HeaderSummary>,
    /// Not parsed: the header fields are too long for a list.
    pub(crate) unread: bool,
    /// Only after it was requested once.
    pub(crate) sketch: Option<BodyPreview>,
}

/// What only the whole message contains.
#[derive(Clone, Debug)]
pub(crate) struct BodyPreview {
    pub(crate) preview: Option<String>,
    /// None where the start of the message is not enough, and the rest is too long to be read.
    pub(crate) has_attachments: Option<bool>,
}

/// A whole message, and its parsed parts so far.
#[derive(Debug)]
pub(crate) struct LoadedMessage {
    pub(crate) raw: Bytes,
    readings: Mutex<Vec<CachedParse>>,
}

#[derive(Clone, Debug)]
struct CachedParse {
    want: ParseOptions,
    limit: u32,
    reading: Arc<ParsedMessage>,
}

impl Cache {
    /// A quarter for summaries, the rest for whole messages.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            facts: Mutex::new(Lru::new(bytes / 4)),
            messages: Mutex::new(Lru::new(bytes - bytes / 4)),
        }
    }

    pub(crate) fn known(&self, key: &CacheKey) -> Option<Arc<CachedSummary>> {
        self.facts.lock().get(key)
    }

    pub(crate) fn put_summary(&self, key: CacheKey, known: Arc<CachedSummary>) {
        let weight = known.weight() + key.weight();
        self.facts.lock().put(key, known, weight);
    }

    pub(crate) fn opened(&self, key: &CacheKey) -> Option<Arc<LoadedMessage>> {
        self.messages.lock().get(key)
    }

    /// Inserts the message, or updates its weight after more of it was parsed.
    pub(crate) fn put_message(&self, key: CacheKey, opened: Arc<LoadedMessage>) {
        let weight = opened.weight() + key.weight();
        self.messages.lock().put(key, opened, weight);
    }

    /// Evicts everything of one account, whatever its generation.
    pub(crate) fn evict_account(&self, owner: &AccountRef) {
        let stays = |key: &CacheKey| !key.place.tag.belongs_to(owner);
        self.facts.lock().retain(stays);
        self.messages.lock().retain(stays);
    }
}

impl CacheKey {
    fn weight(&self) -> usize {
        // Twice: once in the map, once in the order.
        2 * (size_of::<Self>() + self.place.mailbox.wire().len())
    }
}

impl CachedSummary {
    fn weight(&self) -> usize {
        let sketch = self.sketch.as_ref().and_then(|sketch| sketch.preview.as_ref());
        size_of::<Self>()
            + self.facts.as_ref().map_or(0, facts_weight)
            + sketch.map_or(0, String::len)
    }
}

impl LoadedMessage {
    pub(crate) fn new(raw: Bytes) -> Self {
        Self { raw, readings: Mutex::new(Vec::new()) }
    }

    /// A parsed message with everything in `want`, its bodies complete or at least `limit` long.
    pub(crate) fn reading(&self, want: ParseOptions, limit: u32) -> Option<Arc<ParsedMessage>> {
        self.readings
            .lock()
            .iter()
            .find(|kept| covers(kept.want, want) && (kept.limit >= limit || !kept.was_cut(want)))
            .map(|kept| Arc::clone(&kept.reading))
    }

    pub(crate) fn add(&self, want: ParseOptions, limit: u32, reading: &Arc<ParsedMessage>) {
        let mut readings = self.readings.lock();
        readings.retain(|kept| !covers(want, kept.want));
        readings.push(CachedParse { want, limit, reading: Arc::clone(reading) });
    }

    fn weight(&self) -> usize {
        let readings = self.readings.lock();
        let read: usize = readings.iter().map(|kept| reading_weight(&kept.reading)).sum();
        size_of::<Self>() + self.raw.len() + read
    }
}

impl CachedParse {
    /// Whether a requested body was truncated at the limit of that parse.
    fn was_cut(&self, want: ParseOptions) -> bool {
        let cut = self.reading.cut;
        (want.text && cut.text)
            || (want.html && cut.html)
            || (want.html_as_sent && cut.html_as_sent)
    }
}

fn covers(have: ParseOptions, want: ParseOptions) -> bool {
    let ParseOptions { headers, details, structure, text, html, html_as_sent, preview } = want;
    (have.headers || !headers)
        && (have.details || !details)
        && (have.structure || !structure)
        && (have.text || !text)
        && (have.html || !html)
        && (have.html_as_sent || !html_as_sent)
        && (have.preview || !preview)
}

fn facts_weight(facts: &HeaderSummary) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let addresses = [&facts.sender, &facts.to, &facts.cc]
        .into_iter()
        .flatten()
        .map(|address| size_of_val(address) + address.email.len() + text(&address.name));
    text(&facts.message_id)
        + facts.thread_id.len()
        + text(&facts.subject)
        + addresses.sum::<usize>()
}

fn reading_weight(reading: &ParsedMessage) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let headers = reading
        .headers
        .iter()
        .map(|h| size_of_val(h) + h.name.len() + h.value.len())
        .sum::<usize>();
    let parts = reading
        .parts
        .iter()
        .map(|part| {
            let words = [&part.charset, &part.filename, &part.content_id, &part.disposition];
            let words: usize = words.into_iter().map(text).sum();
            size_of_val(part) + part.path.len() + part.content_type.len() + words
        })
        .sum::<usize>();
    size_of::<ParsedMessage>()
        + facts_weight(&reading.facts)
        + headers
        + parts
        + text(&reading.text)
        + text(&reading.html)
        + text(&reading.html_as_sent)
        + text(&reading.preview)
}

/// A cache that evicts the least recently used entries, by weight.
#[derive(Debug)]
struct Lru<K, V> {
    limit: usize,
    used: usize,
    tick: u64,
    entries: HashMap<K, Slot<V>>,
    order: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    weight: usize,
    tick: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Lru<K, V> {
    fn new(limit: usize) -> Self {
        Self { limit, used: 0, tick: 0, entries: HashMap::new(), order: BTreeMap::new() }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        let slot = self.entries.get_mut(key)?;
        self.tick += 1;
        if let Some(name) = self.order.remove(&slot.tick) {
            self.order.insert(self.tick, name);
        }
        slot.tick = self.tick;
        Some(slot.value.clone())
    }

    /// An entry of more than a quarter of the total is not kept.
    fn put(&mut self, key: K, value: V, weight: usize) {
        self.remove(&key);
        if weight > self.limit / 4 {
            return;
        }
        while self.used + weight > self.limit {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.used -= self.entries.remove(&oldest).map_or(0, |slot| slot.weight);
        }
        self.tick += 1;
        self.used += weight;
        self.order.insert(self.tick, key.clone());
        self.entries.insert(key, Slot { value, weight, tick: self.tick });
    }

    fn remove(&mut self, key: &K) {
        if let Some(slot) = self.entries.remove(key) {
            self.order.remove(&slot.tick);
            self.used -= slot.weight;
        }
    }

    fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        let gone: Vec<K> = self.entries.keys().filter(|key| !keep(key)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::mail::message::Cut;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn weights_stay_under_the_limit(puts in prop::collection::vec((0_u8..20, 0_usize..40), 0..200)) {
            let mut lru = Lru::new(100);
            for (key, weight) in puts {
                lru.put(key, key, weight);
                lru.get(&(key / 2));
                let sum: usize = lru.entries.values().map(|slot| slot.weight).sum();
                prop_assert_eq!(lru.used, sum);
                prop_assert!(sum <= 100);
                prop_assert_eq!(lru.order.len(), lru.entries.len());
            }
        }
    }

    #[test]
    fn what_was_used_last_stays() {
        let mut lru = Lru::new(100);
        (0..4).for_each(|key| lru.put(key, key, 25));
        assert_eq!(lru.get(&0), Some(0));
        lru.put(4, 4, 25);
        assert_eq!(lru.get(&0), Some(0));
        assert_eq!(lru.get(&1), None);
    }

    #[test]
    fn a_cut_body_is_read_again_for_a_higher_limit() {
        let want = ParseOptions { text: true, ..ParseOptions::default() };
        let opened = LoadedMessage::new(Bytes::new());
        let cut = Cut { text: true, ..Cut::default() };
        let reading = ParsedMessage { text: Some("x".repeat(7)), cut, ..ParsedMessage::default() };
        opened.add(want, 10, &Arc::new(reading));
        assert!(opened.reading(want, 10).is_some());
        assert!(opened.reading(want, 11).is_none());
        let whole = ParsedMessage { text: Some("x".repeat(10)), ..ParsedMessage::default() };
        opened.add(want, 10, &Arc::new(whole));
        assert!(opened.reading(want, 11).is_some());
        let html = ParseOptions { html: true, ..ParseOptions::default() };
        assert!(opened.reading(html, 1).is_none());
        assert!(opened.reading(ParseOptions::default(), u32::MAX).is_some());
    }
}
