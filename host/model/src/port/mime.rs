//! The built-in parser and writer of mail. `runtime` implements it by a fresh
//! sandboxed instance for each call; `engine` calls it.

use std::fmt;

use bytes::Bytes;

use crate::filter::Edit;
use crate::future::BoxFuture;
use crate::instant::Timestamp;
use crate::mail::draft::{Composed, Draft};
use crate::mail::message::{HeaderSummary, ParseOptions, ParsedMessage};
use crate::octets::Octets;
use crate::port::capacity::AtCapacity;
use crate::problem::Fault;

/// Reads and writes mail.
pub trait Mime: Send + Sync + fmt::Debug {
    /// Changes whenever the component does: part of every cache key.
    fn digest(&self) -> [u8; 32];
    /// One answer for each header block, in order; none for one that cannot be read.
    fn summarise(
        &self,
        blocks: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<Vec<Option<HeaderSummary>>, MimeError>>;
    /// Bodies are cut to `limit` bytes each.
    fn read(
        &self,
        raw: Octets,
        want: ParseOptions,
        limit: u32,
    ) -> BoxFuture<'_, Result<ParsedMessage, MimeError>>;
    /// A part with its transfer encoding undone.
    fn decode<'a>(&'a self, raw: Octets, path: &'a str)
    -> BoxFuture<'a, Result<Octets, MimeError>>;
    /// `message_id` without angle brackets. The draft's sender is filled in.
    fn compose<'a>(
        &'a self,
        draft: Draft,
        message_id: &'a str,
        date: Timestamp,
    ) -> BoxFuture<'a, Result<Composed, MimeError>>;
    /// A filter's edits, all or none. Message-ID, Date and the envelope's sender stay as they are;
    /// faults point into the list of edits.
    fn rewrite<'a>(
        &'a self,
        message: &'a Composed,
        edits: &'a [Edit],
    ) -> BoxFuture<'a, Result<Composed, MimeError>>;
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum MimeError {
    /// The draft or the message is at fault, in these places. The code `no-such-part` comes from `decode`.
    #[error("the message is at fault in {} places", .0.len())]
    Faults(Vec<Fault>),
    /// The component trapped, or went over a limit.
    #[error("the mime component failed: {0}")]
    Failed(String),
    /// No instance was free.
    #[error("no instance of the mime component is free: {0}")]
    Busy(AtCapacity),
}
