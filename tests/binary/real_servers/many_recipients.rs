//! Test of many recipients at a real Postfix, which ends a session after twenty errors.

use serde_json::Value;

use crate::mail_server_errors::send;
use testkit::imap::Imap;
use testkit::site::{Connected, connected, own_user, under};
use testkit::wait::{wait_for, wait_until};

/// Twenty-five of thirty do not exist.
#[test]
fn refused_recipients_do_not_keep_the_message_from_the_others() {
    let Some(Connected { rig, client: mut operator, id: account, up: _up, .. }) = connected()
    else {
        return;
    };
    let good: Vec<u16> = (0..5).map(|_| own_user()).collect();
    let wrong = (0..25).map(|number| format!("nobody{number}@example.test"));
    let to: Vec<String> = wrong.chain(good.iter().map(|&user| rig.user(user).0)).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let sent = send(&mut operator, &account, &to);
    let path = under(&account, &format!("submissions/{sent}"));
    let seen = wait_for("the last verdict", || {
        let seen = operator.get(&path).expect(200);
        (seen["state"] == "failed").then_some(seen)
    });
    // At once: no time has passed, and the retry schedule is not used up.
    assert_eq!(seen["attempts"], 1, "{seen}");
    let recipients = seen["recipients"].as_array().unwrap();
    let count = |state: &str, code: &str| {
        let is = |known: &&Value| {
            known["state"] == state
                && known["reply"].as_str().is_some_and(|said| said.starts_with(code))
        };
        recipients.iter().filter(is).count()
    };
    assert_eq!((count("failed", "550"), count("sent", "250")), (25, 5), "{seen}");
    for user in good {
        let (email, password) = rig.user(user);
        let mut imap = Imap::login(rig.imaps_port(), &email, &password);
        wait_until("the message", || imap.search("INBOX", "ALL").len() == 1);
    }
}
