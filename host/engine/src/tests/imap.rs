//! In-memory IMAP server fake, with the variations of real servers.
//!
//! A session sees its mailbox as of its last synchronisation: new mail appears with any command,
//! expunged mail keeps its sequence number until a command that may renumber (RFC 9051 §7.5.1).
//! Tests refuse commands, close sessions and trigger events before chosen commands.

use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use model::account::{Credentials, MailServer};
use model::instant::Timestamp;
use model::mail::mailbox::{Counters, Mailbox, MailboxName, Role, RoleSource};
use model::mail::message::{Flag, FlagChange};
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::imap::{
    AppendUid, CopyUid, FetchItem, FetchRow, ImapConnect, ImapError, ImapSession, Messages, NoCode,
    Removal, Selected, UidFlags,
};
use model::port::login_observer::LoginObserver;

#[derive(Clone, Debug, Default)]
pub(crate) struct Server(pub(crate) Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) boxes: BTreeMap<String, Box_>,
    /// Commands that are answered NO.
    pub(crate) refused: HashMap<&'static str, NoCode>,
    pub(crate) refuse_logins: bool,
    /// Sessions opened before this one's number are dead.
    pub(crate) dead_below: usize,
    /// Every command name.
    pub(crate) log: Vec<String>,
    pub(crate) logins: usize,
    pub(crate) open: usize,
    pub(crate) most_open: usize,
    /// Commands that are not answered for now.
    pub(crate) stalled: Option<&'static str>,
    /// Events before the next sequence fetches.
    pub(crate) events: VecDeque<Vec<Event>>,
    /// Messages, by UID, that make a FETCH of more than flags fail.
    pub(crate) broken: HashMap<u32, Broken>,
    pub(crate) no_copyuid: bool,
    pub(crate) no_uidplus: bool,
    pub(crate) keeps: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Arrive,
    /// The message at this place, counted modulo.
    Expunge(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Broken {
    /// NO, after the rows before it.
    Refused,
    /// Its header fields end the session, unless they are fetched in part.
    Endless,
}

#[derive(Debug)]
pub(crate) struct Box_ {
    pub(crate) validity: u32,
    pub(crate) next: u32,
    pub(crate) messages: BTreeMap<u32, Msg>,
    pub(crate) role: Option<Role>,
}

#[derive(Clone, Debug)]
pub(crate) struct Msg {
    pub(crate) flags: Vec<String>,
    pub(crate) raw: Bytes,
}

impl Server {
    pub(crate) fn with(boxes: &[(&str, Option<Role>)]) -> Self {
        let server = Self::default();
        for (name, role) in boxes {
            let new = Box_ { validity: 1, next: 1, messages: BTreeMap::new(), role: *role };
            server.0.lock().boxes.insert((*name).to_owned(), new);
        }
        server
    }

    pub(crate) fn add(&self, mailbox: &str, raw: &str) -> u32 {
        self.0.lock().boxes.get_mut(mailbox).unwrap().add(raw)
    }

    pub(crate) fn uids(&self, mailbox: &str) -> Vec<u32> {
        self.0.lock().boxes[mailbox].messages.keys().copied().collect()
    }

    pub(crate) fn happen(&self, mailbox: &str, events: &[Event]) {
        self.0.lock().boxes.get_mut(mailbox).unwrap().happen(events);
    }

    pub(crate) fn said(&self, verb: &str) -> usize {
        self.0.lock().log.iter().filter(|line| *line == verb).count()
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock())
    }
}

impl Box_ {
    pub(crate) fn add(&mut self, raw: &str) -> u32 {
        let uid = self.next;
        self.next += 1;
        let raw = Bytes::from(raw.to_owned());
        self.messages.insert(uid, Msg { flags: Vec::new(), raw });
        uid
    }

    fn happen(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Arrive => {
                    let subject = format!("Subject: {}\r\n\r\nbody", self.next);
                    self.add(&subject);
                }
                Event::Expunge(at) if !self.messages.is_empty() => {
                    let uid = *self.messages.keys().nth(at % self.messages.len()).unwrap();
                    self.messages.remove(&uid);
                }
                Event::Expunge(_) => {}
            }
        }
    }
}

