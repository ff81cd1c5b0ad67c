//! Transfer of the message: from the reply to DATA to the reply to the final dot.
//!
//! What the server sends before the dot is no reply to it: a refusal ends the transaction there,
//! and anything else is a protocol violation.
//!
//! Standards: RFC 5321 §4.1.1.4 (DATA), §4.5.2 (transparency).

use std::io;

use model::octets::Octets;
use model::port::smtp::{Reply, SmtpError};

use crate::smtp::body::{Scan, Stuffing};
use crate::smtp::exchange::Exchange;

/// Piece size of reading and writing a message.
const CHUNK: usize = 64 * 1024;

/// The name of this step in errors.
pub(crate) const BODY: &str = "the message";

/// Scans the whole message, before any command is sent.
pub(crate) async fn scan(raw: &Octets) -> Result<Scan, SmtpError> {
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
        return Err(SmtpError::Malformed("a line of it does not end with CRLF"));
    }
    Ok(scan)
}

/// Writes and flushes everything except the last line end; or returns the reply that refused it
/// meanwhile.
pub(crate) async fn stream(
    conversation: &mut Exchange,
    raw: &Octets,
    scan: Scan,
) -> Result<Option<Reply>, SmtpError> {
    let within = conversation.limits.data;
    let end = raw.size() - if scan.ends_line() { 2 } else { 0 };
    let (mut at, mut stuffing, mut out) = (0, Stuffing::new(), Vec::new());
    while at < end {
        if let Some(refusal) = refusal(conversation).await? {
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
        if let Err(error) = conversation.write(BODY, &out, within).await {
            // A server that refuses a message during its transfer need not read the rest.
            return refusal(conversation).await.ok().flatten().map(Some).ok_or(error);
        }
        at += chunk.len() as u64;
    }
    conversation.flush(BODY).await?;
    refusal(conversation).await
}

/// A refusal before the server has the whole message, as with 421 when it shuts down (RFC 5321
/// §3.8). The session is then not used again: the server still expects the rest.
pub(crate) async fn refusal(conversation: &mut Exchange) -> Result<Option<Reply>, SmtpError> {
    match conversation.unasked(BODY).await? {
        Some(reply) if reply.code < 400 => {
            Err(SmtpError::Protocol("the message was answered before its end"))
        }
        early => Ok(early),
    }
}

/// Sends the end of a message that [`stream`] wrote, and reads the reply to it.
pub(crate) async fn end(conversation: &mut Exchange, empty: bool) -> Result<Reply, SmtpError> {
    const STEP: &str = "the final dot";
    let limits = conversation.limits;
    let end: &[u8] = if empty { b".\r\n" } else { b"\r\n.\r\n" };
    conversation.write(STEP, end, limits.data).await?;
    conversation.flush(STEP).await?;
    conversation.read(STEP, limits.final_dot).await
}

/// Ends the data that a server requested although it had refused every recipient: a lone dot (RFC
/// 2920 §3.1). The reply concerns no message.
pub(crate) async fn end_unwanted(conversation: &mut Exchange) -> Result<Reply, SmtpError> {
    const STEP: &str = "a lone dot";
    let within = conversation.limits.command;
    conversation.write(STEP, b".\r\n", within).await?;
    conversation.flush(STEP).await?;
    conversation.read(STEP, within).await
}
