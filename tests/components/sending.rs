//! Tests of the `send` component.

use serde_json::json;

use crate::fake_capabilities::raw;
use crate::harness::{House, field, is_problem, json as read};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test]
async fn a_json_draft_becomes_a_submission() {
    let house = House::with("send").await;
    let draft = json!({
        "from": {"name": "安", "email": "ann@example.com"}, "to": [{"email": "bo@example.net"}],
        "subject": "Grüße", "text": "hi", "headers": [{"name": "X-A", "value": "b"}],
        "attachments": [{"filename": "a.txt", "content": "aGVsbG8="}],
    });
    let answer = house.ask("POST", "/send", "/send", JSON, draft.to_string()).await;
    assert_eq!(answer.status(), 202, "{answer:?}");
    assert_eq!(field(&answer, "location"), "/v1/accounts/ann/submissions/sub_aaaaaaaaaaaaaaaa");
    assert_eq!(
        read(&answer),
        json!({"submissionId": "sub_aaaaaaaaaaaaaaaa", "messageId": "m@x", "state": "dotSent", "sendAt": "1970-01-01T00:00:01.500Z", "warnings": ["the filter `f` was passed over"]})
    );
    let drafts = house.desk.drafts.lock().unwrap();
    let draft = drafts.first().unwrap();
    assert_eq!(draft.sender.as_ref().unwrap().name.as_deref(), Some("安"));
    assert_eq!(draft.attachments[0].content.in_memory().unwrap(), "hello");
    assert_eq!(draft.attachments[0].content_type, "application/octet-stream");
    assert_eq!(draft.headers[0].name, "X-A");
}

#[tokio::test]
async fn the_receipt_of_an_earlier_request_is_marked() {
    let house = House::with("send").await;
    for (subject, want) in [("once", None), ("again", Some("true"))] {
        let draft = json!({"to": [{"email": "bo@example.net"}], "subject": subject, "text": "hi"});
        let answer = house.ask("POST", "/send", "/send", JSON, draft.to_string()).await;
        assert_eq!(answer.status(), 202, "{answer:?}");
        let marked = answer.headers().get("idempotent-replayed");
        assert_eq!(marked.map(|value| value.to_str().unwrap()), want, "{answer:?}");
    }
}

