//! SMTP submission server: one session, from greeting to QUIT.
//!
//! Every command is dispatched in [`Session::obey`]. Of the store it uses only the check of a
//! password, the lookup of an address, and delivery to INBOX.
//!
//! Invariants: no password before TLS, no mail before a password, no octet received before TLS is
//! used after it.
//!
//! Standards: RFC 5321, RFC 6409 (submission), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870
//! (SIZE), RFC 2034 (enhanced codes), RFC 2920 (PIPELINING), RFC 6152 (8BITMIME), RFC 6531
//! (SMTPUTF8).

mod data;
mod path;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::data::{Body, receive};
use self::path::{Path, parse};

use crate::connection_context::{ConnectionContext, Flow, Turn};
use crate::dates::{mail_date, now};
use crate::fault_injection::Protocol;
use crate::sasl::{Attempt, decode, plain};
use crate::store::UserId;
use crate::wire::{Line, Wire, within};

/// Maximum size of a message, in octets (35 MiB); advertised by SIZE.
pub(crate) const MAX_SIZE: usize = 36_700_160;
/// RFC 4954 §4: a line of AUTH may have this many octets; others have 512.
const LINE_CAP: usize = 12_288;
/// RFC 5321 §4.5.3.2.7.
const COMMAND_LIMIT: Duration = Duration::from_secs(5 * 60);
/// RFC 5321 §4.5.3.1.8 requires at least 100.
const MAX_RECIPIENTS: usize = 100;

struct Session {
    site: Arc<ConnectionContext>,
    wire: Wire,
    /// The argument of EHLO or HELO, once received.
    client: Option<String>,
    user: Option<UserId>,
    mail: Option<Transaction>,
}

/// A mail transaction, begun by MAIL (RFC 5321 §3.3).
struct Transaction {
    from: String,
    utf8: bool,
    to: Vec<UserId>,
    /// Recipients answered 250, those whose mail is discarded included.
    accepted: usize,
}

/// Serves one client until it disconnects.
pub(crate) async fn serve(site: Arc<ConnectionContext>, wire: Wire) -> io::Result<()> {
    let greeting = format!("220 {} ESMTP Postlet mailroom", site.hostname);
    let mut session = Session { site, wire, client: None, user: None, mail: None };
    if session.hear("greeting").await? == Turn::Obey {
        session.reply(&greeting).await?;
    }
    while session.step().await? == Flow::Stay {}
    session.wire.close().await
}

impl Session {
    /// Reads and executes one command.
    async fn step(&mut self) -> io::Result<Flow> {
        let text = match self.command_line().await? {
            Some(Ok(text)) => text,
            Some(Err(fault)) => return self.reply(fault).await,
            None => return Ok(Flow::HangUp),
        };
        if self.hear(&text).await? == Turn::Answered {
            return Ok(Flow::Stay);
        }
        if self.wire.has_more() && !self.site.offers("PIPELINING") {
            return self.reply("503 5.5.0 PIPELINING is not offered").await;
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        self.obey(&verb.to_ascii_uppercase(), rest.trim_end()).await
    }

    async fn hear(&mut self, line: &str) -> io::Result<Turn> {
        self.site.hear(&mut self.wire, Protocol::Smtp, self.user, "*", line).await
    }

    async fn obey(&mut self, verb: &str, rest: &str) -> io::Result<Flow> {
        match verb {
            "EHLO" | "HELO" if rest.is_empty() => self.reply("501 5.5.4 who are you?").await,
            "EHLO" => self.ehlo(rest).await,
            "HELO" => {
                self.greet(rest);
                let hello = format!("250 {}", self.site.hostname);
                self.reply(&hello).await
            }
            "STARTTLS" | "DATA" if !rest.is_empty() => {
                self.reply("501 5.5.4 nothing follows").await
            }
            "STARTTLS" => self.start_tls().await,
            "AUTH" => self.auth(rest).await,
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.mail = None;
                self.reply("250 2.0.0 forgotten").await
            }
            "NOOP" => self.reply("250 2.0.0 here").await,
            "VRFY" => self.reply("252 2.1.5 send some mail and see").await,
            "QUIT" => {
                self.reply("221 2.0.0 bye").await?;
                Ok(Flow::HangUp)
            }
            _ => self.reply("500 5.5.1 unknown command").await,
        }
    }

    fn greet(&mut self, name: &str) {
        // The name goes into Received: only the characters of a domain or an address literal are
        // kept (RFC 5321 §4.1.1.1).
        let kept = name.chars().filter(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(*c));
        self.client = Some(kept.take(255).collect());
        self.mail = None;
    }