impl ImapConnect for Server {
    fn connect<'a>(
        &'a self,
        _: &'a MailServer,
        _: &'a Credentials,
        steps: &'a dyn LoginObserver,
    ) -> BoxFuture<'a, Result<Box<dyn ImapSession>, ImapError>> {
        Box::pin(async move {
            let mut state = self.0.lock();
            state.logins += 1;
            steps.connected();
            steps.encrypted(None);
            steps.greeted();
            if state.refuse_logins {
                return Err(ImapError::Credentials { reply: "wrong password".to_owned() });
            }
            steps.authenticated("PLAIN");
            steps.capabilities_read();
            state.open += 1;
            state.most_open = state.most_open.max(state.open);
            let number = state.logins;
            let session =
                Session { server: self.clone(), number, selected: None, view: Vec::new() };
            Ok(Box::new(session) as Box<dyn ImapSession>)
        })
    }
}

#[derive(Debug)]
struct Session {
    server: Server,
    number: usize,
    selected: Option<Selected>,
    /// UIDs by sequence number.
    view: Vec<u32>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.0.lock().open -= 1;
    }
}

impl Session {
    async fn begin(&self, verb: &'static str) -> Result<(), ImapError> {
        {
            let mut state = self.server.0.lock();
            state.log.push(verb.to_owned());
            if self.number < state.dead_below {
                return Err(ImapError::Lost(std::io::ErrorKind::ConnectionReset.into()));
            }
            if let Some(code) = state.refused.get(verb) {
                return Err(ImapError::No { code: *code, reply: format!("{verb} refused") });
            }
        }
        poll_fn(|_| match self.server.change(|state| state.stalled == Some(verb)) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
        Ok(())
    }

    fn sync(&mut self, renumber: bool) {
        let Some(selected) = &mut self.selected else { return };
        let state = self.server.0.lock();
        let Some(mailbox) = state.boxes.get(selected.mailbox.wire()) else { return };
        if renumber {
            self.view.retain(|uid| mailbox.messages.contains_key(uid));
        }
        let last = self.view.last().copied().unwrap_or(0);
        self.view.extend(mailbox.messages.range(last + 1..).map(|(uid, _)| *uid));
        selected.exists = u32::try_from(self.view.len()).unwrap();
    }

    fn with_box<T>(&self, work: impl FnOnce(&mut Box_) -> T) -> T {
        let name = self.selected.as_ref().unwrap().mailbox.wire();
        work(self.server.0.lock().boxes.get_mut(name).unwrap())
    }

    fn place(&self, uids: &[u32], target: &str, keep: bool) -> Result<Option<CopyUid>, ImapError> {
        let found: Vec<(u32, Msg)> = self.with_box(|mailbox| {
            let found = uids.iter().filter_map(|uid| {
                let message = mailbox.messages.get(uid)?.clone();
                if !keep {
                    mailbox.messages.remove(uid);
                }
                Some((*uid, message))
            });
            found.collect()
        });
        let mut state = self.server.0.lock();
        let silent = state.no_copyuid;
        let Some(mailbox) = state.boxes.get_mut(target) else {
            let code = NoCode::NoSuchMailbox;
            return Err(ImapError::No { code, reply: "TRYCREATE".to_owned() });
        };
        let mut pairs = Vec::new();
        for (uid, message) in found {
            let new = mailbox.next;
            mailbox.next += 1;
            mailbox.messages.insert(new, message);
            pairs.push((uid, new));
        }
        Ok((!silent).then_some(CopyUid { uid_validity: mailbox.validity, pairs }))
    }
}

impl ImapSession for Session {
    fn has(&self, _: &str) -> bool {
        true
    }

    fn selected(&self) -> Option<&Selected> {
        self.selected.as_ref()
    }

    fn select<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Selected, ImapError>> {
        Box::pin(async move {
            self.begin("SELECT").await?;
            self.selected = None;
            self.view.clear();
            let validity = self.server.0.lock().boxes.get(mailbox.wire()).map(|b| b.validity);
            let Some(uid_validity) = validity else {
                return Err(ImapError::No { code: NoCode::Other, reply: "what?".to_owned() });
            };
            let keeps = self.server.change(|state| state.keeps.clone());
            let mailbox = mailbox.clone();
            self.selected = Some(Selected { mailbox, uid_validity, exists: 0, keeps });
            self.sync(true);
            Ok(self.selected.clone().unwrap())
        })
    }

