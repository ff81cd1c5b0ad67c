//! How many files and connections the system lets this process have.
//!
//! Shells and service managers start programs with a low limit that they may raise themselves
//! (`RLIMIT_NOFILE`, getrlimit(2)). So it is raised as far as it goes, and where that is not as far as
//! the configuration promises, the operator is told before a client is, and connections leave half of
//! it to deliveries and the store.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::limits::Limits;

/// Databases, message bodies, uploads, the log, deliveries and idle sessions of mail servers.
const OTHERS: u64 = 512;

/// Raises the limit to what the system allows; where that does not fit, warns and takes fewer
/// connections.
pub(crate) fn fit(limits: &mut Limits) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is no limit at all.
    if current != maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        if let Err(error) = raised {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = needed(limits);
    if allowed < needed {
        limits.connections = fewer(limits.connections, allowed);
        tracing::warn!(
            allowed,
            needed,
            connections = limits.connections,
            "`limits.connections` and `limits.instances` do not fit the limit of open files: raise it (`ulimit -Hn`, LimitNOFILE= of systemd), or lower them"
        );
    }
}

/// A connection has one descriptor, and so has the mail server that its request asks.
fn needed(limits: &Limits) -> u64 {
    (limits.connections as u64).saturating_add(u64::from(limits.instances)).saturating_add(OTHERS)
}

/// Half of what there is: who connects and asks nothing must not keep mail from being delivered.
fn fewer(connections: usize, allowed: u64) -> usize {
    connections.min(usize::try_from(allowed / 2).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::RawLimits;

    #[test]
    fn the_default_needs_more_than_the_usual_limit_and_less_than_the_usual_most() {
        let limits = RawLimits::default().check().unwrap();
        assert!((1024..4096).contains(&needed(&limits)), "{}", needed(&limits));
    }

    #[test]
    fn connections_leave_half_of_a_small_limit() {
        assert_eq!(fewer(1024, 1024), 512);
        assert_eq!(fewer(100, 1024), 100);
        assert_eq!(fewer(1024, 1), 1);
    }
}
