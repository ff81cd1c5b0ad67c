//! Classifies a mail server's reply to a refused login by its text.
//!
//! The protocols have one code for a wrong password and for a mailbox that is closed to mail
//! clients, and some servers use it for too many connections too, and the remedies differ. Services
//! distinguish them in the text only, so this is one table of phrases, without service names.
//!
//! Invariant: text that is not in the table is a refused login. Advice to enable access that is
//! enabled already costs a person more time than trying another password.
//!
//! Standards: RFC 4954 §6, RFC 5530 §3, which have no code for it.

use model::problem::Code;

/// What is switched off, and the phrases that say so; both have to occur.
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

/// Phrases that are unambiguous. The last is Alibaba's for a protocol that is closed (its list of
/// SMTP errors, as sh-aliyun.com shows it).
const PHRASES: [&str; 4] = [
    "does not have access rights to this service",
    "user has no permission",
    "用户没有权限",
    "uc_login_source_not_allowed",
];

/// Phrases that name both causes, and so decide nothing: "LOGIN invalid credentials or IMAP is
/// disabled" is Yandex's reply to a wrong password too (Foundry376/Mailspring issues 904 and 2111).
const EITHER: [&str; 1] = ["invalid credentials or"];

/// Passwords are switched off: Microsoft's "535 5.7.139 Authentication unsuccessful, basic
/// authentication is disabled." (rpremraj/mailR issue 107).
const NO_PASSWORDS: [&str; 1] = ["basic authentication is disabled"];

/// The server has too many connections, of this user or in total, and did not judge the login:
/// Gmail's "[ALERT] Too many simultaneous connections. (Failure)", Dovecot's "Maximum number of
/// connections from user+IP exceeded". RFC 5530 has LIMIT and UNAVAILABLE for it, and many servers
/// do not use them.
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

/// Whether the server was busy, and did not judge the login.
pub(crate) fn is_busy(words: &str) -> bool {
    let words = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|needle| words.contains(needle));
    says(&BUSY) && !says(&EITHER)
}

/// The problem code of a refused login.
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
        // Names both causes, and so decides nothing.
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
