//! Configuration and verdict of the filter; independent of WIT.

/// The filter's configuration, from the manifest's `environment`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub footer: Option<Footer>,
    /// Domains, in lower case.
    pub blocked: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    pub text: String,
    pub html: Option<String>,
}

impl Settings {
    /// Reads each variable through `variable`.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let footer = given("FOOTER_TEXT").map(|text| Footer { text, html: given("FOOTER_HTML") });
        let blocked = given("BLOCKED_DOMAINS").unwrap_or_default();
        let blocked = blocked.split(',').map(|domain| domain.trim().to_ascii_lowercase());
        Self { footer, blocked: blocked.filter(|domain| !domain.is_empty()).collect() }
    }

    /// The first recipient in a blocked domain.
    pub fn blocked<'a>(&self, recipients: &'a [String]) -> Option<&'a str> {
        let blocked = |recipient: &&String| {
            let domain = recipient.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
            self.blocked.iter().any(|blocked| {
                let rest = domain.strip_suffix(blocked.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
        };
        recipients.iter().find(blocked).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_domain_is_blocked_with_its_subdomains_and_nothing_else() {
        let blocked = "bad.test, Worse.TEST,,";
        check(blocked, "a@bad.test", true);
        check(blocked, "a@mail.BAD.test", true);
        check(blocked, "a@worse.test", true);
        check(blocked, "a@notbad.test", false);
        check(blocked, "bad.test@good.test", false);
        check("", "a@bad.test", false);
    }

    #[track_caller]
    fn check(blocked: &str, recipient: &str, want: bool) {
        let settings = settings(&[("BLOCKED_DOMAINS", blocked)]);
        let recipients = ["ok@good.test".to_owned(), recipient.to_owned()];
        assert_eq!(settings.blocked(&recipients), want.then_some(recipient), "{blocked:?}");
    }

    #[test]
    fn there_is_a_footer_only_where_one_is_set() {
        assert_eq!(settings(&[("FOOTER_HTML", "<i>x</i>")]).footer, None);
        assert_eq!(settings(&[("FOOTER_TEXT", " ")]).footer, None);
        let footer = settings(&[("FOOTER_TEXT", "x")]).footer;
        assert_eq!(footer, Some(Footer { text: "x".to_owned(), html: None }));
    }
}
