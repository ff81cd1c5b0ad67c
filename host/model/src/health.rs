//! Account health: the last login outcome of each server.
//!
//! For display only: nothing is decided by it. Each server has its own, so that a working server
//! does not hide a failing one.

use serde::{Deserialize, Serialize};

use crate::instant::Timestamp;
use crate::problem::Protocol;

/// The health of one account, in one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// None before the first login.
    pub imap: Option<LastLogin>,
    /// None before the first login.
    pub smtp: Option<LastLogin>,
}

/// The last login whose outcome differed from the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLogin {
    /// When that outcome was first seen.
    pub at: Timestamp,
    /// None when the login succeeded.
    pub trouble: Option<HealthIssue>,
}

/// Why a login failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthIssue {
    /// The kind of failure.
    pub kind: HealthIssueKind,
    /// The problem code.
    pub code: String,
    /// What happened; safe to show.
    pub detail: String,
}

/// The kind of failure, the most severe last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthIssueKind {
    /// The server was not reached, or the session ended before the login.
    Unreachable,
    /// The server refused the login.
    Refused,
    /// The OAuth 2.0 grant has ended: the owner has to authorize again.
    Reauth,
}

/// The summarised state of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// No login was attempted yet.
    Unverified,
    /// Every server that was tried accepted the login.
    Connected,
    /// A server refuses the login.
    AuthenticationFailed,
    /// A server cannot be reached.
    Unreachable,
    /// The owner has to authorize again.
    ReauthRequired,
}

impl AccountState {
    /// As the API shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Connected => "connected",
            Self::AuthenticationFailed => "authenticationFailed",
            Self::Unreachable => "unreachable",
            Self::ReauthRequired => "reauthRequired",
        }
    }
}

impl Health {
    /// The last login at one server.
    #[must_use]
    pub const fn of(&self, protocol: Protocol) -> Option<&LastLogin> {
        match protocol {
            Protocol::Imap => self.imap.as_ref(),
            Protocol::Smtp => self.smtp.as_ref(),
        }
    }

    /// Records an outcome; false when it equals the one before.
    pub fn see(&mut self, protocol: Protocol, at: Timestamp, trouble: Option<HealthIssue>) -> bool {
        let half = match protocol {
            Protocol::Imap => &mut self.imap,
            Protocol::Smtp => &mut self.smtp,
        };
        let same = |seen: &LastLogin| match (&seen.trouble, &trouble) {
            (None, None) => true,
            (Some(old), Some(new)) => (old.kind, &old.code) == (new.kind, &new.code),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if half.as_ref().is_some_and(same) {
            return false;
        }
        *half = Some(LastLogin { at, trouble });
        true
    }

    /// The most severe issue and its protocol; of two equally severe, the later one.
    #[must_use]
    pub fn last_error(&self) -> Option<(Protocol, Timestamp, &HealthIssue)> {
        let half = |protocol| {
            let seen = self.of(protocol)?;
            Some((protocol, seen.at, seen.trouble.as_ref()?))
        };
        let halves = [half(Protocol::Imap), half(Protocol::Smtp)].into_iter().flatten();
        halves.max_by_key(|(_, at, trouble)| (trouble.kind, *at))
    }

    /// The more severe of both servers' states.
    #[must_use]
    pub fn state(&self) -> AccountState {
        match self.last_error() {
            Some((_, _, trouble)) => match trouble.kind {
                HealthIssueKind::Unreachable => AccountState::Unreachable,
                HealthIssueKind::Refused => AccountState::AuthenticationFailed,
                HealthIssueKind::Reauth => AccountState::ReauthRequired,
            },
            None if self.imap.is_none() && self.smtp.is_none() => AccountState::Unverified,
            None => AccountState::Connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: HealthIssueKind) -> Option<HealthIssue> {
        Some(HealthIssue { kind, code: format!("{kind:?}"), detail: String::new() })
    }

    #[test]
    fn the_worst_server_names_the_state() {
        let at = Timestamp::from_millis;
        let mut health = Health::default();
        assert_eq!(health.state(), AccountState::Unverified);
        assert!(health.see(Protocol::Imap, at(1), None));
        assert_eq!(health.state(), AccountState::Connected);
        assert!(health.see(Protocol::Smtp, at(2), trouble(HealthIssueKind::Refused)));
        assert!(health.see(Protocol::Imap, at(3), trouble(HealthIssueKind::Unreachable)));
        assert_eq!(health.state(), AccountState::AuthenticationFailed);
        assert_eq!(health.last_error().unwrap().0, Protocol::Smtp);
        assert!(health.see(Protocol::Smtp, at(4), None));
        assert_eq!(health.state(), AccountState::Unreachable);
    }

    #[test]
    fn what_is_as_before_is_no_news_and_keeps_its_time() {
        let at = Timestamp::from_millis;
        let mut health = Health::default();
        assert!(health.see(Protocol::Imap, at(1), trouble(HealthIssueKind::Refused)));
        assert!(!health.see(Protocol::Imap, at(2), trouble(HealthIssueKind::Refused)));
        assert_eq!(health.imap.as_ref().unwrap().at, at(1));
        assert!(health.see(Protocol::Imap, at(3), None));
        assert!(!health.see(Protocol::Imap, at(4), None));
    }
}
