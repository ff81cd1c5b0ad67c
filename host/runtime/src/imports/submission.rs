//! Import `submission`: the outbox.

use std::sync::Arc;

use model::caller::Grant;
use model::mail::message::Page;
use model::submission::{State, SubmissionStatus};
use wasmtime::component::Resource;

use crate::guest_state::GuestState;
use crate::imports::{Answer, PAGE};
use crate::wit::bindings::capabilities::postlet::mail::{drafts, outcomes, submission};
use crate::wit::{from_wit, list_bounds, to_wit};

impl drafts::Host for GuestState {}

impl outcomes::Host for GuestState {}

impl submission::Host for GuestState {
    async fn submit(
        &mut self,
        account: Resource<Grant>,
        draft: drafts::Draft,
    ) -> Answer<outcomes::Receipt> {
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        if let Err(problem) = list_bounds::draft(&draft) {
            for attachment in draft.attachments {
                self.table.delete(attachment.content)?;
            }
            return Ok(Err(self.refuse(problem)));
        }
        let (capabilities, _) = self.endpoint()?;
        let grant = self.table.get(&account)?.clone();
        let draft = from_wit::draft(&mut self.table, draft)?;
        let accepted = capabilities.submit(&grant, draft).await;
        if accepted.as_ref().is_ok_and(|accepted| accepted.is_replay) {
            self.note_replay();
        }
        self.answer(accepted, |accepted| to_wit::receipt(accepted.receipt))
    }

    async fn get(&mut self, account: Resource<Grant>, id: String) -> Answer<outcomes::Entry> {
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        if let Err(problem) = list_bounds::word("submission-id", &id) {
            return Ok(Err(self.refuse(problem)));
        }
        let (capabilities, _) = self.endpoint()?;
        let grant = self.table.get(&account)?.clone();
        let entry = capabilities.submission(&grant, &id).await;
        self.answer(entry, to_wit::entry)
    }

    async fn find(
        &mut self,
        account: Resource<Grant>,
        states: Vec<outcomes::State>,
        cursor: Option<String>,
        limit: u32,
    ) -> Answer<submission::Page> {
        let meter = Arc::clone(&self.meter);
        let _inside = meter.enter();
        let cursor_fits =
            cursor.as_deref().map_or(Ok(()), |cursor| list_bounds::word("cursor", cursor));
        if let Err(problem) = list_bounds::states(states.len()).and(cursor_fits) {
            return Ok(Err(self.refuse(problem)));
        }
        let (capabilities, _) = self.endpoint()?;
        let grant = self.table.get(&account)?.clone();
        let states: Vec<State> = states.into_iter().map(from_wit::state).collect();
        let mut limit = limit;
        let found = loop {
            match capabilities.submissions(&grant, &states, cursor.as_deref(), limit).await {
                Err(problem) => break Err(problem),
                Ok(page) if weight(&page) > PAGE && limit > 1 => limit /= 2,
                Ok(page) => break Ok(page),
            }
        };
        self.answer(found, |page: Page<SubmissionStatus>| submission::Page {
            entries: page.rows.into_iter().map(to_wit::entry).collect(),
            next_cursor: page.next_cursor,
        })
    }
}

/// The size of the entries in a guest's memory, within a few per cent.
fn weight(page: &Page<SubmissionStatus>) -> usize {
    const ENTRY: usize = 192;
    const VERDICT: usize = 40;
    page.rows
        .iter()
        .map(|entry| {
            let recipients: usize = entry
                .recipients
                .iter()
                .map(|verdict| {
                    let reply = verdict.reply.as_ref().map_or(0, String::len);
                    VERDICT + verdict.recipient.as_str().len() + reply
                })
                .sum();
            let error = entry.last_error.as_ref().map_or(0, String::len);
            ENTRY + recipients + error
        })
        .sum()
}
