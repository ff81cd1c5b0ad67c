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

use model::problem::Code;

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

/// Said of nothing else. The last is what Alibaba's says of a protocol that is closed (its list of errors of
/// SMTP, as sh-aliyun.com shows it).
const PHRASES: [&str; 4] = [
    "does not have access rights to this service",
    "user has no permission",
    "用户没有权限",
    "uc_login_source_not_allowed",
];

/// Both at once, and so nothing: "LOGIN invalid credentials or IMAP is disabled" is what Yandex says to
/// a wrong password too (Foundry376/Mailspring issues 904 and 2111).
const EITHER: [&str; 1] = ["invalid credentials or"];

/// Passwords are what is switched off: Microsoft's "535 5.7.139 Authentication unsuccessful, basic
/// authentication is disabled." (rpremraj/mailR issue 107).
const NO_PASSWORDS: [&str; 1] = ["basic authentication is disabled"];

/// Why a login was refused.
pub(crate) fn refused(words: &str) -> Code {
    let words = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|needle| words.contains(needle));
    if says(&NO_PASSWORDS) {
        Code::AuthUnsupported
    } else if !says(&EITHER) && (says(&PHRASES) || (says(&WHAT) && says(&OFF))) {
        Code::AccessOff
    } else {
        Code::CredentialsRefused
    }
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
        check("[AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled sc=x", false);
        check("535 UC_LOGIN_SOURCE_NOT_ALLOWED", true);
    }

    #[test]
    fn a_server_that_takes_no_passwords_any_more_is_told_from_both() {
        let words = "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [X.OUTLOOK.COM]";
        assert_eq!(refused(words), Code::AuthUnsupported);
    }

    #[track_caller]
    fn check(words: &str, off: bool) {
        let want = if off { Code::AccessOff } else { Code::CredentialsRefused };
        assert_eq!(refused(words), want, "{words:?}");
    }
}
