//! An authenticated IMAP session as typed commands.
//!
//! Each method encodes a command, runs the loop and converts the responses. What needs several
//! commands is ordered so that an interruption at any point loses no message.
//!
//! Standards: RFC 9051 §6.3 and §6.4, RFC 6851 §3.3 (MOVE in other words).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's enums grow, and what we never ask for is all the same to us"
)]

use std::collections::HashSet;
use std::time::Duration;

use async_imap::imap_proto::{MailboxDatum, Response, StatusAttribute};
use model::mail::mailbox::{Counters, Mailbox, MailboxName};
use model::mail::message::{Flag, FlagChange};
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::imap::{
    AppendUid, CopyUid, FetchItem, FetchRow, ImapError, ImapSession, Messages, Removal, Selected,
    UidFlags,
};

use crate::imap::command;
use crate::imap::command::{Mode, Roles, uid_sets};
use crate::imap::command_loop::Exchange;
use crate::imap::response::{Rows, append_uid, copy_uid, permanent_flags, uid_validity};
use crate::imap::roles::{Listed, mailboxes};

/// RFC 9051 §6.1.3 asks for LOGOUT, but a caller should not wait for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Maximum number of mailboxes; the list is truncated.
const MOST_MAILBOXES: usize = 20_000;

/// An authenticated session.
#[derive(Debug)]
pub(crate) struct Session {
    exchange: Exchange,
    /// In upper case.
    capabilities: HashSet<String>,
}

impl Session {
    pub(crate) fn new(exchange: Exchange, capabilities: Vec<String>) -> Self {
        Self { exchange, capabilities: capabilities.into_iter().collect() }
    }

    /// RFC 9051 §2: what IMAP4rev2 includes need not be listed.
    fn offers(&self, capability: &str) -> bool {
        self.capabilities.contains(capability) || self.capabilities.contains("IMAP4REV2")
    }

