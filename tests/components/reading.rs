//! Tests of the `messages` component, and of the descriptions of all components.

use serde_json::{Value, json};

use crate::fake_capabilities::raw;
use crate::harness::{House, field, is_problem, json as read};

const ROUTE: &str = "/messages/...";
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test]
async fn a_list_has_the_documented_shape() {
    let house = House::with("messages").await;
    let answer = house.get("/messages", "/messages?mailbox=%5CSent&expand=preview&limit=50").await;
    assert_eq!(
        read(&answer),
        json!({"messages": [{
            "id": "k1", "mailbox": "INBOX", "uid": 7, "messageId": "m@x", "date": null,
            "received": "1970-01-01T00:00:00Z", "from": [{"name": null, "email": "ann@example.com"}],
            "to": [{"name": null, "email": "bo@example.net"}], "cc": [], "subject": "Grüße",
            "flags": ["\\Seen"], "size": 200_001, "threadId": "t", "preview": null,
        }], "nextCursor": "c"})
    );
    assert_eq!(*house.desk.calls.lock().unwrap(), ["find \\Sent 50 true"]);
    is_problem(&house.get("/messages", "/messages?mailbx=x").await, 400, "invalid-query");
}

#[tokio::test]
async fn a_message_has_the_requested_members() {
    let house = House::with("messages").await;
    let whole = read(&house.get(ROUTE, "/messages/k1").await);
    assert_eq!(whole["text"], "hello");
    assert_eq!(whole["html"], Value::Null);
    assert_eq!(whole["attachments"].as_array().unwrap().len(), 1);
    assert_eq!(whole["attachments"][0]["number"], 1);
    assert_eq!(whole["attachments"][0]["part"], "2");
    assert_eq!(whole["inline"], json!([]));
    let uses: Vec<_> = whole["parts"].as_array().unwrap().iter().map(|part| &part["use"]).collect();
    assert_eq!(uses, ["body", "attachment"]);
    assert_eq!(whole["incomplete"], Value::Null);
    assert_eq!(whole["headers"][0]["value"], "Grüße");
    let some = read(&house.get(ROUTE, "/messages/k1?fields=id,date,text").await);
    assert_eq!(some, json!({"id": "k1", "date": null, "text": "hello"}));
    let text = house.ask("GET", ROUTE, "/messages/k1", &[("accept", "text/plain")], "").await;
    assert_eq!(text.body(), "hello");
    is_problem(&house.get(ROUTE, "/messages/k1/html").await, 404, "no-such-part");
    let sent = house.get(ROUTE, "/messages/k1/html?as=sent").await;
    assert_eq!((sent.body(), field(&sent, "content-type")), (&raw(), "text/html"));
    assert_eq!(field(&sent, "content-disposition"), "attachment; filename=\"message.html\"");
    assert_eq!(field(&sent, "content-security-policy"), "sandbox; default-src 'none'");
    let stale = house.get(ROUTE, "/messages/k9").await;
    is_problem(&stale, 410, "stale-message-id");
    assert_eq!(read(&stale)["movedTo"], "k2");
    is_problem(&house.get(ROUTE, "/messages/k1/nothing").await, 404, "not-found");
}

#[tokio::test]
async fn a_download_is_byte_exact_and_honours_ranges() {
    let house = House::with("messages").await;
    let whole = house.get(ROUTE, "/messages/k1/raw").await;
    assert_eq!(whole.body(), &raw());
    assert_eq!(field(&whole, "content-length"), "200001");
    assert_eq!(field(&whole, "content-type"), "message/rfc822");
    let etag = field(&whole, "etag").to_owned();
    let ask = async |fields: &[(&str, &str)]| {
        house.ask("GET", ROUTE, "/messages/k1/attachments/1", fields, "").await
    };
    let slice = ask(&[("range", "bytes=65530-131080")]).await;
    assert_eq!(slice.status(), 206);
    assert_eq!(field(&slice, "content-range"), "bytes 65530-131080/200001");
    assert_eq!(slice.body(), &raw().slice(65_530..131_081));
    assert_eq!(field(&slice, "x-content-type-options"), "nosniff");
    assert_eq!(field(&slice, "content-security-policy"), "sandbox; default-src 'none'");
    assert_eq!(
        field(&slice, "content-disposition"),
        "attachment; filename=\"_.html\"; filename*=UTF-8''%E9%82%AE.html"
    );
    let other = ask(&[("range", "bytes=0-1"), ("if-range", &etag)]).await;
    assert_eq!(other.status(), 200, "another representation's tag");
    let outside = ask(&[("range", "bytes=200001-")]).await;
    is_problem(&outside, 416, "invalid-range");
    assert_eq!(field(&outside, "content-range"), "bytes */200001");
    let again = house.ask("GET", ROUTE, "/messages/k1/raw", &[("if-none-match", &etag)], "").await;
    assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
    for path in ["/messages/k1/attachments/0", "/messages/k1/attachments/2", "/messages/k1/parts/9"]
    {
        is_problem(&house.get(ROUTE, path).await, 404, "no-such-part");
    }
}

