//! Sent copies (for the mailbox with the role `\Sent`) of the in-memory store.

use std::collections::BTreeMap;
use std::convert::Infallible;

use model::ids::{AccountId, SubmissionId, TenantId};
use model::instant::Timestamp;
use model::port::outbox::{ClaimRequest, ClaimedCopies, SentCopyTask};
use model::submission::SentCopy;

use crate::memory::{Row, Tables};
use crate::rules::fair_queue::{Due, choose};
use crate::rules::outbox::CLAIMED;

impl Row {
    /// When its pending copy is due; none otherwise.
    pub(super) fn copy_due(&self) -> Option<Timestamp> {
        (self.entry.sent_copy == Some(SentCopy::Pending)).then_some(self.copy_due)
    }

    fn copy(&mut self, wish: &ClaimRequest) -> Option<SentCopyTask> {
        let raw = self.raw.clone()?;
        let tries = self.copy_tries;
        self.copy_tries += 1;
        self.copy_due = wish.now.after(wish.pause(tries));
        Some(SentCopyTask {
            id: self.new.id.clone(),
            tenant: self.new.tenant.clone(),
            account: self.new.account.clone(),
            generation: self.new.generation,
            message_id: self.new.message_id.clone(),
            raw,
            tries,
        })
    }
}

impl Tables {
    pub(super) fn take_copies(&mut self, wish: &ClaimRequest) -> ClaimedCopies {
        let mut room = wish.room.clone();
        room.limit = room.limit.min(CLAIMED);
        if room.limit == 0 {
            return ClaimedCopies::default();
        }
        let mut pending: BTreeMap<(&TenantId, &AccountId), Vec<_>> = BTreeMap::new();
        for row in self.submissions.values() {
            if let Some(due) = row.copy_due() {
                let place = (due, (row.new.created, row.new.id.clone()));
                pending.entry((&row.new.tenant, &row.new.account)).or_default().push(place);
            }
        }
        let due = |tenant: &TenantId, account: &AccountId, limit: u32| {
            let mut mine = pending.get(&(tenant, account)).cloned().unwrap_or_default();
            mine.sort();
            let mine = mine.into_iter().filter(|(due, _)| *due <= wish.now);
            let due: Vec<Due> = mine.map(|(_, due)| due).take(limit as usize).collect();
            Ok::<_, Infallible>(due)
        };
        let owners =
            pending.keys().map(|(tenant, account)| ((*tenant).clone(), (*account).clone()));
        let owners: Vec<_> = owners.collect();
        let Ok((ids, more)) = choose(owners, &room, &mut self.served_copies, due);
        let copy = |id| self.submissions.get_mut(&id)?.copy(wish);
        ClaimedCopies { copies: ids.into_iter().filter_map(copy).collect(), more }
    }

    pub(super) fn end_copy(&mut self, id: &SubmissionId, copy: SentCopy) {
        let row = self.submissions.get_mut(id);
        if let Some(row) = row.filter(|row| row.entry.sent_copy == Some(SentCopy::Pending)) {
            row.entry.sent_copy = Some(copy);
            if row.entry.receipt.state.is_final() {
                row.raw = None;
            }
        }
    }
}
