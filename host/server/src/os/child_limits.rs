//! Resource limits (`setrlimit`, POSIX) that a child process sets for itself before it reads anything.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets a soft resource limit of this process, capped by the hard limit that it inherited.
/// The unit of `most` depends on the resource (setrlimit(2)): bytes, or seconds of CPU time.
///
/// # Errors
/// When the system refuses the limit.
pub(crate) fn limit(resource: Resource, most: u64) -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    let most = maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum })
        .with_context(|| format!("cannot set the resource limit {resource:?}"))
}