    fn list(&mut self) -> BoxFuture<'_, Result<Vec<Mailbox>, ImapError>> {
        Box::pin(async move {
            self.begin("LIST").await?;
            let state = self.server.0.lock();
            let rows = state.boxes.iter().map(|(name, mailbox)| Mailbox {
                name: MailboxName::from_wire(name).unwrap(),
                path: vec![name.clone()],
                role: mailbox.role.map(|role| (role, RoleSource::SpecialUse)),
                selectable: true,
                counters: None,
            });
            Ok(rows.collect())
        })
    }

    fn counters<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Counters, ImapError>> {
        Box::pin(async move {
            self.begin("STATUS").await?;
            let messages = self.server.uids(mailbox.wire()).len();
            Ok(Counters { messages: u32::try_from(messages).unwrap(), unseen: 0 })
        })
    }

    fn noop(&mut self) -> BoxFuture<'_, Result<(), ImapError>> {
        Box::pin(async move {
            self.begin("NOOP").await?;
            self.sync(true);
            Ok(())
        })
    }

    fn fetch<'a>(
        &'a mut self,
        messages: &'a Messages,
        items: &'a [FetchItem],
        into: &'a mut Vec<FetchRow>,
    ) -> BoxFuture<'a, Result<(), ImapError>> {
        Box::pin(async move {
            self.begin("FETCH").await?;
            let by_uid = matches!(messages, Messages::Uids(_));
            if !by_uid {
                let events = self.server.0.lock().events.pop_front();
                self.with_box(|mailbox| mailbox.happen(&events.unwrap_or_default()));
            }
            let asked = |sequence: u32, uid: u32| match messages {
                Messages::Sequence(range) => range.contains(&sequence),
                Messages::Uids(uids) => uids.contains(&uid),
            };
            let view = self.view.clone();
            let rows: Vec<FetchRow> = self.with_box(|mailbox| {
                let rows = view.iter().enumerate().filter_map(|(index, uid)| {
                    let sequence = u32::try_from(index + 1).unwrap();
                    let message = mailbox.messages.get(uid).filter(|_| asked(sequence, *uid))?;
                    Some(row(sequence, *uid, message, items))
                });
                rows.collect()
            });
            self.sync(by_uid);
            let broken = self.server.change(|state| state.broken.clone());
            let whole = !items.iter().all(|item| *item == FetchItem::Flags);
            for row in rows {
                match broken.get(&row.uid) {
                    Some(Broken::Refused) if whole => {
                        let (code, reply) = (NoCode::Other, "cannot be read".to_owned());
                        return Err(ImapError::No { code, reply });
                    }
                    // As the input guard does with what is too long to be skipped.
                    Some(Broken::Endless) if row.header.is_some() && !starts(items) => {
                        into.push(FetchRow { header: None, header_unread: true, ..row });
                        let dead = self.number + 1;
                        self.server.change(|state| state.dead_below = state.dead_below.max(dead));
                        return Err(ImapError::Protocol("a literal is too long"));
                    }
                    Some(Broken::Refused | Broken::Endless) | None => into.push(row),
                }
            }
            Ok(())
        })
    }

    fn store<'a>(
        &'a mut self,
        uids: &'a [u32],
        change: &'a FlagChange,
    ) -> BoxFuture<'a, Result<Vec<UidFlags>, ImapError>> {
        Box::pin(async move {
            self.begin("STORE").await?;
            Ok(self.with_box(|mailbox| {
                let rows = uids.iter().filter_map(|uid| {
                    let flags = &mut mailbox.messages.get_mut(uid)?.flags;
                    let before = flags.clone();
                    apply(flags, change);
                    // Like many servers: no response for unchanged flags.
                    (*flags != before).then(|| UidFlags { uid: *uid, flags: flags.clone() })
                });
                rows.collect()
            }))
        })
    }

    fn move_to<'a>(
        &'a mut self,
        uids: &'a [u32],
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Option<CopyUid>, ImapError>> {
        Box::pin(async move {
            self.begin("MOVE").await?;
            self.place(uids, mailbox.wire(), false)
        })
    }

    fn copy_to<'a>(
        &'a mut self,
        uids: &'a [u32],
        mailbox: &'a MailboxName,
    ) -> BoxFuture<'a, Result<Option<CopyUid>, ImapError>> {
        Box::pin(async move {
            self.begin("COPY").await?;
            self.place(uids, mailbox.wire(), true)
        })
    }

    fn expunge_forever<'a>(&'a mut self, uids: &'a [u32]) -> BoxFuture<'a, Result<(), ImapError>> {
        Box::pin(async move {
            self.begin("EXPUNGE").await?;
            self.with_box(|mailbox| mailbox.messages.retain(|uid, _| !uids.contains(uid)));
            Ok(())
        })
    }

    fn remove<'a>(&'a mut self, uids: &'a [u32]) -> BoxFuture<'a, Result<Removal, ImapError>> {
        Box::pin(async move {
            self.begin("EXPUNGE").await?;
            let bare = self.server.change(|state| state.no_uidplus);
            Ok(self.with_box(|mailbox| {
                let deleted = "\\Deleted".to_owned();
                for uid in uids {
                    let message = mailbox.messages.get_mut(uid);
                    message.into_iter().for_each(|message| message.flags.push(deleted.clone()));
                }
                let others = |(uid, message): (&u32, &Msg)| {
                    message.flags.contains(&deleted) && !uids.contains(uid)
                };
                if bare && mailbox.messages.iter().any(others) {
                    return Removal::Marked;
                }
                mailbox.messages.retain(|uid, _| !uids.contains(uid));
                Removal::Gone
            }))
        })
    }

    fn append<'a>(
        &'a mut self,
        mailbox: &'a MailboxName,
        _: &'a [Flag],
        raw: &'a Octets,
    ) -> BoxFuture<'a, Result<Option<AppendUid>, ImapError>> {
        Box::pin(async move {
            self.begin("APPEND").await?;
            let raw = raw.in_memory().unwrap();
            self.server.add(mailbox.wire(), std::str::from_utf8(&raw).unwrap());
            Ok(None)
        })
    }

    fn search_header<'a>(
        &'a mut self,
        _: &'static str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u32>, ImapError>> {
        Box::pin(async move {
            self.begin("SEARCH").await?;
            Ok(self.with_box(|mailbox| {
                let has = |raw: &Bytes| String::from_utf8_lossy(raw).contains(text);
                let found = mailbox.messages.iter().filter(|(_, message)| has(&message.raw));
                found.map(|(uid, _)| *uid).collect()
            }))
        })
    }

    fn logout(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.server.0.lock().log.push("LOGOUT".to_owned());
        Box::pin(async move { drop(self) })
    }
}

