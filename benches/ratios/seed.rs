//! A mailbox to measure on: the same messages in every run, written into Dovecot's mail storage.
//! Sizes are typical of real mailboxes: mostly some kilobytes, a few with attachments.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

use rig::Rig;

use testkit::measure::load::Dice;

const WORDS: [&str; 16] = [
    "invoice",
    "meeting",
    "Grüße",
    "report",
    "flight",
    "order",
    "weekly",
    "draft",
    "budget",
    "photos",
    "contract",
    "reminder",
    "update",
    "question",
    "answer",
    "newsletter",
];

/// Fills the inbox of user `n` with `count` messages and lets Dovecot index them.
pub(crate) fn fill(rig: &Rig, n: u16, count: u32) {
    let (user, _) = rig.user(n);
    // Dovecot creates the directories, with their owner, when a message is saved.
    rig.deliver(n, "INBOX", b"Subject: first\r\n\r\nThe oldest message.\r\n");
    let home = rig.dovecot_conf().ancestors().nth(2).unwrap().join(format!("mail/user{n:03}"));
    let inbox = home.join("Maildir/cur");
    let owner = fs::metadata(&inbox).unwrap();
    let mut dice = Dice::new(42);
    for number in 1..count {
        let message = message(number, &mut dice);
        let time = 1_700_000_000 + u64::from(number) * 600;
        let path = inbox.join(format!("{time}.M{number}P1.bench,S={}:2,S", message.len()));
        fs::write(&path, message).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    rig.doveadm(&["force-resync", "-u", &user, "INBOX"]);
    // The first list fills Dovecot's own cache, for both sides.
    rig.doveadm(&["index", "-u", &user, "INBOX"]);
}

fn message(number: u32, dice: &mut Dice) -> Vec<u8> {
    let mut word = || WORDS[dice.roll(WORDS.len())];
    let (subject, name) = (format!("{} {} {number}", word(), word()), word());
    let mut text = String::new();
    write!(
        text,
        "Return-Path: <{name}@example.org>\r\nReceived: from mx.example.org by mail.example.test; Mon, 13 Nov 2023 10:00:00 +0000\r\n\
         From: \"{name} Müller\" <sender{}@example.org>\r\nTo: user001@example.test\r\nCc: team@example.test\r\n\
         Subject: {subject}\r\nDate: Mon, 13 Nov 2023 10:{:02}:{:02} +0000\r\nMessage-ID: <{number}.bench@example.org>\r\n\
         References: <{}.bench@example.org>\r\nMIME-Version: 1.0\r\n",
        number % 97,
        number / 60 % 60,
        number % 60,
        number / 7,
    )
    .unwrap();
    let paragraphs = match dice.roll(10) {
        0 => 120,
        1..=3 => 30,
        _ => 6,
    };
    let prose: String = (0..paragraphs * 12)
        .map(|at| {
            format!("{}{}", WORDS[dice.roll(WORDS.len())], if at % 12 == 11 { "\r\n" } else { " " })
        })
        .collect();
    let kind = dice.roll(100);
    if kind < 45 {
        write!(text, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{prose}")
            .unwrap();
        return text.into_bytes();
    }
    let html: String = prose.lines().map(|line| format!("<p>{line}</p>\r\n")).collect();
    let alternative = format!(
        "Content-Type: multipart/alternative; boundary=alt\r\n\r\n--alt\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{prose}\r\n--alt\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n<html><body>{html}</body></html>\r\n--alt--\r\n"
    );
    if kind < 92 {
        text += &alternative;
        return text.into_bytes();
    }
    let lines = 200 + dice.roll(3000);
    let attachment = format!("{}\r\n", "QUJD".repeat(19)).repeat(lines);
    write!(
        text,
        "Content-Type: multipart/mixed; boundary=mix\r\n\r\n--mix\r\n{alternative}\r\n--mix\r\n\
         Content-Type: application/pdf; name=\"{number}.pdf\"\r\nContent-Disposition: attachment; filename=\"{number}.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{attachment}\r\n--mix--\r\n"
    )
    .unwrap();
    text.into_bytes()
}
