//! Tests of paging: no row repeated and none hidden, whatever changes meanwhile.

use std::collections::BTreeSet;

use model::problem::Code;
use proptest::prelude::*;

use crate::tests::host::{Host, refused};
use crate::tests::imap::Event;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pages_show_every_message_that_stays_once_and_in_order(
        messages in 0_usize..60,
        limit in 1_u32..12,
        between in prop::collection::vec(events(), 0..20),
        during in prop::collection::vec(events(), 0..20),
        fresh_sessions in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let host = Host::new();
            host.imap.happen("INBOX", &vec![Event::Arrive; messages]);
            let before: BTreeSet<u32> = host.imap.uids("INBOX").into_iter().collect();
            host.imap.change(|state| state.events = during.into());
            let mut seen: Vec<u32> = Vec::new();
            let (mut cursor, mut between) = (None, between.into_iter());
            loop {
                let page = host.page("INBOX", cursor, limit).await.unwrap();
                assert!(page.rows.len() <= limit as usize);
                seen.extend(page.rows.iter().map(|row| row.stored.as_ref().unwrap().uid));
                host.imap.happen("INBOX", &between.next().unwrap_or_default());
                if fresh_sessions {
                    host.engine.close().await;
                } else {
                    host.clock.advance(std::time::Duration::from_millis(700));
                }
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            let falling = seen.windows(2).all(|pair| pair[0] > pair[1]);
            assert!(falling, "{seen:?}");
            let after: BTreeSet<u32> = host.imap.uids("INBOX").into_iter().collect();
            let shown: BTreeSet<u32> = seen.into_iter().collect();
            let stayed: BTreeSet<u32> = before.intersection(&after).copied().collect();
            let hidden: Vec<&u32> = stayed.difference(&shown).collect();
            assert!(hidden.is_empty(), "hidden: {hidden:?}");
        });
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![Just(Event::Arrive), (0_usize..100).prop_map(Event::Expunge)];
    prop::collection::vec(event, 0..6)
}

#[tokio::test]
async fn a_position_hint_that_is_far_too_high_costs_few_fetches() {
    let host = Host::new();
    host.imap.happen("INBOX", &vec![Event::Arrive; 5000]);
    let cursor = host.page("INBOX", None, 10).await.unwrap().next_cursor;
    host.engine.close().await;
    // All but the oldest and the newest few are expunged, and as many arrive.
    let expunges: Vec<Event> = (0..4941).map(|_| Event::Expunge(50)).collect();
    host.imap.happen("INBOX", &expunges);
    host.imap.happen("INBOX", &vec![Event::Arrive; 5000]);
    let before = host.imap.said("FETCH");
    let page = host.page("INBOX", cursor, 10).await.unwrap();
    assert_eq!(page.rows.len(), 10);
    assert_eq!(page.rows[0].stored.as_ref().unwrap().uid, 50);
    let fetches = host.imap.said("FETCH") - before;
    assert!(fetches <= 15, "{fetches} fetches");
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let host = Host::new();
    host.imap.happen("INBOX", &vec![Event::Arrive; 5]);
    host.imap.happen("Work", &vec![Event::Arrive; 5]);
    let cursor = host.page("INBOX", None, 2).await.unwrap().next_cursor;
    assert!(cursor.is_some());
    refused(host.page("Work", cursor.clone(), 2).await, Code::InvalidCursor);
    refused(host.page("INBOX", Some("x".to_owned()), 2).await, Code::InvalidCursor);
    refused(host.page("INBOX", cursor.clone(), 0).await, Code::InvalidQuery);
    refused(host.page("INBOX", cursor.clone(), 101).await, Code::InvalidQuery);
    host.imap.change(|state| state.boxes.get_mut("INBOX").unwrap().validity = 2);
    host.engine.close().await;
    refused(host.page("INBOX", cursor, 2).await, Code::InvalidCursor);
}
