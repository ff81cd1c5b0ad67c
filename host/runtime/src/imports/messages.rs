//! Imports `messages` and `reading`: parsed mail.

use model::caller::Grant;
use model::mail::message::{MessageQuery, Page, Summary};
use model::octets::Octets;
use wasmtime::component::Resource;

use crate::guest_state::GuestState;
use crate::imports::{Answer, PAGE};
use crate::wit::bindings::capabilities::postlet::mail::{content, messages, reading, types};
use crate::wit::bindings::mime_engine::postlet::mail::filtering;
use crate::wit::convert::Convert;
use crate::wit::handles::MessageHandle;
use crate::wit::{flags, list_bounds};

/// One result for each key; the only one where the call is beyond its limits.
type Each<T> = wasmtime::Result<Vec<Result<T, types::Problem>>>;

impl messages::Host for GuestState {
    async fn find(
        &mut self,
        account: Resource<Grant>,
        query: messages::Query,
    ) -> Answer<messages::Page> {
        let _inside = self.meter.enter();
        list_bounds::query(&query)?;
        let (capabilities, grant) = self.granted(&account)?;
        let mut query: MessageQuery = query.convert();
        let page = loop {
            let page = capabilities.find_messages(&grant, query.clone()).await?;
            if weight(&page) <= PAGE || query.limit <= 1 {
                break page;
            }
            // Fewer rows with a cursor after them: the caller loses none.
            query.limit /= 2;
        };
        Ok(page.convert())
    }

    async fn open(
        &mut self,
        account: Resource<Grant>,
        key: String,
    ) -> Answer<Resource<MessageHandle>> {
        let _inside = self.meter.enter();
        list_bounds::word("key", &key)?;
        let (capabilities, grant) = self.granted(&account)?;
        let message = capabilities.open_message(&grant, &key).await?;
        Ok(self.table.push(MessageHandle(message))?)
    }

    async fn change_flags(
        &mut self,
        account: Resource<Grant>,
        keys: Vec<String>,
        change: messages::FlagChange,
    ) -> Each<Vec<String>> {
        let _inside = self.meter.enter();
        if let Err(problem) = list_bounds::keys(&keys).and_then(|()| list_bounds::flags(&change)) {
            return Ok(vec![Err(self.refuse(problem))]);
        }
        let (capabilities, grant) = self.granted(&account)?;
        let results = match flags::change(change) {
            Ok(change) => capabilities.change_flags(&grant, &keys, change).await,
            Err(problem) => keys.iter().map(|_| Err(problem.clone())).collect(),
        };
        Ok(self.answers(results))
    }

    async fn move_(
        &mut self,
        account: Resource<Grant>,
        keys: Vec<String>,
        mailbox: String,
    ) -> Each<messages::Moved> {
        let _inside = self.meter.enter();
        if let Err(problem) = list_bounds::keys_and_mailbox(&keys, &mailbox) {
            return Ok(vec![Err(self.refuse(problem))]);
        }
        let (capabilities, grant) = self.granted(&account)?;
        let results = capabilities.move_messages(&grant, &keys, &mailbox).await;
        Ok(self.answers(results))
    }

    async fn copy(
        &mut self,
        account: Resource<Grant>,
        keys: Vec<String>,
        mailbox: String,
    ) -> Each<messages::Moved> {
        let _inside = self.meter.enter();
        if let Err(problem) = list_bounds::keys_and_mailbox(&keys, &mailbox) {
            return Ok(vec![Err(self.refuse(problem))]);
        }
        let (capabilities, grant) = self.granted(&account)?;
        let results = capabilities.copy_messages(&grant, &keys, &mailbox).await;
        Ok(self.answers(results))
    }

    async fn trash(
        &mut self,
        account: Resource<Grant>,
        keys: Vec<String>,
    ) -> Each<messages::Moved> {
        let _inside = self.meter.enter();
        if let Err(problem) = list_bounds::keys(&keys) {
            return Ok(vec![Err(self.refuse(problem))]);
        }
        let (capabilities, grant) = self.granted(&account)?;
        let results = capabilities.trash(&grant, &keys).await;
        Ok(self.answers(results))
    }

