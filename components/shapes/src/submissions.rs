//! JSON of submissions: the receipt, the status, the recipients.

use schemars::JsonSchema;
use serde::Serialize;

use crate::instant::Instant;
use crate::member::words;

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Submissions<'a> {
    pub submissions: Vec<Submission<'a>>,
    pub next_cursor: Option<&'a str>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt<'a> {
    pub submission_id: &'a str,
    /// Without angle brackets
    pub message_id: &'a str,
    pub state: SubmissionState,
    /// The time of the next attempt; in a final state, the time when it ended
    pub send_at: Instant,
    /// Warnings about an accepted message: a filter failed and was skipped
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub warnings: &'a [String],
}

#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission<'a> {
    #[serde(flatten)]
    pub receipt: Receipt<'a>,
    pub attempts: u32,
    /// An attempt ended without a reply after the whole message was sent, and another one was made
    pub possible_duplicate: bool,
    pub last_error: Option<&'a str>,
    /// The copy in the account's mailbox of sent mail: null while nothing was sent and where none is
    /// wanted
    pub sent_copy: Option<SentCopy>,
    pub recipients: Vec<Recipient<'a>>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Recipient<'a> {
    pub recipient: &'a str,
    pub state: SubmissionState,
    /// The server's reply for this recipient
    pub reply: Option<&'a str>,
    pub at: Option<Instant>,
}

words! {
    pub enum SubmissionState {
        "accepted" Accepted,
        "claimed" Claimed,
        "dialing" Dialing,
        "dotSent" DotSent,
        "sent" Sent,
        "deferred" Deferred,
        "failed" Failed,
        "uncertain" Uncertain,
        "cancelled" Cancelled,
        "expired" Expired,
    }
}

#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum SentCopy {
    Pending,
    Done,
    GivenUp,
}
