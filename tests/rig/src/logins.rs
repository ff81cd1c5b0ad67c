//! Login methods of the users: a password, or a token that Dovecot validates locally.
//!
//! Tokens are JSON Web Tokens under a key in the rig's directory, so that no authorization server
//! has to be asked; a fake one issues [`token`]s.
//!
//! Standards: RFC 7519 (JWT), RFC 7515 §3 (its three parts), RFC 7628 (OAUTHBEARER).

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::requirements::owner;

/// The login method that the servers accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// SASL PLAIN and LOGIN.
    Password,
    /// A bearer token, with this mechanism only.
    Token(Mechanism),
}

/// The SASL mechanism of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 7628.
    OAuthBearer,
    /// The older mechanism of Google and Microsoft.
    XOAuth2,
}

/// Need not be secret: it is valid for the rig only.
const KEY: &[u8] = b"a key of the rig for its own tokens";

impl Login {
    pub(crate) const fn mechanisms(self) -> &'static str {
        match self {
            Self::Password => "plain login",
            Self::Token(Mechanism::OAuthBearer) => "oauthbearer",
            Self::Token(Mechanism::XOAuth2) => "xoauth2",
        }
    }

    pub(crate) fn passdb(self, home: &str) -> String {
        match self {
            Self::Password => format!(
                "passdb {{\n  driver = passwd-file\n  args = username_format=%u {home}/dovecot/users\n}}"
            ),
            Self::Token(_) => format!(
                "passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {home}/dovecot/oauth2\n}}"
            ),
        }
    }

    /// The files that [`Self::passdb`] names.
    pub(crate) fn write(self, home: &Path) -> anyhow::Result<()> {
        if self == Self::Password {
            return Ok(());
        }
        let key = key_file(home);
        fs::create_dir_all(key.parent().unwrap_or(home))?;
        fs::write(&key, STANDARD.encode(KEY))?;
        let configuration = format!(
            "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/keys/\nusername_attribute = email\n",
            home.display()
        );
        let path = home.join("dovecot/oauth2");
        fs::create_dir_all(home.join("dovecot"))?;
        fs::write(&path, configuration)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
        chown(&path, None, Some(owner("dovecot")?.gid))?;
        Ok(())
    }
}

/// The file in which Dovecot looks up the key of a token that names neither client nor key.
fn key_file(home: &Path) -> PathBuf {
    home.join("keys/default/HS256/default")
}

/// A token for this login, valid until `lasts` from now; with zero it expired an hour ago.
pub(crate) fn token(home: &Path, email: &str, lasts: Duration) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "real servers use the system clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let end = if lasts.is_zero() { now.saturating_sub(3600) } else { now + lasts.as_secs() };
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    let signed = format!(
        "{}.{}",
        part(r#"{"alg":"HS256","typ":"JWT"}"#.to_owned()),
        part(format!(r#"{{"sub":"{email}","email":"{email}","exp":{end}}}"#)),
    );
    let key = STANDARD.decode(fs::read(key_file(home))?)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
    mac.update(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}
