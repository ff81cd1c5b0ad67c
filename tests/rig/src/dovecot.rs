//! Configuration of Dovecot: IMAP with STARTTLS and with implicit TLS, LMTP, and the password check
//! that Postfix uses too.
//!
//! Dovecot treats every loopback client as secured, so it accepts LOGIN without TLS here; that a
//! client refuses to send a credential in the clear must be tested against another server.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use crate::logins::Login;
use crate::ports::Ports;
use crate::requirements::owner;

/// The domain of every mailbox (RFC 2606 §2 reserves it).
pub(crate) const DOMAIN: &str = "example.test";

/// Writes `dovecot.conf` and `users` below `home`, and creates the mail directory.
pub(crate) fn write(home: &Path, ports: Ports, users: u16, login: Login) -> anyhow::Result<()> {
    login.write(home)?;
    for place in ["dovecot", "log", "mail", "run/dovecot", "run/state"] {
        fs::create_dir_all(home.join(place))?;
    }
    // Any user other than root may own mail; this one exists on every Debian.
    let mail = owner("mail")?;
    chown(home.join("mail"), Some(mail.uid), Some(mail.gid))?;

    let mut table = String::new();
    for number in 1..=users {
        let (uid, gid, home) = (mail.uid, mail.gid, home.display());
        writeln!(
            table,
            "user{number:03}@{DOMAIN}:{{PLAIN}}pass{number:03}:{uid}:{gid}::{home}/mail/user{number:03}::"
        )?;
    }
    let path = home.join("dovecot/users");
    fs::write(&path, table)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
    chown(&path, None, Some(owner("dovecot")?.gid))?;
    fs::write(
        home.join("dovecot/dovecot.conf"),
        configuration(&home.display().to_string(), ports, login),
    )?;
    Ok(())
}

fn configuration(home: &str, ports: Ports, login: Login) -> String {
    let Ports { imap, imaps, lmtp, .. } = ports;
    let (mechanisms, passdb) = (login.mechanisms(), login.passdb(home));
    let special: String = ["Drafts", "Sent", "Trash", "Junk", "Archive"]
        .map(|name| {
            format!("  mailbox {name} {{\n    auto = subscribe\n    special_use = \\{name}\n  }}\n")
        })
        .concat();
    format!(
        r"base_dir = {home}/run/dovecot
state_dir = {home}/run/state
instance_name = rig
listen = 127.0.0.1
protocols = imap lmtp
log_path = {home}/log/dovecot.log
login_greeting = rig ready

ssl = yes
ssl_cert = <{home}/tls/server.crt
ssl_key = <{home}/tls/server.key
ssl_min_protocol = TLSv1.2
ssl_dh =

# The stock two seconds after a wrong password would be spent by every test of one.
auth_failure_delay = 0
auth_mechanisms = {mechanisms}
auth_cache_size = 1M
auth_verbose = yes
disable_plaintext_auth = yes
{passdb}
userdb {{
  driver = passwd-file
  args = username_format=%u {home}/dovecot/users
}}
first_valid_uid = 1

mail_location = maildir:~/Maildir
# The stock ten connections of one user from one address are fewer than a bench opens.
mail_max_userip_connections = 200
namespace inbox {{
  inbox = yes
  separator = /
{special}}}

protocol lmtp {{
  postmaster_address = postmaster@{DOMAIN}
  hostname = localhost
}}
lmtp_save_to_detail_mailbox = no
recipient_delimiter = +

service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 1
  client_limit = 4000
}}
service imap {{
  process_limit = 1024
  service_count = 1
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
  unix_listener {home}/run/lmtp {{
    mode = 0660
    user = postfix
    group = postfix
  }}
  process_min_avail = 1
}}
service auth {{
  unix_listener {home}/run/sasl {{
    mode = 0660
    user = postfix
    group = postfix
  }}
  client_limit = 8192
}}
service anvil {{
  client_limit = 8192
}}
service stats {{
  client_limit = 8192
}}
default_vsz_limit = 1G
"
    )
}
