//! Input guard between the bytes of an IMAP server and async-imap's parser.
//!
//! Responses of a few known forms are passed on, each rewritten in one plain form; the rest is
//! dropped. So an unknown response cannot end a session, and a hostile one can do no more than
//! that. Capabilities and the text of status responses are kept here and never reach the parser. An
//! attribute that is too long in the response about one message is dropped: it is skipped, up to a
//! total.
//!
//! Invariants: memory is bounded by [`ImapLimits`]; no line is passed on that was not written by
//! this module or its siblings.
//!
//! Standard: RFC 9051 §7.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::imap::fetch_filter::{FetchFilter, Next};
use crate::imap::injection_check::CheckedCommand;
use crate::imap::limits::ImapLimits;
use crate::imap::list_filter::BufferedResponse;
use crate::imap::status::{StatusText, capabilities, capabilities_in, in_ascii, is_status, spoken};
use crate::imap::tokenizer::{Tokenizer, announced};
use crate::timed_stream::{Deadlines, ProtocolViolation, Stream};

/// Maximum size of a LIST or STATUS response with its literals, in bytes.
const GATHERED: usize = 16 * 1024;

/// Numbers of a SEARCH response in one line.
const FOUND: usize = 100;

/// `~{18446744073709551615+}` and its line end.
const LONGEST_ANNOUNCEMENT: usize = 32;

const TOO_LONG: ProtocolViolation = ProtocolViolation("a line is too long");

/// Maximum number of bytes of one read from the wire.
const READ: usize = 16 * 1024;

/// The stream that async-imap reads and writes.
pub(crate) struct Guard {
    stream: Stream,
    limits: ImapLimits,
    /// Limit of literals for the command in flight: most commands need no large ones.
    literal: u64,
    spent: u64,
    /// Of `spent`, the bytes that were announced or read only to be skipped.
    skipped: u64,
    raw: BytesMut,
    /// Bytes of `raw` in which no line end was found.
    searched: usize,
    checked: BytesMut,
    inbound: Inbound,
    outbound: CheckedCommand,
    capabilities: Option<Vec<String>>,
    spoken: StatusText,
}

/// The position in the server's byte stream.
#[derive(Debug)]
enum Inbound {
    /// At the beginning of a response.
    Fresh,
    /// Before a line of a FETCH response.
    Row(FetchFilter),
    /// Before a line of a LIST or STATUS response.
    Gathering(BufferedResponse),
    /// Before a line of a response that is dropped.
    Dropping,
    /// Inside a line of a FETCH response that is too long; with the last bytes seen of it.
    Overlong(Vec<u8>),
    /// After a protocol violation: nothing more is passed on.
    Broken(ProtocolViolation),
    /// Inside a literal with so many bytes left, and the state after it.
    Literal { left: u64, pass: bool, then: Box<Inbound> },
}

impl Guard {
    pub(crate) fn new(stream: Stream, limits: ImapLimits) -> Self {
        Self {
            stream,
            limits,
            literal: limits.literal,
            spent: 0,
            skipped: 0,
            raw: BytesMut::new(),
            searched: 0,
            checked: BytesMut::new(),
            inbound: Inbound::Fresh,
            outbound: CheckedCommand::default(),
            capabilities: None,
            spoken: StatusText::default(),
        }
    }

    /// Begins a command: deadlines and limits are reset, and one line may be written.
    pub(crate) fn begin(&mut self, literal: u64) {
        self.literal = literal.min(self.limits.literal);
        self.spent = 0;
        self.skipped = 0;
        self.stream.begin(Deadlines { idle: self.limits.command, total: self.limits.total });
        self.outbound.allow_line();
    }

    /// Allows the rest of a command after its continuation request.
    pub(crate) fn allow_line(&mut self) {
        self.outbound.allow_line();
    }

    /// Takes the capabilities that the server sent last, once.
    pub(crate) fn take_capabilities(&mut self) -> Option<Vec<String>> {
        self.capabilities.take()
    }

