//! Recommendations for a person: which protocol for what, and how to log in.
//!
//! Made from the profile, so that they hold for this service; a hint of the service's own takes
//! precedence over a general one.
//!
//! Standards: RFC 8314 §3 (TLS), RFC 1939 §8 (what POP3 does to mail on the server).

use model::account::Security;
use model::provider::{Auth, Localised, Profile, SentCopy, Server};

/// The recommendation, in English and in Chinese.
pub(crate) fn recommendation(profile: &Profile) -> Vec<Localised> {
    in_both(english(profile), chinese(profile))
}

/// How to log in, for a service without hints of its own.
pub(crate) fn hints(profile: &Profile) -> Vec<Localised> {
    let Some(method) = profile.auth.first() else { return Vec::new() };
    let (english, chinese) = match method {
        Auth::Password => (
            "Use the password of the mailbox. If it is refused, look in the service's web settings for IMAP and SMTP access, which may have to be switched on, or for an app password.",
            "请使用邮箱密码登录。如果被拒绝，请在网页版设置中开启 IMAP/SMTP 服务，或生成应用专用密码。",
        ),
        Auth::AppPassword => (
            "Make an app password in the security settings of the account and use it in place of your password.",
            "请在帐户的安全设置中生成应用专用密码，用它代替密码登录。",
        ),
        Auth::AuthorizationCode => (
            "Switch on IMAP and SMTP in the service's web settings, make an authorization code there, and use it in place of your password.",
            "请在网页版设置中开启 IMAP/SMTP 服务并生成授权码，用授权码代替密码登录。",
        ),
        Auth::OAuth2 => (
            "The service wants a login in the browser (OAuth 2) instead of a password.",
            "该服务要求通过浏览器授权登录（OAuth 2），不接受密码。",
        ),
    };
    in_both(english.to_owned(), chinese.to_owned())
}

/// Advice after a refused login: what the service requires instead of a password, and how to obtain
/// it.
pub(crate) fn help(profile: &Profile) -> Vec<Localised> {
    let hints = if profile.hints.is_empty() { hints(profile) } else { profile.hints.clone() };
    let by_password = profile.auth.iter().find(|method| **method != Auth::OAuth2);
    let method = by_password.or(profile.auth.first());
    let wants = |language: &str| match (method, language.starts_with("zh")) {
        (Some(Auth::AuthorizationCode), true) => Some(("需要授权码，而不是邮箱密码", "：")),
        (Some(Auth::AuthorizationCode), false) => {
            Some((" wants an authorization code, not your password", ": "))
        }
        (Some(Auth::AppPassword), true) => Some(("需要应用专用密码，而不是邮箱密码", "：")),
        (Some(Auth::AppPassword), false) => {
            Some((" wants an app password, not your password", ": "))
        }
        (Some(Auth::OAuth2), true) => Some(("不接受密码，需要 OAuth 2 授权登录", "：")),
        (Some(Auth::OAuth2), false) => Some((" takes no password, only OAuth 2", ": ")),
        (Some(Auth::Password) | None, _) => None,
    };
    let told = |hint: &Localised| {
        let language = hint.language.clone();
        let own = profile.names.iter().find(|name| name.language == hint.language);
        let name = own.map_or(&profile.name, |name| &name.text);
        let text = match wants(&hint.language) {
            Some((what, colon)) => format!("{name}{what}{colon}{}", hint.text),
            None => hint.text.clone(),
        };
        Localised { language, text }
    };
    hints.iter().map(told).collect()
}

fn in_both(english: String, chinese: String) -> Vec<Localised> {
    let text = |language: &str, text| Localised { language: language.to_owned(), text };
    vec![text("en", english), text("zh", chinese)]
}

fn english(profile: &Profile) -> String {
    let name = &profile.name;
    let use_them = match (&profile.smtp, &profile.imap) {
        (Some(smtp), Some(imap)) => format!(
            "Send with SMTP ({}) and read with IMAP ({}): the mail stays on the server, and every device sees the same folders and flags.",
            place(smtp),
            place(imap)
        ),
        (Some(smtp), None) => format!(
            "Send with SMTP ({}). {name} has no IMAP server that is safe, so its mail cannot be read here.",
            place(smtp)
        ),
        (None, Some(imap)) => format!(
            "Read with IMAP ({}): the mail stays on the server, and every device sees the same folders and flags. {name} has no SMTP server that is safe, so nothing can be sent through it.",
            place(imap)
        ),
        (None, None) => {
            return format!(
                "{name} has neither an IMAP nor an SMTP server that can be reached safely from here, so it cannot be used."
            );
        }
    };
    let methods: Vec<&str> = profile
        .auth
        .iter()
        .map(|auth| match auth {
            Auth::OAuth2 => "OAuth 2",
            Auth::AuthorizationCode => "an authorization code",
            Auth::AppPassword => "an app password",
            Auth::Password => "a password",
        })
        .collect();
    let mut text = format!(
        "{use_them} POP3 is not offered: it knows neither folders nor flags and is made for taking mail off the server, so devices drift apart. {name} takes {}.",
        methods.join(" or ")
    );
    match profile.sent_copy {
        Some(SentCopy::Server) => text += " It keeps a copy of what is sent by itself.",
        Some(SentCopy::Client) => text += " Copies of what is sent are filed by Postlet.",
        None => {}
    }
    if profile.quirks.no_idle {
        text += " It does not announce new mail, which is asked for instead.";
    }
    text
}

