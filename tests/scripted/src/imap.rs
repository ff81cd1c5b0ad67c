//! Scripted IMAP server with one mailbox, INBOX, that accepts every login.
//!
//! It supports what a mail client uses for reading: LIST, SELECT, FETCH by number and by UID,
//! STORE. Its deviations are in its [`Script`].
//!
//! Standards: RFC 3501 §6 and §7, RFC 2971 (ID).

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::secure::{Wire, serve};

/// A message of the mailbox. Its UID is its position, counted from 1.
#[derive(Clone, Debug)]
pub struct Letter {
    pub raw: String,
    /// The subject as in FETCH: a quoted string or NIL.
    pub received: String,
    pub flags: Vec<String>,
}

impl Letter {
    /// An ordinary message.
    #[must_use]
    pub fn new(subject: &str) -> Self {
        Self {
            raw: format!("From: ann@x.test\r\nSubject: {subject}\r\n\r\nWords.\r\n"),
            received: "\"02-Nov-2026 10:00:00 +0000\"".to_owned(),
            flags: Vec::new(),
        }
    }
}

/// A scripted response to a command, instead of the usual one. `{tag}` stands for its tag.
#[derive(Clone, Debug)]
pub enum Reply {
    Say(String),
    /// The response, after which the connection is closed.
    Close(String),
}

/// A received command, with the state of the server.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The command without its tag; empty for the greeting.
    pub command: &'a str,
    /// The number of other authenticated connections.
    pub others: usize,
}

type Instead = dyn Fn(&Asked<'_>) -> Option<Reply> + Send + Sync;

/// The behaviour of a server.
pub struct Script {
    /// Capabilities, announced before and after the login.
    pub capabilities: String,
    pub letters: Vec<Letter>,
    /// UIDs at which a FETCH of more than flags ends with NO, after the rows before them.
    pub unreadable: BTreeSet<u32>,
    /// Called before every command.
    pub instead: Box<Instead>,
}

impl Script {
    /// A server without deviations.
    #[must_use]
    pub fn with(letters: Vec<Letter>) -> Self {
        Self {
            capabilities: "IMAP4rev1 AUTH=PLAIN UIDPLUS MOVE".to_owned(),
            letters,
            unreadable: BTreeSet::new(),
            instead: Box::new(|_| None),
        }
    }

    /// With scripted responses to some commands.
    #[must_use]
    pub fn but(
        mut self,
        instead: impl Fn(&Asked<'_>) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        self.instead = Box::new(instead);
        self
    }
}

/// A running server; it ends with the process.
pub struct Server {
    pub port: u16,
    /// The pin of its key, as in an account.
    pub pin: String,
    shared: Arc<Shared>,
}

struct Shared {
    play: Mutex<Arc<Play>>,
}

/// The running script.
struct Play {
    script: Script,
    flags: Mutex<Vec<Vec<String>>>,
    inside: AtomicUsize,
    heard: Mutex<Vec<String>>,
}

impl Server {
    /// Starts a server.
    #[must_use]
    pub fn start(script: Script) -> Self {
        let shared = Arc::new(Shared { play: Mutex::new(Play::of(script)) });
        let own = Arc::clone(&shared);
        let (port, pin) = serve(move |wire| {
            let play = Arc::clone(&own.play.lock().unwrap());
            Session { play: &play, wire, is_in: false }.run()
        });
        Self { port, pin, shared }
    }

    /// Replaces the script, for new connections.
    pub fn play(&self, script: Script) {
        *self.shared.play.lock().unwrap() = Play::of(script);
    }

    /// The commands since the script began, without tags and without the credentials of a login.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        let play = Arc::clone(&self.shared.play.lock().unwrap());
        play.heard.lock().unwrap().clone()
    }
}

impl Play {
    fn of(script: Script) -> Arc<Self> {
        let flags = script.letters.iter().map(|letter| letter.flags.clone()).collect();
        let (inside, heard) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { script, flags: Mutex::new(flags), inside, heard })
    }
}

struct Session<'a> {
    play: &'a Play,
    wire: &'a mut Wire,
    is_in: bool,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.play.inside.fetch_sub(usize::from(self.is_in), Ordering::SeqCst);
    }
}

