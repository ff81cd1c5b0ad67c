//! Limit of open file descriptors of this process (`RLIMIT_NOFILE`, getrlimit(2)).
//!
//! Shells and service managers start programs with a low soft limit, which a program may raise to the
//! hard limit. It is raised here. Where the hard limit is below what the configuration needs, a warning
//! is logged at the start, and connections use at most half of the descriptors, so that deliveries and
//! the store have the rest.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::limits::Limits;

/// Descriptors for databases, message bodies, uploads, the log, deliveries and idle sessions with
/// mail servers.
const OTHERS: u64 = 512;

/// Raises the soft limit to the hard limit; where that is not enough, logs a warning and lowers
/// `limits.connections`.
pub(crate) fn fit(limits: &mut Limits) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None means unlimited.
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

/// Descriptors that the configured limits need: one for each connection, and one for the mail server
/// of each request.
fn needed(limits: &Limits) -> u64 {
    (limits.connections as u64).saturating_add(u64::from(limits.instances)).saturating_add(OTHERS)
}

/// The connections that fit half of the descriptors: idle clients must not stop deliveries.
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
