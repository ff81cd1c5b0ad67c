//! Tests of the login, from the greeting on, with and without TLS.

use model::account::Security;
use model::port::imap::ImapError;

use crate::imap::tests::script::{open, open_with, watched};
use crate::scripted_peer::{StepLog, token};

#[tokio::test]
async fn the_login_uses_a_mechanism_that_the_server_offers() {
    let capable = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n";
    let (outcome, heard) =
        open(Security::Tls, &[capable, "+\r\n", "{tag} OK [CAPABILITY IMAP4rev1] in\r\n"]).await;
    outcome.unwrap();
    assert_eq!(heard[0], "a1 AUTHENTICATE PLAIN");
    assert_eq!(heard[1], "AGFubgBwYXNzIHdvcmQ=");

    let disabled = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n";
    let (outcome, heard) = open(Security::Tls, &[disabled]).await;
    assert!(matches!(outcome, Err(ImapError::NoMechanism)));
    assert!(heard.is_empty());
}

#[tokio::test]
async fn a_token_uses_the_offered_mechanism_and_an_error_challenge_is_answered() {
    const BEARER: &str = "bixhPWFubiwBYXV0aD1CZWFyZXIgdDBrAQE=";
    const XOAUTH2: &str = "dXNlcj1hbm4BYXV0aD1CZWFyZXIgdDBrAQE=";
    let good = "{tag} OK [CAPABILITY IMAP4rev1] in\r\n";
    let refused = "{tag} NO [AUTHENTICATIONFAILED] expired\r\n";
    for (capabilities, says, want) in [
        (
            "AUTH=OAUTHBEARER AUTH=XOAUTH2 SASL-IR",
            vec![good],
            vec![format!("a1 AUTHENTICATE OAUTHBEARER {BEARER}")],
        ),
        (
            "AUTH=XOAUTH2 AUTH=PLAIN",
            vec!["+ \r\n", good],
            vec!["a1 AUTHENTICATE XOAUTH2".into(), XOAUTH2.into()],
        ),
        (
            "AUTH=OAUTHBEARER SASL-IR",
            vec!["+ e30=\r\n", refused],
            vec![format!("a1 AUTHENTICATE OAUTHBEARER {BEARER}"), "AQ==".into()],
        ),
        (
            "AUTH=XOAUTH2",
            vec!["+\r\n", "+ e30=\r\n", refused],
            vec!["a1 AUTHENTICATE XOAUTH2".into(), XOAUTH2.into(), String::new()],
        ),
    ] {
        let hi = format!("* OK [CAPABILITY IMAP4rev1 {capabilities}] hi\r\n");
        let script: Vec<&str> = std::iter::once(hi.as_str()).chain(says.iter().copied()).collect();
        let (outcome, heard) = open_with(&token(), Security::Tls, &script).await;
        assert_eq!(heard, want, "{capabilities}");
        if says.contains(&refused) {
            let Err(ImapError::Credentials { reply }) = outcome else { panic!("{outcome:?}") };
            assert!(reply.contains("expired"), "{reply}");
        } else {
            outcome.unwrap();
        }
    }
    let (outcome, heard) =
        open_with(&token(), Security::Tls, &["* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n"])
            .await;
    assert!(matches!(outcome, Err(ImapError::NoMechanism)), "{outcome:?}");
    assert!(heard.is_empty(), "{heard:?}");
}

#[tokio::test]
async fn id_is_sent_where_it_is_offered_and_may_be_refused() {
    let hi = "* OK [CAPABILITY IMAP4rev1] hi\r\n";
    let says = [hi, "* CAPABILITY IMAP4rev1 ID\r\n{tag} OK in\r\n", "* ID NIL\r\n{tag} NO no\r\n"];
    let (outcome, heard) = open(Security::Tls, &says).await;
    outcome.unwrap();
    assert!(heard[1].starts_with("a2 ID (\"name\" \"Postlet\""));
}

