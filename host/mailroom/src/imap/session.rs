//! One IMAP client, from greeting to LOGOUT.
//!
//! Every command goes through [`Session::obey`], the one place where a command
//! meets its answer; all output of a command leaves in one piece after it,
//! except for FETCH, which may be large.
//!
//! Invariants: no password before TLS; a literal is counted before it is
//! asked for; the client's picture is brought up to date before each tagged
//! answer, but numbers never change under a command that counts by them.
//!
//! Standards: see the parent module.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imap_codec::CommandCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::auth::AuthMechanism;
use imap_codec::imap_types::command::CommandBody;
use imap_codec::imap_types::core::Tag;
use imap_codec::imap_types::datetime::DateTime;
use imap_codec::imap_types::extensions::binary::LiteralOrLiteral8;
use imap_codec::imap_types::fetch::MacroOrMessageDataItemNames;
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::Mailbox;
use imap_codec::imap_types::sequence::SequenceSet;

use crate::calendar::{instant, now};
use crate::imap::answer::{Answer, into_target};
use crate::imap::fetch::{plan, row};
use crate::imap::mailboxes::{Listing, list, select, status};
use crate::imap::names::{ListOptions, name_of, pattern_of, split_options};
use crate::imap::search::search;
use crate::imap::sets::written;
use crate::imap::view::{Expunges, Numbering, View, flag_notice};
use crate::sasl::{Attempt, decode, plain};
use crate::site::{Security, Site};
use crate::store::{Change, Refusal, Transfer, UIDVALIDITY, UserId};
use crate::wire::{Line, Stream, Wire, within};

/// A line of a command. Long sets of UIDs make long lines.
const LINE_CAP: usize = 64 * 1024;
/// A command with its literals: a message, and what goes around it.
const COMMAND_CAP: usize = 36_700_160 + LINE_CAP;
/// The same before login.
const STRANGER_CAP: usize = 8 * 1024;
/// RFC 3501 §5.4 asks for at least 30 minutes.
const SILENCE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How long a literal may take.
const LITERAL_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Before login nobody needs long.
const STRANGER_LIMIT: Duration = Duration::from_secs(60);
const MAX_FAILURES: u32 = 3;
const MAX_ERRORS: u32 = 100;
/// FETCH writes whenever so much has gathered.
const FLUSH_AT: usize = 256 * 1024;

/// Whether the dialogue goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Stay,
    HangUp,
}

struct Session {
    site: Arc<Site>,
    wire: Wire,
    user: Option<UserId>,
    view: Option<View>,
    out: Vec<u8>,
    failures: u32,
    errors: u32,
}

/// Speaks with one client until it leaves.
pub(crate) async fn serve(
    site: Arc<Site>,
    stream: Box<dyn Stream>,
    security: Security,
) -> io::Result<()> {
    let mut wire = Wire::new(stream);
    if security == Security::Implicit {
        wire.secure(&site.acceptor).await?;
    }
    let (user, view, out) = (None, None, Vec::new());
    let mut session = Session { site, wire, user, view, out, failures: 0, errors: 0 };
    session.line(&format!("* OK [CAPABILITY {}] Postlet mailroom", session.capabilities()));
    session.flush().await?;
    while session.step().await? == Flow::Stay {}
    Ok(())
}

