//! Comparison of the table with a public reference list, which is not part of the project.
//!
//! Runs where `POSTLET_REFERENCE_PROVIDERS` names one or more JSON files, with `:` between them.
//! Each is `{"providers": [..]}` with `domains`, and either `incoming` and `outgoing` (lists with a
//! `type`) or `imap` and `smtp`.
//!
//! Invariant: every disagreement is in the table of docs/providers.md, with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::account::Security;
use model::provider::{Server, Username};
use serde::Deserialize;

use crate::providers::Profiles;

#[derive(Deserialize)]
struct List {
    providers: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    incoming: Vec<Said>,
    #[serde(default)]
    outgoing: Vec<Said>,
    imap: Option<Said>,
    smtp: Option<Said>,
}

#[derive(Clone, Deserialize)]
struct Said {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    socket: Option<String>,
    username: Option<String>,
}

#[test]
#[allow(clippy::print_stdout, reason = "who runs it wants to see the differences")]
fn every_disagreement_with_the_reference_is_explained() {
    let Some(paths) = std::env::var_os("POSTLET_REFERENCE_PROVIDERS") else { return };
    let mut reference: BTreeMap<String, (Vec<Said>, Vec<Said>)> = BTreeMap::new();
    for path in std::env::split_paths(&paths) {
        let list: List = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for entry in list.providers {
            let of = |list: &[Said], kind: &str, one: &Option<Said>| -> Vec<Said> {
                let fits = |said: &&Said| said.kind.as_deref() == Some(kind);
                list.iter().filter(fits).chain(one).cloned().collect()
            };
            let imap = of(&entry.incoming, "imap", &entry.imap);
            let smtp = of(&entry.outgoing, "smtp", &entry.smtp);
            for domain in &entry.domains {
                reference.entry(domain.clone()).or_insert((imap.clone(), smtp.clone()));
            }
        }
    }
    assert!(reference.len() > 100, "that is no list of mail services");

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let (mut compared, mut unexplained) = (0, BTreeSet::new());
    let table = Profiles::embedded().unwrap();
    for (domain, id) in &table.domains {
        let Some((imap, smtp)) = reference.get(domain) else { continue };
        let profile = &table.profiles[id];
        compared += 1;
        for (half, ours, theirs) in [("imap", &profile.imap, imap), ("smtp", &profile.smtp, smtp)] {
            // Its first choice, among those with TLS.
            let mut safe = theirs.iter().filter(|said| said.socket.as_deref() != Some("plain"));
            if safe.next().is_some_and(|said| agrees(said, ours.as_ref(), domain)) {
                continue;
            }
            let row = format!("| `{id}` | {half} |");
            let shown: Vec<String> = theirs.iter().map(show).collect();
            println!("{domain}: {row} ours {ours:?}, theirs {shown:?}");
            if !docs.contains(&row) {
                unexplained.insert(row);
            }
        }
    }
    assert!(compared > 100, "only {compared} domains are in both");
    assert!(unexplained.is_empty(), "not in docs/providers.md: {unexplained:#?}");
}

fn agrees(said: &Said, ours: Option<&Server>, domain: &str) -> bool {
    let Some(ours) = ours else { return false };
    let host = said.host.as_deref().unwrap_or_default().replace("%EMAILDOMAIN%", domain);
    let security = match ours.security {
        Security::Tls => "tls",
        Security::StartTls => "starttls",
    };
    let username = match (said.username.as_deref(), ours.username) {
        (None, _) | (Some("%EMAILADDRESS%"), Username::Email) => true,
        (Some("%EMAILLOCALPART%"), Username::LocalPart) => true,
        (Some(_), _) => false,
    };
    host.eq_ignore_ascii_case(&ours.host)
        && said.port == Some(ours.port)
        && said.socket.as_deref() == Some(security)
        && username
}

fn show(said: &Said) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (host, socket, username) = (text(&said.host), text(&said.socket), text(&said.username));
    format!("{host}:{} {socket} {username}", said.port.unwrap_or_default())
}