#[tokio::test]
async fn a_refused_login_and_a_busy_server_are_different_errors() {
    let hi = "* OK [CAPABILITY IMAP4rev1] hi\r\n";
    for (says, want) in [
        ("{tag} NO [AUTHENTICATIONFAILED] 密码错误\r\n", "Credentials"),
        ("{tag} NO wrong\r\n", "Credentials"),
        ("{tag} NO [UNAVAILABLE] later\r\n", "No"),
        ("{tag} NO [PRIVACYREQUIRED] tls\r\n", "NoTls"),
        ("{tag} BAD what\r\n", "Bad"),
        ("* BYE too many\r\n", "Bye"),
        ("", "Lost"),
    ] {
        let (outcome, _) = open(Security::Tls, &[hi, says]).await;
        let error = format!("{:?}", outcome.unwrap_err());
        assert!(error.starts_with(want), "{says:?} gave {error}");
    }
}

#[tokio::test]
async fn greetings_other_than_ok_are_refused() {
    for (greeting, want) in [
        ("* PREAUTH in\r\n", "Protocol"),
        ("* BYE full\r\n", "Bye"),
        ("", "Lost"),
        ("220 smtp\r\n", "Protocol"),
    ] {
        let (outcome, heard) = open(Security::Tls, &[greeting]).await;
        let error = format!("{:?}", outcome.unwrap_err());
        assert!(error.starts_with(want) && heard.is_empty(), "{greeting:?} gave {error}");
    }
}

#[tokio::test]
async fn starttls_precedes_the_login_and_discards_earlier_capabilities() {
    let says = [
        "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hi\r\n",
        "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n{tag} OK\r\n",
        "{tag} OK go\r\n",
        "* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n",
        "{tag} OK [CAPABILITY IMAP4rev1] in\r\n",
    ];
    let (outcome, heard) = open(Security::StartTls, &says).await;
    outcome.unwrap();
    assert_eq!(
        heard,
        ["p1 CAPABILITY", "p2 STARTTLS", "a1 CAPABILITY", "a2 LOGIN \"ann\" \"pass word\""]
    );
}

#[tokio::test]
async fn without_tls_no_credential_is_written() {
    let hi = "* OK hi\r\n";
    let offer = "* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK\r\n";
    for (says, want) in [
        (vec![hi, "* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"], "NoTls"),
        (vec!["* PREAUTH in\r\n"], "NoTls"),
        (vec![hi, offer, "{tag} NO not now\r\n"], "No {"),
        (vec![hi, offer, "{tag} BAD what\r\n"], "Bad"),
        (vec![hi, offer, "{tag} OK go\r\n* CAPABILITY IMAP4rev1\r\n"], "Protocol"),
        (vec!["* OK hi\r\n* PREAUTH in\r\n"], "Protocol"),
        (vec![hi, offer, ""], "Lost"),
    ] {
        let (outcome, heard) = open(Security::StartTls, &says).await;
        let error = format!("{:?}", outcome.unwrap_err());
        assert!(error.starts_with(want), "{says:?} gave {error}");
        assert!(!heard.iter().any(|line| line.contains("LOGIN")), "{heard:?}");
    }
}

#[tokio::test]
async fn each_step_of_a_login_is_reported_to_the_observer() {
    let hi = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n";
    let (taken, refused) = ("{tag} OK [CAPABILITY IMAP4rev1] in\r\n", "{tag} NO no\r\n");
    let upgrade =
        ["* OK hi\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK\r\n", "{tag} OK go\r\n"];
    let inside = "* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n";
    check(Security::Tls, &["220 hi\r\n"], "connected encrypted").await;
    check(Security::Tls, &[hi, "+\r\n", refused], "connected encrypted greeted").await;
    let all = "connected encrypted greeted PLAIN informed";
    check(Security::Tls, &[hi, "+\r\n", taken], all).await;
    check(Security::StartTls, &[upgrade[0], "{tag} NO no\r\n"], "connected greeted").await;
    let all = "connected greeted encrypted LOGIN informed";
    check(Security::StartTls, &[&upgrade[..], &[inside, taken]].concat(), all).await;
}

async fn check(security: Security, says: &[&str], want: &str) {
    let diary = StepLog::default();
    let _ = watched(security, says, &diary).await;
    assert_eq!(diary.read(), want, "{says:?}");
}
