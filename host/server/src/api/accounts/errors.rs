//! What the handlers of accounts refuse with.

use model::mail::address::EmailAddress;
use model::port::store_error::StoreError;
use model::problem::{Code, Fault, Problem};

pub(crate) fn address(pointer: &str, text: &str) -> Result<EmailAddress, Problem> {
    text.parse().map_err(|error: model::mail::address::InvalidAddress| {
        faulty(pointer, "bad-address", &error.to_string())
    })
}

pub(crate) fn faulty(pointer: &str, code: &str, detail: &str) -> Problem {
    let fault =
        Fault { pointer: pointer.to_owned(), code: code.to_owned(), detail: detail.to_owned() };
    // The whole body has no name.
    let told = if pointer.is_empty() { detail.to_owned() } else { format!("{pointer}: {detail}") };
    Problem::new(Code::InvalidBody, told).with_faults(vec![fault])
}

/// An address that may never be dialled.
pub(crate) fn not_allowed(pointer: &str, detail: String) -> Problem {
    let fault = Fault {
        pointer: pointer.to_owned(),
        code: Code::HostNotAllowed.as_str().to_owned(),
        detail: detail.clone(),
    };
    Problem::new(Code::HostNotAllowed, detail).with_faults(vec![fault])
}

pub(crate) fn unknown(id: &str) -> Problem {
    Problem::new(
        Code::NoSuchAccount,
        format!("no account `{}` belongs to this token", rules::foreign_text::printable(id)),
    )
}

pub(crate) fn stored(error: StoreError) -> Problem {
    Problem::new(Code::StoreUnavailable, "the account could not be read or written")
        .with_cause(error)
}
