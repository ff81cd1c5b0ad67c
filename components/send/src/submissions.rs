//! JSON of submissions: receipt, status, recipients.

use kit::bindings::postlet::mail::outcomes::{Entry, Receipt, RecipientVerdict, SentCopy, State};
use serde::Serialize;
use shapes::instant::Instant;

/// The names of the states in the API.
pub(crate) const STATES: [(&str, State); 10] = [
    ("accepted", State::Accepted),
    ("claimed", State::Claimed),
    ("dialing", State::Dialing),
    ("dotSent", State::DotSent),
    ("sent", State::Sent),
    ("deferred", State::Deferred),
    ("failed", State::Failed),
    ("uncertain", State::Uncertain),
    ("cancelled", State::Cancelled),
    ("expired", State::Expired),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptJson<'a> {
    submission_id: &'a str,
    message_id: &'a str,
    state: &'static str,
    send_at: Instant,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Submission<'a> {
    #[serde(flatten)]
    receipt: ReceiptJson<'a>,
    attempts: u32,
    possible_duplicate: bool,
    last_error: Option<&'a str>,
    sent_copy: Option<&'static str>,
    recipients: Vec<Verdict<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Submissions<'a> {
    pub(crate) submissions: Vec<Submission<'a>>,
    pub(crate) next_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct Verdict<'a> {
    recipient: &'a str,
    state: &'static str,
    reply: Option<&'a str>,
    at: Option<Instant>,
}

impl<'a> ReceiptJson<'a> {
    pub(crate) fn new(receipt: &'a Receipt) -> Self {
        Self {
            submission_id: &receipt.submission_id,
            message_id: &receipt.message_id,
            state: name(receipt.state),
            send_at: Instant(receipt.due),
            warnings: &receipt.warnings,
        }
    }
}

impl<'a> Submission<'a> {
    pub(crate) fn new(entry: &'a Entry) -> Self {
        Self {
            receipt: ReceiptJson::new(&entry.receipt),
            attempts: entry.attempts,
            possible_duplicate: entry.possible_duplicate,
            last_error: entry.last_error.as_deref(),
            sent_copy: entry.sent_copy.map(copy_name),
            recipients: entry.recipients.iter().map(Verdict::new).collect(),
        }
    }
}

impl<'a> Verdict<'a> {
    fn new(verdict: &'a RecipientVerdict) -> Self {
        Self {
            recipient: &verdict.recipient,
            state: name(verdict.state),
            reply: verdict.reply.as_deref(),
            at: verdict.at.map(Instant),
        }
    }
}

fn copy_name(copy: SentCopy) -> &'static str {
    match copy {
        SentCopy::Pending => "pending",
        SentCopy::Done => "done",
        SentCopy::GivenUp => "givenUp",
    }
}

fn name(state: State) -> &'static str {
    // The table has every state; the published schemas are tested against it.
    STATES.iter().find(|(_, other)| *other == state).map_or("accepted", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_schemas_name_every_state_in_the_same_order() {
        let names = json!(STATES.map(|(name, _)| name));
        for schema in [
            include_str!("../schema/receipt.json"),
            include_str!("../schema/submission.json"),
            include_str!("../schema/submissions.json"),
        ] {
            let schema: Value = serde_json::from_str(schema).unwrap();
            assert_eq!(schema.pointer("/$defs/submissionState/enum"), Some(&names));
        }
    }

    #[test]
    fn a_submission_tells_each_recipient_apart() {
        let receipt = Receipt {
            submission_id: "sub_1".to_owned(),
            message_id: "m@x.test".to_owned(),
            state: State::DotSent,
            due: 0,
            warnings: Vec::new(),
        };
        let verdict = |recipient: &str, state, reply: Option<&str>| RecipientVerdict {
            recipient: recipient.to_owned(),
            state,
            reply: reply.map(str::to_owned),
            at: reply.map(|_| 1_000),
        };
        let entry = Entry {
            receipt,
            attempts: 2,
            recipients: vec![
                verdict("a@x.test", State::Sent, Some("250 ok")),
                verdict("b@x.test", State::Deferred, None),
            ],
            possible_duplicate: false,
            last_error: None,
            sent_copy: Some(SentCopy::GivenUp),
        };
        let json = serde_json::to_value(Submission::new(&entry)).unwrap();
        assert_eq!(json["state"], "dotSent");
        assert_eq!(json["sentCopy"], "givenUp");
        assert_eq!(json.get("warnings"), None);
        assert_eq!(json["lastError"], Value::Null);
        assert_eq!(json["recipients"][0]["reply"], "250 ok");
        assert_eq!(
            json["recipients"][1],
            json!({"recipient": "b@x.test", "state": "deferred", "reply": null, "at": null})
        );
    }
}