impl Session<'_> {
    fn run(mut self) -> io::Result<()> {
        if !self.is_normal("", "*")? {
            return Ok(());
        }
        let capabilities = &self.play.script.capabilities;
        self.say(&format!("* OK [CAPABILITY {capabilities}] hello\r\n"))?;
        loop {
            let mut line = String::new();
            if self.wire.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let (tag, command) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
            let verb = command.split(' ').next().unwrap_or_default();
            let shown = if verb == "LOGIN" { verb } else { command };
            self.play.heard.lock().unwrap().push(shown.to_owned());
            if verb == "AUTHENTICATE" {
                self.say("+ \r\n")?;
                self.wire.read_line(&mut String::new())?;
            }
            if !self.is_normal(command, tag)? {
                return Ok(());
            }
        }
    }

    /// Answers a command; false when the connection is to be closed.
    fn is_normal(&mut self, command: &str, tag: &str) -> io::Result<bool> {
        let others = self.play.inside.load(Ordering::SeqCst) - usize::from(self.is_in);
        let told = (self.play.script.instead)(&Asked { command, others });
        match told {
            Some(Reply::Say(says)) => self.say(&says.replace("{tag}", tag)).map(|()| true),
            Some(Reply::Close(says)) => self.say(&says.replace("{tag}", tag)).map(|()| false),
            None if command.is_empty() => Ok(true),
            None => self.answer(command, tag),
        }
    }

    fn answer(&mut self, command: &str, tag: &str) -> io::Result<bool> {
        let mut words = command.split(' ');
        let verb = words.next().unwrap_or_default();
        let capabilities = &self.play.script.capabilities;
        let mut says = match verb {
            "LOGIN" | "AUTHENTICATE" => {
                self.is_in = true;
                self.play.inside.fetch_add(1, Ordering::SeqCst);
                String::new()
            }
            "CAPABILITY" => format!("* CAPABILITY {capabilities}\r\n"),
            "ID" => "* ID NIL\r\n".to_owned(),
            "LIST" => "* LIST () \"/\" INBOX\r\n".to_owned(),
            "SELECT" => {
                let count = self.play.script.letters.len();
                format!("* {count} EXISTS\r\n* OK [UIDVALIDITY 1] same\r\n")
            }
            "FETCH" => match self.rows(words.next().unwrap_or_default(), command) {
                Ok(rows) => rows,
                Err(rows) => return self.refuse(&rows, tag),
            },
            "UID" => match (words.next(), words.next()) {
                (Some("FETCH"), Some(set)) => match self.rows(set, command) {
                    Ok(rows) => rows,
                    Err(rows) => return self.refuse(&rows, tag),
                },
                (Some("STORE"), Some(set)) => self.store(set, command),
                _ => String::new(),
            },
            "LOGOUT" => "* BYE bye\r\n".to_owned(),
            _ => String::new(),
        };
        says += &format!("{tag} OK done\r\n");
        self.say(&says).map(|()| verb != "LOGOUT")
    }

    fn refuse(&mut self, rows: &str, tag: &str) -> io::Result<bool> {
        let says = format!("{rows}{tag} NO some messages could not be fetched\r\n");
        self.say(&says).map(|()| true)
    }

    /// The rows of a FETCH; those before an unreadable message, if there is one.
    fn rows(&self, set: &str, command: &str) -> Result<String, String> {
        let mut rows = String::new();
        let flags = self.play.flags.lock().unwrap();
        let deep = command.contains("BODY") || command.contains("RFC822.SIZE");
        for (uid, (letter, flags)) in (1..).zip(self.play.script.letters.iter().zip(flags.iter())) {
            if !holds(set, uid) {
                continue;
            }
            if deep && self.play.script.unreadable.contains(&uid) {
                return Err(rows);
            }
            let mut items = vec![format!("UID {uid}")];
            if command.contains("FLAGS") {
                items.push(format!("FLAGS ({})", flags.join(" ")));
            }
            if command.contains("INTERNALDATE") {
                items.push(format!("INTERNALDATE {}", letter.received));
            }
            if command.contains("RFC822.SIZE") {
                items.push(format!("RFC822.SIZE {}", letter.raw.len()));
            }
            let raw = &letter.raw;
            let header = raw.split_inclusive("\r\n\r\n").next().unwrap_or_default();
            if command.contains("BODY.PEEK[HEADER") {
                let length = header.len();
                items.push(format!("BODY[HEADER.FIELDS (SUBJECT)] {{{length}}}\r\n{header}"));
            }
            if command.contains("BODY.PEEK[]") {
                items.push(format!("BODY[] {{{}}}\r\n{raw}", raw.len()));
            }
            rows += &format!("* {uid} FETCH ({})\r\n", items.join(" "));
        }
        Ok(rows)
    }

    fn store(&self, set: &str, command: &str) -> String {
        let inside = command.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        let named: Vec<String> = inside.unwrap_or_default().split(' ').map(str::to_owned).collect();
        let mut says = String::new();
        for (uid, flags) in (1..).zip(self.play.flags.lock().unwrap().iter_mut()) {
            if !holds(set, uid) {
                continue;
            }
            if command.contains(" -FLAGS") {
                flags.retain(|flag| !named.contains(flag));
            } else if command.contains(" +FLAGS") {
                flags.extend(named.clone());
            } else {
                flags.clone_from(&named);
            }
            says += &format!("* {uid} FETCH (UID {uid} FLAGS ({}))\r\n", flags.join(" "));
        }
        says
    }

    fn say(&mut self, says: &str) -> io::Result<()> {
        self.wire.get_mut().write_all(says.as_bytes())?;
        self.wire.get_mut().flush()
    }
}

/// Whether a sequence set contains the number (RFC 3501 §9, `sequence-set`), without `*`.
fn holds(set: &str, number: u32) -> bool {
    set.split(',').any(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>(), last.parse::<u32>());
        matches!((first, last), (Ok(first), Ok(last)) if (first..=last).contains(&number))
    })
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("port", &self.port).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").field("letters", &self.letters.len()).finish_non_exhaustive()
    }
}
