//! IMAP login: from the greeting to an authenticated session, with STARTTLS and ID.
//!
//! Before TLS a separate line reader is used, since async-imap reads ahead and could carry plain
//! text into the encrypted session.
//!
//! Invariants: what the server sent in plain text is discarded when TLS begins; credentials are
//! written only to an encrypted wire.
//!
//! Standards: RFC 9051 §6.2 and §11.3 (STARTTLS), RFC 4616 (PLAIN), RFC 2971 (ID).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::account::Credentials;
use model::port::imap::{ImapError, NoCode};
use model::port::login_observer::LoginObserver;

use crate::imap::command;
use crate::imap::command_loop::{Exchange, failed};
use crate::imap::limits::ImapLimits;
use crate::imap::status::{capabilities, spoken};
use crate::imap::tokenizer::Tokenizer;
use crate::line_reader::{Lines, ReadLimits};
use crate::redact::redact;
use crate::sasl::{Bearer, NoMechanism};
use crate::timed_stream::{Deadlines, Stream};

/// Limits before TLS: more is not needed.
const PLAIN: ReadLimits = ReadLimits { line: 8 * 1024, total: 32 * 1024 };

/// The plain-text part of a connection, up to TLS.
pub(crate) async fn start_tls(
    stream: Stream,
    limits: &ImapLimits,
    steps: &dyn LoginObserver,
) -> Result<Stream, ImapError> {
    let mut lines = Lines::new(stream, PLAIN);
    lines.begin(Deadlines::of(limits.greeting));
    let greeting = lines.line().await.map_err(failed)?;
    let mut cursor = Tokenizer::new(&greeting);
    cursor.expect(b'*').map_err(|breach| ImapError::Protocol(breach.0))?;
    cursor.spaces();
    match cursor.word().to_ascii_uppercase().as_slice() {
        b"OK" => {}
        b"BYE" => return Err(ImapError::Bye { reply: spoken(cursor.rest()).words }),
        // RFC 9051 §7.1.4: STARTTLS cannot follow, so an attacker on the path could use this to
        // prevent TLS.
        b"PREAUTH" => return Err(ImapError::NoTls),
        _ => return Err(ImapError::Protocol("the server does not greet")),
    }
    steps.greeted();
    let told = plain_command(&mut lines, "p1", "CAPABILITY", limits).await?;
    if !told.iter().any(|capability| capability == "STARTTLS") {
        return Err(ImapError::NoTls);
    }
    plain_command(&mut lines, "p2", "STARTTLS", limits).await?;
    if lines.has_more() {
        return Err(ImapError::Protocol("plain text after the answer to STARTTLS"));
    }
    let stream = lines.upgrade().await.map_err(ImapError::Dial)?;
    steps.encrypted(stream.encryption());
    Ok(stream)
}

/// Runs a command without arguments; returns the capabilities in its response.
async fn plain_command(
    lines: &mut Lines,
    tag: &str,
    name: &str,
    limits: &ImapLimits,
) -> Result<Vec<String>, ImapError> {
    if lines.has_more() {
        return Err(ImapError::Protocol("an answer came before its command"));
    }
    lines.begin(Deadlines { idle: limits.command, total: limits.total });
    lines.write(format!("{tag} {name}\r\n").as_bytes()).await.map_err(failed)?;
    lines.flush().await.map_err(failed)?;
    let mut told = Vec::new();
    loop {
        let line = lines.line().await.map_err(failed)?;
        let mut cursor = Tokenizer::new(&line);
        let first = cursor.word();
        cursor.spaces();
        let word = cursor.word().to_ascii_uppercase();
        if first == b"*" {
            match word.as_slice() {
                b"CAPABILITY" => told = capabilities(cursor.rest()),
                b"BYE" => return Err(ImapError::Bye { reply: spoken(cursor.rest()).words }),
                _ => {}
            }
        } else if first == tag.as_bytes() {
            let reply = spoken(cursor.rest()).words;
            return match word.as_slice() {
                b"OK" => Ok(told),
                b"NO" => Err(ImapError::No { code: NoCode::Other, reply }),
                b"BAD" => Err(ImapError::Bad { reply }),
                _ => Err(ImapError::Protocol("a tagged answer without a status")),
            };
        } else {
            return Err(ImapError::Protocol("a line is neither an answer nor a tagged status"));
        }
    }
}

