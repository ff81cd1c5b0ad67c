//! Progress reports of a long operation.
//!
//! A quick operation is not reported; a long one is reported after some seconds, and at intervals from
//! then on.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Time before the first report.
const FIRST: Duration = Duration::from_secs(5);
/// Time between two reports.
const NEXT: Duration = Duration::from_secs(10);

/// Runs `work`, and calls `report` with the time so far while it lasts. Also returns the whole time.
pub(crate) async fn reported<T>(
    work: impl Future<Output = T>,
    mut report: impl FnMut(Duration),
) -> (T, Duration) {
    let begun = Instant::now();
    let mut work = pin!(work);
    let mut pause = FIRST;
    loop {
        if let Ok(ended) = timeout(pause, &mut work).await {
            return (ended, begun.elapsed());
        }
        report(begun.elapsed());
        pause = NEXT;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// The paused clock advances when nothing else can run.
    #[tokio::test(start_paused = true)]
    async fn long_work_is_reported_and_short_work_is_not() {
        check(4, &[]).await;
        check(6, &[5]).await;
        check(36, &[5, 15, 25, 35]).await;
    }

    async fn check(takes: u64, want: &[u64]) {
        let work = sleep(Duration::from_secs(takes));
        let mut reports = Vec::new();
        let ((), took) = reported(work, |so_far| reports.push(so_far.as_secs())).await;
        assert_eq!((reports.as_slice(), took.as_secs()), (want, takes));
    }
}
