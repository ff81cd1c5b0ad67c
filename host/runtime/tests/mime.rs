//! Tests of the real `mime` component, called as the engine calls it.

use std::sync::Arc;

use bytes::Bytes;
use fakes::spool::InMemory;
use model::instant::Timestamp;
use model::mail::address::Address;
use model::mail::draft::{Attachment, Disposition, Draft};
use model::mail::message::{ParseOptions, Usage};
use model::octets::in_memory;
use model::port::mime::{Mime, MimeError};
use runtime::limits::{Limits, Settings};
use runtime::mime::MimeComponent;

use crate::support::{nothing_lives, runtime, with};

#[tokio::test]
async fn a_composed_message_is_read_back_with_its_attachment() {
    let runtime = runtime();
    let mime = mime(&runtime);
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| ((n * 31) >> 3) as u8).collect();
    let draft = Draft {
        sender: Some(person("李安", "ann@example.test")),
        to: vec![person("Bo", "bo@example.test")],
        bcc: vec![person("Cy", "cy@example.test")],
        subject: Some("Grüße".to_owned()),
        text: Some("Hallo\n".to_owned()),
        html: Some("<p>Hallo</p>".to_owned()),
        attachments: vec![Attachment {
            filename: Some("bild.bin".to_owned()),
            content_type: "application/octet-stream".to_owned(),
            disposition: Disposition::Attachment,
            content_id: None,
            content: in_memory(content.clone().into()),
        }],
        ..Draft::default()
    };
    let date = Timestamp::parse("2026-11-23T09:30:00Z").unwrap();
    let composed = mime.compose(draft, "one@example.test", date).await.unwrap();
    assert_eq!(composed.envelope.sender.as_str(), "ann@example.test");
    let recipients: Vec<_> = composed.envelope.recipients.iter().map(|r| r.as_str()).collect();
    assert_eq!(recipients, ["bo@example.test", "cy@example.test"]);

    let want = ParseOptions {
        headers: true,
        details: true,
        structure: true,
        text: true,
        html: true,
        preview: true,
        html_as_sent: false,
    };
    let reading = mime.read(Arc::clone(&composed.raw), want, 10_000).await.unwrap();
    assert_eq!(reading.facts.subject.as_deref(), Some("Grüße"));
    assert_eq!(reading.facts.sender, [person("李安", "ann@example.test")]);
    assert_eq!(reading.facts.message_id.as_deref(), Some("one@example.test"));
    assert_eq!(reading.facts.date, Some(date));
    assert_eq!(reading.text.as_deref().map(str::trim_end), Some("Hallo"));
    assert!(reading.html.unwrap().contains("<p>Hallo</p>"));
    assert_eq!(reading.html_as_sent, None, "it was not asked for");
    assert!(reading.has_attachments);
    assert!(reading.headers.iter().all(|header| !header.name.eq_ignore_ascii_case("bcc")));

    let part = reading.parts.iter().find(|part| part.usage == Some(Usage::Attachment)).unwrap();
    assert_eq!(part.filename.as_deref(), Some("bild.bin"));
    let decoded = mime.decode(Arc::clone(&composed.raw), &part.path).await.unwrap();
    let decoded = decoded.read_at(0, 2_000_000).await.unwrap();
    assert!(decoded == content, "{} bytes came back", decoded.len());
    nothing_lives(&runtime).await;
}

#[tokio::test]
async fn errors_in_a_draft_are_returned_with_their_json_pointers() {
    let mime = mime(&runtime());
    let draft = Draft {
        sender: Some(person("Ann", "ann@example.test")),
        to: vec![person("Bo", "bo@example.test\r\nRCPT TO:<x@y>")],
        ..Draft::default()
    };
    let refused = mime.compose(draft, "one@example.test", Timestamp::from_millis(0)).await;
    let Err(MimeError::Faults(faults)) = refused else { panic!("{refused:?}") };
    assert!(faults.iter().any(|fault| fault.pointer == "/to/0/email"), "{faults:?}");
}

#[tokio::test]
async fn every_header_block_has_a_result() {
    let mime = mime(&runtime());
    let blocks: Vec<Bytes> = vec![
        "Subject: one\r\n\r\n".into(),
        "\u{0}\u{1}\u{2}".into(),
        "From: a@b\r\nSubject: three\r\n\r\n".into(),
    ];
    let facts = mime.summarise(blocks).await.unwrap();
    assert_eq!(facts.len(), 3);
    assert_eq!(facts[0].as_ref().unwrap().subject.as_deref(), Some("one"));
    assert_eq!(facts[2].as_ref().unwrap().subject.as_deref(), Some("three"));
}

#[tokio::test]
async fn a_part_that_does_not_exist_is_an_error() {
    let mime = mime(&runtime());
    let raw = in_memory("Subject: x\r\n\r\nbody".into());
    let refused = mime.decode(raw, "7.7").await;
    let Err(MimeError::Faults(faults)) = refused else { panic!("{refused:?}") };
    assert_eq!(faults[0].code, "no-such-part");
}

#[tokio::test]
async fn a_message_that_exceeds_the_components_limits_is_only_an_error() {
    let tight = Limits { memory: 2 << 20, ..Limits::for_mime() };
    let settings = Settings { instances: 1, mime_instances: 2, mime: tight, ..Settings::default() };
    let runtime = with(settings);
    let mime = mime(&runtime);
    let mut raw = b"Content-Type: text/plain\r\n\r\n".to_vec();
    raw.resize(8 << 20, b'x');
    let want = ParseOptions { text: true, ..ParseOptions::default() };
    let refused = mime.read(in_memory(raw.into()), want, u32::MAX).await;
    assert!(matches!(refused, Err(MimeError::Failed(_))), "{refused:?}");
    nothing_lives(&runtime).await;
}

fn mime(runtime: &runtime::Runtime) -> MimeComponent {
    let component = runtime.component("mime", components::MIME).unwrap();
    runtime.mime(&component, Arc::new(InMemory)).unwrap()
}

fn person(name: &str, email: &str) -> Address {
    Address { name: Some(name.to_owned()), email: email.to_owned() }
}
