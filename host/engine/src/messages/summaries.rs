//! Summaries of many messages: from the cache, else fetched and parsed in batches.
//!
//! The parser sees one batch of header blocks. When it fails on the batch, each block is parsed
//! alone, so that one hostile message loses only its own row.
//!
//! Previews need whole messages. Of one above [`Settings::preview_bytes`] the start is fetched,
//! which usually has the text and the first attachment; only where it does not, the rest is fetched
//! too, one message at a time and within the tenant's budget. Where that is not possible either,
//! the rest stays unknown: for this request only, where the budget was the reason.
//!
//! [`Settings::preview_bytes`]: crate::settings::Settings::preview_bytes

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use model::ids::TenantId;
use model::mail::message::{HeaderSummary, ParseOptions, ParsedMessage, Part, Usage};
use model::octets::in_memory;
use model::port::imap::{FetchItem, FetchRow};
use model::port::mime::MimeError;
use model::problem::Problem;

use crate::imap_pool::lease::Lease;
use crate::messages::cache::{BodyPreview, CachedSummary};
use crate::messages::fetch_bisect;
use crate::messages::message_id::MessageRef;
use crate::messages::reader::Reader;
use crate::problems;

/// The header fields of a [`HeaderSummary`].
const FIELDS: &[&str] =
    &["From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References"];

/// The items fetched for a message that is not cached.
pub(crate) const UNKNOWN: [FetchItem; 3] =
    [FetchItem::Received, FetchItem::Size, FetchItem::HeaderFields(FIELDS)];

/// The same for messages whose header fields may be too long to be fetched whole.
const UNKNOWN_START: [FetchItem; 3] =
    [FetchItem::Received, FetchItem::Size, FetchItem::HeaderFieldsStart(FIELDS)];

/// Previews are fetched in batches of at most this many bytes.
const BATCH_BYTES: u64 = 8 << 20;
/// Messages that are parsed concurrently.
const READERS: usize = 4;
/// A preview is made from the beginning of a body.
const PREVIEW_LIMIT: u32 = 16 << 10;

/// The rows of one mailbox to load, and how much of each.
#[derive(Debug)]
pub(crate) struct SummaryRequest {
    /// The tenant whose memory budget is used.
    pub(crate) tenant: TenantId,
    /// Includes preview and attachments.
    pub(crate) sketch: bool,
    pub(crate) places: Vec<MessageRef>,
    /// Rows that were fetched with all items of [`UNKNOWN`] already.
    pub(crate) fetched: Vec<FetchRow>,
}

/// The result of loading summaries.
#[derive(Debug)]
pub(crate) struct LoadedSummaries {
    /// The summary of each UID; UIDs that are gone are missing.
    pub(crate) known: HashMap<u32, Arc<CachedSummary>>,
    /// UIDs that the server does not return.
    pub(crate) unavailable: HashSet<u32>,
}

/// Loads the summaries.
pub(crate) async fn known(
    reader: &Reader,
    lease: &mut Lease,
    wanted: SummaryRequest,
) -> Result<LoadedSummaries, Problem> {
    let mut known = HashMap::new();
    let mut missing = HashMap::new();
    for place in wanted.places {
        match reader.cache.known(&reader.cache_key(place.clone())) {
            Some(found) => {
                known.insert(place.uid, (place, found));
            }
            None => {
                missing.insert(place.uid, place);
            }
        }
    }
    // The next page is probably not cached either.
    lease.room().note_exploring(missing.len() > known.len());
    let unavailable = learn(reader, lease, missing, wanted.fetched, &mut known).await?;
    if wanted.sketch {
        sketch(reader, lease, &mut known).await?;
        sketch_large(reader, lease, &wanted.tenant, &mut known).await?;
    }
    let known = known.into_iter().map(|(uid, (_, known))| (uid, known)).collect();
    Ok(LoadedSummaries { known, unavailable })
}

type Rows = HashMap<u32, (MessageRef, Arc<CachedSummary>)>;

