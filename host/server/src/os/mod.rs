//! Operating system services: clock, tasks, files, limits of the process.

pub mod clock;
pub(crate) mod task;
pub(crate) mod untrusted_file;
pub(crate) mod file_limit;
pub(crate) mod hardening;
pub(crate) mod child_limits;
pub(crate) mod child;
