//! A rig: both servers, their ports, and what a test may do to them.
//!
//! It knows nothing of Postlet. Every method panics when it fails, since a rig that does not work
//! makes the test that uses it worthless.
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
use crate::cleanup::Keeper;
use crate::dovecot;
use crate::logins;
use crate::logins::{Login, Mechanism};
use crate::ports::{Ports, until, wait_open};
use crate::postfix;
use crate::requirements;

/// Set to `1` where a missing rig is a failure, as in CI.
const REQUIRED: &str = "POSTLET_REQUIRE_RIG";

/// Another process may take a port first; then everything is started again.
const STARTS: u32 = 5;

/// A Unix socket's path ends at 107 bytes, and Postfix's are long.
const LONGEST_HOME: usize = 70;

/// The options of a rig.
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
/// Mailboxes have the folders Drafts, Sent, Trash, Junk and Archive, with their special use (RFC
/// 6154); the separator is `/`. Logins are whole addresses. Some recipients fail:
/// `bounce@example.test` (550) and `tempfail@example.test` (451) at RCPT, `drop@example.test` is
/// accepted and discarded, `sink@example.test` is queued on disk and then discarded, other unknown
/// ones are refused. `userNNN@example.com` is an alias of the same mailbox; an unknown name there
/// is accepted and bounces by mail.
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
    /// Starts both servers. None when this machine cannot (not installed, not root): then one line
    /// on standard error says that tests are skipped, and how to install the servers.
    ///
    /// # Panics
    /// When the servers do not start, or cannot and `POSTLET_REQUIRE_RIG=1` is set.
    #[must_use]
    pub fn start(options: Options) -> Option<Self> {
        Self::launch(Certificate::Good, Login::Password, options)
    }

    /// As [`Self::start`], with this certificate.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn showing(certificate: Certificate, options: Options) -> Option<Self> {
        Self::launch(certificate, Login::Password, options)
    }

    /// As [`Self::start`], with logins by this kind of token ([`Self::token`]) only.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn taking(mechanism: Mechanism, options: Options) -> Option<Self> {
        Self::launch(Certificate::Good, Login::Token(mechanism), options)
    }

    fn launch(certificate: Certificate, login: Login, options: Options) -> Option<Self> {
        if let Some(lack) = requirements::lack() {
            assert!(
                std::env::var_os(REQUIRED).is_none_or(|value| value != "1"),
                "{REQUIRED}=1, and {lack}"
            );
            static SAID: Once = Once::new();
            // Written to the stream, since the test harness captures `eprintln!`.
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

    /// IMAP over implicit TLS.
    #[must_use]
    pub fn imaps_port(&self) -> u16 {
        self.ports.imaps
    }

    /// Submission: TLS by STARTTLS and AUTH are both required.
    #[must_use]
    pub fn submission_port(&self) -> u16 {
        self.ports.submission
    }

    /// Submission over implicit TLS, AUTH required.
    #[must_use]
    pub fn submissions_port(&self) -> u16 {
        self.ports.submissions
    }

    /// SMTP without TLS and AUTH, which accepts mail for the rig's users.
    #[must_use]
    pub fn smtp_plain_port(&self) -> u16 {
        self.ports.smtp_plain
    }

    /// LMTP (RFC 2033) to the mailboxes, without TLS.
    #[must_use]
    pub fn lmtp_port(&self) -> u16 {
        self.ports.lmtp
    }

    /// The authority of the servers' certificate, which is valid for `localhost`,
    /// `mail.example.test`, `127.0.0.1` and `::1`.
    #[must_use]
    pub fn ca_pem(&self) -> &Path {
        &self.ca
    }

    /// The configuration for `doveadm -c`.
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

    /// A token for user `n`, in a rig that accepts tokens, valid until `lasts` from now; with zero
    /// it has expired already.
    ///
    /// # Panics
    /// When the rig has fewer users, or accepts passwords.
    #[must_use]
    #[track_caller]
    pub fn token(&self, n: u16, lasts: Duration) -> String {
        assert!(matches!(self.login, Login::Token(_)), "this rig accepts passwords");
        let (email, _) = self.user(n);
        must(logins::token(&self.home, &email, lasts))
    }

    /// Ends every IMAP session and restarts on the same ports with the same mail.
    pub fn restart_dovecot(&self) {
        self.stop_dovecot();
        self.start_dovecot();
    }

    /// Refuses IMAP and LMTP connections from now on; Postfix refuses every login.
    pub fn stop_dovecot(&self) {
        // `doveadm stop` would do, but waits seconds for children that are not reaped.
        let file = self.home.join("run/dovecot/master.pid");
        let pid = must(fs::read_to_string(&file).context("Dovecot does not run"));
        must(self.run("/bin/sh", &["-c", "kill -s TERM \"$1\"", "stop", pid.trim()]));
        must(until("Dovecot to stop", || !file.exists()));
    }

    /// Undoes [`Self::stop_dovecot`].
    pub fn start_dovecot(&self) {
        must(self.launch_dovecot());
    }

    /// Refuses connections on all three SMTP ports from now on.
    pub fn stop_postfix(&self) {
        must(self.run("postfix", &["-c", text(&self.home.join("postfix")), "stop"]));
    }

    /// Undoes [`Self::stop_postfix`]; queued mail is delivered.
    pub fn start_postfix(&self) {
        must(self.launch_postfix());
    }

    /// Delivers a message into a mailbox, which is created if it does not exist. The name is UTF-8;
    /// lines may end in LF or CRLF, and IMAP will serve CRLF.
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

    /// Runs `doveadm` with these arguments and returns its output.
    ///
    /// # Panics
    /// When `doveadm` fails, with its error message.
    pub fn doveadm(&self, args: &[&str]) -> String {
        let output = must(self.ask(args, b""));
        assert!(output.status.success(), "doveadm {args:?}: {}", complaint(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The logs of both servers, for the message of a failed test.
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
        // The command of `postfix start` after its checks; `-w` returns when the listeners are
        // bound.
        let configuration = self.home.join("postfix");
        self.run("/usr/lib/postfix/sbin/master", &["-c", text(&configuration), "-w"])?;
        wait_open(self.ports.submission, true)?;
        wait_open(self.ports.submissions, false)?;
        wait_open(self.ports.smtp_plain, true)
    }

    /// Dovecot keeps the standard error that it was started with: the reader of a pipe would wait
    /// for ever, so the output goes to a file.
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
            // A doveadm that refuses early closes the pipe; its status is the error.
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

/// Every path here is ASCII, made by [`private_directory`] and from fixed names.
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
