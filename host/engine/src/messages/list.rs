//! A page of a mailbox, newest first, without a local index.
//!
//! Sequence numbers locate the rows, UIDs identify them: a page is `FETCH lo:hi (UID FLAGS)` from
//! the top or from the cursor's hint downwards, and a second FETCH only for what is not cached.
//! Where the previous page was not cached, this one probably is not, and the first FETCH requests
//! everything. A page of a mailbox with a million messages costs the same as one of fifty.
//!
//! Invariant: rows are in descending UID order and all below the cursor's anchor, so no row is
//! repeated, and none that stays in the mailbox is left out. During plain FETCH a server may not
//! renumber (RFC 9051 §7.5.1); renumbering between pages only lowers sequence numbers, so going
//! down from the hint misses nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use model::account::Account;
use model::ids::TenantId;
use model::mail::mailbox::MailboxName;
use model::mail::message::{MailboxPosition, MessageQuery, Page, Summary};
use model::port::imap::{FetchItem, FetchRow, Messages};
use model::problem::{Code, Problem};

use crate::imap_pool::lease::Lease;
use crate::messages::cursor::Cursor;
use crate::messages::message_id::{AccountFingerprint, MessageRef};
use crate::messages::reader::Reader;
use crate::messages::summaries::{self, LoadedSummaries, SummaryRequest};
use crate::messages::{fetch_bisect, mailboxes};
use crate::problems;

/// Maximum number of rows of a page.
const MOST: u32 = 100;
/// Maximum number of sequence numbers that one FETCH of flags covers in search of the anchor.
const LONGEST_STRIDE: u32 = 2_000;

/// All items of a row.
const ALL: [FetchItem; 4] = {
    let [received, size, header] = summaries::UNKNOWN;
    [FetchItem::Flags, received, size, header]
};

/// Returns one page.
pub(crate) async fn find(
    reader: &Reader,
    account: &Account,
    query: &MessageQuery,
) -> Result<Page<Summary>, Problem> {
    if !(1..=MOST).contains(&query.limit) {
        let detail = format!("`limit` is 1 to {MOST}");
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    let mailbox = mailboxes::resolve(&reader.pool, account, &query.mailbox).await?;
    let tag = AccountFingerprint::of(account);
    let cursor = match &query.cursor {
        None => None,
        Some(text) => {
            Some(Cursor::decode(text, tag.list(&mailbox)).ok_or_else(problems::invalid_cursor)?)
        }
    };
    let mut lease = reader.pool.lease(account, Some(&mailbox)).await?;
    let listing =
        Listing { reader, tenant: &account.tenant, tag, mailbox: &mailbox, cursor, query };
    let answer = listing.page(&mut lease).await;
    lease.keep();
    answer
}

struct Listing<'a> {
    reader: &'a Reader,
    tenant: &'a TenantId,
    tag: AccountFingerprint,
    mailbox: &'a MailboxName,
    cursor: Option<Cursor>,
    query: &'a MessageQuery,
}

/// Rows by UID, with the sequence number at that time.
type Found = BTreeMap<u32, FetchRow>;

