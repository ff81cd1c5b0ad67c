//! Delivery verdicts: from the replies of an attempt to the state of each recipient and of the
//! submission.
//!
//! Pure. Only a server's own reply is final: local and network errors defer, however often they
//! happen.
//!
//! Invariants: after the final dot without a reply a recipient is uncertain, never sent and never
//! failed (RFC 1047); a recipient that was not tried keeps its state, and comes before those that
//! were.
//!
//! Standards: RFC 5321 §3.8 (421), §4.2.1 (first digit decides), §4.5.3.1.10 (too many recipients),
//! §4.5.4.1 (retry).

use model::instant::Timestamp;
use model::mail::address::EmailAddress;
use model::port::smtp::{Data, Delivery, Reply, SmtpError};
use model::submission::{RecipientVerdict, State};
use rules::foreign_text::printable;

use crate::problems;

/// The outcome of an attempt, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) recipients: Vec<RecipientVerdict>,
    pub(crate) last_error: Option<String>,
}

impl Outcome {
    /// The submission's state. Uncertain takes precedence over deferred: it must be visible.
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

    /// Expires pending recipients. Uncertain ones stay so.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        for known in &mut self.recipients {
            if !known.state.is_final() && known.state != State::Uncertain {
                known.state = State::Expired;
                known.at = Some(now);
            }
        }
    }
}

/// The recipients of an attempt: of the pending ones, those that were tried longest ago, or never.
/// The others wait for the next transaction: one of them may be why these were not tried in the
/// last.
pub(crate) fn pending(recipients: &[RecipientVerdict]) -> Vec<EmailAddress> {
    let longest = waiting(recipients).map(|known| known.at).min();
    waiting(recipients)
        .filter(|known| Some(known.at) == longest)
        .map(|known| known.recipient.clone())
        .collect()
}

fn waiting(recipients: &[RecipientVerdict]) -> impl Iterator<Item = &RecipientVerdict> {
    recipients.iter().filter(|known| !known.state.is_final())
}

/// Whether the next transaction begins at once: fewer recipients are pending after this one, and
/// one of them was not tried in it. So every such transaction ends the wait of one recipient at
/// least.
pub(crate) fn goes_on(
    before: &[RecipientVerdict],
    outcome: &Outcome,
    tried: &[EmailAddress],
    delivery: &Delivery,
) -> bool {
    let ours = matches!(delivery.data, Data::Lost(_) | Data::Ended(SmtpError::Unreadable(_)));
    let asked = |known: &RecipientVerdict| {
        let index = tried.iter().position(|recipient| known.recipient == *recipient);
        index.is_some_and(|index| !is_untried(index, delivery))
    };
    !ours
        && waiting(&outcome.recipients).count() < waiting(before).count()
        && waiting(&outcome.recipients).any(|known| !asked(known))
}

/// Whether the recipient at this index of the envelope has no reply of its own.
fn is_untried(index: usize, delivery: &Delivery) -> bool {
    let reply = delivery.recipients.get(index);
    match &delivery.data {
        Data::Ended(_) => reply.is_none_or(Reply::is_positive),
        // RFC 5321 §4.5.3.1.10: accepted recipients are sent now, the rest in the next transaction.
        Data::Replied(_) => {
            reply.is_none_or(is_one_too_many) && delivery.recipients.iter().any(Reply::is_positive)
        }
        Data::Skipped | Data::Lost(_) => reply.is_none(),
    }
}

/// The server's limit of recipients was reached. Both codes have other meanings, which the enhanced
/// code distinguishes where there is one (RFC 3463 §3.6: X.5.3).
fn is_one_too_many(reply: &Reply) -> bool {
    matches!(reply.code, 452 | 552)
        && reply.enhanced.as_deref().is_none_or(|code| code.ends_with(".5.3"))
}

/// The dot was recorded and nothing after it: any pending recipient may have got the message.
pub(crate) fn mark_uncertain(recipients: &mut [RecipientVerdict]) {
    for known in recipients.iter_mut().filter(|known| !known.state.is_final()) {
        known.state = State::Uncertain;
    }
}

