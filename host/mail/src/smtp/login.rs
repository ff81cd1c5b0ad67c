//! SMTP login: from the greeting to an authenticated session (EHLO, STARTTLS, AUTH).
//!
//! Invariants: what the server sent in plain text is discarded when TLS begins; AUTH is written
//! only to an encrypted wire.
//!
//! Standards: RFC 5321 §4.1.1.1 (EHLO), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 4616 (PLAIN).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::commands::{Ehlo, Starttls};
use lettre::transport::smtp::extension::ClientId;
use model::account::{Credentials, Security};
use model::port::login_observer::LoginObserver;
use model::port::smtp::{Reply, SmtpError};
use model::secret::Secret;

use crate::redact::redact;
use crate::sasl::{Bearer, NoMechanism};
use crate::smtp::exchange::Exchange;

/// The server's extensions, as far as they are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) starttls: bool,
    pub(crate) pipelining: bool,
    pub(crate) eight_bit_mime: bool,
    pub(crate) smtputf8: bool,
    /// SIZE was offered; the limit is none where the server gives no number.
    pub(crate) size: Option<Option<u64>>,
    pub(crate) plain: bool,
    pub(crate) login: bool,
    pub(crate) oauthbearer: bool,
    pub(crate) xoauth2: bool,
}

impl Extensions {
    /// From the lines of the reply to EHLO; the first is the server's name.
    fn read(lines: impl Iterator<Item = String>) -> Self {
        let mut found = Self::default();
        for line in lines.skip(1) {
            // `AUTH=PLAIN` is sent by some servers for old clients.
            let mut words =
                line.split([' ', '=']).map(str::to_ascii_uppercase).filter(|word| !word.is_empty());
            match words.next().as_deref() {
                Some("STARTTLS") => found.starttls = true,
                Some("PIPELINING") => found.pipelining = true,
                Some("8BITMIME") => found.eight_bit_mime = true,
                Some("SMTPUTF8") => found.smtputf8 = true,
                Some("SIZE") => {
                    // RFC 1870 §3: zero means that there is no fixed limit.
                    let limit = words.next().and_then(|word| word.parse().ok());
                    found.size = Some(limit.filter(|&limit| limit > 0));
                }
                Some("AUTH") => {
                    for word in words {
                        found.plain |= word == "PLAIN";
                        found.login |= word == "LOGIN";
                        found.oauthbearer |= word == "OAUTHBEARER";
                        found.xoauth2 |= word == "XOAUTH2";
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// Greeting, EHLO, and STARTTLS with a second EHLO where the account uses it.
pub(crate) async fn open(
    mut conversation: Exchange,
    security: Security,
    hello: &ClientId,
    steps: &dyn LoginObserver,
) -> Result<(Exchange, Extensions), SmtpError> {
    let greeting = conversation.read("the greeting", conversation.limits.greeting).await?;
    expect(220, "the greeting", greeting)?;
    steps.greeted();
    let mut extensions = ehlo(&mut conversation, hello).await?;
    match security {
        Security::Tls => {}
        Security::StartTls => {
            if !extensions.starttls {
                return Err(SmtpError::NoTls);
            }
            let within = conversation.limits.command;
            let reply = conversation.command("STARTTLS", Starttls, within).await?;
            expect(220, "STARTTLS", reply)?;
            conversation = conversation.upgrade().await?;
            steps.encrypted(conversation.encryption());
            // RFC 3207 §4.2: everything learned before TLS must be discarded.
            extensions = ehlo(&mut conversation, hello).await?;
        }
    }
    if !conversation.is_encrypted() {
        return Err(SmtpError::NoTls);
    }
    Ok((conversation, extensions))
}

async fn ehlo(conversation: &mut Exchange, hello: &ClientId) -> Result<Extensions, SmtpError> {
    let within = conversation.limits.command;
    let lines = conversation.command_lines("EHLO", Ehlo::new(hello.clone()), within).await?;
    expect(250, "EHLO", lines.reply())?;
    Ok(Extensions::read(lines.texts()))
}

/// Authenticates with the best common mechanism, and returns it. The text of a refusal is redacted.
pub(crate) async fn authenticate(
    conversation: &mut Exchange,
    extensions: &Extensions,
    username: &str,
    credentials: &Credentials,
) -> Result<&'static str, SmtpError> {
    let hush = |reply: Reply| Reply { text: redact(&reply.text, username, credentials), ..reply };
    let outcome = log_in(conversation, extensions, username, credentials).await;
    outcome.map_err(|error| match error {
        SmtpError::Credentials(reply) => SmtpError::Credentials(hush(reply)),
        SmtpError::Refused { step, reply } => SmtpError::Refused { step, reply: hush(reply) },
        other @ (SmtpError::Dial(_)
        | SmtpError::NoCredentials(_)
        | SmtpError::NoTls
        | SmtpError::NoMechanism
        | SmtpError::Lost(_)
        | SmtpError::Timeout { .. }
        | SmtpError::Protocol(_)
        | SmtpError::TooLarge { .. }
        | SmtpError::Unrecorded(_)
        | SmtpError::Malformed(_)
        | SmtpError::Unreadable(_)) => other,
    })
}

async fn log_in(
    conversation: &mut Exchange,
    extensions: &Extensions,
    username: &str,
    credentials: &Credentials,
) -> Result<&'static str, SmtpError> {
    let password = match credentials {
        Credentials::Password(password) => password.reveal(),
        Credentials::OAuth(oauth) => {
            let token = oauth.access.as_ref().ok_or(SmtpError::Protocol("there is no token"))?;
            return authenticate_bearer(conversation, extensions, username, token).await;
        }
    };
    let within = conversation.limits.command;
    let mut answers: Vec<String>;
    let (mechanism, mut reply) = if extensions.plain {
        // RFC 4616 §2: NUL is the separator, so it cannot be part of either.
        if username.contains('\0') || password.contains('\0') {
            return Err(SmtpError::Protocol(UNSENDABLE));
        }
        let response = STANDARD.encode(format!("\0{username}\0{password}"));
        answers = vec![response.clone()];
        let command = format!("AUTH PLAIN {response}\r\n");
        ("PLAIN", conversation.command("AUTH", command, within).await?)
    } else if extensions.login {
        // Popped from the end. The prompts differ between servers, their order does not.
        answers = vec![STANDARD.encode(password), STANDARD.encode(username)];
        ("LOGIN", conversation.command("AUTH", "AUTH LOGIN\r\n", within).await?)
    } else {
        return Err(SmtpError::NoMechanism);
    };
    while reply.code == 334 {
        let Some(answer) = answers.pop() else {
            return Err(SmtpError::Protocol("too many challenges during AUTH"));
        };
        reply = conversation.command("AUTH", format!("{answer}\r\n"), within).await?;
    }
    judged(reply, mechanism)
}

const UNSENDABLE: &str = "the login holds a character that cannot be sent";

async fn authenticate_bearer(
    conversation: &mut Exchange,
    extensions: &Extensions,
    username: &str,
    token: &Secret,
) -> Result<&'static str, SmtpError> {
    let offers = |name: &str| match name {
        "OAUTHBEARER" => extensions.oauthbearer,
        _ => extensions.xoauth2,
    };
    let bearer = Bearer::new(offers, username, token).map_err(|unable| match unable {
        NoMechanism::NotOffered => SmtpError::NoMechanism,
        NoMechanism::Unsendable => SmtpError::Protocol(UNSENDABLE),
    })?;
    let within = conversation.limits.command;
    let command = format!("AUTH {} {}\r\n", bearer.mechanism, bearer.response.reveal());
    let mut reply = conversation.command("AUTH", command, within).await?;
    if reply.code == 334 {
        // The challenge has the reason of the refusal; the final reply comes after a response.
        let answer = format!("{}\r\n", bearer.after_refusal);
        reply = conversation.command("AUTH", answer, within).await?;
    }
    judged(reply, bearer.mechanism)
}

fn judged(reply: Reply, mechanism: &'static str) -> Result<&'static str, SmtpError> {
    match reply.code {
        235 => Ok(mechanism),
        // RFC 4954 §6: credentials invalid, mechanism too weak for this user, or authentication
        // required.
        530 | 534 | 535 => Err(SmtpError::Credentials(reply)),
        _ => expect(235, "AUTH", reply).map(|_| mechanism),
    }
}

/// Checks for the reply code that the step requires.
pub(crate) fn expect(code: u16, step: &'static str, reply: Reply) -> Result<Reply, SmtpError> {
    if reply.code == code {
        Ok(reply)
    } else if reply.code >= 400 {
        Err(SmtpError::Refused { step, reply })
    } else {
        Err(SmtpError::Protocol("a positive reply that does not belong to its command"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case_and_in_the_old_form() {
        check(&["x", "size 1000", "Auth=plain", "8BitMime"], |e| {
            e.size == Some(Some(1000)) && e.plain && !e.login && e.eight_bit_mime && !e.starttls
        });
        check(&["x", "SIZE 0", "AUTH LOGIN XOAUTH2"], |e| {
            e.size == Some(None) && e.login && !e.plain
        });
        check(&["STARTTLS AUTH PLAIN"], |e| *e == Extensions::default());
        check(&["x", "SIZE", "STARTTLS", "SMTPUTF8", "", " "], |e| {
            e.size == Some(None) && e.starttls && e.smtputf8
        });
    }

    #[track_caller]
    fn check(lines: &[&str], want: impl Fn(&Extensions) -> bool) {
        let read = Extensions::read(lines.iter().map(|&line| line.to_owned()));
        assert!(want(&read), "{lines:?} gave {read:?}");
    }
}
