//! An IMAP server session, from greeting to LOGOUT.
//!
//! Every command is dispatched in [`Session::obey`], by the three states of RFC 3501 §3: any state,
//! authenticated, selected. All output of a command is sent together after it, except for FETCH,
//! which may be large.
//!
//! Invariants: no password before TLS; the client's view is updated before each tagged response,
//! but sequence numbers never change during a command that uses them.
//!
//! Standards: see the parent module.

use std::io;
use std::sync::Arc;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::imap_types::auth::AuthMechanism;
use imap_codec::imap_types::command::CommandBody;
use imap_codec::imap_types::fetch::MacroOrMessageDataItemNames;
use imap_codec::imap_types::mailbox::Mailbox;
use imap_codec::imap_types::sequence::SequenceSet;

use crate::connection_context::{ConnectionContext, Flow, Turn};
use crate::fault_injection::Protocol;
use crate::imap::answer::Answer;
use crate::imap::command_reader::{Command, LINE_CAP, Limits, line_of, read, tag_of};
use crate::imap::fetch::{plan, row};
use crate::imap::mailboxes::{append, list, on_name, select, status};
use crate::imap::names::pattern_of;
use crate::imap::search::search;
use crate::imap::selected_commands::{change_flags, expunge, mark_seen, transfer};
use crate::imap::sequence_numbers::{Expunges, Numbering, SequenceView};
use crate::sasl::{Attempt, decode, plain};
use crate::store::{Refusal, Transfer, UserId};
use crate::wire::{Line, Wire, within};

/// FETCH writes whenever so many octets are buffered.
const FLUSH_AT: usize = 256 * 1024;

struct Session {
    site: Arc<ConnectionContext>,
    wire: Wire,
    user: Option<UserId>,
    view: Option<SequenceView>,
    /// The tag of the current command.
    tag: String,
    out: Vec<u8>,
}

/// Serves one client until it disconnects.
pub(crate) async fn serve(site: Arc<ConnectionContext>, wire: Wire) -> io::Result<()> {
    let (user, view, tag, out) = (None, None, "*".to_owned(), Vec::new());
    let mut session = Session { site, wire, user, view, tag, out };
    if session.hear("greeting").await? == Turn::Obey {
        session.line(&format!("* OK [CAPABILITY {}] Postlet mailroom", session.capabilities()));
        session.flush().await?;
    }
    while session.step().await? == Flow::Stay {}
    session.wire.close().await
}

impl Session {
    fn capabilities(&self) -> String {
        self.site.offered(if self.wire.is_secure() {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE MOVE UIDPLUS UNSELECT CHILDREN SPECIAL-USE AUTH=PLAIN"
        } else {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE STARTTLS LOGINDISABLED"
        })
    }

    async fn hear(&mut self, line: &str) -> io::Result<Turn> {
        self.site.hear(&mut self.wire, Protocol::Imap, self.user, &self.tag, line).await
    }

