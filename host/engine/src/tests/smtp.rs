//! Scripted SMTP server fake.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

use model::account::{Credentials, MailServer};
use model::mail::address::EmailAddress;
use model::mail::draft::Envelope;
use model::octets::Octets;
use model::port::BoxFuture;
use model::port::login_observer::LoginObserver;
use model::port::smtp::{
    Activity, BeforeDot, Data, Delivery, Reply, SmtpConnect, SmtpError, SmtpSession,
};
use tokio::sync::Notify;

#[derive(Clone, Debug, Default)]
pub(crate) struct Server(pub(crate) Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// One for each transaction; afterwards everything is accepted.
    pub(crate) script: VecDeque<Turn>,
    pub(crate) stall: Option<Point>,
    /// Where a session waits until [`Server::go_on`].
    pub(crate) wait: Option<Point>,
    /// Where sessions of servers whose name begins with `silent` wait until [`Server::go_on`].
    pub(crate) silent: Option<Point>,
    go_on: Arc<Notify>,
    /// Logins under way, and their maximum so far.
    pub(crate) connecting: (usize, usize),
    /// Established sessions.
    pub(crate) open: usize,
    /// Messages that got their final dot, with their recipients.
    pub(crate) taken: Vec<(String, Vec<String>)>,
    pub(crate) logins: usize,
    pub(crate) refuse_logins: bool,
    /// The reply to a recipient check, if it is refused.
    pub(crate) rehearsal: Option<u16>,
    pub(crate) dead_below: usize,
}

/// The script of one transaction.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// RCPT replies in order, then the reply to the message.
    Codes(Vec<u16>, u16),
    /// The connection breaks before the dot.
    LostBefore,
    /// The dot was sent, and no reply follows.
    LostAfter,
    /// The message cannot be read.
    Unreadable(std::io::ErrorKind),
    /// The message is malformed.
    Malformed,
}

/// Where the server stops responding for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    Connect,
    Mail,
    /// The dot was not sent, though it is recorded.
    Dot,
    Verdict,
}

impl Server {
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock())
    }

    pub(crate) fn taken(&self) -> usize {
        self.change(|state| state.taken.len())
    }

    pub(crate) fn go_on(&self) {
        self.change(|state| (state.wait, state.silent) = (None, None));
        self.change(|state| Arc::clone(&state.go_on)).notify_waiters();
    }

    /// As [`Server::go_on`], up to that point.
    pub(crate) fn go_on_to(&self, next: Option<Point>) {
        self.change(|state| state.wait = next);
        self.change(|state| Arc::clone(&state.go_on)).notify_waiters();
    }

    async fn stall_at(&self, point: Point, host: &str) {
        let held = self.change(|state| {
            let silent = state.silent == Some(point) && host.starts_with("silent");
            (state.wait == Some(point) || silent).then(|| Arc::clone(&state.go_on))
        });
        if let Some(held) = held {
            held.notified().await;
        }
        if self.change(|state| state.stall == Some(point)) {
            std::future::pending::<()>().await;
        }
    }
}

pub(crate) fn reply(code: u16) -> Reply {
    Reply { code, enhanced: None, text: "so be it".to_owned() }
}

impl SmtpConnect for Server {
    fn connect<'a>(
        &'a self,
        server: &'a MailServer,
        _: &'a Credentials,
        steps: &'a dyn LoginObserver,
        activity: &'a Activity,
    ) -> BoxFuture<'a, Result<Box<dyn SmtpSession>, SmtpError>> {
        Box::pin(async move {
            let connecting = Connecting::new(self);
            self.stall_at(Point::Connect, &server.host).await;
            activity.note();
            drop(connecting);
            steps.connected();
            steps.encrypted(None);
            steps.greeted();
            let (number, refused) = self.change(|state| {
                state.logins += 1;
                state.open += usize::from(!state.refuse_logins);
                (state.logins, state.refuse_logins)
            });
            if refused {
                return Err(SmtpError::Credentials(reply(535)));
            }
            steps.authenticated("PLAIN");
            let activity = activity.clone();
            let (server, host) = (self.clone(), server.host.clone());
            Ok(Box::new(Session { server, host, number, activity }) as Box<dyn SmtpSession>)
        })
    }
}

#[derive(Debug)]
struct Connecting(Server);

impl Connecting {
    fn new(server: &Server) -> Self {
        server.change(|state| {
            let (now, most) = state.connecting;
            state.connecting = (now + 1, most.max(now + 1));
        });
        Self(server.clone())
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.change(|state| state.connecting.0 -= 1);
    }
}

#[derive(Debug)]
struct Session {
    server: Server,
    host: String,
    number: usize,
    activity: Activity,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.change(|state| state.open -= 1);
    }
}

impl SmtpSession for Session {
    fn deliver<'a>(
        &'a mut self,
        envelope: &'a Envelope,
        raw: &'a Octets,
        before_dot: BeforeDot<'a>,
    ) -> BoxFuture<'a, Result<Delivery, SmtpError>> {
        Box::pin(async move {
            let gone = || SmtpError::Lost(std::io::ErrorKind::ConnectionReset.into());
            if self.server.change(|state| self.number < state.dead_below) {
                return Err(gone());
            }
            self.activity.note();
            self.server.stall_at(Point::Mail, &self.host).await;
            let turn = self.server.change(|state| state.script.pop_front());
            let all = vec![250; envelope.recipients.len()];
            let turn = turn.unwrap_or(Turn::Codes(all.clone(), 250));
            let (codes, verdict) = match turn {
                Turn::Codes(codes, verdict) => (codes, Some(verdict)),
                Turn::LostAfter => (all, None),
                Turn::LostBefore => return Err(gone()),
                Turn::Malformed => return Err(SmtpError::Malformed("nonsense")),
                Turn::Unreadable(kind) => return Err(SmtpError::Unreadable(kind.into())),
            };
            let recipients: Vec<Reply> = codes.into_iter().map(reply).collect();
            if !recipients.iter().any(Reply::is_positive) {
                return Ok(Delivery { recipients, data: Data::Skipped });
            }
            before_dot().await.map_err(SmtpError::Unrecorded)?;
            self.server.stall_at(Point::Dot, &self.host).await;
            let for_whom = envelope.recipients.iter().zip(&recipients);
            let for_whom = for_whom.filter(|(_, reply)| reply.is_positive());
            let for_whom = for_whom.map(|(recipient, _)| recipient.to_string()).collect();
            let message = String::from_utf8(raw.in_memory().unwrap().to_vec()).unwrap();
            if verdict.is_none_or(|code| code < 300) {
                self.server.change(|state| state.taken.push((message, for_whom)));
            }
            self.activity.note();
            self.server.stall_at(Point::Verdict, &self.host).await;
            let data = match verdict {
                Some(code) => Data::Replied(reply(code)),
                None => Data::Lost(gone()),
            };
            Ok(Delivery { recipients, data })
        })
    }

    fn check_recipient<'a>(
        &'a mut self,
        _: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<(), SmtpError>> {
        let answer = self.server.change(|state| state.rehearsal).map(reply);
        Box::pin(async move {
            match answer {
                Some(reply) => Err(SmtpError::Refused { step: "RCPT", reply }),
                None => Ok(()),
            }
        })
    }

    fn activity(&self) -> &Activity {
        &self.activity
    }

    fn quit(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { drop(self) })
    }
}
