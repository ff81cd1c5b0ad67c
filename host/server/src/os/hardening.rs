//! What keeps the memory of a host that holds secrets to itself.
//!
//! A process that is not dumpable leaves no core file, and no other process of
//! its user can read its memory, its environment or its open files.
//!
//! Invariant: called before the first secret is read. The children that compile
//! are other programs by then: they start dumpable, and are given no secrets.

use anyhow::Context;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// From now on nobody but the system's administrator looks in.
///
/// # Errors
/// When the system does not allow it.
pub(crate) fn harden_process() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum })
        .context("the limit of core files cannot be set")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("the process cannot be kept from being dumped")
}
