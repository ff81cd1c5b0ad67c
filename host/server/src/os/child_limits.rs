//! Resource limits (`setrlimit`, POSIX) that a child process sets for itself before it reads anything.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets a limit of this process, never above the one that it was started with.
///
/// # Errors
/// When the system refuses the limit.
pub(crate) fn limit(resource: Resource, most: u64) -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    let most = maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum })
        .with_context(|| format!("the limit of {resource:?}"))
}
