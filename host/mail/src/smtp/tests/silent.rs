//! Tests of the measured silence of a server.

use std::time::Duration;

use model::account::Security;
use model::port::smtp::{SmtpConnect, SmtpError};

use crate::scripted_peer::{activity, credentials, pair, server};
use crate::smtp::tests::{GO, OK, envelope, message, recorded, session, smtp};

const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn a_server_is_silent_in_every_step_until_it_replies() {
    let (mut session, mut peer) = session().await;
    let activity = session.activity().clone();
    // An idle session does not count as silence.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (envelope, raw) = (envelope(&["bo@example.test"]), message("a\r\n"));
    let play = async {
        for says in [OK, OK, GO, OK] {
            peer.hear().await;
            // Two pauses of two seconds are no silence of three.
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(activity.silent_for() < LIMIT);
            // Half a reply does not count.
            let (half, rest) = says.split_at(2);
            peer.say(half).await;
            activity.silence(LIMIT).await;
            peer.say(rest).await;
            if says == GO {
                assert_eq!(peer.hear().await, "a");
            }
        }
    };
    let (delivery, ()) = tokio::join!(session.deliver(&envelope, &raw, recorded()), play);
    delivery.unwrap();
    assert!(activity.silent_for() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_greeting_is_silent_from_the_beginning() {
    let (dial, peer) = pair();
    let activity = activity();
    let (smtp, server, credentials) = (smtp(dial), server(Security::Tls), credentials());
    let open = smtp.connect(&server, &credentials, &(), &activity);
    let silent = async {
        activity.silence(LIMIT).await;
        drop(peer);
    };
    let (outcome, ()) = tokio::join!(open, silent);
    assert!(matches!(outcome, Err(SmtpError::Lost(_))), "{outcome:?}");
}
