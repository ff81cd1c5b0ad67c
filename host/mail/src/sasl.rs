//! SASL mechanisms for bearer tokens: OAUTHBEARER and XOAUTH2.
//!
//! A server that refuses a token gives the reason in a challenge, and sends its final reply only
//! after a response to that: without it a refused token would look like a stalled server.
//!
//! Standards: RFC 7628 (OAUTHBEARER), RFC 5801 §4 (the name in its header). XOAUTH2 has no
//! standard; Google's and Microsoft's documentation agree on it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::secret::Secret;

/// One authentication with a token, in base64 as in both protocols.
#[derive(Debug)]
pub(crate) struct Bearer {
    /// The mechanism's name.
    pub(crate) mechanism: &'static str,
    /// The initial client response.
    pub(crate) response: Secret,
    /// The response to the challenge of a refusal.
    pub(crate) after_refusal: &'static str,
}

/// Why authentication with a token is not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMechanism {
    /// The server offers neither mechanism.
    NotOffered,
    /// A control character in name or token would end the message early.
    Unsendable,
}

impl Bearer {
    /// Chooses the better of the offered mechanisms.
    pub(crate) fn new(
        offers: impl Fn(&str) -> bool,
        username: &str,
        token: &Secret,
    ) -> Result<Self, NoMechanism> {
        let token = token.reveal();
        if username.chars().chain(token.chars()).any(|c| c.is_ascii_control()) {
            return Err(NoMechanism::Unsendable);
        }
        let (mechanism, message, after_refusal) = if offers("OAUTHBEARER") {
            let name = username.replace('=', "=3D").replace(',', "=2C");
            // RFC 7628 §3.2.3: a lone %x01.
            ("OAUTHBEARER", format!("n,a={name},\x01auth=Bearer {token}\x01\x01"), "AQ==")
        } else if offers("XOAUTH2") {
            ("XOAUTH2", format!("user={username}\x01auth=Bearer {token}\x01\x01"), "")
        } else {
            return Err(NoMechanism::NotOffered);
        };
        let message = Secret::new(message);
        let response = Secret::new(STANDARD.encode(message.reveal()));
        Ok(Self { mechanism, response, after_refusal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_goes_before_the_habit() {
        check(
            &["XOAUTH2", "OAUTHBEARER"],
            "ann",
            "OAUTHBEARER",
            "n,a=ann,\x01auth=Bearer t0k\x01\x01",
        );
        check(&["PLAIN", "XOAUTH2"], "ann", "XOAUTH2", "user=ann\x01auth=Bearer t0k\x01\x01");
        check(
            &["OAUTHBEARER"],
            "a,b=c",
            "OAUTHBEARER",
            "n,a=a=2Cb=3Dc,\x01auth=Bearer t0k\x01\x01",
        );
    }

    #[test]
    fn what_cannot_be_sent_is_not() {
        let token = Secret::new("t0k".to_owned());
        let none = Bearer::new(|name| name == "PLAIN", "ann", &token).unwrap_err();
        assert_eq!(none, NoMechanism::NotOffered);
        for (name, token) in [("a\x01b", "t"), ("ann", "t\x01auth=Bearer x"), ("ann", "t\r\nx")] {
            let refused = Bearer::new(|_| true, name, &Secret::new(token.to_owned()));
            assert_eq!(refused.unwrap_err(), NoMechanism::Unsendable);
        }
    }

    #[track_caller]
    fn check(offered: &[&str], username: &str, mechanism: &str, message: &str) {
        let token = Secret::new("t0k".to_owned());
        let bearer = Bearer::new(|name| offered.contains(&name), username, &token).unwrap();
        assert_eq!(bearer.mechanism, mechanism);
        let sent = STANDARD.decode(bearer.response.reveal()).unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), message);
    }
}
