//! Conversion of submissions to JSON: receipt, status, recipients.

use kit::bindings::postlet::mail::outcomes::{Entry, Receipt, RecipientVerdict, SentCopy, State};
use shapes::instant::Instant;
use shapes::submissions as json;
use shapes::submissions::SubmissionState;

macro_rules! states {
    ($($state:ident),*) => {
        /// Every state, in the order of [`SubmissionState::WORDS`].
        pub(crate) const STATES: &[State] = &[$(State::$state),*];

        pub(crate) const fn state_json(state: State) -> SubmissionState {
            match state { $(State::$state => SubmissionState::$state,)* }
        }
    };
}

states!(Accepted, Claimed, Dialing, DotSent, Sent, Deferred, Failed, Uncertain, Cancelled, Expired);

pub(crate) fn receipt_json(receipt: &Receipt) -> json::Receipt<'_> {
    json::Receipt {
        submission_id: &receipt.submission_id,
        message_id: &receipt.message_id,
        state: state_json(receipt.state),
        send_at: Instant(receipt.due),
        warnings: &receipt.warnings,
    }
}

pub(crate) fn submission_json(entry: &Entry) -> json::Submission<'_> {
    json::Submission {
        receipt: receipt_json(&entry.receipt),
        attempts: entry.attempts,
        possible_duplicate: entry.possible_duplicate,
        last_error: entry.last_error.as_deref(),
        sent_copy: entry.sent_copy.map(copy_json),
        recipients: entry.recipients.iter().map(recipient_json).collect(),
    }
}

fn recipient_json(verdict: &RecipientVerdict) -> json::Recipient<'_> {
    json::Recipient {
        recipient: &verdict.recipient,
        state: state_json(verdict.state),
        reply: verdict.reply.as_deref(),
        at: verdict.at.map(Instant),
    }
}

fn copy_json(copy: SentCopy) -> json::SentCopy {
    match copy {
        SentCopy::Pending => json::SentCopy::Pending,
        SentCopy::Done => json::SentCopy::Done,
        SentCopy::GivenUp => json::SentCopy::GivenUp,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_states_are_those_that_the_schema_names() {
        let words: Vec<_> = STATES.iter().map(|state| state_json(*state).word()).collect();
        assert_eq!(words, SubmissionState::WORDS);
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
        let json = serde_json::to_value(submission_json(&entry)).unwrap();
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
