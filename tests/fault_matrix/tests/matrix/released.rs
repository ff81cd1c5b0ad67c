//! Data directories of earlier releases: submissions that are not final are delivered, once to each
//! recipient without a verdict, and final ones are left alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot run has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fakes::directory::copy_all;
use fault_matrix::clock::Running;
use fault_matrix::fixture::{BO, CY, Fixture};
use model::instant::Timestamp;
use model::port::capabilities::Submissions;
use model::submission::State;
use store::keys::key_file::KeyFile;
use store::sqlite::Sqlite;

/// An hour after they were written, when every submission is due.
const LATER: Timestamp = Timestamp::from_millis(1_795_392_000_000 + 3_600_000);

/// Subjects, and the recipients that each must still be sent to.
const WAITING: [(&str, &[&str]); 9] = [
    ("claimed", &[BO, CY]),
    ("dialing", &[BO, CY]),
    ("dot-sent", &[BO, CY]),
    ("deferred", &[BO, CY]),
    ("uncertain", &[BO, CY]),
    ("half", &[CY]),
    ("large and deferred", &[BO, CY]),
    ("accepted", &[BO, CY]),
    ("large and accepted", &[BO, CY]),
];

#[test]
fn queued_mail_of_earlier_releases_is_delivered() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/store/released");
    for release in fs::read_dir(home).unwrap() {
        let release = release.unwrap().path();
        let copy = tempfile::tempdir().unwrap();
        copy_all(&release, copy.path());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.unwrap().block_on(drain(copy.path()));
    }
}

async fn drain(dir: &Path) {
    let key = dir.join("master.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let keys = KeyFile::new(key).load().unwrap().unwrap();
    let clock = Arc::new(Running::from(LATER));
    let store = Sqlite::open(dir, keys, clock.clone()).unwrap();
    let fixture = Fixture::over(Arc::new(store.clone()), Arc::new(store), clock, &[]).await;
    let mut states = BTreeMap::new();
    for _ in 0..600 {
        let page = fixture.engine.submissions(&fixture.grant, &[], None, 100).await.unwrap();
        states.clear();
        for entry in &page.rows {
            *states.entry(entry.receipt.state.as_str()).or_insert(0) += 1;
        }
        if page.rows.iter().all(|entry| entry.receipt.state.is_final()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ended = [State::Sent, State::Failed, State::Expired, State::Cancelled];
    let want: BTreeMap<&str, i32> =
        ended.map(|state| (state.as_str(), if state == State::Sent { 10 } else { 1 })).into();
    assert_eq!(states, want);
    for (subject, whom) in WAITING {
        for email in [BO, CY] {
            let times = fixture.count(email, "INBOX", subject);
            assert_eq!(times, usize::from(whom.contains(&email)), "{subject} to {email}");
        }
    }
    for subject in ["sent", "failed", "expired", "cancelled", "deleted account"] {
        assert_eq!(fixture.count(BO, "INBOX", subject), 0, "{subject}");
    }
}