    async fn expunge_forever(&mut self, account: Resource<Grant>, keys: Vec<String>) -> Each<()> {
        let _inside = self.meter.enter();
        if let Err(problem) = list_bounds::keys(&keys) {
            return Ok(vec![Err(self.refuse(problem))]);
        }
        let (capabilities, grant) = self.granted(&account)?;
        let results = capabilities.expunge_forever(&grant, &keys).await;
        Ok(self.answers(results))
    }
}

impl reading::Host for GuestState {}

impl filtering::Host for GuestState {}

impl reading::HostMessage for GuestState {
    async fn summary(
        &mut self,
        message: Resource<MessageHandle>,
    ) -> wasmtime::Result<reading::Summary> {
        self.meter.count();
        Ok(self.table.get(&message)?.0.summary().convert())
    }

    async fn headers(&mut self, message: Resource<MessageHandle>) -> Answer<Vec<types::Header>> {
        let _inside = self.meter.enter();
        let message = self.table.get(&message)?.clone();
        Ok(message.0.headers().await?.convert())
    }

    async fn details(&mut self, message: Resource<MessageHandle>) -> Answer<content::Details> {
        let _inside = self.meter.enter();
        let message = self.table.get(&message)?.clone();
        Ok(message.0.details().await?.convert())
    }

    async fn structure(&mut self, message: Resource<MessageHandle>) -> Answer<Vec<content::Part>> {
        let _inside = self.meter.enter();
        let message = self.table.get(&message)?.clone();
        Ok(message.0.structure().await?.convert())
    }

    async fn faults(&mut self, message: Resource<MessageHandle>) -> Answer<Vec<types::Fault>> {
        let _inside = self.meter.enter();
        let message = self.table.get(&message)?.clone();
        Ok(message.0.faults().await?.convert())
    }

    async fn body(
        &mut self,
        message: Resource<MessageHandle>,
        kind: reading::Body,
        limit: u32,
    ) -> Answer<Option<String>> {
        let _inside = self.meter.enter();
        let message = self.table.get(&message)?.clone();
        Ok(message.0.body(kind.convert(), limit).await?)
    }

    async fn part(
        &mut self,
        message: Resource<MessageHandle>,
        path: String,
    ) -> Answer<Resource<Octets>> {
        let _inside = self.meter.enter();
        list_bounds::word("path", &path)?;
        let message = self.table.get(&message)?.clone();
        Ok(self.table.push(message.0.part(&path).await?)?)
    }

    async fn raw(&mut self, message: Resource<MessageHandle>) -> Answer<Resource<Octets>> {
        let _inside = self.meter.enter();
        let message = self.table.get(&message)?.clone();
        Ok(self.table.push(message.0.raw().await?)?)
    }

    async fn drop(&mut self, message: Resource<MessageHandle>) -> wasmtime::Result<()> {
        self.table.delete(message)?;
        Ok(())
    }
}

/// The size of the rows in a guest's memory, within a few per cent.
fn weight(page: &Page<Summary>) -> usize {
    const ROW: usize = 256;
    const STRING: usize = 8;
    page.rows
        .iter()
        .map(|row| {
            let facts = &row.facts;
            let people: usize = [&facts.sender, &facts.to, &facts.cc]
                .into_iter()
                .flatten()
                .map(|person| {
                    3 * STRING + person.email.len() + person.name.as_ref().map_or(0, String::len)
                })
                .sum();
            let stored = row.stored.as_ref().map_or(0, |stored| {
                let keywords: usize =
                    stored.keywords.iter().map(|keyword| STRING + keyword.len()).sum();
                stored.key.len() + stored.mailbox.len() + keywords
            });
            let texts: usize = [&facts.message_id, &facts.subject, &row.preview]
                .into_iter()
                .flatten()
                .map(String::len)
                .sum();
            ROW + people + stored + texts + facts.thread_id.len()
        })
        .sum()
}
