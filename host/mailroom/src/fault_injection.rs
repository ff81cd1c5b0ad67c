//! How a mailroom misbehaves when a test asks for it, and what it was asked.
//!
//! Values only: [`crate::connection_context`] acts on them, at every step of every dialogue.
//!
//! Invariant: what [`shown`] lets into the log holds no credentials: a line
//! that is not known to be a command is not shown at all.

use std::time::Duration;

/// The steps of a submission, in the order of a dialogue. `TLS` is the
/// handshake; `body` comes before the octets after DATA are read, `.` after them.
#[rustfmt::skip]
pub const SMTP_STEPS: &[&str] = &[
    "TLS", "greeting", "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "body", ".",
    "RSET", "NOOP", "VRFY", "QUIT",
];

/// The steps of IMAP. `+` is where the mailroom asks for a literal, `literal`
/// before it reads one; the step of a command comes when all of it, literals
/// included, has been read. An answer at `literal` or `body` comes too early to
/// go on: the connection closes.
#[rustfmt::skip]
pub const IMAP_STEPS: &[&str] = &[
    "TLS", "greeting", "CAPABILITY", "NOOP", "ID", "STARTTLS", "LOGIN", "AUTHENTICATE", "ENABLE",
    "SELECT", "EXAMINE", "LIST", "LSUB", "STATUS", "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE",
    "+", "literal", "APPEND", "IDLE", "DONE", "CHECK", "UNSELECT", "CLOSE", "EXPUNGE", "SEARCH",
    "FETCH", "STORE", "COPY", "MOVE", "UID EXPUNGE", "UID SEARCH", "UID FETCH", "UID STORE",
    "UID COPY", "UID MOVE", "LOGOUT",
];

/// What each capability brings; both protocols in one table.
#[rustfmt::skip]
pub(crate) const BRINGS: [(&str, &str); 12] = [
    ("ID", "ID"), ("ENABLE", "ENABLE"), ("IDLE", "IDLE"), ("UNSELECT", "UNSELECT"),
    ("MOVE", "MOVE"), ("MOVE", "UID MOVE"), ("UIDPLUS", "UID EXPUNGE"), ("STARTTLS", "STARTTLS"),
    ("AUTH", "AUTH"), ("AUTH=PLAIN", "AUTH PLAIN"), ("AUTH=LOGIN", "AUTH LOGIN"),
    ("AUTH=PLAIN", "AUTHENTICATE PLAIN"),
];

/// What is shown of commands that carry credentials.
const SECRETIVE: [&str; 6] =
    ["AUTH PLAIN", "AUTH LOGIN", "AUTH", "AUTHENTICATE PLAIN", "AUTHENTICATE", "LOGIN"];

/// Whom a client speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Imap,
    Smtp,
}

/// What is to go wrong. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct FaultScript {
    /// The first rule that fits a step, and is not used up, decides.
    pub rules: Vec<Rule>,
    /// IMAP capabilities and EHLO keywords that are neither told nor obeyed,
    /// without regard to case. `AUTH=PLAIN` and `AUTH=LOGIN` also name one
    /// mechanism of SMTP.
    pub without: Vec<String>,
}

impl FaultScript {
    /// What goes wrong at this step; counts it.
    pub(crate) fn next(&mut self, protocol: Protocol, line: &str) -> Option<Fault> {
        let fits = |rule: &&mut Rule| {
            rule.protocol == protocol && rule.times != Some(0) && begins(line, &rule.step)
        };
        let rule = self.rules.iter_mut().find(fits)?;
        rule.times = rule.times.map(|times| times.saturating_sub(1));
        Some(rule.fault.clone())
    }
}

/// One thing that goes wrong.
#[derive(Clone, Debug)]
pub struct Rule {
    pub protocol: Protocol,
    /// One of [`SMTP_STEPS`] or [`IMAP_STEPS`], or the beginning of a line up
    /// to the end of a word: `RCPT TO:<bo@x.test>`, `+ APPEND`, `UID FETCH 7`.
    pub step: String,
    pub fault: Fault,
    /// How often; `None` is always.
    pub times: Option<u32>,
}

/// What the mailroom does at a step in place of what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Reads and says nothing more; the connection stays until the mailroom
    /// is dropped.
    Stall,
    /// Closes without doing it.
    Cut,
    /// Does it, and closes without the answer: the message is taken, and
    /// nobody knows. Where the answer only asks for more, as after DATA, there
    /// is nothing to do.
    CutAfter,
    /// Does it, and closes after so many octets of the answer.
    CutWithin(usize),
    /// Answers NO with this text, or 550.
    No(String),
    /// Answers BAD with this text, or 500.
    Bad(String),
    /// Answers this line instead of doing it. IMAP puts the tag in front,
    /// unless it begins with `*` or `+`.
    Reply(String),
    /// Says this line, whatever it holds, and then does it. As with `Reply`,
    /// the connection closes after `421` (RFC 5321 §3.8) and `* BYE`.
    Line(Vec<u8>),
    /// Does it, with so long a pause after each octet of the answer.
    Slow(Duration),
}

/// One step that the mailroom came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCommand {
    pub protocol: Protocol,
    /// The address of who had logged in by then.
    pub user: Option<String>,
    /// The command as it came, without tag, literals and credentials; or a
    /// step that is no command (`TLS`, `greeting`, `body`, `.`, `literal`, `+ ` and the command);
    /// or `?` for what is no command at all.
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

/// As much of a line as may be kept.
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
