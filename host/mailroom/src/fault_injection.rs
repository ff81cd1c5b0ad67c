//! Fault injection and command log of a mailroom, for tests.
//!
//! Values only: [`crate::connection_context`] applies them, at every step of every session.
//!
//! Invariant: what [`shown`] lets into the log contains no credentials: a line that is not known to
//! be a command is not logged at all.

use std::time::Duration;

/// The steps of a submission, in the order of a session. `TLS` is the handshake; `body` comes
/// before the octets after DATA are read, `.` after them.
#[rustfmt::skip]
pub const SMTP_STEPS: &[&str] = &[
    "TLS", "greeting", "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "body", ".",
    "RSET", "NOOP", "VRFY", "QUIT",
];

/// The steps of IMAP. `+` is the continuation request for a literal, `literal` comes before one is
/// read; the step of a command comes when all of it, literals included, has been read. A response
/// at `literal` or `body` comes too early to go on: the connection closes.
#[rustfmt::skip]
pub const IMAP_STEPS: &[&str] = &[
    "TLS", "greeting", "CAPABILITY", "NOOP", "ID", "STARTTLS", "LOGIN", "AUTHENTICATE", "ENABLE",
    "SELECT", "EXAMINE", "LIST", "LSUB", "STATUS", "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE",
    "+", "literal", "APPEND", "IDLE", "DONE", "CHECK", "UNSELECT", "CLOSE", "EXPUNGE", "SEARCH",
    "FETCH", "STORE", "COPY", "MOVE", "UID EXPUNGE", "UID SEARCH", "UID FETCH", "UID STORE",
    "UID COPY", "UID MOVE", "LOGOUT",
];

/// Each capability with a command that it adds; both protocols in one table.
#[rustfmt::skip]
pub(crate) const BRINGS: [(&str, &str); 12] = [
    ("ID", "ID"), ("ENABLE", "ENABLE"), ("IDLE", "IDLE"), ("UNSELECT", "UNSELECT"),
    ("MOVE", "MOVE"), ("MOVE", "UID MOVE"), ("UIDPLUS", "UID EXPUNGE"), ("STARTTLS", "STARTTLS"),
    ("AUTH", "AUTH"), ("AUTH=PLAIN", "AUTH PLAIN"), ("AUTH=LOGIN", "AUTH LOGIN"),
    ("AUTH=PLAIN", "AUTHENTICATE PLAIN"),
];

/// What is logged of commands that contain credentials.
const SECRETIVE: [&str; 6] =
    ["AUTH PLAIN", "AUTH LOGIN", "AUTH", "AUTHENTICATE PLAIN", "AUTHENTICATE", "LOGIN"];

/// The protocol of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Imap,
    Smtp,
}

/// The faults to inject. The default is none.
#[derive(Clone, Debug, Default)]
pub struct FaultScript {
    /// The first rule that matches a step, and is not used up, decides.
    pub rules: Vec<Rule>,
    /// IMAP capabilities and EHLO keywords that are neither advertised nor supported, without
    /// regard to case. `AUTH=PLAIN` and `AUTH=LOGIN` also name one mechanism of SMTP.
    pub without: Vec<String>,
}

impl FaultScript {
    /// The fault for this step; counts it.
    pub(crate) fn next(&mut self, protocol: Protocol, line: &str) -> Option<Fault> {
        let fits = |rule: &&mut Rule| {
            rule.protocol == protocol && rule.times != Some(0) && begins(line, &rule.step)
        };
        let rule = self.rules.iter_mut().find(fits)?;
        rule.times = rule.times.map(|times| times.saturating_sub(1));
        Some(rule.fault.clone())
    }
}

/// A fault at a step.
#[derive(Clone, Debug)]
pub struct Rule {
    pub protocol: Protocol,
    /// One of [`SMTP_STEPS`] or [`IMAP_STEPS`], or the beginning of a line up
    /// to the end of a word: `RCPT TO:<bo@x.test>`, `+ APPEND`, `UID FETCH 7`.
    pub step: String,
    pub fault: Fault,
    /// How often; `None` means always.
    pub times: Option<u32>,
}

