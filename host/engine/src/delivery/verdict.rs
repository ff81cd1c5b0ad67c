//! What an attempt means for each recipient and for the whole.
//!
//! Pure. Only a server's own reply ends anything: trouble on our side or on the
//! way defers, however often it happens.
//!
//! Invariant: after the final dot without a verdict a recipient is uncertain,
//! never sent and never failed (RFC 1047).
//!
//! Standards: RFC 5321 §4.2.1 (first digit decides), §4.5.4.1 (retry).

use model::address::EmailAddress;
use model::instant::Timestamp;
use model::port::smtp::{Data, Delivery, Reply, SmtpError};
use model::problem::printable;
use model::submission::{RecipientVerdict, State};

use crate::problems;

/// What will be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) recipients: Vec<RecipientVerdict>,
    pub(crate) last_error: Option<String>,
}

impl Outcome {
    /// The submission's state. Uncertain goes before deferred: it must be seen.
    pub(crate) fn state(&self) -> State {
        let any = |state: State| self.recipients.iter().any(|known| known.state == state);
        if any(State::Uncertain) {
            State::Uncertain
        } else if self.recipients.iter().any(|known| !known.state.is_final()) {
            State::Deferred
        } else if any(State::Failed) {
            State::Failed
        } else if any(State::Expired) {
            State::Expired
        } else if any(State::Sent) {
            State::Sent
        } else {
            State::Cancelled
        }
    }

    /// Gives up on those that still wait. What is uncertain stays so.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        for known in &mut self.recipients {
            if !known.state.is_final() && known.state != State::Uncertain {
                known.state = State::Expired;
                known.at = Some(now);
            }
        }
    }
}

/// Those that an attempt is made for.
pub(crate) fn pending(recipients: &[RecipientVerdict]) -> Vec<EmailAddress> {
    recipients
        .iter()
        .filter(|known| !known.state.is_final())
        .map(|known| known.recipient.clone())
        .collect()
}

/// The dot was recorded and nothing after it: any of those that waited may have got the message.
pub(crate) fn doubt(recipients: &mut [RecipientVerdict]) {
    for known in recipients.iter_mut().filter(|known| !known.state.is_final()) {
        known.state = State::Uncertain;
    }
}

/// The transaction ran; `tried` is its envelope.
pub(crate) fn delivered(
    before: &[RecipientVerdict],
    tried: &[EmailAddress],
    delivery: &Delivery,
    now: Timestamp,
) -> Outcome {
    let mut outcome = Outcome { recipients: before.to_vec(), last_error: None };
    for (index, recipient) in tried.iter().enumerate() {
        let (state, reply) = match delivery.recipients.get(index) {
            Some(reply) if reply.is_positive() => accepted(&delivery.data),
            Some(reply) => (refused(reply), Some(reply.to_string())),
            None => (State::Deferred, None),
        };
        if state != State::Sent {
            outcome.last_error = reply.clone().or(outcome.last_error);
        }
        set(&mut outcome.recipients, recipient, state, reply.as_deref(), now);
    }
    outcome
}

fn accepted(data: &Data) -> (State, Option<String>) {
    match data {
        Data::Skipped | Data::Ended(_) => (State::Deferred, None),
        Data::Replied(reply) if reply.is_positive() => (State::Sent, Some(reply.to_string())),
        Data::Replied(reply) => (refused(reply), Some(reply.to_string())),
        Data::Lost(error) => (State::Uncertain, Some(told(error))),
    }
}

fn refused(reply: &Reply) -> State {
    if reply.is_permanent() { State::Failed } else { State::Deferred }
}

/// The transaction ended before the final dot.
pub(crate) fn broken_off(
    before: &[RecipientVerdict],
    tried: &[EmailAddress],
    error: &SmtpError,
    now: Timestamp,
) -> Outcome {
    let (state, reply) = match error {
        // 530 is about our login, and a greeting about our address: the message may go later.
        SmtpError::Refused { step, reply }
            if step.starts_with("MAIL") && reply.is_permanent() && reply.code != 530 =>
        {
            (State::Failed, Some(reply.to_string()))
        }
        SmtpError::Refused { reply, .. } | SmtpError::Credentials(reply) => {
            (State::Deferred, Some(reply.to_string()))
        }
        // The server's own word too: its SIZE (RFC 1870 §6.1).
        SmtpError::TooLarge { .. } => (State::Failed, None),
        SmtpError::Dial(_)
        | SmtpError::NoTls
        | SmtpError::NoMechanism
        | SmtpError::NoCredentials(_)
        | SmtpError::Lost(_)
        | SmtpError::Timeout { .. }
        | SmtpError::Protocol(_)
        | SmtpError::Unrecorded(_)
        | SmtpError::Unreadable(_) => (State::Deferred, None),
    };
    let mut outcome = Outcome { recipients: before.to_vec(), last_error: Some(told(error)) };
    for recipient in tried {
        set(&mut outcome.recipients, recipient, state, reply.as_deref(), now);
    }
    outcome
}

/// The attempt could not begin, or nothing more will be tried.
pub(crate) fn without_attempt(
    before: &[RecipientVerdict],
    state: State,
    why: &str,
    now: Timestamp,
) -> Outcome {
    let mut outcome = Outcome { recipients: before.to_vec(), last_error: Some(printable(why)) };
    for recipient in pending(before) {
        set(&mut outcome.recipients, &recipient, state, None, now);
    }
    outcome
}

