//! Problems of the account handlers.

use model::mail::address::EmailAddress;
use model::port::store_error::StoreError;
use model::problem::{Code, Fault, Problem};

/// Parses an email address; `pointer` (RFC 6901) names its member. It is not quoted: beside it are
/// passwords, which may have been given in its place.
pub(crate) fn address(pointer: &str, text: &str) -> Result<EmailAddress, Problem> {
    text.parse().map_err(|error: model::mail::address::InvalidAddress| {
        faulty(pointer, "bad-address", &format!("it {error}"))
    })
}

/// [`Code::InvalidBody`] with one fault at `pointer`; the empty pointer is the whole body.
pub(crate) fn faulty(pointer: &str, code: &str, detail: &str) -> Problem {
    let fault =
        Fault { pointer: pointer.to_owned(), code: code.to_owned(), detail: detail.to_owned() };
    let detail =
        if pointer.is_empty() { detail.to_owned() } else { format!("{pointer}: {detail}") };
    Problem::new(Code::InvalidBody, detail).with_faults(vec![fault])
}

/// [`Code::HostNotAllowed`]: a host that the egress rules exclude.
pub(crate) fn not_allowed(pointer: &str, detail: String) -> Problem {
    let fault = Fault {
        pointer: pointer.to_owned(),
        code: Code::HostNotAllowed.as_str().to_owned(),
        detail: detail.clone(),
    };
    Problem::new(Code::HostNotAllowed, detail).with_faults(vec![fault])
}

/// [`Code::NoSuchAccount`]; does not reveal whether the account exists.
pub(crate) fn unknown(id: &str) -> Problem {
    Problem::new(
        Code::NoSuchAccount,
        format!("no account `{}` belongs to this token", rules::foreign_text::printable(id)),
    )
}

/// [`Code::StoreUnavailable`], with the store's error as its cause.
pub(crate) fn stored(error: StoreError) -> Problem {
    Problem::new(Code::StoreUnavailable, "the account could not be read or written")
        .with_cause(error)
}