impl Listing<'_> {
    async fn page(&self, lease: &mut Lease) -> Result<Page<Summary>, Problem> {
        let selected = mailboxes::enter(lease, self.mailbox).await?;
        if let Some(cursor) = &self.cursor
            && cursor.uid_validity != selected.uid_validity
        {
            return Err(problems::invalid_cursor());
        }
        let found = self.collect(lease, selected.exists).await?;
        let end = found.first_key_value().map(|(uid, row)| (*uid, row.sequence.saturating_sub(1)));
        let next_cursor = end.filter(|(_, hint)| *hint > 0).map(|(anchor, hint)| {
            Cursor { uid_validity: selected.uid_validity, anchor, hint }
                .encode(self.tag.list(self.mailbox))
        });
        let rows = self.rows(lease, found, selected.uid_validity).await?;
        Ok(Page { rows, next_cursor })
    }

    /// The highest UIDs below the anchor, at most `limit`.
    async fn collect(&self, lease: &mut Lease, exists: u32) -> Result<Found, Problem> {
        let limit = self.query.limit as usize;
        let mut found = Found::new();
        let mut high = self.cursor.as_ref().map_or(exists, |cursor| cursor.hint.min(exists));
        let mut stride = self.query.limit;
        while found.len() < limit && high > 0 {
            let low = high.saturating_sub(stride - 1).max(1);
            let before = found.len();
            self.gather(lease, low, high, &mut found).await?;
            // Only expunged or newer messages in this range: take longer steps.
            stride = if found.len() == before {
                stride.saturating_mul(2).min(LONGEST_STRIDE)
            } else {
                self.query.limit
            };
            high = low - 1;
        }
        // Mail that arrived meanwhile belongs to the first page.
        let now = lease.exists();
        if self.cursor.is_none() && now > exists {
            let low = now.saturating_sub(self.query.limit - 1).max(exists + 1);
            self.gather(lease, low, now, &mut found).await?;
        }
        while found.len() > limit {
            found.pop_first();
        }
        Ok(found)
    }

    async fn gather(
        &self,
        lease: &mut Lease,
        low: u32,
        high: u32,
        found: &mut Found,
    ) -> Result<(), Problem> {
        let anchor = self.cursor.as_ref().map_or(u32::MAX, |cursor| cursor.anchor);
        // A long stride looks for the anchor and discards most of its rows.
        let all = high - low < self.query.limit && lease.room().is_exploring();
        let mut rows = Vec::new();
        let asked = Messages::Sequence(low..=high);
        let whole = if all { lease.fetch_into(&mut rows, &asked, &ALL).await } else { Ok(()) };
        // Where one message makes the others fail, it is found by its UID.
        if let Err(error) = whole.as_ref()
            && !fetch_bisect::is_about_messages(lease, error)
        {
            return Ok(whole?);
        }
        if !all || whole.is_err() {
            rows.extend(fetch_bisect::flags(lease, low..=high).await?);
        }
        // Servers may add rows that were not requested (RFC 9051 §7.5.2).
        let asked = |row: &FetchRow| (low..=high).contains(&row.sequence);
        let below = |row: &FetchRow| self.cursor.is_none() || row.uid < anchor;
        let rows = rows.into_iter().filter(|row| asked(row) && below(row));
        for row in rows {
            match found.entry(row.uid) {
                Entry::Vacant(free) => drop(free.insert(row)),
                // A row in both halves of a page that was fetched twice.
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    (known.sequence, known.flags) =
                        (row.sequence, row.flags.or(known.flags.take()));
                }
            }
        }
        Ok(())
    }

    async fn rows(
        &self,
        lease: &mut Lease,
        mut found: Found,
        uid_validity: u32,
    ) -> Result<Vec<Summary>, Problem> {
        let place = |uid: u32| MessageRef {
            tag: self.tag,
            mailbox: self.mailbox.clone(),
            uid_validity,
            uid,
        };
        let uids: Vec<u32> = found.keys().rev().copied().collect();
        let flags: Vec<Vec<String>> =
            found.values_mut().map(|row| row.flags.take().unwrap_or_default()).collect();
        let wanted = SummaryRequest {
            tenant: self.tenant.clone(),
            sketch: self.query.preview || self.query.attachments,
            places: uids.iter().map(|uid| place(*uid)).collect(),
            fetched: found.into_values().collect(),
        };
        let LoadedSummaries { known, unavailable } =
            summaries::known(self.reader, lease, wanted).await?;
        let name = self.mailbox.decoded();
        let mut rows = Vec::with_capacity(uids.len());
        for (uid, keywords) in uids.into_iter().zip(flags.into_iter().rev()) {
            let known = known.get(&uid);
            let unavailable = known.is_none() && unavailable.contains(&uid);
            // Expunged between the two fetches: no row.
            if known.is_none() && !unavailable {
                continue;
            }
            let stored = MailboxPosition {
                key: place(uid).key(),
                mailbox: name.clone(),
                uid,
                received: known.and_then(|known| known.received),
                keywords,
            };
            let facts = known.and_then(|known| known.facts.as_ref());
            let sketch = known.and_then(|known| known.sketch.as_ref());
            rows.push(Summary {
                stored: Some(stored),
                facts: facts.cloned().unwrap_or_default(),
                size: known.and_then(|known| known.size),
                preview: sketch
                    .filter(|_| self.query.preview)
                    .and_then(|sketch| sketch.preview.clone()),
                has_attachments: sketch
                    .filter(|_| self.query.attachments)
                    .and_then(|sketch| sketch.has_attachments),
                unparsed: facts.is_none() && !unavailable,
                unavailable,
            });
        }
        Ok(rows)
    }
}