    async fn ehlo(&mut self, name: &str) -> io::Result<Flow> {
        self.greet(name);
        let size = format!("SIZE {MAX_SIZE}");
        let offered = |name: &&str| self.site.offers(&format!("AUTH={name}"));
        let mechanisms = ["PLAIN", "LOGIN"].into_iter().filter(offered);
        let auth = mechanisms.fold("AUTH".to_owned(), |auth, name| auth + " " + name);
        let security = if self.wire.is_secure() { auth.as_str() } else { "STARTTLS" };
        let mut lines =
            vec!["PIPELINING", &size, "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", security];
        lines.retain(|line| self.site.offers(line.split(' ').next().unwrap_or(line)));
        lines.insert(0, &self.site.hostname);
        let last = lines.len();
        let text: String = (1..)
            .zip(lines)
            .map(|(at, line)| format!("250{}{line}\r\n", if at == last { ' ' } else { '-' }))
            .collect();
        self.wire.say(text.as_bytes()).await?;
        Ok(Flow::Stay)
    }

    async fn start_tls(&mut self) -> io::Result<Flow> {
        if self.wire.is_secure() {
            return self.reply("503 5.5.1 TLS is on").await;
        }
        if self.wire.has_more() {
            // RFC 3207 §6: commands were injected after it, to be executed inside TLS.
            return Ok(Flow::HangUp);
        }
        self.reply("220 2.0.0 go ahead").await?;
        self.site.secure(&mut self.wire, Protocol::Smtp).await?;
        // RFC 3207 §4.2: everything received before is discarded.
        (self.client, self.user, self.mail) = (None, None, None);
        Ok(Flow::Stay)
    }

