//! Process hardening: no core dumps, no ptrace (prctl(2), `PR_SET_DUMPABLE`).
//!
//! A process that is not dumpable leaves no core file, and no other process of
//! its user can read its memory, its environment or its open files.
//!
//! Invariant: called before the first secret is read. execve(2) resets the flag, so
//! the children that compile are dumpable; they are given no secrets.

use anyhow::Context;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Disables core dumps and ptrace for this process. A process with `CAP_SYS_PTRACE` can still attach.
///
/// # Errors
/// When the system refuses it.
pub(crate) fn harden_process() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum })
        .context("cannot set the limit of core files")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("cannot disable core dumps and ptrace")
}