async fn learn(
    reader: &Reader,
    lease: &mut Lease,
    mut missing: HashMap<u32, MessageRef>,
    fetched: Vec<FetchRow>,
    known: &mut Rows,
) -> Result<HashSet<u32>, Problem> {
    let mut taken = Vec::with_capacity(missing.len());
    take(&mut missing, fetched, &mut taken);
    let mut unavailable = HashSet::new();
    if !missing.is_empty() {
        let mut uids: Vec<u32> = missing.keys().copied().collect();
        uids.sort_unstable();
        let found = fetch_bisect::fetch(lease, uids, &UNKNOWN, &UNKNOWN_START).await?;
        unavailable = found.refused;
        // A row without the requested items is not used.
        let given: Vec<u32> = found.rows.iter().map(|row| row.uid).collect();
        take(&mut missing, found.rows, &mut taken);
        unavailable.extend(given.into_iter().filter(|uid| missing.contains_key(uid)));
    }
    let fetched = taken;
    let blocks = fetched.iter().map(|(_, row)| row.header.clone().unwrap_or_default()).collect();
    let facts = summarise(reader, blocks).await?;
    for ((place, row), facts) in fetched.into_iter().zip(facts) {
        let learnt = Arc::new(CachedSummary {
            received: row.received,
            size: row.size,
            // Header fields that are too long to be read have no summary.
            facts: facts.filter(|_| !row.header_unread),
            unread: row.header_unread,
            sketch: None,
        });
        reader.cache.put_summary(reader.cache_key(place.clone()), Arc::clone(&learnt));
        known.insert(place.uid, (place, learnt));
    }
    Ok(unavailable)
}

/// Takes the requested rows; a server may add others.
fn take(
    missing: &mut HashMap<u32, MessageRef>,
    fetched: Vec<FetchRow>,
    taken: &mut Vec<(MessageRef, FetchRow)>,
) {
    let rows = fetched.into_iter().filter(|row| row.header.is_some() || row.header_unread);
    taken.extend(rows.filter_map(|row| Some((missing.remove(&row.uid)?, row))));
}

async fn summarise(
    reader: &Reader,
    blocks: Vec<Bytes>,
) -> Result<Vec<Option<HeaderSummary>>, Problem> {
    let count = blocks.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    match reader.mime.summarise(blocks.clone()).await {
        Ok(facts) if facts.len() == count => return Ok(facts),
        Ok(_) | Err(MimeError::Faults(_) | MimeError::Failed(_)) => {}
        Err(error @ MimeError::Busy(_)) => return Err(problems::reading(error)),
    }
    tracing::warn!(count, "the parser failed on a batch of headers: trying them one by one");
    let mut all = Vec::with_capacity(count);
    for block in blocks {
        let alone = match reader.mime.summarise(vec![block]).await {
            Ok(facts) => facts.into_iter().next().flatten(),
            Err(MimeError::Faults(_) | MimeError::Failed(_)) => None,
            Err(error @ MimeError::Busy(_)) => return Err(problems::reading(error)),
        };
        all.push(alone);
    }
    Ok(all)
}

async fn sketch(reader: &Reader, lease: &mut Lease, known: &mut Rows) -> Result<(), Problem> {
    let fits = |row: &CachedSummary| {
        row.size.filter(|size| row.sketch.is_none() && *size <= reader.settings.preview_bytes)
    };
    let mut lacking: Vec<(u32, u64)> =
        known.iter().filter_map(|(uid, (_, row))| Some((*uid, fits(row)?))).collect();
    lacking.sort_unstable();
    while !lacking.is_empty() {
        let batch = take_batch(&mut lacking);
        let asked: HashSet<u32> = batch.iter().copied().collect();
        let whole = [FetchItem::Whole];
        // A refused message has no preview.
        let fetched = fetch_bisect::fetch(lease, batch, &whole, &whole).await?;
        let read = stream::iter(fetched.rows)
            .filter_map(|row| std::future::ready(row.whole.map(|whole| (row.uid, whole))))
            .filter(|(uid, _)| std::future::ready(asked.contains(uid)))
            .map(|(uid, whole)| async move { (uid, sketch_of(reader, whole).await) })
            .buffer_unordered(READERS)
            .collect::<Vec<_>>()
            .await;
        for (uid, sketch) in read {
            if let Some(sketch) = sketch? {
                keep(reader, known, uid, sketch);
            }
        }
    }
    Ok(())
}

/// Previews of messages that are too large to be fetched whole with the others.
async fn sketch_large(
    reader: &Reader,
    lease: &mut Lease,
    tenant: &TenantId,
    known: &mut Rows,
) -> Result<(), Problem> {
    let is_large = |row: &CachedSummary| {
        row.size.filter(|size| row.sketch.is_none() && *size > reader.settings.preview_bytes)
    };
    let mut sizes: HashMap<u32, u64> =
        known.iter().filter_map(|(uid, (_, row))| Some((*uid, is_large(row)?))).collect();
    let mut lacking: Vec<u32> = sizes.keys().copied().collect();
    lacking.sort_unstable();
    for batch in lacking.chunks(STARTS) {
        let items = [FetchItem::WholeStart];
        let fetched = fetch_bisect::fetch(lease, batch.to_vec(), &items, &items).await?;
        for row in fetched.rows {
            let Some(size) = sizes.remove(&row.uid) else { continue };
            let begun = match row.whole {
                Some(start) => start_of(reader, start).await?,
                // Some servers return the whole message, which is too long, instead of its start.
                None => None,
            };
            let is_told = matches!(
                &begun,
                Some(BodyPreview { preview: Some(_), has_attachments: Some(true) })
            );
            let wants_rest = !is_told && size <= reader.settings.message_bytes;
            let rest = if wants_rest { reader.in_flight.reserve(tenant, size) } else { None };
            let has_room = rest.is_some();
            let whole = match rest {
                None => None,
                Some(_room) => whole_of(reader, lease, row.uid).await?,
            };
            let Some(sketch) = whole.or(begun) else { continue };
            if wants_rest && !has_room {
                // The budget may allow it the next time.
                show(known, row.uid, sketch);
            } else {
                keep(reader, known, row.uid, sketch);
            }
        }
    }
    Ok(())
}

