//! Requirements of a rig: installed packages and permissions.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

/// The packages, as in an installation command.
const INSTALL: &str =
    "apt-get install -y --no-install-recommends dovecot-core dovecot-imapd dovecot-lmtpd postfix";

const PROGRAMS: [&str; 6] = [
    "/usr/sbin/dovecot",
    "/usr/bin/doveadm",
    "/usr/lib/dovecot/imap",
    "/usr/lib/dovecot/lmtp",
    "/usr/sbin/postfix",
    "/usr/lib/postfix/sbin/master",
];

/// The reason why no rig can start here, with a correction, or None when one can.
pub(crate) fn lack() -> Option<String> {
    if let Some(missing) = PROGRAMS.iter().find(|program| !Path::new(program).exists()) {
        return Some(format!("{missing} is missing: {INSTALL}"));
    }
    // Both servers change to other users, which only root may do.
    if fs::metadata("/proc/self").map_or(1, |status| status.uid()) != 0 {
        return Some("Dovecot and Postfix need root: run the tests as root".to_owned());
    }
    let version = Command::new("/usr/sbin/dovecot").arg("--version").output().ok()?.stdout;
    let version = String::from_utf8_lossy(&version);
    // Dovecot 2.4 renamed most settings.
    (!version.starts_with("2.3.")).then(|| {
        format!("Dovecot {} is installed, the rig speaks 2.3's configuration", version.trim())
    })
}

/// A system user, with its primary group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Looks up a system user by name.
pub(crate) fn owner(name: &str) -> anyhow::Result<Owner> {
    let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    let fields = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name));
    let number = |place: usize| fields.as_ref().and_then(|fields| fields.get(place)?.parse().ok());
    match (number(2), number(3)) {
        (Some(uid), Some(gid)) => Ok(Owner { uid, gid }),
        _ => anyhow::bail!("this system has no user {name}"),
    }
}