    async fn auth(&mut self, rest: &str) -> io::Result<Flow> {
        if !self.wire.is_secure() {
            return self.reply("538 5.7.11 first STARTTLS").await;
        }
        if self.client.is_none() {
            return self.reply("503 5.5.1 first EHLO").await;
        }
        if self.user.is_some() || self.mail.is_some() {
            return self.reply("503 5.5.1 not now").await;
        }
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let initial = (!initial.is_empty()).then(|| initial.as_bytes().to_vec());
        let response = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => self.ask("", initial).await?,
            "LOGIN" => {
                let name = self.ask("VXNlcm5hbWU6", initial).await?;
                let password = match name {
                    Ok(_) => self.ask("UGFzc3dvcmQ6", None).await?,
                    Err(fault) => Err(fault),
                };
                name.and_then(|name| Ok([&b""[..], &name, &password?].join(&0)))
            }
            _ => Err("504 5.5.4 PLAIN or LOGIN"),
        };
        match response.map(|octets| plain(&self.site.store, &octets)) {
            Ok(Attempt::Welcome(user)) => {
                self.user = Some(user);
                self.reply("235 2.7.0 welcome").await
            }
            Ok(Attempt::Wrong) => self.reply("535 5.7.8 wrong name or password").await,
            Ok(Attempt::Malformed) => self.reply("501 5.5.2 not what PLAIN asks for").await,
            Err(fault) => self.reply(fault).await,
        }
    }

    /// One challenge and its response, unless the response came with AUTH.
    async fn ask(
        &mut self,
        challenge: &str,
        initial: Option<Vec<u8>>,
    ) -> io::Result<Result<Vec<u8>, &'static str>> {
        let given = match initial {
            Some(given) => given,
            None => {
                self.reply(&format!("334 {challenge}")).await?;
                match self.command_line().await? {
                    Some(Ok(text)) => text.into_bytes(),
                    Some(Err(fault)) => return Ok(Err(fault)),
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
        };
        if given == b"*" {
            return Ok(Err("501 5.0.0 given up"));
        }
        Ok(decode(&given).ok_or("501 5.5.2 not base64"))
    }

    async fn mail(&mut self, rest: &str) -> io::Result<Flow> {
        if !self.wire.is_secure() {
            return self.reply("530 5.7.0 first STARTTLS").await;
        }
        let Some(user) = self.user else {
            return self.reply("530 5.7.0 first AUTH").await;
        };
        if self.mail.is_some() {
            return self.reply("503 5.5.1 one at a time").await;
        }
        let path = match parse(rest, "FROM:") {
            Ok(path) => path,
            Err(fault) => return self.reply(fault).await,
        };
        let mut utf8 = false;
        for (name, value) in &path.params {
            let keyword = if name == "BODY" { "8BITMIME" } else { name };
            if !self.site.offers(keyword) {
                return self.reply("555 5.5.4 unknown parameter").await;
            }
            match (name.as_str(), value.as_deref()) {
                ("SIZE", Some(size)) => match size.parse::<usize>() {
                    Ok(size) if size <= MAX_SIZE => {}
                    Ok(_) => return self.reply("552 5.3.4 too large").await,
                    Err(_) => return self.reply("501 5.5.4 SIZE is a number").await,
                },
                ("BODY", Some("7BIT" | "8BITMIME")) | ("AUTH", Some(_)) => {}
                ("SMTPUTF8", None) => utf8 = true,
                _ => return self.reply("555 5.5.4 unknown parameter").await,
            }
        }
        if !utf8 && !path.address.is_ascii() {
            return self.reply("553 5.6.7 SMTPUTF8 is missing").await;
        }
        if self.site.store.owner(&path.address) != Some(user) {
            return self.reply("553 5.7.1 not your address").await;
        }
        self.mail = Some(Transaction { from: path.address, utf8, to: Vec::new(), accepted: 0 });
        self.reply("250 2.1.0 sender ok").await
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<Flow> {
        let Some(mail) = &self.mail else {
            return self.reply("503 5.5.1 first MAIL").await;
        };
        let Path { address, params } = match parse(rest, "TO:") {
            Ok(path) => path,
            Err(fault) => return self.reply(fault).await,
        };
        if !params.is_empty() {
            return self.reply("555 5.5.4 unknown parameter").await;
        }
        if !mail.utf8 && !address.is_ascii() {
            return self.reply("553 5.6.7 SMTPUTF8 is missing").await;
        }
        if mail.accepted >= MAX_RECIPIENTS {
            return self.reply("452 4.5.3 too many recipients").await;
        }
        let (local, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
        let owner = self.site.store.owner(&address);
        let refusal = match (owner, local.to_ascii_lowercase().as_str()) {
            (Some(_), _) | (None, "drop") => None,
            (None, "bounce") => Some("550 5.1.1 this address bounces"),
            (None, "tempfail") => Some("451 4.3.0 try again later"),
            (None, _) if self.site.store.is_own_domain(domain) => Some("550 5.1.1 no such user"),
            (None, _) => Some("550 5.7.1 relaying denied"),
        };
        if let Some(refusal) = refusal {
            return self.reply(refusal).await;
        }
        if let Some(mail) = &mut self.mail {
            mail.accepted += 1;
            mail.to.extend(owner.filter(|user| !mail.to.contains(user)));
        }
        self.reply("250 2.1.5 recipient ok").await
    }

    async fn data(&mut self) -> io::Result<Flow> {
        let Some(mail) = self.mail.take_if(|mail| mail.accepted > 0) else {
            let begun = self.mail.is_some();
            let fault =
                if begun { "554 5.5.1 no valid recipients" } else { "503 5.5.1 first MAIL" };
            return self.reply(fault).await;
        };
        self.reply("354 end with a dot on a line of its own").await?;
        if self.hear("body").await? == Turn::Answered {
            return Ok(Flow::HangUp);
        }
        let body = receive(&mut self.wire, MAX_SIZE).await?;
        if self.hear(".").await? == Turn::Answered {
            return Ok(Flow::Stay);
        }
        match body {
            Body::Whole(octets) => {
                let answer = self.deliver(&mail, &octets);
                self.reply(&answer).await
            }
            Body::Refused(fault) => self.reply(fault).await,
            Body::Hopeless(fault) => {
                self.reply(fault).await?;
                Ok(Flow::HangUp)
            }
        }
    }

    /// Delivers the message to every INBOX; all copies share its octets.
    fn deliver(&self, mail: &Transaction, octets: &[u8]) -> String {
        let site = &self.site;
        let number = site.next_number();
        let at = now();
        let client = self.client.as_deref().filter(|name| !name.is_empty()).unwrap_or("unknown");
        let with = if mail.utf8 { "UTF8SMTPSA" } else { "ESMTPSA" };
        // RFC 5321 §4.4. Recipients are not named: a Bcc stays hidden.
        let trace = format!(
            "Return-Path: <{}>\r\nReceived: from {client} ([127.0.0.1])\r\n\tby {} with {with} id M{number};\r\n\t{}\r\n",
            mail.from,
            site.hostname,
            mail_date(at)
        );
        let raw = Bytes::from([trace.as_bytes(), octets].concat());
        if !mail.to.iter().all(|user| site.store.has_room(*user, raw.len())) {
            return "452 4.3.1 mailbox full".to_owned();
        }
        for user in &mail.to {
            if site.store.append(*user, "INBOX", raw.clone(), &[], at).is_err() {
                return "452 4.3.1 mailbox full".to_owned();
            }
        }
        format!("250 2.0.0 delivered as M{number}")
    }

    /// A line without its CRLF; or its fault; or the end of input.
    async fn command_line(&mut self) -> io::Result<Option<Result<String, &'static str>>> {
        let line = match within(COMMAND_LIMIT, self.wire.line(LINE_CAP)).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.reply("421 4.4.2 you said nothing for too long").await?;
                return Ok(None);
            }
            other => other?,
        };
        let bytes = match line {
            Line::End => return Ok(None),
            Line::TooLong => return Ok(Some(Err("500 5.5.2 line too long"))),
            Line::Whole(bytes) => bytes,
        };
        let text = bytes.strip_suffix(b"\r\n").and_then(|text| std::str::from_utf8(text).ok());
        let clean = text.filter(|text| !text.chars().any(char::is_control));
        Ok(Some(clean.map(str::to_owned).ok_or("500 5.5.2 not a line of text")))
    }

    async fn reply(&mut self, line: &str) -> io::Result<Flow> {
        let bare = match line.get(4..).and_then(|text| text.split_once(' ')) {
            Some((code, text))
                if code.contains('.') && !self.site.offers("ENHANCEDSTATUSCODES") =>
            {
                format!("{} {text}", line.split_at(3).0)
            }
            _ => line.to_owned(),
        };
        self.wire.say((bare + "\r\n").as_bytes()).await?;
        Ok(Flow::Stay)
    }
}
