//! Customised WASI interfaces: coarse clocks, and stdout and stderr as log lines.

pub(crate) mod clock;
pub(crate) mod stdio_log;
