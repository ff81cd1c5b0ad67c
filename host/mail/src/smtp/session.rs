//! An authenticated SMTP session: one mail transaction after the other.
//!
//! The order is guaranteed: RCPT is sent for every recipient, the whole message except its last
//! line end is flushed while the caller makes its record, and only when both are complete the final
//! dot is sent.
//!
//! Invariants: an error means that the dot was never sent; after an error, or after a call that was
//! dropped, the session refuses to go on.
//!
//! Standards: RFC 5321 §3.3 (transactions), §4.3.1 (replies in turn), §3.8 (421), RFC 1870 (SIZE),
//! RFC 2920 (PIPELINING), RFC 6152 (8BITMIME).

use std::time::Duration;

use futures_util::future;
use lettre::Address;
use lettre::transport::smtp::commands::{Data as DataCommand, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{MailBodyParameter, MailParameter};
use model::mail::address::EmailAddress;
use model::mail::draft::Envelope;
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::smtp::{Activity, BeforeDot, Data, Delivery, Reply, SmtpError, SmtpSession};

use crate::smtp::envelope::on_the_wire;
use crate::smtp::exchange::Exchange;
use crate::smtp::login::{Extensions, expect};
use crate::smtp::message;
use crate::smtp::pipeline::Pipeline;
use crate::timed_stream::finished;

/// RFC 5321 §4.1.1.10 asks for QUIT, but a caller should not wait for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// An authenticated session.
#[derive(Debug)]
pub(crate) struct Session {
    conversation: Exchange,
    extensions: Extensions,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// MAIL may come next.
    Ready,
    /// A transaction was begun and not finished: RSET first.
    Begun,
    /// After an error, or a call that was dropped.
    Ended,
}

impl Session {
    pub(crate) const fn new(conversation: Exchange, extensions: Extensions) -> Self {
        Self { conversation, extensions, state: State::Ready }
    }

    async fn transact(
        &mut self,
        envelope: &Envelope,
        raw: &Octets,
        before_dot: BeforeDot<'_>,
    ) -> Result<Delivery, SmtpError> {
        let before = std::mem::replace(&mut self.state, State::Ended);
        if before == State::Ended {
            return Err(SmtpError::Lost(finished()));
        }
        if let Some(Some(limit)) = self.extensions.size
            && raw.size() > limit
        {
            // No command was sent yet, so the session is unchanged.
            self.state = before;
            return Err(SmtpError::TooLarge { limit });
        }
        let scan = message::scan(raw).await?;
        let utf8 = self.extensions.smtputf8;
        let on_the_wire = |recipient| on_the_wire(recipient, utf8);
        let wires: Vec<_> = envelope.recipients.iter().map(on_the_wire).collect();
        if wires.iter().all(Result::is_err) {
            self.state = before;
            let recipients = wires.into_iter().filter_map(Result::err).collect();
            return Ok(Delivery { recipients, data: Data::Skipped });
        }
        let mut pipeline = Pipeline::new(self.extensions.pipelining);
        let within = self.conversation.limits.command;
        if before == State::Begun {
            pipeline.push("RSET", Rset, within)?;
        }
        pipeline.push("MAIL", self.mail(envelope, raw.size(), scan.eight_bit)?, within)?;
        for address in wires.iter().flatten() {
            pipeline.push("RCPT", Rcpt::new(address.clone(), Vec::new()), within)?;
        }
        let ahead = pipeline.is_ahead();
        if ahead {
            pipeline.push("DATA", DataCommand, self.conversation.limits.data)?;
        }
        if before == State::Begun {
            expect(250, "RSET", pipeline.reply(&mut self.conversation).await?)?;
        }
        expect(250, "MAIL", pipeline.reply(&mut self.conversation).await?)?;

        let recipients = match self.recipients(&mut pipeline, wires).await? {
            (recipients, None) => recipients,
            (recipients, Some(error)) => return ended(recipients, error),
        };
        let accepted = recipients.iter().any(Reply::is_positive);
        let is_about_session = recipients.iter().any(Reply::is_about_session);
        if !accepted && !ahead {
            self.state = if is_about_session { State::Ended } else { State::Begun };
            return Ok(Delivery { recipients, data: Data::Skipped });
        }
        if !ahead {
            pipeline.push("DATA", DataCommand, self.conversation.limits.data)?;
        }
        let go = match pipeline.reply(&mut self.conversation).await {
            Ok(go) if accepted && go.code == 421 => {
                return ended(recipients, SmtpError::Refused { step: "DATA", reply: go });
            }
            Err(SmtpError::Lost(_) | SmtpError::Timeout { .. }) if !accepted => {
                return Ok(Delivery { recipients, data: Data::Skipped });
            }
            Err(error) => return ended(recipients, error),
            Ok(go) => go,
        };
        if !accepted {
            self.nobody(&go).await?;
            return Ok(Delivery { recipients, data: Data::Skipped });
        }
        if go.code >= 400 {
            if ahead {
                self.realign().await?;
            } else if !go.is_about_session() {
                self.state = State::Begun;
            }
            return Ok(Delivery { recipients, data: Data::Replied(go) });
        }
        expect(354, "DATA", go)?;

        // The record is made during the transfer; if it fails both end at once.
        let record = async { before_dot().await.map_err(SmtpError::Unrecorded) };
        let body = async { Ok(message::stream(&mut self.conversation, raw, scan).await) };
        let (streamed, ()) = future::try_join(body, record).await?;
        let streamed = match streamed {
            Ok(None) => message::refusal(&mut self.conversation).await,
            early => early,
        };
        match streamed {
            Ok(None) => {}
            Ok(Some(reply)) if reply.code == 421 => {
                return ended(recipients, SmtpError::Refused { step: message::BODY, reply });
            }
            Ok(Some(refusal)) => return Ok(Delivery { recipients, data: Data::Replied(refusal) }),
            Err(error) => return ended(recipients, error),
        }
        // From here on nothing may be an error: the server may have the message.
        let data = match message::end(&mut self.conversation, raw.size() == 0).await {
            Ok(reply) if reply.is_positive() || reply.code >= 400 => {
                if !reply.is_about_session() && !is_about_session {
                    self.state = State::Ready;
                }
                Data::Replied(reply)
            }
            Ok(_) => Data::Lost(SmtpError::Protocol("a reply to the message that says nothing")),
            Err(error) => Data::Lost(error),
        };
        Ok(Delivery { recipients, data })
    }

    /// Every recipient gets its own reply; a refusal does not stop the others. With an error when
    /// the session ended before all had one.
    async fn recipients(
        &mut self,
        pipeline: &mut Pipeline,
        wires: Vec<Result<Address, Reply>>,
    ) -> Result<(Vec<Reply>, Option<SmtpError>), SmtpError> {
        let mut replies = Vec::with_capacity(wires.len());
        for wire in wires {
            let reply = match wire {
                Ok(_) => pipeline.reply(&mut self.conversation).await,
                Err(ours) => Ok(ours),
            };
            match reply {
                // RFC 5321 §3.8: the server is closing the connection, which concerns no recipient.
                Ok(reply) if reply.code == 421 => {
                    let error = SmtpError::Refused { step: "RCPT", reply };
                    return Ok((replies, Some(error)));
                }
                Ok(reply) if (300..400).contains(&reply.code) => {
                    return Err(SmtpError::Protocol("RCPT was answered with a challenge"));
                }
                Ok(reply) => replies.push(reply),
                Err(error) => return Ok((replies, Some(error))),
            }
        }
        Ok((replies, None))
    }

    /// Every recipient was refused, and DATA was already sent.
    async fn nobody(&mut self, go: &Reply) -> Result<(), SmtpError> {
        match go.code {
            421 => Ok(()),
            354 => {
                let ended = message::end_unwanted(&mut self.conversation).await;
                if ended.is_ok_and(|reply| !reply.is_about_session()) {
                    self.state = State::Ready;
                }
                Ok(())
            }
            400.. => self.realign().await,
            _ => Err(SmtpError::Protocol("DATA was answered as if it had been something else")),
        }
    }

    /// RSET after pipelined commands. A server that sent an unsolicited reply is one reply behind,
    /// and every reply was assigned to the wrong recipient: its reply to RSET is then another
    /// command's.
    async fn realign(&mut self) -> Result<(), SmtpError> {
        let within = self.conversation.limits.command;
        match self.conversation.command("RSET", Rset, within).await {
            Ok(reply) if reply.code == 250 => self.state = State::Ready,
            Ok(reply) if reply.code == 421 => {}
            Err(SmtpError::Lost(_) | SmtpError::Timeout { .. }) => {}
            Ok(_) => return Err(SmtpError::Protocol("replies do not belong to their commands")),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// MAIL and RCPT, then RSET.
    async fn try_out(&mut self, address: &EmailAddress) -> Result<(), SmtpError> {
        let before = std::mem::replace(&mut self.state, State::Ended);
        if before == State::Ended {
            return Err(SmtpError::Lost(finished()));
        }
        let within = self.conversation.limits.command;
        if before == State::Begun {
            let reply = self.conversation.command("RSET", Rset, within).await?;
            expect(250, "RSET", reply)?;
        }
        let refused = |reply| SmtpError::Refused { step: "RCPT", reply };
        let envelope = Envelope { sender: address.clone(), recipients: vec![address.clone()] };
        let mail = self.mail(&envelope, 0, false)?;
        expect(250, "MAIL", self.conversation.command("MAIL", mail, within).await?)?;
        let recipient = on_the_wire(address, self.extensions.smtputf8).map_err(refused)?;
        let recipient = Rcpt::new(recipient, Vec::new());
        let answer = self.conversation.command("RCPT", recipient, within).await?;
        if answer.code == 421 {
            return Err(refused(answer));
        }
        let reply = self.conversation.command("RSET", Rset, within).await?;
        expect(250, "RSET", reply)?;
        self.state = State::Ready;
        if answer.is_positive() { Ok(()) } else { Err(refused(answer)) }
    }

    fn mail(&self, envelope: &Envelope, size: u64, eight_bit: bool) -> Result<Mail, SmtpError> {
        let sender = on_the_wire(&envelope.sender, self.extensions.smtputf8)
            .map_err(|reply| SmtpError::Refused { step: "MAIL", reply })?;
        let mut parameters = Vec::new();
        if self.extensions.size.is_some()
            && let Ok(size) = usize::try_from(size)
        {
            parameters.push(MailParameter::Size(size));
        }
        // Deviation: RFC 6152 §3 requires conversion of such a message when the server lacks
        // 8BITMIME. Composed messages are 7-bit, except for an attached message in 8 bits, which
        // may not be encoded (RFC 2046 §5.2.1). It is sent as it is, as relays do: converting
        // breaks signatures.
        if eight_bit && self.extensions.eight_bit_mime {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let beyond_ascii = |address: &EmailAddress| !address.local().is_ascii();
        if self.extensions.smtputf8
            && (beyond_ascii(&envelope.sender) || envelope.recipients.iter().any(beyond_ascii))
        {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        Ok(Mail::new(Some(sender), parameters))
    }
}

/// Replies stand, unless the server's replies are inconsistent.
fn ended(recipients: Vec<Reply>, error: SmtpError) -> Result<Delivery, SmtpError> {
    match error {
        SmtpError::Refused { .. }
        | SmtpError::Lost(_)
        | SmtpError::Timeout { .. }
        | SmtpError::Unreadable(_) => Ok(Delivery { recipients, data: Data::Ended(error) }),
        SmtpError::Dial(_)
        | SmtpError::NoCredentials(_)
        | SmtpError::Credentials(_)
        | SmtpError::NoTls
        | SmtpError::NoMechanism
        | SmtpError::Protocol(_)
        | SmtpError::TooLarge { .. }
        | SmtpError::Malformed(_)
        | SmtpError::Unrecorded(_) => Err(error),
    }
}

impl SmtpSession for Session {
    fn deliver<'a>(
        &'a mut self,
        envelope: &'a Envelope,
        raw: &'a Octets,
        before_dot: BeforeDot<'a>,
    ) -> BoxFuture<'a, Result<Delivery, SmtpError>> {
        // Between two transactions no command was pending.
        self.conversation.activity().note();
        Box::pin(self.transact(envelope, raw, before_dot))
    }

    fn check_recipient<'a>(
        &'a mut self,
        address: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<(), SmtpError>> {
        self.conversation.activity().note();
        Box::pin(self.try_out(address))
    }

    fn activity(&self) -> &Activity {
        self.conversation.activity()
    }

    fn quit(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if self.state != State::Ended {
                // Whatever the result, the connection is dropped next.
                let _ = self.conversation.command("QUIT", Quit, FAREWELL).await;
            }
        })
    }
}
