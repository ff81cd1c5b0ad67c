//! Health: what the servers of an account last said to a login.
//!
//! Facts for people: nothing is decided by them. Each server has its own, so that
//! one that works does not hide one that does not.

use serde::{Deserialize, Serialize};

use crate::instant::Timestamp;
use crate::problem::Protocol;

/// Of one account, in one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// None before the first login.
    pub imap: Option<LastLogin>,
    /// None before the first login.
    pub smtp: Option<LastLogin>,
}

/// The last login that was not like the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLogin {
    /// When it was first so.
    pub at: Timestamp,
    /// None when it worked.
    pub trouble: Option<HealthIssue>,
}

/// Why a login did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthIssue {
    /// What kind.
    pub kind: HealthIssueKind,
    /// The problem's code.
    pub code: String,
    /// What happened; safe to show.
    pub detail: String,
}

/// What kind of trouble, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthIssueKind {
    /// The server was not reached, or did not get as far as a login.
    Unreachable,
    /// The server was asked and said no.
    Refused,
    /// The grant of an OAuth 2 account has ended: its owner has to agree again.
    Reauth,
}

/// One word for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// Nobody has logged in yet.
    Unverified,
    /// Every server that was asked took the login.
    Connected,
    /// A server refuses the login.
    AuthenticationFailed,
    /// A server cannot be reached.
    Unreachable,
    /// The owner has to agree again.
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
    /// What one server said.
    #[must_use]
    pub const fn of(&self, protocol: Protocol) -> Option<&LastLogin> {
        match protocol {
            Protocol::Imap => self.imap.as_ref(),
            Protocol::Smtp => self.smtp.as_ref(),
        }
    }

    /// Takes in what one server said now; false when it said so before.
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

    /// The worst trouble, and whose; of two that are as bad, the later one.
    #[must_use]
    pub fn last_error(&self) -> Option<(Protocol, Timestamp, &HealthIssue)> {
        let half = |protocol| {
            let seen = self.of(protocol)?;
            Some((protocol, seen.at, seen.trouble.as_ref()?))
        };
        let halves = [half(Protocol::Imap), half(Protocol::Smtp)].into_iter().flatten();
        halves.max_by_key(|(_, at, trouble)| (trouble.kind, *at))
    }

    /// The worst of both in one word.
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
