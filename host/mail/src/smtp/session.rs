//! One transaction after the other.
//!
//! The order is the promise: every recipient is asked, the whole message except
//! its last line end is flushed, the caller makes its record, and only then the
//! final dot leaves. What the server says before the dot is no answer to it: a refusal
//! ends the transaction there, and anything else is a breach of the protocol.
//!
//! Invariants: an error means that the dot never left; after an error, or after a
//! call that was dropped, the session refuses to go on.
//!
//! Standards: RFC 5321 §3.3 (transactions), §4.3.1 (replies in turn), RFC 1870 (SIZE), RFC 6152 (8BITMIME).

use std::io;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::commands::{Data as DataCommand, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{MailBodyParameter, MailParameter};
use model::address::EmailAddress;
use model::draft::Envelope;
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::smtp::{Activity, BeforeDot, Data, Delivery, Reply, SmtpError, SmtpSession};

use crate::smtp::body::{Scan, Stuffing};
use crate::smtp::conversation::Conversation;
use crate::smtp::envelope::on_the_wire;
use crate::smtp::opening::{Extensions, expect};
use crate::stream::finished;

/// How much of a message is read and written at a time.
const CHUNK: usize = 64 * 1024;

/// What is under way between the reply to DATA and the final dot.
const BODY: &str = "the message";

/// RFC 5321 §4.1.1.10 wants QUIT, but nobody should wait for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// An authenticated session.
#[derive(Debug)]
pub(crate) struct Session {
    conversation: Conversation,
    extensions: Extensions,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// MAIL may come next.
    Ready,
    /// A transaction was begun and not finished: RSET first.
    Begun,
    /// An error, or a call that never came back.
    Ended,
}

impl Session {
    pub(crate) const fn new(conversation: Conversation, extensions: Extensions) -> Self {
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
            // Nothing was said yet, so the session is as good as before.
            self.state = before;
            return Err(SmtpError::TooLarge { limit });
        }
        let scan = scan(raw).await?;
        let within = self.conversation.limits.command;
        if before == State::Begun {
            let reply = self.conversation.command("RSET", Rset, within).await?;
            expect(250, "RSET", reply)?;
        }
        self.mail(envelope, raw.size(), scan.eight_bit).await?;
        let recipients = self.recipients(envelope).await?;
        if !recipients.iter().any(Reply::is_positive) {
            self.state = State::Begun;
            return Ok(Delivery { recipients, data: Data::Skipped });
        }
        let within = self.conversation.limits.data;
        let go = self.conversation.command("DATA", DataCommand, within).await?;
        if go.code >= 400 {
            self.state = State::Begun;
            return Ok(Delivery { recipients, data: Data::Replied(go) });
        }
        expect(354, "DATA", go)?;
        if let Some(refusal) = self.body(raw, scan).await? {
            return Ok(Delivery { recipients, data: Data::Replied(refusal) });
        }
        before_dot().await.map_err(SmtpError::Unrecorded)?;
        if let Some(refusal) = self.refusal().await? {
            return Ok(Delivery { recipients, data: Data::Replied(refusal) });
        }
        // From here on nothing may be an error: the server may have the message.
        let data = match self.dot(raw.size() == 0).await {
            Ok(reply) if reply.is_positive() || reply.code >= 400 => {
                self.state = State::Ready;
                Data::Replied(reply)
            }
            Ok(_) => Data::Lost(SmtpError::Protocol("a reply to the message that says nothing")),
            Err(error) => Data::Lost(error),
        };
        Ok(Delivery { recipients, data })
    }

    /// As far as RCPT, and back.
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
        self.mail(&envelope, 0, false).await?;
        let recipient = on_the_wire(address, self.extensions.smtputf8).map_err(refused)?;
        let answer = self.recipient(recipient).await?;
        let reply = self.conversation.command("RSET", Rset, within).await?;
        expect(250, "RSET", reply)?;
        self.state = State::Ready;
        if answer.is_positive() { Ok(()) } else { Err(refused(answer)) }
    }

    async fn mail(
        &mut self,
        envelope: &Envelope,
        size: u64,
        eight_bit: bool,
    ) -> Result<(), SmtpError> {
        let sender = on_the_wire(&envelope.sender, self.extensions.smtputf8)
            .map_err(|reply| SmtpError::Refused { step: "MAIL", reply })?;
        let mut parameters = Vec::new();
        if self.extensions.size.is_some()
            && let Ok(size) = usize::try_from(size)
        {
            parameters.push(MailParameter::Size(size));
        }
        // Deviation: RFC 6152 §3 wants such a message converted when the server lacks 8BITMIME.
        // Ours are built in seven bits; one that was given to us raw is sent as it is, as every
        // relay does, since converting it would break its signature.
        if eight_bit && self.extensions.eight_bit_mime {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let beyond_ascii = |address: &model::address::EmailAddress| {
            address.as_str().rsplit_once('@').is_some_and(|(local, _)| !local.is_ascii())
        };
        if self.extensions.smtputf8
            && (beyond_ascii(&envelope.sender) || envelope.recipients.iter().any(beyond_ascii))
        {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let within = self.conversation.limits.command;
        let command = Mail::new(Some(sender), parameters);
        let reply = self.conversation.command("MAIL", command, within).await?;
        expect(250, "MAIL", reply).map(|_| ())
    }

    /// Every recipient gets its own answer; a refusal stops nobody else.
    async fn recipients(&mut self, envelope: &Envelope) -> Result<Vec<Reply>, SmtpError> {
        let mut replies = Vec::with_capacity(envelope.recipients.len());
        for recipient in &envelope.recipients {
            let reply = match on_the_wire(recipient, self.extensions.smtputf8) {
                Ok(address) => self.recipient(address).await?,
                Err(reply) => reply,
            };
            replies.push(reply);
        }
        Ok(replies)
    }

    async fn recipient(&mut self, address: Address) -> Result<Reply, SmtpError> {
        let within = self.conversation.limits.command;
        let command = Rcpt::new(address, Vec::new());
        let reply = self.conversation.command("RCPT", command, within).await?;
        match reply.code {
            // RFC 5321 §3.8: the server is closing the connection, which concerns everybody.
            421 => Err(SmtpError::Refused { step: "RCPT", reply }),
            300..=399 => Err(SmtpError::Protocol("RCPT was answered with a challenge")),
            _ => Ok(reply),
        }
    }

    /// Everything except the last line's end, flushed; or the reply that refused it meanwhile.
    async fn body(&mut self, raw: &Octets, scan: Scan) -> Result<Option<Reply>, SmtpError> {
        let within = self.conversation.limits.data;
        let end = raw.size() - if scan.ends_line() { 2 } else { 0 };
        let (mut at, mut stuffing, mut out) = (0, Stuffing::new(), Vec::new());
        while at < end {
            if let Some(refusal) = self.refusal().await? {
                return Ok(Some(refusal));
            }
            let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let chunk = raw.read_at(at, wanted).await.map_err(SmtpError::Unreadable)?;
            let chunk = chunk.get(..wanted).unwrap_or(&chunk);
            if chunk.is_empty() {
                return Err(SmtpError::Unreadable(io::ErrorKind::UnexpectedEof.into()));
            }
            out.clear();
            stuffing.encode(chunk, &mut out);
            if let Err(error) = self.conversation.write(BODY, &out, within).await {
                // Who refuses a message in the middle need not read the rest.
                return self.refusal().await.ok().flatten().map(Some).ok_or(error);
            }
            at += chunk.len() as u64;
        }
        self.conversation.flush(BODY).await?;
        self.refusal().await
    }

    /// The server refuses the message before it has all of it, as with 421 when it shuts down
    /// (RFC 5321 §3.8). The session is then not used again: the server still expects the rest.
    async fn refusal(&mut self) -> Result<Option<Reply>, SmtpError> {
        match self.conversation.unasked(BODY).await? {
            Some(reply) if reply.code < 400 => {
                Err(SmtpError::Protocol("the message was answered before its end"))
            }
            early => Ok(early),
        }
    }

    async fn dot(&mut self, empty: bool) -> Result<Reply, SmtpError> {
        const STEP: &str = "the final dot";
        let limits = self.conversation.limits;
        let end: &[u8] = if empty { b".\r\n" } else { b"\r\n.\r\n" };
        self.conversation.write(STEP, end, limits.data).await?;
        self.conversation.flush(STEP).await?;
        self.conversation.read(STEP, limits.final_dot).await
    }
}

/// Reads the whole message once, before anything is said to the server.
async fn scan(raw: &Octets) -> Result<Scan, SmtpError> {
    let (mut scan, mut at) = (Scan::default(), 0);
    while at < raw.size() {
        let chunk = raw.read_at(at, CHUNK).await.map_err(SmtpError::Unreadable)?;
        if chunk.is_empty() {
            return Err(SmtpError::Unreadable(io::ErrorKind::UnexpectedEof.into()));
        }
        scan.feed(&chunk);
        at += chunk.len() as u64;
    }
    let scan = scan.finish();
    if scan.bare {
        let what = "a line of the message does not end with CRLF";
        return Err(SmtpError::Unreadable(io::Error::new(io::ErrorKind::InvalidData, what)));
    }
    Ok(scan)
}

impl SmtpSession for Session {
    fn deliver<'a>(
        &'a mut self,
        envelope: &'a Envelope,
        raw: &'a Octets,
        before_dot: BeforeDot<'a>,
    ) -> BoxFuture<'a, Result<Delivery, SmtpError>> {
        // Between two transactions nobody asked the server for anything.
        self.conversation.activity().note();
        Box::pin(self.transact(envelope, raw, before_dot))
    }

    fn rehearse<'a>(
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
                // Whatever comes of it, the connection is dropped next.
                let _ = self.conversation.command("QUIT", Quit, FAREWELL).await;
            }
        })
    }
}
