//! The settings of the policy, with their defaults.
//!
//! Plain data: `server` fills it from its configuration, tests use small values.

use std::time::Duration;

use model::limit::rate::Rate;

/// Limits and times of the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Maximum number of IMAP sessions open at once for one account.
    pub sessions_per_account: usize,
    /// An idle IMAP session is closed after this.
    pub session_idle: Duration,
    /// How long a request waits for a session of a busy account.
    pub session_wait: Duration,
    /// Maximum age of flags and new mail when a list or a message is shown.
    pub freshness: Duration,
    /// Maximum age of the list of mailboxes that a role is looked up in.
    pub mailboxes_fresh: Duration,
    /// Cache size for summaries and message bytes, over all tenants.
    pub cache_bytes: usize,
    /// Memory for the whole messages that one tenant's requests hold at once, in addition to the
    /// cache; at least one message is always allowed.
    pub open_bytes: u64,
    /// Maximum size of a message that is read or accepted.
    pub message_bytes: u64,
    /// Messages up to this size are fetched whole for previews in a list; of larger ones the start
    /// is, and the rest where the start is not enough.
    pub preview_bytes: u64,
    /// Maximum number of deliveries under way at once.
    pub deliveries: usize,
    /// Of those, the maximum for one account.
    pub deliveries_per_account: usize,
    /// Additional deliveries whose servers have become silent.
    pub slow_deliveries: usize,
    /// Lifetime of a claim. Longer than the longest delivery: RFC 5321 §4.5.3.2 allows ten minutes
    /// for the final dot alone.
    pub lease: Duration,
    /// The back-off between attempts; the last value repeats.
    pub backoff: Vec<Duration>,
    /// A submission that is still pending expires after this (RFC 5321 §4.5.4.1 asks for four to
    /// five days).
    pub give_up_after: Duration,
    /// How long a submission is kept after it ended.
    pub keep: Duration,
    /// How long an idle SMTP session is kept for another message.
    pub smtp_warm: Duration,
    /// Whether a sent message is copied to the mailbox with the role `\Sent`.
    pub copy_to_sent: bool,
    /// Time limit of all filters of one message together; parsing and composing are not included.
    pub filter_time: Duration,
    /// How long a self-test waits for its message to arrive.
    pub trial_wait: Duration,
    /// Rate limit of discovery over the network, for one tenant.
    pub lookups: Rate,
    /// The name of this process in claims.
    pub owner: String,
}

impl Default for Settings {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self {
            sessions_per_account: 3,
            session_idle: 5 * MINUTE,
            session_wait: Duration::from_secs(30),
            freshness: Duration::from_secs(1),
            mailboxes_fresh: Duration::from_secs(10),
            cache_bytes: 64 << 20,
            open_bytes: 256 << 20,
            message_bytes: 64 << 20,
            preview_bytes: 1 << 20,
            deliveries: 32,
            deliveries_per_account: 2,
            slow_deliveries: 256,
            // Longer than any delivery: its dot is recorded before a body that may take hours.
            // Claims of a process that ended are released at the next start.
            lease: 24 * HOUR,
            backoff: vec![
                MINUTE / 2,
                2 * MINUTE,
                5 * MINUTE,
                15 * MINUTE,
                30 * MINUTE,
                HOUR,
                2 * HOUR,
                4 * HOUR,
            ],
            give_up_after: 4 * 24 * HOUR,
            keep: 30 * 24 * HOUR,
            smtp_warm: Duration::from_secs(10),
            copy_to_sent: true,
            filter_time: Duration::from_secs(2),
            trial_wait: MINUTE,
            lookups: Rate { per_minute: 30, burst: 40 },
            owner: "postlet".to_owned(),
        }
    }
}
