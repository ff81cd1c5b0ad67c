//! Tests of fair shares: guests that take every instance slot, all memory, or sleep in them.

use std::future::Future;

use futures_util::stream;
use futures_util::{StreamExt, future};

use crate::deploy::site::{Site, Who};
use crate::hostile::fixture::{EVERYTHING, Ground, weighed};
use testkit::raw_http::Answer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sleeping_guests_end_at_the_deadline() {
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
async fn a_tenant_ten_times_over_its_share_is_refused_alone() {
    // Longer than another tenant's request would wait for a slot.
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
    // A refused request is told when to retry, in the header field and in the problem.
    for answer in answers.iter().filter(|answer| answer.status == 429) {
        for field in ["\r\nretry-after: 1\r\n", "\r\nratelimit: \"tenant\";r=0;t=1\r\n"] {
            assert!(format!("{}\r\n", answer.head).contains(field), "{field:?}: {answer:?}");
        }
    }
    let known = ["too-many-requests", "component-timeout"];
    assert!(codes.iter().all(|code| known.contains(&code.as_str())), "{codes:?}");
    assert!(count("component-timeout") > 0, "{codes:?}");
}

/// A route that needs no token, with no grants for anonymous callers.
const PUBLIC: &str = "spin_manifest_version = 2\n[application]\nname = \"own\"\n\
    [[trigger.http]]\nroute = \"/...\"\ncomponent = \"own\"\n\
    [component.own]\nsource = \"own.wasm\"\n[component.own.tool.postlet]\nauth = \"none\"\n";

/// Sends forty requests at a time, until dropped.
async fn flood(site: &Site, who: Who, path: &str) {
    let asked = stream::iter(0..).map(|_| async {
        let answer = site.get(who, path).await;
        assert_ne!(answer.status, 200, "{answer:?}");
    });
    asked.buffer_unordered(40).for_each(|()| future::ready(())).await;
}

/// Runs `work` beside floods that occupy `places` slots.
async fn beside<T>(
    site: &Site,
    floods: impl Future<Output = Vec<()>>,
    places: u32,
    work: impl Future<Output = T>,
) -> T {
    let work = async {
        while site.host.counters().live < places {
            tokio::task::yield_now().await;
        }
        work.await
    };
    tokio::select! {
        _ = floods => unreachable!("they never end"),
        done = work => done,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_flooding_tenants_leave_slots_to_a_third() {
    let ground = Ground::empty("instances = 8\nidle-secs = 60").await;
    let site = &ground.site;
    site.deploy(EVERYTHING, guests::HOSTILE).await.unwrap();
    site.deploy_for("globex", "theirs", EVERYTHING, guests::HOSTILE).await.unwrap();
    site.deploy_for("initech", "third", EVERYTHING, guests::ECHO).await.unwrap();
    let floods = future::join_all([Who::Acme, Who::Globex].map(|who| flood(site, who, "/sleep")));
    let third = async {
        for _ in 0..50 {
            let one = || site.ask(Who::Initech, "POST", "/echo", Some(r#"{"a":1}"#));
            let both = tokio::join!(one(), one());
            assert_eq!((both.0.status, both.1.status), (200, 200), "{both:?}");
        }
        site.get(Who::Acme, "/env").await
    };
    let refused = beside(site, floods, 6, third).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "too-many-requests"));
    // Four or two, depending on the order of arrival.
    for bound in ["this tenant's requests hold ", " of 8 places, which is its share now"] {
        assert!(refused.body.contains(bound), "{refused:?}");
    }
    ground.nothing_lives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flooding_anonymous_callers_leave_slots_to_callers_with_a_token() {
    let ground = Ground::empty("instances = 8\nidle-secs = 60").await;
    let site = &ground.site;
    site.deploy(PUBLIC, guests::HOSTILE).await.unwrap();
    let floods = future::join_all([flood(site, Who::Nobody, "/t/acme/sleep")]);
    let own = async {
        for _ in 0..50 {
            let one = || site.get(Who::Acme, "/env");
            let all = tokio::join!(one(), one(), one(), one());
            for answer in [&all.0, &all.1, &all.2, &all.3] {
                assert_eq!(answer.status, 200, "{all:?}");
            }
        }
        site.get(Who::Nobody, "/t/acme/env").await
    };
    let refused = beside(site, floods, 2, own).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "too-many-requests"));
    let bound = "requests to this tenant without a token hold 2 of 4 places";
    assert!(refused.body.contains(bound), "{refused:?}");
    ground.nothing_lives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_components_share_its_memory() {
    // Four guests of 20 MiB would be more.
    let limits = "instances = 40\nidle-secs = 3\nmemory-bytes = 33554432\n\
                  memory-per-tenant-bytes = 67108864";
    let ground = Ground::hostile(limits).await;
    let many = async {
        let asked = (0..12).map(|_| ground.site.get(Who::Acme, "/keep?mebibytes=20"));
        future::join_all(asked).await
    };
    let (answers, peak, _) = weighed(ground.beside(many)).await;
    assert!(peak <= 64 + 40, "{peak} MiB at most");
    let mut kept = 0;
    for answer in &answers {
        match answer.status {
            // Its allocation failed, and it reported that.
            200 => assert!(answer.json().as_u64().unwrap() < 20, "{answer:?}"),
            429 => {
                let bound = "the 67108864 bytes of memory that they may have together";
                assert!(answer.body.contains(bound), "{answer:?}");
                assert!(answer.head.contains("\r\nretry-after: 1"), "{answer:?}");
            }
            _ => {
                assert_eq!(answer.code(), "component-timeout", "{answer:?}");
                kept += 1;
            }
        }
    }
    assert!((1..=3).contains(&kept), "{answers:?}");
    // Their memory is available to the next.
    ground.check_budget("/keep?mebibytes=20", "idle time").await;
}
