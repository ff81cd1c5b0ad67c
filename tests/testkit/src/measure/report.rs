//! Benchmark report: plain lines that can be copied into a page.
#![expect(clippy::print_stdout, reason = "printing is what a bench is for")]

use crate::measure::load::Rate;

/// Prints the processor of this machine.
pub fn machine() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    line(&format!("machine: {count} x {}", model.trim_start_matches(['\t', ' ', ':'])));
}

pub fn heading(text: &str) {
    line(&format!("\n## {text}"));
}

pub fn line(text: &str) {
    println!("{text}");
}

/// Prints a rate, with its latencies.
pub fn rate(name: &str, rate: &Rate) {
    line(&format!(
        "{name:38} {:>9.0} /s   p50 {:>8.3} ms   p99 {:>8.3} ms   ({} calls)",
        rate.per_second,
        rate.median.as_secs_f64() * 1e3,
        rate.slow.as_secs_f64() * 1e3,
        rate.calls
    ));
}

/// Prints a number with its goal.
pub fn goal(name: &str, figure: f64, unit: &str, goal: &str, met: bool) {
    let verdict = if met { "met" } else { "MISSED" };
    line(&format!("{name:38} {figure:>9.2} {unit}   goal {goal}: {verdict}"));
}

pub fn figure(name: &str, figure: f64, unit: &str) {
    line(&format!("{name:38} {figure:>9.2} {unit}"));
}

pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The median.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