const UNSENDABLE: &str = "the login holds a character that cannot be sent";

/// Authenticates on an encrypted connection whose greeting was read (or which has none, after
/// STARTTLS), and sends ID. Returns the capabilities afterwards.
pub(crate) async fn log_in(
    exchange: &mut Exchange,
    username: &str,
    credentials: &Credentials,
    steps: &dyn LoginObserver,
) -> Result<Vec<String>, ImapError> {
    if !exchange.guard().is_encrypted() {
        return Err(ImapError::NoTls);
    }
    let before = known_capabilities(exchange).await?;
    let offers = |name: &str| before.iter().any(|capability| capability == name);
    let (mechanism, outcome) = match credentials {
        Credentials::Password(password) => {
            let password = password.reveal();
            // Neither PLAIN nor a literal can carry it (RFC 4616 §2, RFC 9051 §4.3).
            if username.contains('\0') || password.contains('\0') {
                return Err(ImapError::Protocol(UNSENDABLE));
            }
            if offers("AUTH=PLAIN") {
                let response = STANDARD.encode(format!("\0{username}\0{password}"));
                ("PLAIN", exchange.authenticate(&command::authenticate_plain(), &[&response]).await)
            } else if offers("LOGINDISABLED") {
                return Err(ImapError::NoMechanism);
            } else {
                ("LOGIN", exchange.run(&command::login(username, password), &mut |_| {}).await)
            }
        }
        Credentials::OAuth(oauth) => {
            let token = oauth.access.as_ref().ok_or(ImapError::Protocol("there is no token"))?;
            let bearer = Bearer::new(|name| offers(&format!("AUTH={name}")), username, token);
            let Bearer { mechanism, response, after_refusal } =
                bearer.map_err(|unable| match unable {
                    NoMechanism::NotOffered => ImapError::NoMechanism,
                    NoMechanism::Unsendable => ImapError::Protocol(UNSENDABLE),
                })?;
            let response = response.reveal();
            if offers("SASL-IR") {
                let command = command::authenticate_bearer(mechanism, Some(response));
                (mechanism, exchange.authenticate(&command, &[after_refusal]).await)
            } else {
                let command = command::authenticate_bearer(mechanism, None);
                (mechanism, exchange.authenticate(&command, &[response, after_refusal]).await)
            }
        }
    };
    match outcome {
        Ok(()) => {}
        Err(ImapError::No { code, reply }) => {
            let reply = redact(&reply, username, credentials);
            return Err(refused_login(&exchange.last_code(), code, reply));
        }
        Err(ImapError::Bad { reply }) => {
            return Err(ImapError::Bad { reply: redact(&reply, username, credentials) });
        }
        Err(ImapError::Bye { reply }) => {
            return Err(ImapError::Bye { reply: redact(&reply, username, credentials) });
        }
        Err(error) => return Err(error),
    }
    steps.authenticated(mechanism);
    let after = known_capabilities(exchange).await?;
    steps.capabilities_read();
    if after.iter().any(|capability| capability == "ID") {
        match exchange.run(&command::id(), &mut |_| {}).await {
            // Optional (RFC 2971): a server that refuses it, or does not support what it
            // advertises, serves mail all the same.
            Ok(()) | Err(ImapError::No { .. }) => {}
            Err(ImapError::Bad { .. }) => exchange.go_on(),
            Err(error) => return Err(error),
        }
        // ID changes no capabilities, whatever the server sends with it.
        exchange.guard().take_capabilities();
    }
    Ok(after)
}

/// The capabilities that the server sent since the last time, else the response to CAPABILITY.
async fn known_capabilities(exchange: &mut Exchange) -> Result<Vec<String>, ImapError> {
    if let Some(told) = exchange.guard().take_capabilities() {
        return Ok(told);
    }
    exchange.run(&command::capability(), &mut |_| {}).await?;
    exchange
        .guard()
        .take_capabilities()
        .ok_or(ImapError::Protocol("the server does not tell its capabilities"))
}

/// RFC 5530 §3: which refusals concern the credentials.
fn refused_login(code: &str, kind: NoCode, reply: String) -> ImapError {
    match (code, kind) {
        ("PRIVACYREQUIRED", _) => ImapError::NoTls,
        (_, NoCode::Busy | NoCode::OverQuota) => ImapError::No { code: kind, reply },
        _ => ImapError::Credentials { reply },
    }
}