    /// Reads and executes one command.
    async fn step(&mut self) -> io::Result<Flow> {
        let octets = match read(&mut self.wire, &self.site, self.user).await {
            Ok(Command::Whole(octets)) => octets,
            Ok(Command::Refused(octets, answer)) => {
                self.tag = tag_of(&octets);
                return self.end(answer, Flow::Stay).await;
            }
            Ok(Command::Hopeless(line)) => {
                self.line(line);
                self.flush().await?;
                return Ok(Flow::HangUp);
            }
            Ok(Command::End) => return Ok(Flow::HangUp),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.line("* BYE you said nothing for too long");
                self.flush().await?;
                return Ok(Flow::HangUp);
            }
            Err(error) => return Err(error),
        };
        self.tag = tag_of(&octets);
        if self.hear(&line_of(&octets)).await? == Turn::Answered {
            return Ok(Flow::Stay);
        }
        let command = CommandCodec::default().decode(&octets);
        let Ok(([], command)) = command else {
            return self.end(Answer::bad("not understood"), Flow::Stay).await;
        };
        if command.body == CommandBody::StartTLS {
            return self.start_tls().await;
        }
        let left = command.body == CommandBody::Logout;
        let answer = self.obey(command.body).await?;
        self.end(answer, if left { Flow::HangUp } else { Flow::Stay }).await
    }

    async fn end(&mut self, answer: Answer, flow: Flow) -> io::Result<Flow> {
        let tells_uids = matches!(&answer, Answer::Ok(text)
            if text.starts_with("[APPENDUID") || text.starts_with("[COPYUID"));
        let bare = tells_uids && !self.site.offers("UIDPLUS");
        let answer = if bare { Answer::ok("done") } else { answer };
        answer.write(&mut self.out, &self.tag);
        self.flush().await?;
        Ok(flow)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the next tier decides on the others")]
    async fn obey(&mut self, body: CommandBody<'_>) -> io::Result<Answer> {
        // RFC 3501 §7.4.1: sequence numbers must not change during these three.
        let counts = matches!(
            body,
            CommandBody::Fetch { uid: false, .. }
                | CommandBody::Store { uid: false, .. }
                | CommandBody::Search { uid: false, .. }
        );
        let expunges = if counts { Expunges::Withhold } else { Expunges::Tell };
        let answer = match body {
            CommandBody::Capability => {
                self.line(&format!("* CAPABILITY {}", self.capabilities()));
                Answer::ok("told")
            }
            CommandBody::Noop => Answer::ok("here"),
            CommandBody::Logout => {
                self.line("* BYE bye");
                Answer::ok("bye")
            }
            CommandBody::Id { .. } => {
                self.line("* ID (\"name\" \"Postlet mailroom\")");
                Answer::ok("told")
            }
            CommandBody::Login { username, password } => {
                let words: [&[u8]; 3] = [b"", username.as_ref(), password.declassify().as_ref()];
                self.login(&words.join(&0))
            }
            CommandBody::Authenticate { mechanism, initial_response } => {
                let initial = initial_response.map(|octets| octets.declassify().to_vec());
                self.authenticate(&mechanism, initial).await?
            }
            other => match self.user {
                Some(user) => self.obey_user(user, other).await?,
                None => Answer::bad("first log in"),
            },
        };
        if let Some(view) = &mut self.view {
            view.catch_up(&self.site.store, expunges, &mut self.out);
        }
        Ok(answer)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the next tier decides on the others")]
    async fn obey_user(&mut self, user: UserId, body: CommandBody<'_>) -> io::Result<Answer> {
        let (store, out) = (&self.site.store, &mut self.out);
        Ok(match body {
            CommandBody::Enable { .. } => {
                self.line("* ENABLED");
                Answer::ok("nothing to enable")
            }
            CommandBody::Idle => self.idle().await?,
            CommandBody::Select { mailbox } => self.select(user, &mailbox, false),
            CommandBody::Examine { mailbox } => self.select(user, &mailbox, true),
            CommandBody::List { reference, mailbox_wildcard } => {
                let pattern = pattern_of(&reference, &mailbox_wildcard);
                list(&self.site, user, "LIST", &pattern, out)
            }
            CommandBody::Lsub { reference, mailbox_wildcard } => {
                let pattern = pattern_of(&reference, &mailbox_wildcard);
                list(&self.site, user, "LSUB", &pattern, out)
            }
            CommandBody::Status { mailbox, item_names } => {
                status(store, user, &mailbox, &item_names, out)
            }
            // RFC 3501 §6.3.3: a delimiter at the end announces children.
            CommandBody::Create { mailbox } => {
                on_name(&mailbox, |name| store.create(user, name.strip_suffix('/').unwrap_or(name)))
            }
            CommandBody::Delete { mailbox } => on_name(&mailbox, |name| store.delete(user, name)),
            CommandBody::Subscribe { mailbox } => {
                on_name(&mailbox, |name| store.subscribe(user, name, true))
            }
            CommandBody::Unsubscribe { mailbox } => {
                on_name(&mailbox, |name| store.subscribe(user, name, false))
            }
            CommandBody::Append { mailbox, flags, date, message } => {
                append(store, user, &mailbox, &flags, date.as_ref(), &message)
            }
            other => self.obey_selected(other).await?,
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is not offered")]
    async fn obey_selected(&mut self, body: CommandBody<'_>) -> io::Result<Answer> {
        let Some(view) = &mut self.view else {
            return Ok(Answer::bad("first select a mailbox"));
        };
        let (store, out) = (&self.site.store, &mut self.out);
        let answer = match body {
            CommandBody::Check => Ok(Answer::ok("checked")),
            CommandBody::Unselect => {
                self.view = None;
                Ok(Answer::ok("left"))
            }
            CommandBody::Close => {
                // A mailbox opened read-only is not expunged (RFC 3501 §6.4.2).
                let _ = expunge(store, view, None);
                self.view = None;
                Ok(Answer::ok("closed"))
            }
            CommandBody::Expunge => expunge(store, view, None),
            CommandBody::ExpungeUid { sequence_set } => expunge(store, view, Some(&sequence_set)),
            CommandBody::Search { charset, criteria, uid } => {
                search(store, view, charset.as_ref(), criteria.as_ref(), uid.into()).map(|found| {
                    let numbers: String = found.iter().map(|n| format!(" {n}")).collect();
                    out.extend_from_slice(format!("* SEARCH{numbers}\r\n").as_bytes());
                    Answer::ok("searched")
                })
            }
            CommandBody::Fetch { sequence_set, macro_or_item_names, uid } => {
                return self.fetch(&sequence_set, &macro_or_item_names, uid.into()).await;
            }
            CommandBody::Store { sequence_set, kind, response, flags, uid } => {
                let uids = view.uids(&sequence_set, uid.into());
                uids.and_then(|u| change_flags(store, view, &u, &kind, &flags, &response, out))
            }
            CommandBody::Copy { sequence_set, mailbox, uid } => {
                let uids = view.uids(&sequence_set, uid.into());
                uids.and_then(|uids| transfer(store, view, &uids, &mailbox, Transfer::Copy, out))
            }
            CommandBody::Move { sequence_set, mailbox, uid } => {
                let uids = view.uids(&sequence_set, uid.into());
                let moved = uids
                    .and_then(|uids| transfer(store, view, &uids, &mailbox, Transfer::Move, out));
                if !self.site.offers("UIDPLUS") {
                    out.clear();
                }
                moved
            }
            _ => Err(Answer::bad("not offered")),
        };
        Ok(answer.unwrap_or_else(|refusal| refusal))
    }

    async fn start_tls(&mut self) -> io::Result<Flow> {
        if self.wire.is_secure() {
            return self.end(Answer::bad("TLS is on"), Flow::Stay).await;
        }
        if self.wire.has_more() {
            // Commands injected after it would be executed inside TLS: close without a response.
            return Ok(Flow::HangUp);
        }
        let flow = self.end(Answer::ok("go ahead"), Flow::Stay).await?;
        self.site.secure(&mut self.wire, Protocol::Imap).await?;
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
            Attempt::Wrong => Answer::no("[AUTHENTICATIONFAILED] wrong name or password"),
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
        if let Some(response) = initial {
            if !self.site.offers("SASL-IR") {
                return Ok(Answer::bad("SASL-IR is not offered"));
            }
            return Ok(self.login(&response));
        }
        self.line("+ ");
        self.flush().await?;
        let Limits { octets, patience } = Limits::STRANGER;
        let line = match within(patience, self.wire.line(octets)).await? {
            Line::Whole(line) => line,
            Line::TooLong => return Ok(Answer::bad("too long")),
            Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        // `*` cancels; it is not base64 either.
        Ok(match line.strip_suffix(b"\r\n").and_then(decode) {
            Some(response) => self.login(&response),
            None => Answer::bad("given up, or not base64"),
        })
    }

    /// Reports changes as they come until the client sends DONE (RFC 2177).
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
                line = within(Limits::USER.patience, self.wire.line(LINE_CAP)) => {
                    return match line? {
                        Line::Whole(line) if line.eq_ignore_ascii_case(b"DONE\r\n") => {
                            Ok(match self.hear("DONE").await? {
                                Turn::Obey => Answer::ok("rested"),
                                Turn::Answered => Answer::Given,
                            })
                        }
                        Line::Whole(_) | Line::TooLong => Ok(Answer::bad("DONE was expected")),
                        Line::End => Err(io::ErrorKind::UnexpectedEof.into()),
                    };
                }
                // The context is shared, so the sender exists.
                _ = bell.changed() => {}
            }
        }
    }

    fn select(&mut self, user: UserId, mailbox: &Mailbox<'_>, read_only: bool) -> Answer {
        // RFC 3501 §6.3.1: after a failed SELECT no mailbox is selected.
        self.view = select(&self.site.store, user, mailbox, read_only, &mut self.out);
        match &self.view {
            None => Refusal::NoSuchMailbox.into(),
            Some(_) if read_only => Answer::ok("[READ-ONLY] opened"),
            Some(_) => Answer::ok("[READ-WRITE] opened"),
        }
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
        let seen = if plan.marks_seen { mark_seen(store, view, &uids) } else { Vec::new() };
        for (number, message) in view.messages(store, &uids) {
            let now_seen = seen.binary_search(&message.uid).is_ok();
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

    fn line(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    async fn flush(&mut self) -> io::Result<()> {
        let out = std::mem::take(&mut self.out);
        if out.is_empty() { Ok(()) } else { self.wire.say(&out).await }
    }
}