    async fn do_select(&mut self, mailbox: &MailboxName) -> Result<Selected, ImapError> {
        // Even a failed SELECT closes the previous mailbox (RFC 9051 §6.3.2).
        self.exchange.selected = None;
        let (mut exists, mut validity, mut keeps) = (None, None, None);
        let mut visit = |answer: &Response<'_>| {
            if let Response::MailboxData(MailboxDatum::Exists(count)) = answer {
                exists = Some(*count);
            }
            validity = uid_validity(answer).or(validity);
            keeps = permanent_flags(answer).or(keeps.take());
        };
        self.exchange.run(&command::select(mailbox), &mut visit).await?;
        let uid_validity = validity.filter(|&value| value > 0);
        let selected = Selected {
            mailbox: mailbox.clone(),
            uid_validity: uid_validity.ok_or(ImapError::Unsupported("UIDVALIDITY"))?,
            exists: exists.ok_or(ImapError::Protocol("SELECT told no number of messages"))?,
            keeps,
        };
        self.exchange.selected = Some(selected.clone());
        Ok(selected)
    }

    async fn do_list(&mut self) -> Result<Vec<Mailbox>, ImapError> {
        let asks = self.has("LIST-EXTENDED") && self.has("SPECIAL-USE");
        let command = command::list(if asks { Roles::Asked } else { Roles::Unasked });
        let (mut rows, mut seen) = (Vec::new(), HashSet::new());
        let mut visit = |answer: &Response<'_>| {
            if let Response::MailboxData(MailboxDatum::List(row)) = answer
                && rows.len() < MOST_MAILBOXES
                && seen.insert(row.name.to_string())
            {
                rows.extend(Listed::read(row));
            }
        };
        self.exchange.run(&command, &mut visit).await?;
        Ok(mailboxes(rows))
    }

    async fn do_counters(&mut self, mailbox: &MailboxName) -> Result<Counters, ImapError> {
        let (mut messages, mut unseen) = (None, None);
        let mut visit = |answer: &Response<'_>| {
            if let Response::MailboxData(MailboxDatum::Status { status, .. }) = answer {
                for item in status {
                    match item {
                        StatusAttribute::Messages(count) => messages = Some(*count),
                        StatusAttribute::Unseen(count) => unseen = Some(*count),
                        _ => {}
                    }
                }
            }
        };
        self.exchange.run(&command::status(mailbox), &mut visit).await?;
        match (messages, unseen) {
            (Some(messages), Some(unseen)) => Ok(Counters { messages, unseen }),
            _ => Err(ImapError::Protocol("STATUS told not what was asked for")),
        }
    }

    async fn do_fetch(
        &mut self,
        messages: &Messages,
        items: &[FetchItem],
        into: &mut Vec<FetchRow>,
    ) -> Result<(), ImapError> {
        let mut rows = Rows::of(messages);
        let mut outcome = Ok(());
        for command in command::fetch(messages, items) {
            outcome = self.exchange.run(&command, &mut |answer| rows.take(answer)).await;
            if outcome.is_err() {
                break;
            }
        }
        into.extend(rows.finish());
        outcome
    }

    async fn do_store(
        &mut self,
        uids: &[u32],
        change: &FlagChange,
    ) -> Result<Vec<UidFlags>, ImapError> {
        let steps: Vec<(Mode, &[Flag])> = match change {
            FlagChange::Edit { add, remove } => {
                [(Mode::Add, add.as_slice()), (Mode::Remove, remove.as_slice())]
                    .into_iter()
                    .filter(|(_, flags)| !flags.is_empty())
                    .collect()
            }
            FlagChange::Set(flags) => vec![(Mode::Set, flags.as_slice())],
        };
        let asked = Messages::Uids(uids.to_vec());
        let mut rows = Rows::of(&asked);
        if steps.is_empty() {
            for command in command::fetch(&asked, &[FetchItem::Flags]) {
                self.exchange.run(&command, &mut |answer| rows.take(answer)).await?;
            }
        }
        for set in uid_sets(uids) {
            for (mode, flags) in &steps {
                let command = command::store(&set, *mode, flags);
                self.exchange.run(&command, &mut |answer| rows.take(answer)).await?;
            }
        }
        let flags = |row: FetchRow| row.flags.map(|flags| UidFlags { uid: row.uid, flags });
        Ok(rows.finish().into_iter().filter_map(flags).collect())
    }

    async fn do_move(
        &mut self,
        uids: &[u32],
        mailbox: &MailboxName,
    ) -> Result<Option<CopyUid>, ImapError> {
        if self.offers("MOVE") {
            return self.relocate(uids, |set| command::uid_move(set, mailbox)).await;
        }
        if !self.offers("UIDPLUS") {
            // A plain EXPUNGE would also remove messages that other clients marked.
            return Err(ImapError::Unsupported("MOVE and UIDPLUS"));
        }
        let copied = self.do_copy(uids, mailbox).await?;
        self.do_expunge(uids).await?;
        Ok(copied)
    }

    async fn do_copy(
        &mut self,
        uids: &[u32],
        mailbox: &MailboxName,
    ) -> Result<Option<CopyUid>, ImapError> {
        self.relocate(uids, |set| command::uid_copy(set, mailbox)).await
    }

    /// COPY and MOVE return COPYUID in the tagged response or, for MOVE, before it (RFC 6851 §4.3).
    async fn relocate(
        &mut self,
        uids: &[u32],
        command: impl Fn(&str) -> command::Command,
    ) -> Result<Option<CopyUid>, ImapError> {
        let mut all: Option<CopyUid> = None;
        for set in uid_sets(uids) {
            let mut visit = |answer: &Response<'_>| {
                let Some(mut told) = copy_uid(answer) else { return };
                told.pairs.retain(|(old, _)| uids.contains(old));
                match &mut all {
                    Some(all) if all.uid_validity == told.uid_validity => {
                        all.pairs.append(&mut told.pairs);
                    }
                    _ => all = Some(told),
                }
            };
            self.exchange.run(&command(&set), &mut visit).await?;
        }
        Ok(all)
    }

    async fn do_expunge(&mut self, uids: &[u32]) -> Result<(), ImapError> {
        if !self.offers("UIDPLUS") {
            return Err(ImapError::Unsupported("UIDPLUS"));
        }
        for set in uid_sets(uids) {
            self.exchange.run(&command::mark_deleted(&set), &mut |_| {}).await?;
            self.exchange.run(&command::uid_expunge(&set), &mut |_| {}).await?;
        }
        Ok(())
    }

    async fn do_remove(&mut self, uids: &[u32]) -> Result<Removal, ImapError> {
        if self.offers("UIDPLUS") {
            return self.do_expunge(uids).await.map(|()| Removal::Gone);
        }
        for set in uid_sets(uids) {
            self.exchange.run(&command::mark_deleted(&set), &mut |_| {}).await?;
        }
        // As late as possible: messages that other clients mark from here on are removed too.
        let mut marked = Vec::new();
        let mut visit = |answer: &Response<'_>| {
            if let Response::MailboxData(MailboxDatum::Search(found)) = answer {
                marked.extend_from_slice(found);
            }
        };
        self.exchange.run(&command::search_deleted(), &mut visit).await?;
        if marked.is_empty() || !marked.iter().all(|uid| uids.contains(uid)) {
            return Ok(Removal::Marked);
        }
        self.exchange.run(&command::expunge(), &mut |_| {}).await?;
        Ok(Removal::Gone)
    }

    async fn do_search_header(
        &mut self,
        field: &'static str,
        text: &str,
    ) -> Result<Vec<u32>, ImapError> {
        let mut found = Vec::new();
        let mut visit = |answer: &Response<'_>| {
            if let Response::MailboxData(MailboxDatum::Search(uids)) = answer {
                found.extend_from_slice(uids);
            }
        };
        self.exchange.run(&command::search_header(field, text), &mut visit).await?;
        Ok(found)
    }

    async fn do_append(
        &mut self,
        mailbox: &MailboxName,
        flags: &[Flag],
        raw: &Octets,
    ) -> Result<Option<AppendUid>, ImapError> {
        let mut appended = None;
        let mut visit = |answer: &Response<'_>| appended = append_uid(answer).or(appended);
        self.exchange.run(&command::append(mailbox, flags, raw), &mut visit).await?;
        Ok(appended)
    }
}

