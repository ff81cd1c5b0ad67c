//! Limits and status of a process: proc_pid_limits(5), proc_pid_status(5).

use std::fs::{read_dir, read_to_string};

use crate::wait::wait_for;

/// A resource limit of a process, by name. None without a limit, or without a process.
pub fn limit(pid: u32, name: &str) -> Option<u64> {
    after(&read_to_string(format!("/proc/{pid}/limits")).ok()?, name)
}

/// A number of a process's status, by the name of its line.
pub fn status(pid: u32, name: &str) -> Option<u64> {
    after(&read_to_string(format!("/proc/{pid}/status")).ok()?, name)
}

/// The running children of this process whose command line contains `word`.
pub fn children(word: &str) -> Vec<u32> {
    let processes = read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| status(*pid, "PPid:") == Some(u64::from(std::process::id())))
        .filter(|pid| command(*pid).contains(word))
        .collect()
}

/// The command line of a process; empty when it has ended.
fn command(pid: u32) -> String {
    wait_for("the program to be loaded", || {
        let command = read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // Right after its start, a process may have no command line yet; one that has ended has no
        // memory.
        (!command.is_empty() || status(pid, "VmRSS:").is_none()).then_some(command)
    })
}

fn after(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
