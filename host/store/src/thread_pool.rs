//! Thread pool for blocking work of async callers.
//!
//! SQLite and files block; callers may be on any executor, so the blocking is done here and the
//! result comes back through a channel. Each thread owns a state: a reading connection, or nothing.
//!
//! Invariant: the queue is bounded, so a slow disk slows the callers down instead of filling the
//! memory.

use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

/// The threads have ended, or the one that had the job panicked.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the store's threads have ended")]
pub(crate) struct PoolClosed;

impl From<PoolClosed> for io::Error {
    fn from(gone: PoolClosed) -> Self {
        Self::other(gone)
    }
}

/// Threads with one queue. Dropping it completes queued work and waits for them.
pub(crate) struct ThreadPool<S> {
    jobs: Option<mpsc::Sender<Job<S>>>,
    threads: Vec<JoinHandle<()>>,
}

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Enough to keep the threads busy; further callers wait.
const QUEUE: usize = 256;

impl<S: Send + 'static> ThreadPool<S> {
    /// One thread for each state.
    pub(crate) fn new(name: &str, states: Vec<S>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job<S>>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::new();
        for mut state in states {
            let queue = Arc::clone(&queue);
            let work = move || {
                while let Some(job) = next(&queue) {
                    job(&mut state);
                }
            };
            threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        }
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs `work` on one of the threads. It is completed even if the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, PoolClosed> {
        let (answer, answered) = oneshot::channel();
        let job: Job<S> = Box::new(move |state| {
            // The caller may have stopped waiting.
            let _ = answer.send(work(state));
        });
        let jobs = self.jobs.as_ref().ok_or(PoolClosed)?;
        jobs.send(job).await.map_err(|_| PoolClosed)?;
        answered.await.map_err(|_| PoolClosed)
    }
}

fn next<S>(queue: &Mutex<mpsc::Receiver<Job<S>>>) -> Option<Job<S>> {
    queue.lock().blocking_recv()
}

impl<S> Drop for ThreadPool<S> {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A job may have held the last handle on its own pool.
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

impl<S> fmt::Debug for ThreadPool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("threads", &self.threads.len()).finish()
    }
}