fn starts(items: &[FetchItem]) -> bool {
    items.iter().any(|item| matches!(item, FetchItem::HeaderFieldsStart(_)))
}

fn row(sequence: u32, uid: u32, message: &Msg, items: &[FetchItem]) -> FetchRow {
    let mut row = FetchRow { sequence, uid, ..FetchRow::default() };
    let raw = || Some(message.raw.clone());
    let start = |raw: Bytes| raw.slice(..raw.len().min(256 << 10));
    for item in items {
        match item {
            FetchItem::Flags => row.flags = Some(message.flags.clone()),
            FetchItem::Received => row.received = Some(Timestamp::from_millis(i64::from(uid))),
            FetchItem::Size => row.size = Some(message.raw.len() as u64),
            FetchItem::HeaderFields(_) | FetchItem::HeaderFieldsStart(_) => row.header = raw(),
            FetchItem::Whole => row.whole = raw(),
            FetchItem::WholeStart => row.whole = raw().map(start),
        }
    }
    row
}

fn apply(flags: &mut Vec<String>, change: &FlagChange) {
    match change {
        FlagChange::Set(set) => *flags = set.iter().map(|flag| flag.as_str().to_owned()).collect(),
        FlagChange::Edit { add, remove } => {
            flags.retain(|have| !remove.iter().any(|flag| flag.same_as(have)));
            for flag in add {
                if !flags.iter().any(|have| flag.same_as(have)) {
                    flags.push(flag.as_str().to_owned());
                }
            }
        }
    }
}