#[tokio::test]
async fn a_change_is_made_and_its_result_returned() {
    let house = House::with("messages").await;
    let ask = async |method, path, body: &str| {
        house.ask(method, ROUTE, path, JSON, body.to_owned()).await
    };
    let flagged = ask("PATCH", "/messages/k1", r#"{"flags": {"add": ["\\Seen"]}}"#).await;
    assert_eq!(read(&flagged), json!({"id": "k1", "flags": ["\\Seen"]}));
    let both =
        ask("PATCH", "/messages/k1", r#"{"flags": {"set": []}, "mailbox": "\\Archive"}"#).await;
    assert_eq!(read(&both), json!({"id": "k2", "mailbox": "Archive", "flags": ["\\Seen"]}));
    let moved = ask("POST", "/messages/k1/move", r#"{"mailbox": "A"}"#).await;
    assert_eq!(read(&moved), json!({"id": "k2", "mailbox": "A", "from": "k1"}));
    let copied = ask("POST", "/messages/k1/copy", r#"{"mailbox": "A"}"#).await;
    assert_eq!(read(&copied), json!({"id": null, "mailbox": "A", "from": "k1"}));
    let trashed = ask("DELETE", "/messages/k1", "").await;
    assert_eq!(read(&trashed), json!({"id": "k1", "mailbox": "Deleted Items", "from": "k1"}));
    assert_eq!(ask("DELETE", "/messages/k1?permanent=true", "").await.status(), 204);
    assert_eq!(house.desk.calls.lock().unwrap().len(), 7);
    for (body, pointer) in [
        (r#"{"flags": {"add": ["ok", "a b"]}}"#, "/flags/add/1"),
        (r#"{"flags": {"set": [], "add": ["a"]}}"#, "/flags/set"),
        (r#"{"flags": {"set": ["seen", "\\Sean"]}}"#, "/flags/set/1"),
        (r#"{"flags": {"add": ["a", "\\Seen"], "remove": ["b", "\\seen"]}}"#, "/flags/remove/1"),
        ("{}", ""),
    ] {
        let answer = ask("PATCH", "/messages/k1", body).await;
        is_problem(&answer, 422, "invalid-body");
        assert_eq!(read(&answer)["errors"][0]["pointer"], pointer);
    }
    is_problem(&ask("PUT", "/messages/k1", "").await, 405, "method-not-allowed");
    assert_eq!(house.desk.calls.lock().unwrap().len(), 7, "a refused change must have no effect");
}

#[tokio::test]
async fn every_component_describes_itself() {
    for (component, operations) in
        [("send", 3), ("messages", 11), ("mailboxes", 1), ("provider-config", 2)]
    {
        let house = House::with(component).await;
        assert_eq!(house.operations.len(), operations, "{component}");
        for operation in &house.operations {
            let start = if component == "provider-config" {
                "/v1/providers"
            } else {
                "/v1/accounts/:account/"
            };
            assert!(operation.path.starts_with(start), "{}", operation.path);
            let schemas = operation.parameters.iter().map(|parameter| &parameter.schema);
            let answers = operation.answers.iter().filter_map(|answer| answer.schema.as_ref());
            for text in
                schemas.chain(answers).chain(&operation.body_schema).chain(&operation.body_example)
            {
                serde_json::from_str::<Value>(text)
                    .unwrap_or_else(|error| panic!("{error}: {text}"));
            }
        }
    }
    let mailboxes =
        House::with("mailboxes").await.get("/mailboxes", "/mailboxes?counters=true").await;
    assert_eq!(read(&mailboxes), json!({"mailboxes": []}));
}
