//! Import `submission`: the outbox.

use model::caller::Grant;
use model::mail::message::Page;
use model::submission::{State, SubmissionStatus};
use wasmtime::component::Resource;

use crate::guest_state::GuestState;
use crate::imports::{Answer, PAGE};
use crate::wit::bindings::capabilities::postlet::mail::{drafts, outcomes, submission};
use crate::wit::convert::Convert;
use crate::wit::drafts::from_wit;
use crate::wit::list_bounds;

impl drafts::Host for GuestState {}

impl outcomes::Host for GuestState {}

impl submission::Host for GuestState {
    async fn submit(
        &mut self,
        account: Resource<Grant>,
        draft: drafts::Draft,
    ) -> Answer<outcomes::Receipt> {
        let _inside = self.meter.enter();
        if let Err(problem) = list_bounds::draft(&draft) {
            for attachment in draft.attachments {
                self.table.delete(attachment.content)?;
            }
            return Err(problem.into());
        }
        let (capabilities, grant) = self.granted(&account)?;
        let draft = from_wit(&mut self.table, draft)?;
        let accepted = capabilities.submit(&grant, draft).await?;
        if accepted.is_replay {
            self.note_replay();
        }
        Ok(accepted.receipt.convert())
    }

    async fn get(&mut self, account: Resource<Grant>, id: String) -> Answer<outcomes::Entry> {
        let _inside = self.meter.enter();
        list_bounds::word("submission-id", &id)?;
        let (capabilities, grant) = self.granted(&account)?;
        Ok(capabilities.submission(&grant, &id).await?.convert())
    }

    async fn find(
        &mut self,
        account: Resource<Grant>,
        states: Vec<outcomes::State>,
        cursor: Option<String>,
        mut limit: u32,
    ) -> Answer<submission::Page> {
        let _inside = self.meter.enter();
        list_bounds::states(states.len())?;
        cursor.as_deref().map_or(Ok(()), |cursor| list_bounds::word("cursor", cursor))?;
        let (capabilities, grant) = self.granted(&account)?;
        let states: Vec<State> = states.convert();
        let page = loop {
            let cursor = cursor.as_deref();
            let page = capabilities.submissions(&grant, &states, cursor, limit).await?;
            if weight(&page) <= PAGE || limit <= 1 {
                break page;
            }
            limit /= 2;
        };
        Ok(page.convert())
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
