//! What a caller is refused because a token lacks it or a manifest withholds it, and which of the two.
//!
//! Refuses to know what is done with a grant.
//!
//! Invariant: whether an account exists is not told.

use model::caller::{Caller, Scope};
use model::problem::{Code, Problem};

/// The token lacks `scope`, or the manifest withholds it.
pub(crate) fn forbidden(caller: &Caller, scope: Scope) -> Problem {
    let withheld = caller.confined.as_ref().filter(|it| it.scopes.contains(&scope));
    let detail = match (withheld.map(|it| &it.component), caller.token.is_some(), scope) {
        (None, _, _) => format!("the token needs the scope `{scope}`"),
        (Some(id), true, _) => {
            format!("component `{id}` has `{scope} = false` in [component.{id}.tool.postlet]")
        }
        (Some(id), false, Scope::Read) => format!(
            "without a token component `{id}` needs `read = \"all\"` in [component.{id}.tool.postlet]"
        ),
        (Some(id), false, Scope::Send) => format!(
            "without a token component `{id}` needs `send = true` in [component.{id}.tool.postlet]"
        ),
        (Some(_), false, Scope::Change | Scope::Accounts | Scope::Operate) => {
            format!("this is done for a token with the scope `{scope}` only")
        }
    };
    Problem::new(Code::Forbidden, detail).with_extra("scope", scope.as_str())
}

/// The token has no account with this id, or the manifest withholds it, whether it exists or not.
pub(crate) fn no_such_account(caller: &Caller) -> Problem {
    let withheld = caller.confined.as_ref().filter(|it| it.accounts);
    let detail = match (withheld.map(|it| &it.component), caller.token.is_some()) {
        (None, _) => "the token has no account with this id".to_owned(),
        (Some(id), true) => format!(
            "the token has no account with this id, or `accounts` in [component.{id}.tool.postlet] does not name it"
        ),
        (Some(id), false) => format!(
            "no account with this id is open without a token: `accounts` in [component.{id}.tool.postlet] names those that are"
        ),
    };
    Problem::new(Code::NoSuchAccount, detail)
}
