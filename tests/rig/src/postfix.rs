//! Configuration of Postfix: submission with AUTH over STARTTLS and over implicit TLS, a plain port
//! for injecting mail, delivery to Dovecot over LMTP.
//!
//! Some recipients fail on purpose, and nothing is ever sent to another machine.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::time::SystemTime;

use crate::dovecot::DOMAIN;
use crate::ports::Ports;
use crate::requirements::owner;

const LONG_AGO: SystemTime = SystemTime::UNIX_EPOCH;

/// The directories of a queue, all for Postfix only.
const QUEUES: [&str; 13] = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop",
    "private", "public", "saved", "trace",
];

/// Writes `main.cf`, `master.cf` and the tables below `home`, and creates the queue.
pub(crate) fn write(home: &Path, ports: Ports, users: u16) -> anyhow::Result<()> {
    for place in ["postfix", "log", "data", "queue/pid"] {
        fs::create_dir_all(home.join(place))?;
    }
    let postfix = owner("postfix")?;
    chown(home.join("data"), Some(postfix.uid), None)?;
    for name in QUEUES {
        let place = home.join("queue").join(name);
        fs::create_dir(&place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700))?;
        chown(&place, Some(postfix.uid), None)?;
    }
    let mut mailboxes = String::new();
    for number in 1..=users {
        writeln!(mailboxes, "user{number:03}@{DOMAIN} OK")?;
    }
    writeln!(mailboxes, "sink@{DOMAIN} OK")?;
    let configuration = home.join("postfix");
    fs::write(configuration.join("mailboxes"), mailboxes)?;
    fs::write(configuration.join("aliases"), "/^(.*)@example\\.com$/ ${1}@example.test\n")?;
    fs::write(configuration.join("main.cf"), main(&home.display().to_string()))?;
    fs::write(configuration.join("master.cf"), master(ports))?;
    for name in ["main.cf", "master.cf", "mailboxes", "aliases"] {
        // Postfix rereads a file until it is two seconds old.
        File::options().write(true).open(configuration.join(name))?.set_modified(LONG_AGO)?;
    }
    Ok(())
}

/// `/etc/postfix` and `/usr/lib/postfix` contain parts of the package, no configuration.
fn main(home: &str) -> String {
    format!(
        r"compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
multi_instance_name = postfix-rig
multi_instance_enable = no
syslog_name = postfix-rig
maillog_file = {home}/log/postfix.log
maillog_file_prefixes = {home}

inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.{DOMAIN}
mydomain = {DOMAIN}
myorigin = {DOMAIN}
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:5.1.1 the rig has no local delivery
default_transport = error:5.4.4 the rig sends nothing outside
relay_transport = error:5.4.4 the rig relays nothing
smtp_dns_support_level = disabled
notify_classes =

virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_maps = texthash:{home}/postfix/mailboxes
virtual_transport = lmtp:unix:{home}/run/lmtp
transport_maps = inline:{{ {{ sink@{DOMAIN} = discard: }} }}
# Accepts everybody and finds out later who is missing: so bounces come by mail.
virtual_alias_domains = example.com
virtual_alias_maps = regexp:{home}/postfix/aliases
recipient_delimiter = +
message_size_limit = 52428800
mailbox_size_limit = 0
virtual_mailbox_limit = 0
biff = no

# The stock values slow down a single loopback client on purpose.
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
smtpd_error_sleep_time = 0

smtpd_tls_cert_file = {home}/tls/server.crt
smtpd_tls_key_file = {home}/tls/server.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {home}/run/sasl
smtpd_sasl_security_options = noanonymous
# As many sites have it; a client that calls itself localhost is refused at RCPT.
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{ bounce@{DOMAIN} = 550 5.1.1 rig: no such mailbox }}, {{ tempfail@{DOMAIN} = 451 4.3.0 rig: try again later }}, {{ drop@{DOMAIN} = DISCARD }} }},
    reject_unlisted_recipient, permit_sasl_authenticated, reject
"
    )
}

fn master(ports: Ports) -> String {
    let Ports { submission, submissions, smtp_plain, .. } = ports;
    format!(
        r"127.0.0.1:{submission} inet n - n - 200 smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
127.0.0.1:{submissions} inet n - n - 200 smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
127.0.0.1:{smtp_plain} inet n - n - 200 smtpd
  -o smtpd_tls_security_level=none
  -o smtpd_helo_restrictions=
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o smtpd_recipient_restrictions=reject_unlisted_recipient,permit_mynetworks,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"
    )
}
