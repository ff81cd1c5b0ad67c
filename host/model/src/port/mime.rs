//! The port of the built-in MIME parser and composer. `runtime` implements it by a new sandboxed
//! instance for each call; `engine` calls it.

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

/// Parses and composes messages.
pub trait Mime: Send + Sync + fmt::Debug {
    /// Changes whenever the component does: part of every cache key.
    fn digest(&self) -> [u8; 32];
    /// One summary for each header block, in order; none for one that cannot be parsed.
    fn summarise(
        &self,
        blocks: Vec<Bytes>,
    ) -> BoxFuture<'_, Result<Vec<Option<HeaderSummary>>, MimeError>>;
    /// Parses a message. Bodies are truncated to `limit` bytes each.
    fn read(
        &self,
        raw: Octets,
        want: ParseOptions,
        limit: u32,
    ) -> BoxFuture<'_, Result<ParsedMessage, MimeError>>;
    /// A part with its transfer encoding removed.
    fn decode<'a>(&'a self, raw: Octets, path: &'a str)
    -> BoxFuture<'a, Result<Octets, MimeError>>;
    /// Composes a message. `message_id` without angle brackets; the draft's sender is set.
    fn compose<'a>(
        &'a self,
        draft: Draft,
        message_id: &'a str,
        date: Timestamp,
    ) -> BoxFuture<'a, Result<Composed, MimeError>>;
    /// Applies a filter's edits, all or none. Message-ID, Date and the envelope's sender stay as
    /// they are; faults point into the list of edits.
    fn rewrite<'a>(
        &'a self,
        message: &'a Composed,
        edits: &'a [Edit],
    ) -> BoxFuture<'a, Result<Composed, MimeError>>;
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum MimeError {
    /// The draft or the message is invalid, in these places. The code `no-such-part` comes from
    /// `decode`.
    #[error("the message is at fault in {} places", .0.len())]
    Faults(Vec<Fault>),
    /// The component trapped, or exceeded a limit.
    #[error("the mime component failed: {0}")]
    Failed(String),
    /// No instance slot was free.
    #[error("no instance of the mime component is free: {0}")]
    Busy(AtCapacity),
}
