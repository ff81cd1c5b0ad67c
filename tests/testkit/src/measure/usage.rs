//! Resource usage of another process, as the kernel counts it.

use std::time::Duration;

/// `USER_HZ` is 100 on every Linux that Rust runs on (proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// CPU time of the process so far, all its threads, in user and kernel mode.
pub fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The program's name, which may contain anything, is in parentheses.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u32 = [11, 12].iter().map(|&at: &usize| fields[at].parse::<u32>().unwrap()).sum();
    TICK * ticks
}

/// Resident memory, in bytes.
pub fn resident(pid: u32) -> u64 {
    memory(pid, "VmRSS:")
}

/// Peak resident memory, in bytes.
pub fn most_resident(pid: u32) -> u64 {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