    /// The text of the last tagged response or BYE.
    pub(crate) const fn spoken(&self) -> &StatusText {
        &self.spoken
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// Processes `raw` until output is available or more input is needed. Output from before a
    /// violation is passed on before it.
    fn advance(&mut self) -> Result<(), ProtocolViolation> {
        match self.work() {
            Err(breach) if !self.checked.is_empty() => {
                self.inbound = Inbound::Broken(breach);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn work(&mut self) -> Result<(), ProtocolViolation> {
        while self.checked.len() < READ && (!self.raw.is_empty() || self.is_broken()) {
            match std::mem::replace(&mut self.inbound, Inbound::Fresh) {
                Inbound::Literal { left, pass, then } => self.literal_bytes(left, pass, then),
                Inbound::Overlong(tail) => self.inbound = self.overlong(tail)?,
                Inbound::Broken(breach) => return Err(breach),
                state @ (Inbound::Fresh
                | Inbound::Row(_)
                | Inbound::Gathering(_)
                | Inbound::Dropping) => match self.next_line() {
                    Ok(None) => {
                        self.inbound = state;
                        return Ok(());
                    }
                    Ok(Some(line)) => self.inbound = self.line(state, &line)?,
                    Err(TOO_LONG) => self.inbound = self.cut_row(state)?,
                    Err(breach) => return Err(breach),
                },
            }
        }
        Ok(())
    }

    fn literal_bytes(&mut self, left: u64, pass: bool, mut then: Box<Inbound>) {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.raw.len());
        let piece = self.raw.split_to(count);
        if pass {
            self.checked.extend_from_slice(&piece);
        }
        if let Inbound::Gathering(gathered) = &mut *then
            && let Some(literal) = gathered.literals.last_mut()
        {
            literal.extend_from_slice(&piece);
        }
        let left = left - count as u64;
        self.inbound = if left == 0 { *then } else { Inbound::Literal { left, pass, then } };
    }

    /// The next line without its end, if it is complete.
    fn next_line(&mut self) -> Result<Option<BytesMut>, ProtocolViolation> {
        let fresh = self.raw.get(self.searched..).unwrap_or_default();
        let Some(found) = fresh.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.raw.len();
            if self.searched > self.limits.line {
                return Err(TOO_LONG);
            }
            return Ok(None);
        };
        if self.searched + found + 1 > self.limits.line {
            return Err(TOO_LONG);
        }
        let mut line = self.raw.split_to(self.searched + found + 1);
        self.searched = 0;
        line.truncate(line.len() - 1);
        if line.last() != Some(&b'\r') {
            return Err(ProtocolViolation("a line does not end with CRLF"));
        }
        line.truncate(line.len() - 1);
        if line.iter().any(|&byte| matches!(byte, b'\0' | b'\r')) {
            return Err(ProtocolViolation("a line holds a NUL or a CR"));
        }
        Ok(Some(line))
    }

    /// Processes one line; returns the next state.
    fn line(&mut self, state: Inbound, line: &[u8]) -> Result<Inbound, ProtocolViolation> {
        match state {
            Inbound::Fresh => self.first_line(line),
            Inbound::Row(row) => self.row(row, line),
            Inbound::Gathering(gathered) => self.gather(gathered, line),
            Inbound::Dropping => self.dropped(line),
            // None of them waits for a line; see `advance`.
            Inbound::Literal { .. } | Inbound::Overlong(_) | Inbound::Broken(_) => {
                Err(ProtocolViolation("an answer is not as IMAP writes it"))
            }
        }
    }

    fn first_line(&mut self, line: &[u8]) -> Result<Inbound, ProtocolViolation> {
        if line.first() == Some(&b'+') {
            // The text of a continuation request is of no use to the supported mechanisms.
            self.pass(b"+ ");
            return Ok(Inbound::Fresh);
        }
        let mut cursor = Tokenizer::new(line);
        let tag = cursor.word();
        cursor.take(b' ');
        let numbered = cursor;
        let word = cursor.word();
        if is_status(word) {
            return self.status(tag, word, line, cursor.rest());
        }
        if tag != b"*" {
            return Err(ProtocolViolation("a line is neither an answer nor a tagged status"));
        }
        let after = cursor.rest();
        let mut cursor = numbered;
        if let Some(number) = cursor.number() {
            cursor.take(b' ');
            let word = cursor.word();
            if word.eq_ignore_ascii_case(b"FETCH") {
                cursor.spaces();
                return self.row(FetchFilter::new(number), cursor.rest());
            }
            for known in ["EXISTS", "EXPUNGE"] {
                if word.eq_ignore_ascii_case(known.as_bytes()) {
                    self.pass(format!("* {number} {known}").as_bytes());
                    return Ok(Inbound::Fresh);
                }
            }
            return self.dropped(line);
        }
        match word.to_ascii_uppercase().as_slice() {
            b"LIST" | b"STATUS" => self.gather(BufferedResponse::default(), line),
            b"CAPABILITY" => {
                self.capabilities = Some(capabilities(after));
                Ok(Inbound::Fresh)
            }
            b"SEARCH" => self.found(after),
            _ => self.dropped(line),
        }
    }

    /// Numbers, few to a line: the parser reads a line again as it grows. One that cannot be parsed
    /// would look as if it were absent, so it ends the session.
    fn found(&mut self, numbers: &[u8]) -> Result<Inbound, ProtocolViolation> {
        let mut cursor = Tokenizer::new(numbers);
        let mut found = Vec::new();
        loop {
            cursor.spaces();
            // `(MODSEQ …)` may follow (RFC 7162 §3.1.5).
            if matches!(cursor.peek(), None | Some(b'(')) {
                break;
            }
            let number = cursor.number();
            found.push(number.ok_or(ProtocolViolation("an answer is not as IMAP writes it"))?);
        }
        for few in found.chunks(FOUND) {
            let few: Vec<String> = few.iter().map(u32::to_string).collect();
            self.pass(format!("* SEARCH {}", few.join(" ")).as_bytes());
        }
        Ok(Inbound::Fresh)
    }

    fn status(
        &mut self,
        tag: &[u8],
        word: &[u8],
        line: &[u8],
        after: &[u8],
    ) -> Result<Inbound, ProtocolViolation> {
        if let Some(told) = capabilities_in(after) {
            self.capabilities = Some(told);
        }
        if tag != b"*" || word.eq_ignore_ascii_case(b"BYE") {
            self.spoken = spoken(after);
        }
        // Long words are of no use, and the parser reads a line again as it grows.
        let ascii = in_ascii(line.get(..READ).unwrap_or(line));
        self.pass(&ascii);
        Ok(Inbound::Fresh)
    }

    fn row(&mut self, mut row: FetchFilter, line: &[u8]) -> Result<Inbound, ProtocolViolation> {
        let mut out = Vec::new();
        let next = row.feed(line, self.limits.depth, self.literal, &mut out)?;
        self.checked.extend_from_slice(&out);
        match next {
            Next::End => Ok(Inbound::Fresh),
            Next::Pass(size) => self.literal(size, true, Inbound::Row(row)),
            Next::Skip(size) => Ok(match self.skip(size) {
                Ok(()) if size == 0 => Inbound::Row(row),
                Ok(()) => {
                    Inbound::Literal { left: size, pass: false, then: Box::new(Inbound::Row(row)) }
                }
                // The session ends; what is known of this message is passed on first.
                Err(breach) => self.last_row(row, breach),
            }),
        }
    }

    /// Counts bytes that are read only to be skipped.
    fn skip(&mut self, size: u64) -> Result<(), ProtocolViolation> {
        self.skipped = self.skipped.saturating_add(size);
        if self.skipped > self.limits.skipped.max(self.literal) {
            return Err(ProtocolViolation("a literal is too long"));
        }
        Ok(())
    }

    fn last_row(&mut self, row: FetchFilter, breach: ProtocolViolation) -> Inbound {
        let mut out = Vec::new();
        row.close(&mut out);
        self.checked.extend_from_slice(&out);
        Inbound::Broken(breach)
    }

    const fn is_broken(&self) -> bool {
        matches!(self.inbound, Inbound::Broken(_))
    }

    /// A line is too long: of the response about one message only what precedes is parsed.
    fn cut_row(&mut self, state: Inbound) -> Result<Inbound, ProtocolViolation> {
        let start = self.raw.get(..self.limits.line).unwrap_or(&self.raw);
        // Not in the middle of a number.
        let whole = start.iter().rposition(|&byte| byte == b' ').unwrap_or(0);
        let start = start.get(..whole).unwrap_or_default().to_vec();
        let (mut row, line) = match state {
            Inbound::Row(row) => (row, start.as_slice()),
            Inbound::Fresh => {
                let mut cursor = Tokenizer::new(&start);
                let is_untagged = cursor.word() == b"*" && cursor.take(b' ');
                let number = cursor.number().filter(|_| is_untagged && cursor.take(b' '));
                let number = number.filter(|_| cursor.word().eq_ignore_ascii_case(b"FETCH"));
                cursor.spaces();
                (FetchFilter::new(number.ok_or(TOO_LONG)?), cursor.rest())
            }
            Inbound::Gathering(_)
            | Inbound::Dropping
            | Inbound::Literal { .. }
            | Inbound::Overlong(_)
            | Inbound::Broken(_) => return Err(TOO_LONG),
        };
        let mut out = Vec::new();
        // It cannot be parsed to its end; what was parsed by then is in `out`.
        let _ = row.feed(line, self.limits.depth, self.literal, &mut out);
        row.close(&mut out);
        self.checked.extend_from_slice(&out);
        self.searched = 0;
        Ok(Inbound::Overlong(Vec::new()))
    }

    /// Reads on to the end of the line; it may announce a literal, after which it goes on.
    fn overlong(&mut self, mut tail: Vec<u8>) -> Result<Inbound, ProtocolViolation> {
        let found = self.raw.iter().position(|&byte| byte == b'\n');
        let piece = self.raw.split_to(found.map_or(self.raw.len(), |at| at + 1));
        self.skip(piece.len() as u64)?;
        tail.extend_from_slice(&piece);
        tail.drain(..tail.len().saturating_sub(LONGEST_ANNOUNCEMENT));
        if found.is_none() {
            return Ok(Inbound::Overlong(tail));
        }
        if !tail.ends_with(b"\r\n") {
            return Err(ProtocolViolation("a line does not end with CRLF"));
        }
        let Some(size) = announced(tail.trim_ascii_end()) else { return Ok(Inbound::Fresh) };
        self.skip(size)?;
        let then = Box::new(Inbound::Overlong(Vec::new()));
        Ok(if size == 0 { *then } else { Inbound::Literal { left: size, pass: false, then } })
    }

    fn gather(
        &mut self,
        mut gathered: BufferedResponse,
        line: &[u8],
    ) -> Result<Inbound, ProtocolViolation> {
        gathered.lines.push(line.to_vec());
        if let Some(size) = announced(line) {
            gathered.literals.push(Vec::new());
            let lines = gathered.lines.iter().map(Vec::len).sum::<usize>();
            let literals = gathered.literals.iter().map(Vec::len).sum::<usize>();
            if size.saturating_add((lines + literals) as u64) > GATHERED as u64 {
                return Err(ProtocolViolation("an answer is too long"));
            }
            return self.literal(size, false, Inbound::Gathering(gathered));
        }
        if gathered.lines.iter().map(Vec::len).sum::<usize>() > GATHERED {
            return Err(ProtocolViolation("an answer is too long"));
        }
        let first = gathered.lines.first().cloned().unwrap_or_default();
        let mut cursor = Tokenizer::new(first.get(2..).unwrap_or_default());
        let plain = if cursor.word().eq_ignore_ascii_case(b"LIST") {
            gathered.list(cursor.rest())?
        } else {
            gathered.status(cursor.rest())?
        };
        self.checked.extend_from_slice(&plain);
        Ok(Inbound::Fresh)
    }

    fn dropped(&mut self, line: &[u8]) -> Result<Inbound, ProtocolViolation> {
        match announced(line) {
            Some(size) => self.literal(size, false, Inbound::Dropping),
            None => Ok(Inbound::Fresh),
        }
    }

    fn literal(&self, size: u64, pass: bool, then: Inbound) -> Result<Inbound, ProtocolViolation> {
        if size > self.literal {
            return Err(ProtocolViolation("a literal is too long"));
        }
        if size == 0 {
            return Ok(then);
        }
        Ok(Inbound::Literal { left: size, pass, then: Box::new(then) })
    }

    fn pass(&mut self, line: &[u8]) {
        self.checked.extend_from_slice(line);
        self.checked.extend_from_slice(b"\r\n");
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let guard = &mut *self;
        loop {
            if guard.checked.is_empty() {
                guard.advance()?;
            }
            if !guard.checked.is_empty() {
                let count = guard.checked.len().min(buffer.remaining());
                buffer.put_slice(&guard.checked.split_to(count));
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; READ];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut guard.stream).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            guard.spent += chunk.filled().len() as u64;
            if guard.spent > guard.limits.response_total {
                return Poll::Ready(Err(ProtocolViolation("an answer is too long").into()));
            }
            guard.raw.extend_from_slice(chunk.filled());
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // All bytes are checked before any is written; the state advances only by those written.
        self.outbound.clone().check(bytes)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.outbound.check(bytes.get(..written).unwrap_or(bytes))?;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