impl ImapSession for Session {
    fn has(&self, capability: &str) -> bool {
        self.capabilities.contains(&capability.to_ascii_uppercase())
    }

    fn selected(&self) -> Option<&Selected> {
        self.exchange.selected.as_ref()
    }

    fn select<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Selected, ImapError>> {
        Box::pin(self.do_select(mailbox))
    }

    fn list(&mut self) -> BoxFuture<'_, Result<Vec<Mailbox>, ImapError>> {
        Box::pin(self.do_list())
    }

    fn counters<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Counters, ImapError>> {
        Box::pin(self.do_counters(mailbox))
    }

    fn noop(&mut self) -> BoxFuture<'_, Result<(), ImapError>> {
        Box::pin(async { self.exchange.run(&command::noop(), &mut |_| {}).await })
    }

    fn fetch<'a>(
        &'a mut self,
        messages: &'a Messages,
        items: &'a [FetchItem],
        rows: &'a mut Vec<FetchRow>,
    ) -> BoxFuture<'a, Result<(), ImapError>> {
        Box::pin(self.do_fetch(messages, items, rows))
    }

    fn store<'a>(
        &'a mut self,
        uids: &'a [u32],
        change: &'a FlagChange,
    ) -> BoxFuture<'a, Result<Vec<UidFlags>, ImapError>> {
        Box::pin(self.do_store(uids, change))
    }

    fn move_to<'a>(
        &'a mut self,
        uids: &'a [u32],
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Option<CopyUid>, ImapError>> {
        Box::pin(self.do_move(uids, mailbox))
    }

    fn copy_to<'a>(
        &'a mut self,
        uids: &'a [u32],
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Option<CopyUid>, ImapError>> {
        Box::pin(self.do_copy(uids, mailbox))
    }

    fn expunge_forever<'a>(&'a mut self, uids: &'a [u32]) -> BoxFuture<'a, Result<(), ImapError>> {
        Box::pin(self.do_expunge(uids))
    }

    fn remove<'a>(&'a mut self, uids: &'a [u32]) -> BoxFuture<'a, Result<Removal, ImapError>> {
        Box::pin(self.do_remove(uids))
    }

    fn append<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
        flags: &'a [Flag],
        raw: &'a Octets,
    ) -> BoxFuture<'a, Result<Option<AppendUid>, ImapError>> {
        Box::pin(self.do_append(mailbox, flags, raw))
    }

    fn search_header<'a>(
        &'a mut self,
        field: &'static str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u32>, ImapError>> {
        Box::pin(self.do_search_header(field, text))
    }

    fn logout(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let command = command::logout();
            let mut nobody = |_: &Response<'_>| {};
            let farewell = self.exchange.run(&command, &mut nobody);
            // Whatever the result, the connection is dropped next.
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        })
    }
}
