//! Reader of messages: the session pool, the cache and the parser.
//!
//! Invariant: nothing here uses the outbox or a filter.

use std::sync::Arc;

use model::port::clock::Clock;
use model::port::mime::Mime;

use crate::imap_pool::Pool;
use crate::messages::cache::{Cache, CacheKey};
use crate::messages::in_flight::InFlightMessages;
use crate::messages::message_id::MessageRef;
use crate::settings::Settings;

/// One for each engine.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) pool: Arc<Pool>,
    pub(crate) cache: Cache,
    /// Messages in memory for requests under way.
    pub(crate) in_flight: InFlightMessages,
    pub(crate) mime: Arc<dyn Mime>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
}

impl Reader {
    pub(crate) fn new(
        pool: Arc<Pool>,
        mime: Arc<dyn Mime>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        // The cache counts as well, and must not use up the budget.
        let in_flight = settings.open_bytes.max(settings.message_bytes);
        let in_flight =
            InFlightMessages::new(in_flight.saturating_add(settings.cache_bytes as u64));
        let cache = Cache::new(settings.cache_bytes);
        Self { pool, cache, in_flight, mime, clock, settings }
    }

    /// The cache key of a message, for the current parser.
    pub(crate) fn cache_key(&self, place: MessageRef) -> CacheKey {
        CacheKey { place, digest: self.mime.digest() }
    }
}