/// Number of message starts fetched at once: [`BATCH_BYTES`] together.
const STARTS: usize = 32;

/// The preview from the start of a message: it may prove that there is an attachment, never that
/// there is none.
async fn start_of(reader: &Reader, start: Bytes) -> Result<Option<BodyPreview>, Problem> {
    let want = ParseOptions { preview: true, structure: true, ..ParseOptions::default() };
    let reading = reading_of(reader, start, want).await?;
    Ok(reading.map(|reading| {
        // HTML that comes later may display a part with a content id.
        let is_file =
            |part: &Part| part.usage == Some(Usage::Attachment) && part.content_id.is_none();
        let has_attachments = reading.parts.iter().any(is_file).then_some(true);
        let preview = reading.preview.filter(|preview| !preview.is_empty());
        BodyPreview { preview, has_attachments }
    }))
}

async fn whole_of(
    reader: &Reader,
    lease: &mut Lease,
    uid: u32,
) -> Result<Option<BodyPreview>, Problem> {
    let items = [FetchItem::Whole];
    let fetched = fetch_bisect::fetch(lease, vec![uid], &items, &items).await?;
    let row = fetched.rows.into_iter().find(|row| row.uid == uid);
    match row.and_then(|row| row.whole) {
        Some(whole) => sketch_of(reader, whole).await,
        None => Ok(None),
    }
}

fn keep(reader: &Reader, known: &mut Rows, uid: u32, sketch: BodyPreview) {
    if let Some((place, row)) = show(known, uid, sketch) {
        reader.cache.put_summary(reader.cache_key(place.clone()), Arc::clone(row));
    }
}

/// Sets it for this request only, not in the cache.
fn show(
    known: &mut Rows,
    uid: u32,
    sketch: BodyPreview,
) -> Option<&(MessageRef, Arc<CachedSummary>)> {
    let known = known.get_mut(&uid)?;
    known.1 = Arc::new(CachedSummary { sketch: Some(sketch), ..(*known.1).clone() });
    Some(known)
}

/// Takes UIDs whose messages have at most [`BATCH_BYTES`] together; at least one.
fn take_batch(lacking: &mut Vec<(u32, u64)>) -> Vec<u32> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some((uid, size)) = lacking.last().copied() {
        if !batch.is_empty() && bytes + size > BATCH_BYTES {
            break;
        }
        bytes += size;
        batch.push(uid);
        lacking.pop();
    }
    batch.sort_unstable();
    batch
}

/// None when the parser failed on the message.
async fn sketch_of(reader: &Reader, whole: Bytes) -> Result<Option<BodyPreview>, Problem> {
    let want = ParseOptions { preview: true, ..ParseOptions::default() };
    let reading = reading_of(reader, whole, want).await?;
    Ok(reading.map(|reading| BodyPreview {
        preview: reading.preview,
        has_attachments: Some(reading.has_attachments),
    }))
}

async fn reading_of(
    reader: &Reader,
    raw: Bytes,
    want: ParseOptions,
) -> Result<Option<ParsedMessage>, Problem> {
    match reader.mime.read(in_memory(raw), want, PREVIEW_LIMIT).await {
        Ok(reading) => Ok(Some(reading)),
        Err(MimeError::Faults(_) | MimeError::Failed(_)) => Ok(None),
        Err(error @ MimeError::Busy(_)) => Err(problems::reading(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_at_least_one_message_and_at_most_eight_mebibytes() {
        check(&[(1, 9 << 20)], &[1]);
        check(&[(1, 4 << 20), (2, 4 << 20)], &[1, 2]);
        check(&[(1, 5 << 20), (2, 4 << 20)], &[2]);
    }

    #[track_caller]
    fn check(lacking: &[(u32, u64)], want: &[u32]) {
        assert_eq!(take_batch(&mut lacking.to_vec()), want);
    }
}
