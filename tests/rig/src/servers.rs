//! One rig: both servers, their ports, and what a test may do to them.
//!
//! Knows nothing of Postlet. Every method panics when it fails, since a rig that does
//! not do what it is told makes the test that uses it worthless.
#![expect(clippy::panic, reason = "a broken rig must fail the test that uses it")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::certificates;
use crate::certificates::Certificate;
use crate::dovecot;
use crate::keeper::Keeper;
use crate::logins;
use crate::logins::{Login, Mechanism};
use crate::machine;
use crate::ports::{Ports, until, wait_open};
use crate::postfix;

/// Set to `1` where a missing rig is a failure: on the machine that decides.
const REQUIRED: &str = "POSTLET_REQUIRE_RIG";

/// Another process may take a port before we do; then all begins again.
const STARTS: u32 = 5;

/// A Unix socket's path ends at 107 bytes, and Postfix's are long.
const LONGEST_HOME: usize = 70;

/// What a rig is made of.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Mailboxes `user001@example.test` (password `pass001`) and on.
    pub users: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { users: 10 }
    }
}

/// Running servers, which stop when this is dropped or the process ends.
///
/// Mailboxes have the folders Drafts, Sent, Trash, Junk and Archive, marked as such
/// (RFC 6154); the separator is `/`. Logins are whole addresses. Some recipients fail:
/// `bounce@example.test` (550) and `tempfail@example.test` (451) at RCPT,
/// `drop@example.test` is accepted and thrown away, `sink@example.test` is queued on disk and then
/// thrown away, other unknown ones are refused.
/// `userNNN@example.com` is an alias of the same mailbox; an unknown name there is
/// accepted and bounces by mail.
#[derive(Debug)]
pub struct Rig {
    home: PathBuf,
    ports: Ports,
    users: u16,
    ca: PathBuf,
    conf: PathBuf,
    login: Login,
    _keeper: Keeper,
}

impl Rig {
    /// Starts both servers. None when this machine cannot (not installed, not root):
    /// then one line on standard error says that tests are skipped, and how to mend it.
    ///
    /// # Panics
    /// When the servers do not start, or cannot and `POSTLET_REQUIRE_RIG=1` is set.
    #[must_use]
    pub fn start(options: Options) -> Option<Self> {
        Self::launch(Certificate::Good, Login::Password, options)
    }

