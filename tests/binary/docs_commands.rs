//! Documentation test: the shell commands of docs/, run as printed against `postlet dev`.
//!
//! A block is the text between "```sh" and "```". The blocks of a page run one after the other in
//! one directory; after one that starts `postlet dev`, the next run in another terminal against it.
//! A block that no test can run follows an HTML comment, `<!-- not run: why -->`, for readers of
//! the source.
//!
//! The state that a reader has at that point is prepared: the lines that `dev` prints, `$AUTH`, a
//! message with an attachment (`$ID`, `$OTHER`, `$SUBMISSION`), and a tenant's token where `$ID` is
//! one.

use std::fs;

use crate::readme::{Reader, page, root};

/// Runs before each block, in Bash.
const PREPARED: &str = r#"
AUTH="Authorization: Bearer $TOKEN"
first() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
sent() {
  curl -sS -H "$AUTH" $POSTLET/anna/send --json '{"to": [{"email": "bob@mailroom.test"}], "subject": "Hello", "text": "Hello",
    "attachments": [{"filename": "a.txt", "content": "aGVsbG8="}]}' | first submissionId
}
newest() { curl -sS -H "$AUTH" "$POSTLET/bob/messages?limit=2" | grep -o '"id":"[^"]*"' | cut -d '"' -f 4; }
if [ ! -e .prepared ]; then
  sent >/dev/null; sent >.prepared
  for _ in $(seq 240); do [ "$(newest | wc -l)" -lt 2 ] || break; sleep 0.25; done
  touch sea.jpg trip.pdf
fi
SUBMISSION=$(cat .prepared)
{ read -r ID; read -r OTHER || true; } < <(newest)
"#;

/// Stands in for a message.
const A_TOKEN: &str = r#"
ID=$(curl -sS -H "$AUTH" "${POSTLET%/accounts}/tokens" --json '{"scopes": ["read"]}' | first id)
"#;

#[test]
fn the_shell_commands_of_every_page_work_as_printed() {
    let mut pages: Vec<String> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .collect();
    pages.sort();
    let mut ran = 0;
    for name in pages {
        let blocks = shell_blocks(&page(&format!("docs/{name}")));
        if blocks.iter().all(|block| block.reason.is_some()) {
            continue;
        }
        let reader = Reader::new();
        let mut dev = None;
        for block in blocks.iter().filter(|block| block.reason.is_none()) {
            let last = block.text.trim_end().lines().last().unwrap_or_default();
            if last.starts_with("postlet dev") || last.starts_with("cargo run -- dev") {
                drop(dev.take());
                // Its mailboxes differ.
                drop(fs::remove_file(reader.home().join(".prepared")));
                dev = Some(reader.serve(&block.text));
                continue;
            }
            let dev = dev.get_or_insert_with(|| reader.serve("postlet dev"));
            let token = if block.section == "Tokens" { A_TOKEN } else { "" };
            reader.run(&format!("{}\n{PREPARED}{token}\n{}", dev.exports, block.text));
            ran += 1;
        }
    }
    assert!(ran > 10, "{ran} blocks were run: the pages are not read");
}

/// The pin that the documented command prints is the one that `dev` shows.
#[test]
fn the_documented_command_prints_the_pin() {
    let blocks = shell_blocks(&page("docs/command-line.md"));
    let tls: Vec<_> =
        blocks.iter().filter(|block| block.text.contains("imap.example.com:993")).collect();
    let starttls = blocks.iter().find(|block| block.text.contains("-starttls smtp")).unwrap();
    let [tls] = tls[..] else { panic!("{} blocks", tls.len()) };
    // The other command differs in how the connection is made.
    let rest = |text: &str| text.split_once('|').unwrap().1.to_owned();
    assert_eq!(rest(&tls.text), rest(&starttls.text));
    let host = testkit::process::Host::dev();
    let imap = &host.ready["accounts"][0]["imap"];
    let line = tls.text.replace("imap.example.com:993", &format!("127.0.0.1:{}", imap["port"]));
    assert_eq!(Reader::new().run(&line).trim(), imap["pin"].as_str().unwrap());
}

struct Block {
    section: String,
    text: String,
    /// The reason why a block is not run.
    reason: Option<String>,
}

/// The shell blocks of a page, each with the heading above it.
fn shell_blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut section, mut reason) = (String::new(), None);
    let mut open: Option<String> = None;
    for line in text.lines() {
        match (&mut open, line) {
            (None, "```sh") => open = Some(String::new()),
            (Some(_), "```") => {
                let text = open.take().unwrap_or_default();
                blocks.push(Block { section: section.clone(), text, reason: reason.take() });
            }
            (Some(text), line) => *text += &format!("{line}\n"),
            (None, line) if line.starts_with('#') => {
                section = line.trim_start_matches(['#', ' ']).to_owned();
            }
            (None, "") => {}
            (None, line) => {
                let told =
                    line.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
                reason = told.filter(|told| !told.is_empty()).map(str::to_owned);
            }
        }
    }
    blocks
}
