//! SASL PLAIN and base64 responses, for both protocols.
//!
//! Standards: RFC 4616 (PLAIN), RFC 4648 §4 (base64).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::store::{Store, UserId};

/// The result of a PLAIN response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Welcome(UserId),
    Wrong,
    /// Not in the mechanism's format.
    Malformed,
}

/// Checks `authzid NUL authcid NUL password`. Another user's authzid is refused.
pub(crate) fn plain(store: &Store, response: &[u8]) -> Attempt {
    let Ok(text) = std::str::from_utf8(response) else { return Attempt::Malformed };
    let mut words = text.split('\0');
    let (Some(acting), Some(name), Some(password), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Attempt::Malformed;
    };
    if !acting.is_empty() && !acting.eq_ignore_ascii_case(name) {
        return Attempt::Wrong;
    }
    store.login(name, password).map_or(Attempt::Wrong, Attempt::Welcome)
}

/// Strict base64 of one response; `=` is the empty one (RFC 4954 §4).
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text == b"=" { Some(Vec::new()) } else { STANDARD.decode(text).ok() }
}

#[cfg(test)]
mod tests {
    use super::{Attempt, plain};
    use crate::config::User;
    use crate::store::Store;

    #[test]
    fn only_the_user_itself_is_welcome() {
        let user = User { email: "a@x.test".into(), password: "pw".into() };
        let store = Store::new(vec![user]).unwrap();
        let welcome = Attempt::Welcome(store.login("a@x.test", "pw").unwrap());
        assert_eq!(plain(&store, b"\0a@x.test\0pw"), welcome);
        assert_eq!(plain(&store, b"a@x.test\0a@x.test\0pw"), welcome);
        assert_eq!(plain(&store, b"b@x.test\0a@x.test\0pw"), Attempt::Wrong);
        assert_eq!(plain(&store, b"\0a@x.test\0no"), Attempt::Wrong);
        assert_eq!(plain(&store, b"a@x.test\0pw"), Attempt::Malformed);
        assert_eq!(plain(&store, b"\0a\0b\0c"), Attempt::Malformed);
    }
}