impl Session {
    fn capabilities(&self) -> &'static str {
        if self.wire.is_secure() {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE MOVE UIDPLUS UNSELECT CHILDREN SPECIAL-USE AUTH=PLAIN"
        } else {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE STARTTLS LOGINDISABLED"
        }
    }

    async fn step(&mut self) -> io::Result<Flow> {
        let command = match self.command().await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.line("* BYE you said nothing for too long");
                self.flush().await?;
                return Ok(Flow::HangUp);
            }
            other => other?,
        };
        let (tag, answer, flow) = match command {
            Command::End => return Ok(Flow::HangUp),
            Command::Hopeless(text) => {
                self.line(text);
                self.flush().await?;
                return Ok(Flow::HangUp);
            }
            Command::Refused(octets, answer) => (tag_of(&octets), answer, Flow::Stay),
            Command::Whole(octets) => {
                let tag = tag_of(&octets);
                let Some((octets, options)) = split_options(octets) else {
                    return self.end(&tag, &Answer::bad("unknown option"), Flow::Stay).await;
                };
                match CommandCodec::default().decode(&octets) {
                    Ok(([], command)) if command.body == CommandBody::StartTLS => {
                        return self.start_tls(&tag).await;
                    }
                    Ok(([], command)) => {
                        let (answer, flow) = self.obey(command.body, options).await?;
                        (tag, answer, flow)
                    }
                    _ => (tag, Answer::bad("not understood"), Flow::Stay),
                }
            }
        };
        self.end(&tag, &answer, flow).await
    }

    async fn end(&mut self, tag: &str, answer: &Answer, flow: Flow) -> io::Result<Flow> {
        let mut flow = flow;
        if matches!(answer, Answer::Bad(_)) {
            self.errors += 1;
        }
        answer.write(&mut self.out, tag);
        if self.errors >= MAX_ERRORS || self.failures >= MAX_FAILURES {
            self.line("* BYE too many errors");
            flow = Flow::HangUp;
        }
        self.flush().await?;
        Ok(flow)
    }

    async fn obey(
        &mut self,
        body: CommandBody<'_>,
        options: ListOptions,
    ) -> io::Result<(Answer, Flow)> {
        // EXPUNGE must not be told while a command counts by number.
        let mut expunges = Expunges::Tell;
        let answer = match body {
            CommandBody::Capability => {
                self.line(&format!("* CAPABILITY {}", self.capabilities()));
                Answer::ok("told")
            }
            CommandBody::Noop => Answer::ok("here"),
            CommandBody::Logout => {
                self.line("* BYE bye");
                return Ok((Answer::ok("bye"), Flow::HangUp));
            }
            CommandBody::Id { .. } => {
                self.line("* ID (\"name\" \"Postlet mailroom\")");
                Answer::ok("told")
            }
            CommandBody::Login { username, password } => {
                let name = String::from_utf8_lossy(username.as_ref()).into_owned();
                let password = String::from_utf8_lossy(password.declassify().as_ref()).into_owned();
                self.login(&[b"\0", name.as_bytes(), b"\0", password.as_bytes()].concat())
            }
            CommandBody::Authenticate { mechanism, initial_response } => {
                let initial = initial_response.map(|octets| octets.declassify().to_vec());
                self.authenticate(&mechanism, initial).await?
            }
            // All below needs a user.
            _ if self.user.is_none() => Answer::bad("first log in"),
            CommandBody::Enable { .. } => {
                self.line("* ENABLED");
                Answer::ok("nothing to enable")
            }
            CommandBody::Idle => self.idle().await?,
            CommandBody::Select { mailbox } => self.select(&mailbox, false),
            CommandBody::Examine { mailbox } => self.select(&mailbox, true),
            CommandBody::List { reference, mailbox_wildcard } => {
                let pattern = pattern_of(&reference, &mailbox_wildcard);
                self.list(Listing::List, &pattern, options)
            }
            CommandBody::Lsub { reference, mailbox_wildcard } => {
                let pattern = pattern_of(&reference, &mailbox_wildcard);
                self.list(Listing::Lsub, &pattern, options)
            }
            CommandBody::Status { mailbox, item_names } => match (self.user, name_of(&mailbox)) {
                (Some(user), Some(name)) => {
                    status(&self.site.store, user, &name, &item_names, &mut self.out)
                }
                _ => Refusal::NoSuchMailbox.into(),
            },
            CommandBody::Create { mailbox } => self.on_name(&mailbox, |store, user, name| {
                // RFC 3501 §6.3.3: a delimiter at the end announces children.
                store.create(user, name.strip_suffix('/').unwrap_or(name))
            }),
            CommandBody::Delete { mailbox } => {
                self.on_name(&mailbox, |store, user, name| store.delete(user, name))
            }
            CommandBody::Rename { from, to } => match name_of(&to) {
                Some(to) => self.on_name(&from, |store, user, from| store.rename(user, from, &to)),
                None => Refusal::Cannot.into(),
            },
            CommandBody::Subscribe { mailbox } => {
                self.on_name(&mailbox, |store, user, name| store.subscribe(user, name, true))
            }
            CommandBody::Unsubscribe { mailbox } => {
                self.on_name(&mailbox, |store, user, name| store.subscribe(user, name, false))
            }
            CommandBody::Append { mailbox, flags, date, message } => {
                self.append(&mailbox, &flags, date.as_ref(), &message)
            }
            // All below needs a mailbox.
            _ if self.view.is_none() => Answer::bad("first select a mailbox"),
            CommandBody::Check => Answer::ok("checked"),
            CommandBody::Unselect => {
                self.view = None;
                Answer::ok("left")
            }
            CommandBody::Close => {
                self.expunge(None);
                self.view = None;
                Answer::ok("closed")
            }
            CommandBody::Expunge => self.expunge(None),
            CommandBody::ExpungeUid { sequence_set } => self.expunge(Some(&sequence_set)),
            CommandBody::Search { charset, criteria, uid } => {
                let by = numbering(uid);
                expunges = withheld(by);
                let found = self.view.as_ref().map(|view| {
                    search(&self.site.store, view, charset.as_ref(), criteria.as_ref(), by)
                });
                match found {
                    Some(Ok(found)) => {
                        let numbers: String = found.iter().map(|n| format!(" {n}")).collect();
                        self.line(&format!("* SEARCH{numbers}"));
                        Answer::ok("searched")
                    }
                    Some(Err(answer)) => answer,
                    None => Answer::bad("first select a mailbox"),
                }
            }
            CommandBody::Fetch { sequence_set, macro_or_item_names, uid } => {
                expunges = withheld(numbering(uid));
                self.fetch(&sequence_set, &macro_or_item_names, numbering(uid)).await?
            }
            CommandBody::Store { sequence_set, kind, response, flags, uid } => {
                expunges = withheld(numbering(uid));
                let change = match kind {
                    StoreType::Replace => Change::Replace,
                    StoreType::Add => Change::Add,
                    StoreType::Remove => Change::Remove,
                };
                self.store(&sequence_set, numbering(uid), change, &flags, response)
            }
            CommandBody::Copy { sequence_set, mailbox, uid } => {
                self.transfer(&sequence_set, numbering(uid), &mailbox, Transfer::Copy)
            }
            CommandBody::Move { sequence_set, mailbox, uid } => {
                self.transfer(&sequence_set, numbering(uid), &mailbox, Transfer::Move)
            }
            CommandBody::StartTLS
            | CommandBody::Sort { .. }
            | CommandBody::Thread { .. }
            | CommandBody::Compress { .. }
            | CommandBody::GetQuota { .. }
            | CommandBody::GetQuotaRoot { .. }
            | CommandBody::SetQuota { .. } => Answer::bad("not offered"),
        };
        if let Some(view) = &mut self.view {
            view.catch_up(&self.site.store, expunges, &mut self.out);
        }
        Ok((answer, Flow::Stay))
    }

    async fn start_tls(&mut self, tag: &str) -> io::Result<Flow> {
        if self.wire.is_secure() {
            return self.end(tag, &Answer::bad("TLS is on"), Flow::Stay).await;
        }
        if self.wire.has_more() {
            // Commands hidden behind it would be obeyed inside TLS: hang up
            // without a word.
            return Ok(Flow::HangUp);
        }
        let flow = self.end(tag, &Answer::ok("go ahead"), Flow::Stay).await?;
        self.wire.secure(&self.site.acceptor).await?;
        Ok(flow)
    }

    fn login(&mut self, response: &[u8]) -> Answer {
        if !self.wire.is_secure() {
            return Answer::no("[PRIVACYREQUIRED] first STARTTLS");
        }
        if self.user.is_some() {
            return Answer::bad("you are logged in");
        }
        match plain(&self.site.store, response) {
            Attempt::Welcome(user) => {
                self.user = Some(user);
                Answer::Ok(format!("[CAPABILITY {}] welcome", self.capabilities()).into())
            }
            Attempt::Wrong => {
                self.failures += 1;
                Answer::no("[AUTHENTICATIONFAILED] wrong name or password")
            }
            Attempt::Malformed => Answer::bad("not what PLAIN asks for"),
        }
    }

    async fn authenticate(
        &mut self,
        mechanism: &AuthMechanism<'_>,
        initial: Option<Vec<u8>>,
    ) -> io::Result<Answer> {
        if !self.wire.is_secure() {
            return Ok(Answer::no("[PRIVACYREQUIRED] first STARTTLS"));
        }
        if *mechanism != AuthMechanism::Plain {
            return Ok(Answer::no("[CANNOT] PLAIN is offered"));
        }
        let response = match initial {
            Some(octets) => octets,
            None => {
                self.line("+ ");
                self.flush().await?;
                let line = match within(STRANGER_LIMIT, self.wire.line(STRANGER_CAP)).await? {
                    Line::Whole(line) => line,
                    Line::TooLong => return Ok(Answer::bad("too long")),
                    Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
                };
                match line.strip_suffix(b"\r\n") {
                    Some(b"*") => return Ok(Answer::bad("given up")),
                    line => match line.and_then(decode) {
                        Some(octets) => octets,
                        None => return Ok(Answer::bad("not base64")),
                    },
                }
            }
        };
        Ok(self.login(&response))
    }

    /// Tells changes as they come until the client says DONE (RFC 2177).
    async fn idle(&mut self) -> io::Result<Answer> {
        let mut bell = self.site.store.listen();
        self.line("+ idling");
        loop {
            bell.borrow_and_update();
            if let Some(view) = &mut self.view {
                view.catch_up(&self.site.store, Expunges::Tell, &mut self.out);
            }
            self.flush().await?;
            tokio::select! {
                line = within(SILENCE_LIMIT, self.wire.line(LINE_CAP)) => return Ok(match line? {
                    Line::Whole(line) if line.eq_ignore_ascii_case(b"DONE\r\n") => Answer::ok("rested"),
                    Line::Whole(_) | Line::TooLong => Answer::bad("DONE was expected"),
                    Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
                }),
                rung = bell.changed() => if rung.is_err() {
                    return Ok(Answer::no("the store is gone"));
                },
            }
        }
    }

    fn select(&mut self, mailbox: &Mailbox<'_>, read_only: bool) -> Answer {
        // RFC 3501 §6.3.1: a failed SELECT leaves none selected.
        self.view = None;
        if let (Some(user), Some(name)) = (self.user, name_of(mailbox)) {
            self.view = select(&self.site.store, user, &name, read_only, &mut self.out);
        }
        match &self.view {
            None => Refusal::NoSuchMailbox.into(),
            Some(_) if read_only => Answer::ok("[READ-ONLY] opened"),
            Some(_) => Answer::ok("[READ-WRITE] opened"),
        }
    }

    fn list(&mut self, listing: Listing, pattern: &str, options: ListOptions) -> Answer {
        if let Some(user) = self.user {
            list(&self.site.store, user, listing, pattern, options, &mut self.out);
        }
        Answer::ok("listed")
    }

    fn on_name(
        &self,
        mailbox: &Mailbox<'_>,
        work: impl FnOnce(&crate::store::Store, UserId, &str) -> Result<(), Refusal>,
    ) -> Answer {
        let (Some(user), Some(name)) = (self.user, name_of(mailbox)) else {
            return Refusal::Cannot.into();
        };
        work(&self.site.store, user, &name).map_or_else(Answer::from, |()| Answer::ok("done"))
    }

    fn append(
        &self,
        mailbox: &Mailbox<'_>,
        flags: &[Flag<'_>],
        date: Option<&DateTime>,
        message: &LiteralOrLiteral8<'_>,
    ) -> Answer {
        let octets = match message {
            LiteralOrLiteral8::Literal(literal) => literal.data(),
            LiteralOrLiteral8::Literal8(_) => return Answer::bad("BINARY is not offered"),
        };
        let received = match date.map(AsRef::as_ref) {
            Some(at) => instant(at.timestamp(), at.offset().local_minus_utc()),
            None => Some(now()),
        };
        let Some(received) = received else { return Answer::bad("no such date") };
        let (Some(user), Some(name)) = (self.user, name_of(mailbox)) else {
            return into_target(Refusal::NoSuchMailbox);
        };
        let raw = Bytes::copy_from_slice(octets);
        match self.site.store.append(user, &name, raw, &words(flags), received) {
            Ok(uid) => Answer::Ok(format!("[APPENDUID {UIDVALIDITY} {uid}] appended").into()),
            Err(refusal) => into_target(refusal),
        }
    }

    fn expunge(&mut self, set: Option<&SequenceSet>) -> Answer {
        let Some(view) = &self.view else { return Answer::bad("first select a mailbox") };
        if view.read_only {
            return Answer::no("[CANNOT] opened read-only");
        }
        let uids = match set.map(|set| view.uids(set, Numbering::Uid)).transpose() {
            Ok(uids) => uids,
            Err(answer) => return answer,
        };
        self.site.store.remove(view.user, view.mailbox, |message| {
            let asked = uids.as_ref().is_none_or(|uids| uids.binary_search(&message.uid).is_ok());
            asked && message.has("\\Deleted")
        });
        Answer::ok("expunged")
    }

    async fn fetch(
        &mut self,
        set: &SequenceSet,
        wanted: &MacroOrMessageDataItemNames<'_>,
        by: Numbering,
    ) -> io::Result<Answer> {
        let Some(view) = &mut self.view else { return Ok(Answer::bad("first select a mailbox")) };
        let (plan, uids) = match plan(wanted, by).and_then(|plan| Ok((plan, view.uids(set, by)?))) {
            Ok(both) => both,
            Err(answer) => return Ok(answer),
        };
        let store = &self.site.store;
        let mut newly_seen = Vec::new();
        if plan.marks_seen && !view.read_only {
            let messages = view.messages(store, &uids);
            let unseen = messages.iter().filter(|(_, message)| !message.has("\\Seen"));
            newly_seen = unseen.map(|(_, message)| message.uid).collect();
            let seen = ["\\Seen".to_owned()];
            let changed = store.flag(view.user, view.mailbox, &newly_seen, &seen, Change::Add);
            view.silenced(&changed);
        }
        for (number, message) in view.messages(store, &uids) {
            let now_seen = newly_seen.binary_search(&message.uid).is_ok();
            row(&mut self.out, number, &message, &plan, now_seen);
            if now_seen || plan.tells_flags {
                view.told(message.uid, message.version);
            }
            if self.out.len() >= FLUSH_AT {
                self.wire.say(&std::mem::take(&mut self.out)).await?;
            }
        }
        Ok(Answer::ok("fetched"))
    }

    fn store(
        &mut self,
        set: &SequenceSet,
        by: Numbering,
        change: Change,
        flags: &[Flag<'_>],
        response: StoreResponse,
    ) -> Answer {
        let Some(view) = &mut self.view else { return Answer::bad("first select a mailbox") };
        if view.read_only {
            return Answer::no("[CANNOT] opened read-only");
        }
        let uids = match view.uids(set, by) {
            Ok(uids) => uids,
            Err(answer) => return answer,
        };
        let store = &self.site.store;
        let changed = store.flag(view.user, view.mailbox, &uids, &words(flags), change);
        match response {
            StoreResponse::Silent => view.silenced(&changed),
            StoreResponse::Answer => {
                for (number, message) in view.messages(store, &uids) {
                    flag_notice(&mut self.out, number, &message);
                    view.told(message.uid, message.version);
                }
            }
        }
        Answer::ok("stored")
    }

    fn transfer(
        &mut self,
        set: &SequenceSet,
        by: Numbering,
        mailbox: &Mailbox<'_>,
        transfer: Transfer,
    ) -> Answer {
        let Some(view) = &self.view else { return Answer::bad("first select a mailbox") };
        if view.read_only && transfer == Transfer::Move {
            return Answer::no("[CANNOT] opened read-only");
        }
        let uids = match view.uids(set, by) {
            Ok(uids) => uids,
            Err(answer) => return answer,
        };
        let Some(name) = name_of(mailbox) else {
            return into_target(Refusal::NoSuchMailbox);
        };
        let store = &self.site.store;
        let pairs = match store.transfer(view.user, view.mailbox, &uids, &name, transfer) {
            Ok(pairs) => pairs,
            Err(refusal) => return into_target(refusal),
        };
        if pairs.is_empty() {
            return Answer::ok("there was nothing to do");
        }
        let (from, to): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        let code = format!("[COPYUID {UIDVALIDITY} {} {}]", written(&from), written(&to));
        match transfer {
            Transfer::Copy => Answer::Ok(format!("{code} copied").into()),
            // RFC 6851 §4.3: before the EXPUNGE lines, so not on the tagged one.
            Transfer::Move => {
                self.line(&format!("* OK {code} moved"));
                Answer::ok("moved")
            }
        }
    }

    /// Reads a command with its literals (RFC 3501 §4.3, RFC 7888).
    async fn command(&mut self) -> io::Result<Command> {
        let (cap, patience) = match self.user {
            Some(_) => (COMMAND_CAP, SILENCE_LIMIT),
            None => (STRANGER_CAP, STRANGER_LIMIT),
        };
        let mut octets = Vec::new();
        loop {
            let line = match within(patience, self.wire.line(LINE_CAP)).await? {
                Line::Whole(line) => line,
                // Its tag is lost: the client could wait for an answer for ever.
                Line::TooLong => return Ok(Command::Hopeless("* BYE line too long")),
                Line::End => return Ok(Command::End),
            };
            octets.extend_from_slice(&line);
            let Some((length, waits)) = announced(&line) else {
                return Ok(Command::Whole(octets));
            };
            if octets.len().saturating_add(length) > cap {
                return Ok(if waits {
                    Command::Refused(octets, Answer::no("[TOOBIG] literal too large"))
                } else {
                    // It is under way already: there is no end in sight.
                    Command::Hopeless("* BYE literal too large")
                });
            }
            if waits {
                self.line("+ go ahead");
                self.flush().await?;
            }
            let length = u64::try_from(length).unwrap_or(u64::MAX);
            within(LITERAL_LIMIT, self.wire.exactly(&mut octets, length)).await?;
        }
    }

    fn line(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    async fn flush(&mut self) -> io::Result<()> {
        let out = std::mem::take(&mut self.out);
        if out.is_empty() { Ok(()) } else { self.wire.say(&out).await }
    }
}

/// What [`Session::command`] read.
enum Command {
    Whole(Vec<u8>),
    /// Its literal was not asked for; with the line that announced it.
    Refused(Vec<u8>, Answer),
    /// Nothing can be understood after it.
    Hopeless(&'static str),
    End,
}

/// The length of the literal that this line announces at its end, and whether
/// the client waits to be asked for it.
fn announced(line: &[u8]) -> Option<(usize, bool)> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = std::str::from_utf8(inner.get(open + 1..)?).ok()?;
    let (digits, waits) = match digits.strip_suffix('+') {
        Some(digits) => (digits, false),
        None => (digits, true),
    };
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| (digits.parse().unwrap_or(usize::MAX), waits))
}

/// The tag to answer with, even when the rest is nonsense.
fn tag_of(octets: &[u8]) -> String {
    let word = octets.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let text = std::str::from_utf8(word).ok().filter(|text| text.len() <= 64);
    match text.map(Tag::try_from) {
        Some(Ok(tag)) => tag.as_ref().to_owned(),
        _ => "*".to_owned(),
    }
}

fn words(flags: &[Flag<'_>]) -> Vec<String> {
    // \Recent and such are the server's to set (RFC 3501 §2.3.2).
    let own = flags.iter().filter(|flag| !matches!(flag, Flag::Extension(_)));
    own.map(ToString::to_string).collect()
}

fn numbering(uid: bool) -> Numbering {
    if uid { Numbering::Uid } else { Numbering::Sequence }
}

fn withheld(by: Numbering) -> Expunges {
    match by {
        Numbering::Sequence => Expunges::Withhold,
        Numbering::Uid => Expunges::Tell,
    }
}
