//! Fake authorization server: it checks codes and PKCE verifiers, rotates refresh tokens, and
//! counts requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use testkit::servers::web::{Reply, Speaker, Web};

pub(crate) const NAME: &str = "login.test";
pub(crate) const CLIENT: &str = "postlet-test";
pub(crate) const CLIENT_SECRET: &str = "canary-of-the-client";

/// Its settings and its record.
#[derive(Debug, Default)]
struct Inner {
    /// The PKCE challenge of each issued code.
    codes: HashMap<String, String>,
    refresh: Option<String>,
    lasts: Option<u64>,
    given: u32,
    refreshes: u32,
    /// Access tokens to issue, in order; when there are none, made-up ones.
    stock: VecDeque<String>,
    /// A response that replaces every other.
    instead: Option<(u16, String, String)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Authority(Arc<Mutex<Inner>>);

impl Authority {
    /// Serves at `https://login.test/token`.
    pub(crate) fn at(web: &Web) -> Self {
        let authority = Self::default();
        let speaking = authority.clone();
        let speaker = Speaker(Arc::new(move |request| speaking.answer(request)));
        web.say(&format!("{NAME}/token"), Reply::Spoken(speaker));
        authority
    }

    /// The consent of the mailbox's owner: returns the query with which the browser is redirected.
    pub(crate) fn agree(&self, address: &str) -> String {
        let query = address.split_once('?').unwrap().1;
        let asked: HashMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["scope"], "mail offline");
        assert!(asked["state"].len() >= 43, "{asked:?}");
        let mut inner = self.0.lock().unwrap();
        let code = format!("code-{}", inner.codes.len());
        inner.codes.insert(code.clone(), asked["code_challenge"].clone());
        form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &asked["state"])
            .finish()
    }

    /// Sets the lifetime of tokens.
    pub(crate) fn lasting(&self, seconds: u64) {
        self.0.lock().unwrap().lasts = Some(seconds);
    }

    /// Sets the next access tokens.
    pub(crate) fn stock(&self, tokens: &[String]) {
        self.0.lock().unwrap().stock.extend(tokens.iter().cloned());
    }

    /// Replaces every response; `None` ends that.
    pub(crate) fn says(&self, instead: Option<(u16, &str, &str)>) {
        self.0.lock().unwrap().instead =
            instead.map(|(status, fields, body)| (status, fields.to_owned(), body.to_owned()));
    }

    /// The number of refresh requests.
    pub(crate) fn refreshes(&self) -> u32 {
        self.0.lock().unwrap().refreshes
    }

    fn answer(&self, request: &str) -> (u16, String, String) {
        let (head, form) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /token HTTP/1.1"), "{head}");
        let form: HashMap<String, String> =
            form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        assert_eq!((&*form["client_id"], &*form["client_secret"]), (CLIENT, CLIENT_SECRET));
        let is_refresh = form["grant_type"] == "refresh_token";
        if is_refresh {
            self.0.lock().unwrap().refreshes += 1;
            // Long enough for concurrent requests to overlap.
            std::thread::sleep(Duration::from_millis(300));
        }
        let mut inner = self.0.lock().unwrap();
        if let Some(instead) = inner.instead.clone() {
            return instead;
        }
        let good = if is_refresh {
            inner.refresh.as_ref() == form.get("refresh_token")
        } else {
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
            inner.codes.remove(&form["code"]) == Some(challenge)
                && form["redirect_uri"] == "https://mail.test/-/oauth/callback"
        };
        if !good {
            return (400, String::new(), json!({"error": "invalid_grant"}).to_string());
        }
        inner.given += 1;
        let refresh = format!("canary-refresh-{}", inner.given);
        inner.refresh = Some(refresh.clone());
        let access =
            inner.stock.pop_front().unwrap_or_else(|| format!("canary-access-{}", inner.given));
        let body = json!({
            "access_token": access, "token_type": "Bearer",
            "expires_in": inner.lasts.unwrap_or(3600), "refresh_token": refresh,
        });
        (200, "content-type: application/json\r\n".to_owned(), body.to_string())
    }
}