fn set(
    recipients: &mut [RecipientVerdict],
    recipient: &EmailAddress,
    state: State,
    reply: Option<&str>,
    now: Timestamp,
) {
    let waiting =
        |known: &&mut RecipientVerdict| known.recipient == *recipient && !known.state.is_final();
    if let Some(known) = recipients.iter_mut().find(waiting) {
        // Doubt goes away by a server's word only, not because another attempt did not get through.
        if known.state != State::Uncertain || (reply.is_some() && state != State::Deferred) {
            known.state = state;
        }
        known.reply = reply.map(printable).or(known.reply.take());
        known.at = Some(now);
    }
}

/// What happened and what to do about it, in one line without host names.
fn told(error: &SmtpError) -> String {
    let sentence = problems::smtp_sentence(error).unwrap_or_else(|| printable(&error.to_string()));
    match error {
        SmtpError::Credentials(reply) | SmtpError::Refused { reply, .. } => {
            let said = printable(&reply.to_string());
            format!("{}. The server said: {said}", sentence.trim_end_matches('.'))
        }
        SmtpError::Dial(_)
        | SmtpError::NoTls
        | SmtpError::NoMechanism
        | SmtpError::NoCredentials(_)
        | SmtpError::Lost(_)
        | SmtpError::Timeout { .. }
        | SmtpError::Protocol(_)
        | SmtpError::TooLarge { .. }
        | SmtpError::Unrecorded(_)
        | SmtpError::Unreadable(_) => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1);

    #[test]
    fn every_recipient_gets_its_own_verdict() {
        check(
            &[250, 550, 450],
            replied(250),
            &[State::Sent, State::Failed, State::Deferred],
            State::Deferred,
        );
        check(&[250, 550], replied(250), &[State::Sent, State::Failed], State::Failed);
        check(&[250, 250], replied(250), &[State::Sent, State::Sent], State::Sent);
        check(&[250, 550], replied(451), &[State::Deferred, State::Failed], State::Deferred);
        check(&[250, 450], replied(554), &[State::Failed, State::Deferred], State::Deferred);
        check(&[550, 550], Data::Skipped, &[State::Failed, State::Failed], State::Failed);
    }

    #[test]
    fn silence_after_the_dot_is_doubt() {
        let lost = Data::Lost(SmtpError::Timeout { step: "the final dot" });
        check(
            &[250, 550, 450],
            lost,
            &[State::Uncertain, State::Failed, State::Deferred],
            State::Uncertain,
        );
    }

    #[test]
    fn an_odd_reply_defers() {
        check(&[250], replied(299), &[State::Sent], State::Sent);
        check(&[354], replied(250), &[State::Deferred], State::Deferred);
        check(&[], replied(250), &[], State::Cancelled);
    }

    #[track_caller]
    fn check(codes: &[u16], data: Data, want: &[State], whole: State) {
        let before = waiting(codes.len());
        let tried = pending(&before);
        let delivery =
            Delivery { recipients: codes.iter().map(|code| reply(*code)).collect(), data };
        let outcome = delivered(&before, &tried, &delivery, NOW);
        let states: Vec<State> = outcome.recipients.iter().map(|known| known.state).collect();
        assert_eq!(states, want);
        assert_eq!(outcome.state(), whole);
    }

    #[test]
    fn only_a_servers_reply_to_the_message_ends_it() {
        ends(&SmtpError::Refused { step: "MAIL", reply: reply(550) }, State::Failed);
        ends(&SmtpError::TooLarge { limit: 1 }, State::Failed);
        ends(&SmtpError::Refused { step: "MAIL", reply: reply(530) }, State::Deferred);
        ends(&SmtpError::Refused { step: "MAIL", reply: reply(451) }, State::Deferred);
        ends(&SmtpError::Refused { step: "the greeting", reply: reply(554) }, State::Deferred);
        ends(&SmtpError::Credentials(reply(535)), State::Deferred);
        ends(&SmtpError::Timeout { step: "MAIL" }, State::Deferred);
        ends(&SmtpError::Protocol("nonsense"), State::Deferred);
        ends(&SmtpError::Unreadable(std::io::ErrorKind::NotFound.into()), State::Deferred);
    }

    #[track_caller]
    fn ends(error: &SmtpError, want: State) {
        let before = waiting(2);
        let outcome = broken_off(&before, &pending(&before), error, NOW);
        assert_eq!(outcome.state(), want, "{error:?}");
        assert!(outcome.last_error.is_some());
    }

    #[test]
    fn a_recipient_in_doubt_stays_in_doubt_until_a_server_speaks() {
        let mut before = waiting(1);
        before[0].state = State::Uncertain;
        let tried = pending(&before);
        let broken = broken_off(&before, &tried, &SmtpError::Timeout { step: "MAIL" }, NOW);
        assert_eq!(broken.state(), State::Uncertain);
        let delivery = Delivery { recipients: vec![reply(250)], data: replied(250) };
        assert_eq!(delivered(&before, &tried, &delivery, NOW).state(), State::Sent);
    }

    fn waiting(count: usize) -> Vec<RecipientVerdict> {
        (0..count)
            .map(|index| RecipientVerdict {
                recipient: format!("r{index}@example.net").parse().unwrap(),
                state: State::Accepted,
                reply: None,
                at: None,
            })
            .collect()
    }

    fn replied(code: u16) -> Data {
        Data::Replied(reply(code))
    }

    fn reply(code: u16) -> Reply {
        Reply { code, enhanced: None, text: "words".to_owned() }
    }
}
