//! What a mail server's words mean when it refuses a login.
//!
//! The protocols have one answer for a wrong password and for a mailbox that lets
//! no mail programs in, and some have it for too many connections too, and the
//! remedies differ. Services tell those in words, so words are what there is to go
//! by: one table, no service's name in it.
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

/// The server has too many connections of this user, or of everybody, and would have taken the login
/// otherwise: Gmail's "[ALERT] Too many simultaneous connections. (Failure)", Dovecot's "Maximum number of
/// connections from user+IP exceeded". RFC 5530 has LIMIT and UNAVAILABLE for it, and many do not use them.
const BUSY: [&str; 12] = [
    "too many simultaneous",
    "too many concurrent",
    "too many connections",
    "too many open connections",
    "too many sessions",
    "simultaneous connections",
    "number of connections",
    "connection limit",
    "session limit",
    "temporarily unavailable",
    "连接数",
    "连接过多",
];

/// The server was busy, and did not judge the login.
pub(crate) fn is_busy(words: &str) -> bool {
    let words = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|needle| words.contains(needle));
    says(&BUSY) && !says(&EITHER)
}

/// Why a login was refused.
pub(crate) fn refused(words: &str) -> Code {
    if is_busy(words) {
        return Code::UpstreamBusy;
    }
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

    #[test]
    fn a_server_that_is_full_did_not_judge_the_login() {
        for words in [
            "[ALERT] Too many simultaneous connections. (Failure)",
            "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
            "454 4.7.0 Too many concurrent connections",
            "535 5.7.8 too many connections for this user",
            "您的连接数过多",
        ] {
            assert_eq!(refused(words), Code::UpstreamBusy, "{words:?}");
        }
        let both = "LOGIN invalid credentials or too many simultaneous connections";
        assert_eq!(refused(both), Code::CredentialsRefused);
    }

    #[track_caller]
    fn check(words: &str, off: bool) {
        let want = if off { Code::AccessOff } else { Code::CredentialsRefused };
        assert_eq!(refused(words), want, "{words:?}");
    }
}