/// What the mailroom does at a step instead of its normal action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Reads and sends nothing more; the connection stays until the mailroom is dropped.
    Stall,
    /// Closes without executing the step.
    Cut,
    /// Executes the step, and closes without the response: the message is accepted, and the client
    /// does not know. Where the response only asks for more, as after DATA, there is nothing to
    /// execute.
    CutAfter,
    /// Executes the step, and closes after so many octets of the response.
    CutWithin(usize),
    /// Responds NO with this text, or 550.
    No(String),
    /// Responds BAD with this text, or 500.
    Bad(String),
    /// Responds with this line instead of executing the step. IMAP prepends the tag, unless it
    /// begins with `*` or `+`.
    Reply(String),
    /// Sends this line, whatever it contains, and then executes the step. As with `Reply`, the
    /// connection closes after `421` (RFC 5321 §3.8) and `* BYE`.
    Line(Vec<u8>),
    /// Executes the step, with this pause after each octet of the response.
    Slow(Duration),
}

/// One logged step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCommand {
    pub protocol: Protocol,
    /// The address of the authenticated user, if any.
    pub user: Option<String>,
    /// The command as received, without tag, literals and credentials; or a step that is not a
    /// command (`TLS`, `greeting`, `body`, `.`, `literal`, `+ ` and the command); or `?` for input
    /// that is not a command.
    pub line: String,
}

impl LoggedCommand {
    /// Whether it is this step, as [`Rule::step`] names it.
    pub fn is(&self, protocol: Protocol, step: &str) -> bool {
        self.protocol == protocol && begins(&self.line, step)
    }
}

/// Whether a line begins with these words, without regard to case.
pub(crate) fn begins(line: &str, words: &str) -> bool {
    let (head, rest) = line.split_at_checked(words.len()).unwrap_or(("", "x"));
    head.eq_ignore_ascii_case(words) && (rest.is_empty() || rest.starts_with([' ', ':', ',']))
}

/// The part of a line that may be logged.
pub(crate) fn shown(line: &str) -> String {
    if let Some(command) = line.strip_prefix("+ ") {
        return format!("+ {}", shown(command));
    }
    if let Some(kept) = SECRETIVE.iter().find(|kept| begins(line, kept)) {
        return (*kept).to_owned();
    }
    let known = SMTP_STEPS.iter().chain(IMAP_STEPS).any(|step| begins(line, step));
    if known { line.chars().take(500).collect() } else { "?".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{begins, shown};

    #[test]
    fn credentials_are_not_shown() {
        check("LOGIN ann@x.test secret", "LOGIN");
        check("login {4}", "LOGIN");
        check("AUTH PLAIN AGFubgBzZWNyZXQ=", "AUTH PLAIN");
        check("auth login c2VjcmV0", "AUTH LOGIN");
        check("AUTH c2VjcmV0", "AUTH");
        check("AUTH PLAINc2VjcmV0", "AUTH");
        check("AUTHENTICATE PLAIN c2VjcmV0", "AUTHENTICATE PLAIN");
        check("AUTHENTICATE XOAUTH2 c2VjcmV0", "AUTHENTICATE");
        check("+ LOGIN {4}", "+ LOGIN");
        check("c2VjcmV0", "?");
        check("", "?");
        check("NOOP/c2VjcmV0", "?");
    }

    #[test]
    fn commands_are_shown() {
        check("MAIL FROM:<a@b> SIZE=1", "MAIL FROM:<a@b> SIZE=1");
        check("UID FETCH 1:5 (UID)", "UID FETCH 1:5 (UID)");
        check("+ APPEND Sent {5}", "+ APPEND Sent {5}");
        check(".", ".");
    }

    #[test]
    fn a_step_is_the_beginning_of_a_line_in_whole_words() {
        assert!(begins("uid fetch 1:5 (UID)", "UID FETCH"));
        assert!(begins("uid fetch 1:5 (UID)", "UID FETCH 1"));
        assert!(!begins("UID FETCH 1:5", "FETCH"));
        assert!(!begins("IDLE", "ID"));
        assert!(begins("RCPT TO:<a@b>", "RCPT TO:<a@b>"));
        assert!(!begins("R\u{f6}", "RC"));
    }

    #[track_caller]
    fn check(line: &str, want: &str) {
        assert_eq!(shown(line), want, "{line}");
    }
}
