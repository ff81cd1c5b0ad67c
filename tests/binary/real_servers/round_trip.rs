//! Round-trip test: messages sent over HTTP are read back unchanged: names, subjects, texts, file
//! names and ids over all of Unicode, through a real Postfix and a real Dovecot.
//!
//! Forty drafts; `POSTLET_DRAFTS` is another number, and `POSTLET_SEED` repeats those of a run,
//! whose first line names it (`tests/full/drafts.sh` runs a thousand).
//!
//! Documented exceptions: a name of spaces alone is omitted, a file name is a label (docs/api.md),
//! line ends are LF, and empty lines at the end of a text are removed.

use std::collections::HashMap;

use serde_json::{Value, json};

use testkit::http::Client;
use testkit::site::{Connected, connected, under};
use testkit::wait::wait_for;

const DRAFTS: usize = 40;

#[test]
#[expect(clippy::print_stderr, reason = "the seed repeats a failure")]
fn sent_names_and_texts_are_read_back_unchanged() {
    let Some(Connected { rig, n, mut client, id: account, up: _up }) = connected() else { return };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let drafts = number("POSTLET_DRAFTS").map_or(DRAFTS, |n| usize::try_from(n).unwrap());
    let seed = number("POSTLET_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("{drafts} drafts, POSTLET_SEED={seed}");
    let own = rig.user(n).0;

    let mut random = Random(seed);
    let mut sent: HashMap<String, Value> = HashMap::new();
    for _ in 0..drafts {
        let draft = random.draft(&own);
        let receipt = client.json("POST", &under(&account, "send"), &draft).expect(202);
        sent.insert(receipt["messageId"].as_str().unwrap().to_owned(), draft);
    }
    let rows = wait_for("every message", || {
        let rows = rows(&mut client, &account);
        (rows.len() == drafts).then_some(rows)
    });
    let mut wrong = Vec::new();
    for row in rows {
        let draft = sent.remove(row["messageId"].as_str().unwrap()).unwrap();
        let path = under(&account, &format!("messages/{}", row["id"].as_str().unwrap()));
        let found = client.get(&path).expect(200);
        let page = draft.get("html").map(|_| client.get(&format!("{path}/html?as=sent")).text());
        wrong.extend(differences(&draft, &found, page.as_deref()));
    }
    assert!(wrong.is_empty(), "POSTLET_SEED={seed}: {} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn rows(client: &mut Client, account: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("messages?limit=100&fields=id,messageId{cursor}");
        let page = client.get(&under(account, &query)).expect(200);
        rows.extend(page["messages"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

fn differences(draft: &Value, found: &Value, page: Option<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, sent: Value, found: Value| {
        if sent != found {
            wrong.push(format!("{what}: {sent} came back as {found}"));
        }
    };
    compare("from", people(&json!([draft["from"]])), people(&found["from"]));
    for member in ["to", "replyTo"] {
        compare(member, people(&draft[member]), people(&found[member]));
    }
    let subject = draft["subject"].as_str().filter(|subject| !subject.is_empty());
    compare("subject", json!(subject), found["subject"].clone());
    for member in ["inReplyTo", "references"] {
        compare(member, draft[member].clone(), found[member].clone());
    }
    let own = |header: &&Value| header["name"] == "X-Own";
    let header = found["headers"].as_array().unwrap().iter().find(own);
    compare("X-Own", draft["headers"][0]["value"].clone(), header.unwrap()["value"].clone());
    compare("text", lines(&draft["text"]), lines(&found["text"]));
    if let Some(page) = page {
        compare("html", lines(&draft["html"]), lines(&json!(page)));
    }
    let names = |list: &Value| {
        let files = list.as_array().into_iter().flatten();
        files.map(|file| file["filename"].as_str().and_then(label)).collect::<Vec<_>>()
    };
    compare("names", json!(names(&draft["attachments"])), json!(names(&found["attachments"])));
    wrong
}

fn people(list: &Value) -> Value {
    let shown = |person: &Value| {
        let name = person["name"].as_str().filter(|name| !name.trim().is_empty());
        json!([name, person["email"]])
    };
    list.as_array().into_iter().flatten().map(shown).collect()
}

fn lines(text: &Value) -> Value {
    let text = text.as_str().unwrap_or_default().replace("\r\n", "\n").replace('\r', "\n");
    json!(text.trim_end_matches('\n'))
}

/// The file name after the changes that docs/api.md documents.
fn label(name: &str) -> Option<String> {
    let hidden = |c: &char| {
        matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let name = name.replace(['\\', '/'], "_");
    let shown: String = name.chars().filter(|c| !hidden(c)).collect();
    let shown = shown.trim().trim_end_matches([' ', '.']);
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// SplitMix64: repeatable; nothing else is required.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((word ^ (word >> 31)) % bound as u64).unwrap()
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        list.get(self.below(list.len())).unwrap()
    }

    fn draft(&mut self, own: &str) -> Value {
        let mut draft = json!({
            "from": {"name": self.line(200), "email": own},
            "to": [{"name": self.line(200), "email": own}],
            "replyTo": self.list(3, |random, n| {
                json!({"name": random.line(200), "email": format!("a.{n}+b@example.org")})
            }),
            "subject": self.line(2_000),
            "text": self.text(3_000),
            "inReplyTo": self.list(2, |random, _| json!(random.id())),
            "references": self.list(30, |random, _| json!(random.id())),
            "headers": [{"name": "X-Own", "value": self.line(2_000)}],
            "attachments": self.list(4, |random, _| json!({"filename": random.line(200), "content": "aGk="})),
        });
        if self.below(3) == 0 {
            draft["html"] = json!(format!("<p>{}</p>", self.text(2_000)));
        }
        draft
    }

    fn list(&mut self, most: usize, one: impl Fn(&mut Self, usize) -> Value) -> Vec<Value> {
        (0..self.below(most + 1)).map(|n| one(self, n)).collect()
    }

    fn id(&mut self) -> String {
        const MARKS: &[u8] = b"abcXYZ0189!#$%&'*+-/=?^_`{|}~.@";
        (0..=self.below(80)).map(|_| char::from(*self.one_of(MARKS))).collect()
    }

    /// Words without control characters, of at most this many bytes.
    fn line(&mut self, most: usize) -> String {
        let most = self.below(most + 1);
        let mut line = String::new();
        while line.len() < most {
            let piece = self.piece();
            if line.len() + piece.len() > most {
                break;
            }
            line.push_str(&piece);
        }
        line
    }

    fn text(&mut self, most: usize) -> String {
        const ENDS: [&str; 9] =
            ["\n", "\r\n", "\n\n", "\t", "\u{c}", "\n.\n", "\nFrom ", "\n--\n", " \n"];
        let mut text = String::new();
        for _ in 0..self.below(20) {
            text += &self.line(most / 10);
            let end = *self.one_of(&ENDS);
            text += end;
        }
        text + "x"
    }

    fn piece(&mut self) -> String {
        const MARKED: [&str; 24] = [
            " ",
            "  ",
            "\u{a0}",
            "\u{3000}",
            "\u{2003}",
            "\u{200d}",
            "\u{200c}",
            "\u{202e}",
            "\u{2066}",
            "\u{feff}",
            "\"",
            "\\",
            "'",
            "=?utf-8?q?a?=",
            "=?",
            "?=",
            "=?utf-8?b?4p2k?= ",
            "<a@b>",
            ",",
            ";",
            "(c)",
            "%20",
            "*0*=",
            "👩\u{200d}🚀",
        ];
        match self.below(6) {
            0 | 1 => (*self.one_of(&MARKED)).to_owned(),
            2 => "abcdefghijklmnopqrstuvwxyz ".chars().nth(self.below(27)).unwrap().to_string(),
            3 => "long-word".repeat(self.below(20)),
            4 => char::from_u32(u32::try_from(self.below(0x2fff)).unwrap())
                .map_or_else(String::new, shown),
            _ => char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap())
                .map_or_else(String::new, shown),
        }
    }
}

fn shown(character: char) -> String {
    if character.is_control() { "x".to_owned() } else { character.to_string() }
}
