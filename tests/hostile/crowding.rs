//! Taking every place, and sleeping in it.

use futures_util::StreamExt;
use futures_util::stream;

use crate::ground::Ground;
use crate::site::Who;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sleepers_are_gone_at_the_deadline() {
    let ground = Ground::hostile("instances = 400\nidle-secs = 1").await;
    let before = ground.site.host.counters().timeouts;
    ground
        .beside(async {
            let asked = stream::iter(0..1000).map(|_| ground.check("/sleep", "component-timeout"));
            // As many as the tenant's share.
            asked.buffer_unordered(200).collect::<Vec<()>>().await;
        })
        .await;
    assert_eq!(ground.site.host.counters().timeouts - before, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_ten_times_over_its_share_turns_only_itself_away() {
    // Longer than the neighbour would wait for a place.
    let ground = &Ground::hostile("instances = 8\nidle-secs = 5").await;
    let codes: Vec<String> = ground
        .beside(async {
            let asked = stream::iter(0..800)
                .map(|_| async { ground.site.get(Who::Acme, "/sleep").await.code() });
            asked.buffer_unordered(40).collect().await
        })
        .await;
    let count = |code: &str| codes.iter().filter(|found| *found == code).count();
    assert!(count("too-many-requests") > 400, "{codes:?}");
    let known = ["too-many-requests", "component-timeout"];
    assert!(codes.iter().all(|code| known.contains(&code.as_str())), "{codes:?}");
    assert!(count("component-timeout") > 0, "{codes:?}");
}