/// The outcome of a completed transaction; `tried` is its envelope.
pub(crate) fn delivered(
    before: &[RecipientVerdict],
    tried: &[EmailAddress],
    delivery: &Delivery,
    now: Timestamp,
) -> Outcome {
    let mut outcome = Outcome { recipients: before.to_vec(), last_error: None };
    for (index, recipient) in tried.iter().enumerate() {
        let (state, reply) = match delivery.recipients.get(index) {
            Some(reply) if !reply.is_positive() => {
                (refused_at_rcpt(reply), Some(reply.to_string()))
            }
            Some(_) => accepted(&delivery.data),
            None => (State::Deferred, None),
        };
        if state != State::Sent {
            outcome.last_error = reply.clone().or(outcome.last_error);
        }
        if is_untried(index, delivery) {
            defer(&mut outcome.recipients, recipient);
        } else {
            set(&mut outcome.recipients, recipient, state, reply.as_deref(), now);
        }
    }
    let Data::Ended(error) = &delivery.data else { return outcome };
    outcome.last_error = Some(told(error));
    if !goes_on(before, &outcome, tried, delivery)
        && let Some((last, after)) =
            tried.get(delivery.recipients.len()..).and_then(<[_]>::split_first)
    {
        // The recipient that may have ended the session must not do so for the others again.
        let reply = if let SmtpError::Refused { reply, .. } = error {
            Some(reply.to_string())
        } else {
            None
        };
        set(&mut outcome.recipients, last, State::Deferred, reply.as_deref(), now);
        // It may have been beyond the limit as well: accepted recipients are sent first, without
        // these.
        if !delivery.recipients.is_empty() {
            for other in after {
                set(&mut outcome.recipients, other, State::Deferred, None, now);
            }
        }
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
    if reply.is_permanent() && !reply.is_about_session() { State::Failed } else { State::Deferred }
}

/// RFC 5321 §4.5.3.1.10: 552 for one recipient is to be taken as 452. It is used for a full
/// mailbox, too.
fn refused_at_rcpt(reply: &Reply) -> State {
    if reply.code == 552 { State::Deferred } else { refused(reply) }
}

/// The outcome of a transaction that ended before the final dot.
pub(crate) fn broken_off(
    before: &[RecipientVerdict],
    tried: &[EmailAddress],
    error: &SmtpError,
    now: Timestamp,
) -> Outcome {
    let (state, reply) = match error {
        // A greeting concerns the host's address: the message may be sent later.
        SmtpError::Refused { step, reply } if step.starts_with("MAIL") => {
            (refused(reply), Some(reply.to_string()))
        }
        SmtpError::Refused { reply, .. } | SmtpError::Credentials(reply) => {
            (State::Deferred, Some(reply.to_string()))
        }
        // The server's own limit too: its SIZE (RFC 1870 §6.1).
        SmtpError::TooLarge { .. } => (State::Failed, None),
        SmtpError::Dial(_)
        | SmtpError::NoTls
        | SmtpError::NoMechanism
        | SmtpError::NoCredentials(_)
        | SmtpError::Lost(_)
        | SmtpError::Timeout { .. }
        | SmtpError::Protocol(_)
        | SmtpError::Unrecorded(_)
        | SmtpError::Malformed(_)
        | SmtpError::Unreadable(_) => (State::Deferred, None),
    };
    let mut outcome = Outcome { recipients: before.to_vec(), last_error: Some(told(error)) };
    for recipient in tried {
        set(&mut outcome.recipients, recipient, state, reply.as_deref(), now);
    }
    outcome
}

/// The outcome where no attempt was made, or none will be any more.
pub(crate) fn without_attempt(
    before: &[RecipientVerdict],
    state: State,
    why: &str,
    now: Timestamp,
) -> Outcome {
    let mut outcome = Outcome { recipients: before.to_vec(), last_error: Some(printable(why)) };
    for known in waiting(before) {
        set(&mut outcome.recipients, &known.recipient, state, None, now);
    }
    outcome
}

/// Defers a recipient without new facts.
fn defer(recipients: &mut [RecipientVerdict], recipient: &EmailAddress) {
    let waiting =
        |known: &&mut RecipientVerdict| known.recipient == *recipient && !known.state.is_final();
    if let Some(known) = recipients.iter_mut().find(waiting)
        && known.state != State::Uncertain
    {
        known.state = State::Deferred;
    }
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
        // Only a server's reply resolves doubt, not a further attempt that failed.
        if known.state != State::Uncertain || (reply.is_some() && state != State::Deferred) {
            known.state = state;
        }
        known.reply = reply.map(printable).or(known.reply.take());
        known.at = Some(now);
    }
}

