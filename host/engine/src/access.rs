//! What a mail server's words mean when it refuses a login.
//!
//! The protocols have one answer for a wrong password and for a mailbox that lets
//! no mail programs in, and the remedies differ. Services tell the second in words,
//! so words are what there is to go by: one table, no service's name in it.
//!
//! Invariant: what is not in the table is a refused login. Whoever is sent to a
//! switch that is on already loses more time than by trying another password.
//!
//! Standards: RFC 4954 §6, RFC 5530 §3, which have no code for it.

/// What is switched off, and how it is said that it is; both have to be there.
const WHAT: [&str; 5] = ["imap", "smtp", "mail client", "third-party", "服务"];
const OFF: [&str; 11] = [
    "disabled",
    "not enabled",
    "not activated",
    "is not active",
    "switched off",
    "turned off",
    "yet to enable",
    "please enable",
    "未开启",
    "未开通",
    "已关闭",
];

/// Said of nothing else.
const PHRASES: [&str; 3] =
    ["does not have access rights to this service", "user has no permission", "用户没有权限"];

/// Whether the mailbox lets no mail programs in.
pub(crate) fn is_off(words: &str) -> bool {
    let words = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|needle| words.contains(needle));
    says(&PHRASES) || (says(&WHAT) && says(&OFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_is_off_is_told_from_a_wrong_password() {
        check("Your account is not enabled for IMAP use.", true);
        check("535 5.7.139 SmtpClientAuthentication is disabled for the Mailbox.", true);
        check("You are yet to enable IMAP for your account.", true);
        check("5.7.8 This user does not have access rights to this service", true);
        check("550 User has no permission", true);
        check("535 您的IMAP服务未开启", true);
        check("Invalid credentials (Failure)", false);
        check("535 5.7.8 Error: authentication failed", false);
        check("[AUTHENTICATIONFAILED] IMAP login failed", false);
        check("account is disabled", false);
        // Says everything at once, and so nothing.
        check(
            "535 Login fail. Account is abnormal, service is not open, password is incorrect",
            false,
        );
        check("", false);
    }

    #[track_caller]
    fn check(words: &str, want: bool) {
        assert_eq!(is_off(words), want, "{words:?}");
    }
}
