//! Tests of authentication with a bearer token.

use model::account::Security;
use model::port::smtp::SmtpError;

use super::open_with;
use crate::scripted_peer::token;

const BEARER: &str = "AUTH OAUTHBEARER bixhPWFubiwBYXV0aD1CZWFyZXIgdDBrAQE=";
const XOAUTH2: &str = "AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgdDBrAQE=";

#[tokio::test]
async fn a_token_uses_the_offered_mechanism() {
    for (offer, want) in [
        ("250-x\r\n250 AUTH XOAUTH2 OAUTHBEARER PLAIN\r\n", BEARER),
        ("250-x\r\n250 AUTH=LOGIN XOAUTH2\r\n", XOAUTH2),
    ] {
        let says = ["220 hi\r\n", offer, "235 2.7.0 ok\r\n"];
        let (outcome, heard) = open_with(&token(), Security::Tls, &says).await;
        outcome.unwrap();
        assert_eq!(heard[1], want);
    }
    let says = ["220 hi\r\n", "250-x\r\n250 AUTH PLAIN LOGIN\r\n"];
    let (outcome, heard) = open_with(&token(), Security::Tls, &says).await;
    assert!(matches!(outcome, Err(SmtpError::NoMechanism)), "{outcome:?}");
    assert_eq!(heard.len(), 1, "{heard:?}");
}

#[tokio::test]
async fn the_error_challenge_for_a_refused_token_is_answered() {
    for (offer, answer) in [("OAUTHBEARER", "AQ=="), ("XOAUTH2", "")] {
        let offer = format!("250-x\r\n250 AUTH {offer}\r\n");
        let says = ["220 hi\r\n", &offer, "334 e30=\r\n", "535 5.7.8 expired\r\n"];
        let (outcome, heard) = open_with(&token(), Security::Tls, &says).await;
        let Err(SmtpError::Credentials(reply)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(reply.code, 535);
        assert_eq!(heard[2], answer);
    }
}