    /// The same, with such a certificate.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn showing(certificate: Certificate, options: Options) -> Option<Self> {
        Self::launch(certificate, Login::Password, options)
    }

    /// The same, with a login by such a token ([`Self::token`]) and by nothing else.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn taking(mechanism: Mechanism, options: Options) -> Option<Self> {
        Self::launch(Certificate::Good, Login::Token(mechanism), options)
    }

    fn launch(certificate: Certificate, login: Login, options: Options) -> Option<Self> {
        if let Some(lack) = machine::lack() {
            assert!(
                std::env::var_os(REQUIRED).is_none_or(|value| value != "1"),
                "{REQUIRED}=1, and {lack}"
            );
            static SAID: Once = Once::new();
            // Straight to the stream, since the test harness swallows `eprintln!`.
            SAID.call_once(|| {
                let line = format!("SKIPPED: tests against Dovecot and Postfix, {lack}\n");
                drop(io::stderr().write_all(line.as_bytes()));
            });
            return None;
        }
        let mut failures = String::new();
        for _ in 0..STARTS {
            match Self::try_start(certificate, login, options) {
                Ok(rig) => return Some(rig),
                Err(error) => failures += &format!("\n{error:#}"),
            }
        }
        panic!("Dovecot and Postfix do not start:{failures}")
    }

    fn try_start(certificate: Certificate, login: Login, options: Options) -> anyhow::Result<Self> {
        let home = private_directory()?;
        let keeper = Keeper::watch(&home)?;
        let ports = Ports::reserve()?;
        certificates::write(&home.join("tls"), certificate)?;
        dovecot::write(&home, ports, options.users, login)?;
        postfix::write(&home, ports, options.users)?;
        let rig = Self {
            ca: home.join("tls/ca.crt"),
            conf: home.join("dovecot/dovecot.conf"),
            users: options.users,
            home,
            ports,
            login,
            _keeper: keeper,
        };
        let started = rig.launch_dovecot().and_then(|()| rig.launch_postfix());
        match started {
            Ok(()) => Ok(rig),
            Err(error) => Err(error.context(rig.logs())),
        }
    }

    /// IMAP with STARTTLS.
    #[must_use]
    pub fn imap_port(&self) -> u16 {
        self.ports.imap
    }

    /// IMAP over TLS from the first byte.
    #[must_use]
    pub fn imaps_port(&self) -> u16 {
        self.ports.imaps
    }

    /// Submission: TLS by STARTTLS and AUTH are both required.
    #[must_use]
    pub fn submission_port(&self) -> u16 {
        self.ports.submission
    }

    /// Submission over TLS from the first byte, AUTH required.
    #[must_use]
    pub fn submissions_port(&self) -> u16 {
        self.ports.submissions
    }

    /// SMTP that offers neither TLS nor AUTH and takes mail for the rig's users.
    #[must_use]
    pub fn smtp_plain_port(&self) -> u16 {
        self.ports.smtp_plain
    }

    /// LMTP (RFC 2033) straight into the mailboxes, no TLS.
    #[must_use]
    pub fn lmtp_port(&self) -> u16 {
        self.ports.lmtp
    }

    /// The authority that signed the servers' certificate, which is good for
    /// `localhost`, `mail.example.test`, `127.0.0.1` and `::1`.
    #[must_use]
    pub fn ca_pem(&self) -> &Path {
        &self.ca
    }

    /// For `doveadm -c`.
    #[must_use]
    pub fn dovecot_conf(&self) -> &Path {
        &self.conf
    }

    /// Address, which is the login too, and password of user `n`, counted from one.
    ///
    /// # Panics
    /// When the rig has fewer users.
    #[must_use]
    #[track_caller]
    pub fn user(&self, n: u16) -> (String, String) {
        assert!((1..=self.users).contains(&n), "the rig has users 1 to {}, not {n}", self.users);
        (format!("user{n:03}@{}", dovecot::DOMAIN), format!("pass{n:03}"))
    }

    /// What logs user `n` in to a rig that takes tokens, until `lasts` from now; none at all: it has ended already.
    ///
    /// # Panics
    /// When the rig has fewer users, or takes passwords.
    #[must_use]
    #[track_caller]
    pub fn token(&self, n: u16, lasts: Duration) -> String {
        assert!(matches!(self.login, Login::Token(_)), "this rig takes passwords");
        let (email, _) = self.user(n);
        must(logins::token(&self.home, &email, lasts))
    }

    /// Ends every IMAP session and comes back on the same ports with the same mail.
    pub fn restart_dovecot(&self) {
        self.stop_dovecot();
        self.start_dovecot();
    }

    /// Refuses IMAP and LMTP connections from here on; Postfix refuses every login.
    pub fn stop_dovecot(&self) {
        // `doveadm stop` would do, but waits seconds for children that nobody reaps.
        let file = self.home.join("run/dovecot/master.pid");
        let pid = must(fs::read_to_string(&file).context("Dovecot does not run"));
        must(self.run("/bin/sh", &["-c", "kill -s TERM \"$1\"", "stop", pid.trim()]));
        must(until("Dovecot to stop", || !file.exists()));
    }

    /// Undoes [`Self::stop_dovecot`].
    pub fn start_dovecot(&self) {
        must(self.launch_dovecot());
    }

    /// Refuses connections on all three SMTP ports from here on.
    pub fn stop_postfix(&self) {
        must(self.run("postfix", &["-c", text(&self.home.join("postfix")), "stop"]));
    }

    /// Undoes [`Self::stop_postfix`]; mail that lay in the queue is delivered.
    pub fn start_postfix(&self) {
        must(self.launch_postfix());
    }

    /// Puts a message into a mailbox, which is made when it does not exist. The name is
    /// UTF-8; lines may end in LF or CRLF, and IMAP will serve CRLF.
    pub fn deliver(&self, n: u16, mailbox: &str, raw: &[u8]) {
        let (user, _) = self.user(n);
        let save = ["save", "-u", &user, "-m", mailbox];
        if must(self.ask(&save, raw)).status.success() {
            return;
        }
        self.doveadm(&["mailbox", "create", "-u", &user, mailbox]);
        let output = must(self.ask(&save, raw));
        assert!(output.status.success(), "doveadm save: {}", complaint(&output));
    }

    /// Runs `doveadm` with these arguments and returns what it printed.
    ///
    /// # Panics
    /// When `doveadm` fails, with what it said.
    pub fn doveadm(&self, args: &[&str]) -> String {
        let output = must(self.ask(args, b""));
        assert!(output.status.success(), "doveadm {args:?}: {}", complaint(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What both servers have logged, for the message of a failed test.
    #[must_use]
    pub fn logs(&self) -> String {
        ["start.log", "dovecot.log", "postfix.log"]
            .map(|name| fs::read(self.home.join("log").join(name)).unwrap_or_default())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .concat()
    }

    /// Dovecot goes to the background once its listeners are bound.
    fn launch_dovecot(&self) -> anyhow::Result<()> {
        self.run("dovecot", &["-c", text(&self.conf)])?;
        wait_open(self.ports.imap, true)?;
        wait_open(self.ports.imaps, false)?;
        wait_open(self.ports.lmtp, true)
    }

    fn launch_postfix(&self) -> anyhow::Result<()> {
        // What `postfix start` runs after its checks; `-w` returns when the listeners
        // are bound.
        let configuration = self.home.join("postfix");
        self.run("/usr/lib/postfix/sbin/master", &["-c", text(&configuration), "-w"])?;
        wait_open(self.ports.submission, true)?;
        wait_open(self.ports.submissions, false)?;
        wait_open(self.ports.smtp_plain, true)
    }

    /// Dovecot keeps the standard error that it was started with for as long as it runs:
    /// a pipe would keep whoever reads it waiting for ever, so all goes to a file.
    fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<()> {
        let log =
            File::options().create(true).append(true).open(self.home.join("log/start.log"))?;
        let status = Command::new(program)
            .args(args)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| format!("starting {program}"))?;
        ensure!(status.success(), "{program} {args:?} ended with {status}");
        Ok(())
    }

    fn ask(&self, args: &[&str], input: &[u8]) -> anyhow::Result<Output> {
        let mut child = Command::new("doveadm")
            .arg("-c")
            .arg(&self.conf)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting doveadm")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A doveadm that refuses early closes the pipe; its status tells.
            drop(stdin.write_all(input));
        }
        child.wait_with_output().context("waiting for doveadm")
    }
}

/// Readable by the servers' own users, and short enough for Unix sockets.
fn private_directory() -> anyhow::Result<PathBuf> {
    let named = std::env::temp_dir();
    let fits = named.as_os_str().len() + "/postlet-rig-123456".len() <= LONGEST_HOME;
    let parent = if fits { named } else { PathBuf::from("/tmp") };
    let home = tempfile::Builder::new().prefix("postlet-rig-").tempdir_in(parent)?.keep();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755))?;
    Ok(home)
}

/// Every path of ours is made of ASCII by [`private_directory`] and fixed names.
fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn complaint(output: &Output) -> String {
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())
}

#[track_caller]
fn must<T>(result: anyhow::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error:#}"),
    }
}