fn chinese(profile: &Profile) -> String {
    let home = profile.names.iter().find(|name| name.language == "zh");
    let name = home.map_or(&profile.name, |name| &name.text);
    let use_them = match (&profile.smtp, &profile.imap) {
        (Some(smtp), Some(imap)) => format!(
            "发信用 SMTP（{}），收信用 IMAP（{}）：邮件保留在服务器上，各设备看到的文件夹和标记始终一致。",
            place(smtp),
            place(imap)
        ),
        (Some(smtp), None) => {
            format!("发信用 SMTP（{}）。{name} 没有安全的 IMAP 服务器，无法在此收信。", place(smtp))
        }
        (None, Some(imap)) => format!(
            "收信用 IMAP（{}）：邮件保留在服务器上，各设备看到的文件夹和标记始终一致。{name} 没有安全的 SMTP 服务器，无法通过它发信。",
            place(imap)
        ),
        (None, None) => {
            return format!("{name} 没有可从此处安全访问的 IMAP 或 SMTP 服务器，因此无法使用。");
        }
    };
    let methods: Vec<&str> = profile
        .auth
        .iter()
        .map(|auth| match auth {
            Auth::OAuth2 => "OAuth 2",
            Auth::AuthorizationCode => "授权码",
            Auth::AppPassword => "应用专用密码",
            Auth::Password => "密码",
        })
        .collect();
    let mut text = format!(
        "{use_them}不提供 POP3：它没有文件夹和标记，而且以把邮件从服务器取走为目的，会使各设备不同步。{name} 支持的登录方式：{}。",
        methods.join("、")
    );
    match profile.sent_copy {
        Some(SentCopy::Server) => text += "该服务会自行保存已发送邮件。",
        Some(SentCopy::Client) => text += "已发送邮件由 Postlet 存档。",
        None => {}
    }
    if profile.quirks.no_idle {
        text += "该服务不推送新邮件，改为定时查询。";
    }
    text
}

/// The server's address, the same in every language.
fn place(server: &Server) -> String {
    let security = match server.security {
        Security::Tls => "TLS",
        Security::StartTls => "STARTTLS",
    };
    format!("{}:{}, {security}", server.host, server.port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::Profiles;

    #[test]
    fn what_is_said_fits_the_service() {
        check("qq.com", "imap.qq.com:993, TLS", "QQ Mail takes an authorization code.", "授权码");
        check("gmail.com", "POP3 is not offered", "by itself", "该服务会自行保存");
        check("163.com", "SMTP (smtp.163.com:465, TLS)", "does not announce new mail", "网易");
        check("outlook.com", "587, STARTTLS", "takes OAuth 2.", "OAuth 2。");
        check("proton.me", "neither an IMAP nor an SMTP", "cannot be used", "无法使用");
    }

    #[test]
    fn help_says_what_is_wanted_in_place_of_the_password() {
        let profiles = Profiles::embedded().unwrap();
        let text = |domain: &str, language: &str| {
            let help = help(profiles.by_domain(domain).unwrap());
            help.into_iter().find(|text| text.language == language).unwrap().text
        };
        let qq = text("qq.com", "en");
        assert!(qq.starts_with("QQ Mail wants an authorization code, not your password: "), "{qq}");
        assert!(text("qq.com", "zh").contains("需要授权码，而不是邮箱密码："));
        assert!(text("gmail.com", "en").contains("not your password: "));
    }

    #[test]
    fn every_service_gets_both_languages_and_a_general_hint_is_there_for_each_method() {
        for profile in Profiles::embedded().unwrap().all() {
            let texts = recommendation(profile);
            assert_eq!(texts.iter().map(|t| t.language.as_str()).collect::<Vec<_>>(), ["en", "zh"]);
            assert_eq!(hints(profile).is_empty(), profile.auth.is_empty(), "{}", profile.id);
        }
    }

    #[track_caller]
    fn check(domain: &str, first: &str, second: &str, chinese: &str) {
        let profiles = Profiles::embedded().unwrap();
        let texts = recommendation(profiles.by_domain(domain).unwrap());
        assert!(texts[0].text.contains(first), "{texts:?}");
        assert!(texts[0].text.contains(second), "{texts:?}");
        assert!(texts[1].text.contains(chinese), "{texts:?}");
    }
}
