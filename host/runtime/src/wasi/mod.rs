//! WASI as guests see it: coarse clocks, and stdout and stderr as log lines.

pub(crate) mod clock;
pub(crate) mod stdio_log;
