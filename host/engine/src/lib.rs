//! The policy of Postlet: outbox, idempotency, message keys, cache and session pool, over ports and an owned clock.