/// The error and its remedy, in one line without host names.
fn told(error: &SmtpError) -> String {
    let sentence = problems::smtp_sentence(error).unwrap_or_else(|| printable(error.to_string()));
    match error {
        SmtpError::Credentials(reply) | SmtpError::Refused { reply, .. } => {
            let said = printable(reply.to_string());
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
        | SmtpError::Malformed(_)
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

    /// 552 for a recipient may be a full mailbox, or one recipient too many.
    #[test]
    fn what_a_server_may_think_better_of_defers() {
        let replies = [552, 452, 530, 503, 535].map(|code| (code, State::Deferred));
        let final_ones = [550, 551, 553, 554, 501, 571].map(|code| (code, State::Failed));
        for (code, want) in replies.into_iter().chain(final_ones) {
            check(&[code], Data::Skipped, &[want], want);
            let at_the_dot = if code == 552 { State::Failed } else { want };
            check(&[250], replied(code), &[at_the_dot], at_the_dot);
            ends(&SmtpError::Refused { step: "MAIL", reply: reply(code) }, at_the_dot);
        }
    }

    #[test]
    fn whoever_was_not_tried_goes_at_once_when_somebody_elses_turn_ended() {
        let closing = || Data::Ended(SmtpError::Refused { step: "RCPT", reply: reply(421) });
        let lost = || Data::Ended(SmtpError::Lost(std::io::ErrorKind::ConnectionReset.into()));
        let unreadable = || Data::Ended(SmtpError::Unreadable(std::io::ErrorKind::NotFound.into()));
        // Of four recipients: the replies, the result of the message, and who is tried at once.
        goes(&[250, 550], closing(), &[0, 2, 3]);
        goes(&[550, 450], lost(), &[2, 3]);
        goes(&[550, 250, 250, 250], closing(), &[1, 2, 3]);
        goes(&[550, 250], unreadable(), &[]);
        goes(&[250, 450, 250], closing(), &[]);
        goes(&[], closing(), &[]);
        goes(&[250, 250, 452, 552], replied(250), &[2, 3]);
        goes(&[250, 450, 452, 550], replied(250), &[2]);
        goes(&[250, 452, 452, 452], replied(554), &[1, 2, 3]);
        goes(&[250, 452, 452, 452], replied(451), &[]);
        goes(&[550, 452, 452, 452], Data::Skipped, &[]);
        goes(&[250, 450, 450, 450], replied(250), &[]);
        goes(&[250, 550, 452, 452], Data::Lost(SmtpError::Timeout { step: "." }), &[]);
    }

    #[track_caller]
    fn goes(codes: &[u16], data: Data, want: &[usize]) {
        let before = accepted_by_us(4);
        let tried = pending(&before);
        let recipients = codes.iter().map(|code| reply(*code)).collect();
        let delivery = Delivery { recipients, data };
        let outcome = delivered(&before, &tried, &delivery, NOW);
        let on = goes_on(&before, &outcome, &tried, &delivery);
        let next = if on { pending(&outcome.recipients) } else { Vec::new() };
        let want: Vec<_> = want.iter().map(|&index| tried[index].clone()).collect();
        assert_eq!(next, want, "{codes:?}");
    }

    /// A server may end the session because of one recipient, each time: it must not delay the
    /// others.
    #[test]
    fn where_a_session_ended_the_others_go_first() {
        let before = accepted_by_us(3);
        let tried = pending(&before);
        let data = Data::Ended(SmtpError::Refused { step: "RCPT", reply: reply(421) });
        let delivery = Delivery { recipients: vec![reply(250)], data };
        let outcome = delivered(&before, &tried, &delivery, NOW);
        assert_eq!(outcome.state(), State::Deferred);
        assert_eq!(pending(&outcome.recipients), [tried[0].clone()]);
        assert_eq!(outcome.recipients[1].reply.as_deref(), Some("421 words"));
        assert_eq!(outcome.recipients[0].reply, None);
        // It is accepted, and the remaining recipients are sent at once.
        let (before, tried) = (outcome.recipients.clone(), pending(&outcome.recipients));
        let delivery = Delivery { recipients: vec![reply(250)], data: replied(250) };
        let outcome = delivered(&before, &tried, &delivery, NOW);
        assert!(goes_on(&before, &outcome, &tried, &delivery));
        let left = [1, 2].map(|index: usize| before[index].recipient.clone());
        assert_eq!(pending(&outcome.recipients), left);
    }

    #[test]
    fn giving_up_is_about_everybody_who_waits() {
        let mut before = accepted_by_us(2);
        before[0].at = Some(NOW);
        let given_up = without_attempt(&before, State::Failed, "gone", NOW);
        assert_eq!(given_up.state(), State::Failed);
        assert!(given_up.recipients.iter().all(|known| known.state == State::Failed));
    }

    #[track_caller]
    fn check(codes: &[u16], data: Data, want: &[State], whole: State) {
        let before = accepted_by_us(codes.len());
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
        ends(&SmtpError::Malformed("nonsense"), State::Deferred);
        ends(&SmtpError::Unreadable(std::io::ErrorKind::NotFound.into()), State::Deferred);
    }

    #[track_caller]
    fn ends(error: &SmtpError, want: State) {
        let before = accepted_by_us(2);
        let outcome = broken_off(&before, &pending(&before), error, NOW);
        assert_eq!(outcome.state(), want, "{error:?}");
        assert!(outcome.last_error.is_some());
    }

    #[test]
    fn a_recipient_in_doubt_stays_in_doubt_until_a_server_speaks() {
        let mut before = accepted_by_us(1);
        before[0].state = State::Uncertain;
        let tried = pending(&before);
        let broken = broken_off(&before, &tried, &SmtpError::Timeout { step: "MAIL" }, NOW);
        assert_eq!(broken.state(), State::Uncertain);
        let delivery = Delivery { recipients: vec![reply(250)], data: replied(250) };
        assert_eq!(delivered(&before, &tried, &delivery, NOW).state(), State::Sent);
    }

    fn accepted_by_us(count: usize) -> Vec<RecipientVerdict> {
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
