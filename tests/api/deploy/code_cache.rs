//! Tests of the compiled-code cache: code is reused, and loaded only if this host sealed it.

use std::path::{Path, PathBuf};

use guests::describer;
use tempfile::TempDir;

use crate::deploy::site::{Site, Who};

const MANIFEST: &str = "spin_manifest_version = 2\n[application]\nname = \"things\"\n\
    [[trigger.http]]\nroute = \"/things\"\ncomponent = \"own\"\n\
    [component.own]\nsource = \"own.wasm\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_compiled_once() {
    let site = Site::on_disk(tempfile::tempdir().unwrap()).await;
    deploy(&site, "fine", 1).await;
    deploy(&site, "fine", 1).await;
    deploy(&site, "another", 2).await;
    deploy(&site, "fine", 2).await;
    // A refused component is compiled again: the limits may have changed.
    for children in [3, 4] {
        site.deploy(MANIFEST, &describer("panic")).await.unwrap_err();
        assert_eq!(site.host.children(), children);
    }
    // The next start, with the same key and the same files.
    let copy = tempfile::tempdir().unwrap();
    bring(&site, &copy, &["master.key", "compiled"]);
    let again = Site::on_disk(copy).await;
    deploy(&again, "fine", 0).await;
    // Another host has another key.
    let copy = tempfile::tempdir().unwrap();
    bring(&site, &copy, &["compiled"]);
    let stranger = Site::on_disk(copy).await;
    deploy(&stranger, "fine", 1).await;
    deploy(&stranger, "fine", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_cache_file_is_ignored_and_the_component_compiled_again() {
    let site = Site::on_disk(tempfile::tempdir().unwrap()).await;
    // The embedded components are cached already.
    let before = files(&site.path("compiled"));
    deploy(&site, "fine", 1).await;
    let file = files(&site.path("compiled")).into_iter().find(|it| !before.contains(it)).unwrap();
    let good = std::fs::read(&file).unwrap();
    let mut children = 1;
    for at in [0, 31, 32, 40, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&file, &bad).unwrap();
        children += 1;
        deploy(&site, "fine", children).await;
        deploy(&site, "fine", children).await;
    }
}

/// Deploys a component, checks that it is served and documented, and returns the number of children
/// started so far.
async fn deploy(site: &Site, word: &str, children: u64) {
    site.deploy(MANIFEST, &describer(word)).await.unwrap();
    assert_eq!(site.host.children(), children, "{word}");
    let good = site.ask(Who::Acme, "POST", "/things", Some(r#"{"name": "ann", "count": 3}"#)).await;
    assert_eq!(good.status, 200, "{good:?}");
    let bad = site.ask(Who::Acme, "POST", "/things", Some("{}")).await;
    assert_eq!(bad.code(), "invalid-body", "{bad:?}");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Copies a file, or the files of a directory.
fn bring(site: &Site, to: &TempDir, names: &[&str]) {
    for name in names {
        let (from, to) = (site.path(name), to.path().join(name));
        if from.is_file() {
            // With its mode, which the key file requires.
            std::fs::copy(from, to).unwrap();
            continue;
        }
        std::fs::create_dir(&to).unwrap();
        for file in files(&from) {
            std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
}
