//! Taking every place, and sleeping in it.

use futures_util::StreamExt;
use futures_util::stream;

use crate::ground::Ground;
use crate::site::Who;
use crate::talk::Answer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sleepers_are_gone_at_the_deadline() {
    let ground = Ground::hostile("instances = 400\nidle-secs = 1").await;
    let before = ground.site.host.counters().timeouts;
    ground
        .beside(async {
            let asked = stream::iter(0..1000).map(|_| ground.check_budget("/sleep", "idle time"));
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
    let answers: Vec<Answer> = ground
        .beside(async {
            let asked =
                stream::iter(0..800).map(|_| async { ground.site.get(Who::Acme, "/sleep").await });
            asked.buffer_unordered(40).collect().await
        })
        .await;
    let codes: Vec<String> = answers.iter().map(Answer::code).collect();
    let count = |code: &str| codes.iter().filter(|found| *found == code).count();
    assert!(count("too-many-requests") > 400, "{codes:?}");
    // Whoever is turned away is told when to come again, by both fields that there are for it.
    for answer in answers.iter().filter(|answer| answer.status == 429) {
        for field in ["\r\nretry-after: 1\r\n", "\r\nratelimit: \"tenant\";r=0;t=1\r\n"] {
            assert!(format!("{}\r\n", answer.head).contains(field), "{field:?}: {answer:?}");
        }
    }
    let known = ["too-many-requests", "component-timeout"];
    assert!(codes.iter().all(|code| known.contains(&code.as_str())), "{codes:?}");
    assert!(count("component-timeout") > 0, "{codes:?}");
}