#[tokio::test]
async fn a_form_becomes_a_submission_and_its_file_is_not_changed() {
    let house = House::with("send").await;
    let mut form = Vec::new();
    let mut part = |head: &str, body: &[u8]| {
        form.extend_from_slice(
            format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
        );
        form.extend_from_slice(body);
        form.extend_from_slice(b"\r\n");
    };
    part("name=\"to\"", b"Bo <bo@example.net>");
    part("name=\"to\"", b"cy@example.org");
    part("name=\"subject\"", "Grüße".as_bytes());
    part("name=\"json\"", br#"{"to": [], "text": "hi"}"#);
    part("name=\"attachment\"; filename=\"a %22b%22.bin\"\r\nContent-Type: image/png", &raw());
    part("name=\"inline\"; filename=\"lo\\go.png\"", b"x");
    part("name=\"inline\"; filename=\"a b.png\"", b"y");
    part("name=\"html\"", b"<img src=\"cid:lo_go.png\"><img src=\"cid:a%20b.png\">");
    form.extend_from_slice(b"--XX--\r\n");
    let fields = [("content-type", "multipart/form-data; boundary=XX")];
    let answer = house.ask("POST", "/send", "/send", &fields, form).await;
    assert_eq!(answer.status(), 202, "{answer:?}");
    let drafts = house.desk.drafts.lock().unwrap();
    let draft = drafts.first().unwrap();
    assert_eq!(draft.to.len(), 2);
    assert_eq!(draft.to[0].name.as_deref(), Some("Bo"));
    assert_eq!(draft.text.as_deref(), Some("hi"));
    assert_eq!(draft.attachments[0].filename.as_deref(), Some("a \"b\".bin"));
    assert_eq!(draft.attachments[0].content_type, "image/png");
    assert_eq!(draft.attachments[0].content.in_memory().unwrap(), raw());
    assert_eq!(draft.attachments[1].content_id.as_deref(), Some("lo_go.png"));
    // A content id contains no space, so the file gets a new one, and the HTML is updated.
    assert_eq!(draft.attachments[2].filename.as_deref(), Some("a b.png"));
    assert_eq!(draft.attachments[2].content_id.as_deref(), Some("inline-3"));
    let html = "<img src=\"cid:lo_go.png\"><img src=\"cid:inline-3\">";
    assert_eq!(draft.html.as_deref(), Some(html));
}

#[tokio::test]
async fn an_invalid_draft_is_refused_with_its_place() {
    let house = House::with("send").await;
    let post = |fields: &'static [(&'static str, &'static str)], body: &'static str| {
        house.ask("POST", "/send", "/send", fields, body)
    };
    is_problem(&post(JSON, "{").await, 400, "malformed-json");
    is_problem(&post(JSON, r#"{"too": []}"#).await, 422, "invalid-body");
    is_problem(&post(&[], "{}").await, 415, "unsupported-media-type");
    let faulty = post(JSON, r#"{"to": [], "attachments": [{"content": "QQ"}]}"#).await;
    is_problem(&faulty, 422, "invalid-body");
    assert_eq!(read(&faulty)["errors"][0]["pointer"], "/attachments/0/content");
    const FORM: &[(&str, &str)] = &[("content-type", "multipart/form-data; boundary=XX")];
    let unknown = "--XX\r\nContent-Disposition: form-data; name=\"a/b\"\r\n\r\nx\r\n--XX--\r\n";
    let unknown = post(FORM, unknown).await;
    is_problem(&unknown, 422, "invalid-body");
    assert_eq!(read(&unknown)["errors"][0]["pointer"], "/a~1b");
    let detail = read(&unknown)["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("/a~1b: there is no field `a/b`"), "{detail}");
    for (field, value, want) in [
        (
            "attachment",
            "plain",
            "/attachment: a file needs a file name; did you mean attachment=@plain?",
        ),
        ("to", "Bob <bob@x>, anna@y", "/to: repeat the field, one address each"),
    ] {
        let form = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n--XX--\r\n"
        );
        let answer = house.ask("POST", "/send", "/send", FORM, form).await;
        is_problem(&answer, 422, "invalid-body");
        assert_eq!(read(&answer)["detail"], want);
        assert!(answer.body().ends_with(b"}\n"));
    }
    is_problem(
        &post(FORM, "--XX\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nx").await,
        400,
        "malformed-request",
    );
    let get = house.get("/send", "/send").await;
    is_problem(&get, 405, "method-not-allowed");
    assert_eq!(field(&get, "allow"), "POST");
    assert!(house.desk.drafts.lock().unwrap().is_empty());
}

/// An empty message is most often a misspelt member `text`.
#[tokio::test]
async fn an_empty_message_is_sent_when_it_is_explicit() {
    let house = House::with("send").await;
    let post = |body: &'static str| house.ask("POST", "/send", "/send", JSON, body);
    let mute = post(r#"{"to": [{"email": "bo@example.net"}], "subject": "EOM"}"#).await;
    is_problem(&mute, 422, "invalid-body");
    assert_eq!(read(&mute)["errors"][0]["pointer"], "/text");
    assert!(read(&mute)["detail"].as_str().unwrap().contains("give `text` as \"\""));
    assert!(house.desk.drafts.lock().unwrap().is_empty());
    for meant in [
        r#"{"to": [{"email": "bo@example.net"}], "text": ""}"#,
        r#"{"to": [{"email": "bo@example.net"}], "html": "<p>"}"#,
        r#"{"to": [{"email": "bo@example.net"}], "attachments": [{"content": ""}]}"#,
    ] {
        assert_eq!(post(meant).await.status(), 202, "{meant}");
    }
}

#[tokio::test]
async fn a_submission_lists_every_recipient() {
    let house = House::with("send").await;
    let route = "/submissions/:submission";
    let id = [("spin-path-match-submission", "sub_x")];
    let one = house.ask("GET", route, "/submissions/sub_x", &id, "").await;
    let entry = json!({
        "submissionId": "sub_aaaaaaaaaaaaaaaa", "messageId": "m@x", "state": "dotSent",
        "sendAt": "1970-01-01T00:00:01.500Z", "warnings": ["the filter `f` was passed over"], "attempts": 2, "possibleDuplicate": true, "lastError": null, "sentCopy": "givenUp",
        "recipients": [{"recipient": "bo@example.net", "state": "deferred", "reply": "451 later", "at": null}],
    });
    assert_eq!(read(&one), entry);
    let list = house.get("/submissions", "/submissions?state=failed,sent&limit=3").await;
    assert_eq!(read(&list), json!({"submissions": [entry], "nextCursor": null}));
    is_problem(
        &house.get("/submissions", "/submissions?state=dot-sent").await,
        400,
        "invalid-query",
    );
    let calls = house.desk.calls.lock().unwrap();
    assert_eq!(*calls, ["submission sub_x", "submissions [Sent, Failed] 3"]);
}
