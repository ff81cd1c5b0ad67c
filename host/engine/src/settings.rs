//! The figures of the policy, with the defaults that a host runs on.
//!
//! Plain data: `server` fills it from its configuration, tests make it small.

use std::time::Duration;

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Settings {
    /// IMAP sessions open at once for one account.
    pub sessions_per_account: usize,
    /// An unused IMAP session is closed after this.
    pub session_idle: Duration,
    /// How long a request waits for a session of a busy account.
    pub session_wait: Duration,
    /// Flags and new mail are at most this old when a list or a message is shown.
    pub freshness: Duration,
    /// How long the list of mailboxes may serve to find a role.
    pub mailboxes_fresh: Duration,
    /// Memory for parsed facts and message bytes, over all tenants.
    pub cache_bytes: usize,
    /// Memory for the whole messages that one tenant's requests hold at once, beyond what the cache
    /// keeps; at least one message is always allowed.
    pub open_bytes: u64,
    /// The largest message that is read or accepted.
    pub message_bytes: u64,
    /// Messages up to this size are fetched whole for previews in a list; of larger ones the start is, and
    /// the rest where that does not tell.
    pub preview_bytes: u64,
    /// Deliveries under way at once.
    pub deliveries: usize,
    /// Of those, for one account.
    pub deliveries_per_account: usize,
    /// Deliveries that go on beside those, since their servers have fallen silent.
    pub slow_deliveries: usize,
    /// How long a claim holds. Longer than the longest delivery: RFC 5321 §4.5.3.2 allows ten
    /// minutes for the final dot alone.
    pub lease: Duration,
    /// The pauses between attempts; the last one repeats.
    pub backoff: Vec<Duration>,
    /// After this a message that still waits expires (RFC 5321 §4.5.4.1 asks for four to five days).
    pub give_up_after: Duration,
    /// How long a submission is kept after it ended.
    pub keep: Duration,
    /// How long an SMTP session waits for another message.
    pub smtp_warm: Duration,
    /// A sent message is copied to the mailbox with the role `\Sent`.
    pub copy_to_sent: bool,
    /// All filters of one message together have this long; reading and writing the message is not in it.
    pub filter_time: Duration,
    /// How long a test message may take to arrive.
    pub trial_wait: Duration,
    /// How often the network is asked for mail servers, for one tenant.
    pub lookups: LookupRate,
    /// Names this process in claims.
    pub owner: String,
}

/// A rate that allows bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupRate {
    /// In the long run.
    pub per_minute: u32,
    /// In a row, after a rest.
    pub burst: u32,
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
            // Longer than any delivery: its dot is recorded before a body that may take hours. What a
            // process that ended had claimed is given back at the next start.
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
            lookups: LookupRate { per_minute: 30, burst: 40 },
            owner: "postlet".to_owned(),
        }
    }
}
