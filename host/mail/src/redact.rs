//! Redaction of credentials in a server's reply.
//!
//! A server may quote the line that it refuses, and its text is shown and stored. So every form in
//! which the secret is sent is removed from what comes back.

use std::cmp::Reverse;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::account::Credentials;
use model::secret::Secret;

use crate::sasl::Bearer;

/// Replaces a secret.
const HIDDEN: &str = "…";
/// A shorter prefix of a secret reveals little, and could occur by chance.
const TELLING: usize = 8;

/// `said` without the credentials in any form, and without a prefix of them at its end, where a
/// long line was cut.
pub(crate) fn redact(said: &str, username: &str, credentials: &Credentials) -> String {
    let mut forms = forms(username, credentials);
    // One may contain another.
    forms.sort_by_key(|form| Reverse(form.reveal().len()));
    let mut hushed = said.to_owned();
    for form in forms.iter().map(Secret::reveal).filter(|form| !form.is_empty()) {
        hushed = hushed.replace(form, HIDDEN);
        let beginnings = form.char_indices().map(|(at, _)| at).filter(|at| *at >= TELLING).rev();
        let cut = beginnings.filter_map(|at| form.get(..at)).find(|start| hushed.ends_with(start));
        if let Some(cut) = cut {
            hushed.truncate(hushed.len() - cut.len());
            hushed.push_str(HIDDEN);
        }
    }
    hushed
}

fn forms(username: &str, credentials: &Credentials) -> Vec<Secret> {
    match credentials {
        Credentials::Password(password) => {
            let plain = format!("\0{username}\0{}", password.reveal());
            vec![
                password.clone(),
                Secret::new(STANDARD.encode(password.reveal())),
                Secret::new(STANDARD.encode(plain)),
            ]
        }
        Credentials::OAuth(oauth) => {
            let Some(token) = &oauth.access else { return Vec::new() };
            let sent = ["OAUTHBEARER", "XOAUTH2"].into_iter().filter_map(|mechanism| {
                let bearer = Bearer::new(|name| name == mechanism, username, token);
                bearer.ok().map(|bearer| bearer.response)
            });
            sent.chain([token.clone()]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_taken_out() {
        let plain = STANDARD.encode("\0ann\0pw-16-long");
        let encoded = STANDARD.encode("pw-16-long");
        check(
            &format!("no: AUTH PLAIN {plain} or {encoded} or pw-16-long."),
            "no: AUTH PLAIN … or … or ….",
        );
        check(&format!("no: AUTH PLAIN {}", &plain[..14]), "no: AUTH PLAIN …");
        check("535 5.7.8 wrong password", "535 5.7.8 wrong password");
    }

    #[track_caller]
    fn check(said: &str, want: &str) {
        let credentials = Credentials::Password(Secret::new("pw-16-long".to_owned()));
        assert_eq!(redact(said, "ann", &credentials), want);
    }
}
