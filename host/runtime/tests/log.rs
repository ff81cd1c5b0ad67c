//! Tests of the guest log: what a guest writes is logged, up to a limit.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;
use runtime::limits::Limits;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{OneAccount, ask, hostile, nothing_lives, runtime};

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// WASI 0.3 has streams of its own; their output goes to the same log.
#[tokio::test]
async fn output_over_wasi_0_3_is_logged_too() {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let runtime = runtime();
    let component = runtime.component("async", guests::ASYNC).unwrap();
    let endpoint =
        runtime.endpoint(&component, Arc::new(OneAccount::default()), Limits::default()).unwrap();
    let answer = ask(&endpoint, "/say").await.unwrap();
    answer.into_body().collect().await.unwrap();
    nothing_lives(&runtime).await;
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    for (words, stream) in [("over stdout", "stdout"), ("over stderr", "stderr")] {
        let line =
            text.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains(&format!("stream=\"{stream}\"")), "{line}");
        assert!(line.contains("component=async") && line.contains("request=\"req_"), "{line}");
    }
}

#[tokio::test]
async fn a_flood_of_output_is_cut_off_and_reported_once() {
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let runtime = runtime();
    let limits = Limits { cpu: Duration::from_millis(300), ..Limits::default() };
    ask(&hostile(&runtime, limits.clone()), "/log-flood").await.unwrap_err();
    nothing_lives(&runtime).await;

    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let said: usize = text.matches("a line that nobody asked for ").count() * 29;
    assert!(said > limits.log_bytes / 2, "{said} bytes of the guest's words");
    assert!(said <= limits.log_bytes, "{said} bytes of the guest's words");
    assert_eq!(text.matches("log is cut").count(), 1);
    assert!(text.contains("stream=\"stdout\"") && text.contains("stream=\"stderr\""));
    assert!(text.contains("request=\"req_"), "{}", text.lines().next().unwrap_or_default());
}
