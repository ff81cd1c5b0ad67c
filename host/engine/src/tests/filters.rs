//! Tests of the before-send filter chain, with scripted filters.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use model::caller::Scope;
use model::filter::{Binding, Edit, EditKind, Footer, Mode, OnError, Refusal, Verdict};
use model::ids::{RequestId, TenantId};
use model::mail::address::Address;
use model::mail::draft::{Draft, Envelope};
use model::mail::message::Header;
use model::port::BoxFuture;
use model::port::capabilities::{AccountAccess, Body, Message, Submissions};
use model::port::capacity::AtCapacity;
use model::port::filter::{BeforeSendFilter, FilterError};
use model::problem::{Code, Problem};

use crate::submit::filter_registry::ActiveFilter;
use crate::tests::host::{Host, caller, refused, settle};
use crate::tests::sending::draft;

/// Every call: the filter, and what it read.
type Log = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Debug)]
enum Act {
    Say(Verdict),
    Fail(FilterError),
    /// A filter that never returns.
    Hang,
}

#[derive(Debug)]
struct Fake {
    name: String,
    acts: Mutex<VecDeque<Act>>,
    log: Log,
}

impl BeforeSendFilter for Fake {
    fn evaluate<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a RequestId,
        message: Arc<dyn Message>,
        envelope: &'a Envelope,
    ) -> BoxFuture<'a, Result<Verdict, FilterError>> {
        Box::pin(async move {
            let body = message.body(Body::Text, 100).await.unwrap().unwrap_or_default();
            let people: Vec<_> = envelope.recipients.iter().map(|email| email.as_str()).collect();
            let seen = format!("{} {body}", people.join(","));
            self.log.lock().push((self.name.clone(), seen));
            let act = self.acts.lock().pop_front();
            match act.unwrap_or(Act::Say(Verdict::Accept)) {
                Act::Say(verdict) => Ok(verdict),
                Act::Fail(error) => Err(error),
                Act::Hang => std::future::pending().await,
            }
        })
    }
}

/// A host, and the filters that are going to be bound.
struct Story {
    host: Host,
    log: Log,
    filters: Vec<ActiveFilter>,
}

impl Story {
    fn new() -> Self {
        Self { host: Host::new(), log: Log::default(), filters: Vec::new() }
    }

    fn filter(mut self, name: &str, order: i64, on_error: OnError, acts: Vec<Act>) -> Self {
        let binding = Binding {
            name: name.to_owned(),
            order,
            on_error,
            mode: Mode::Live,
            edits: EditKind::EVERY.into(),
        };
        let (acts, log) = (Mutex::new(acts.into()), Arc::clone(&self.log));
        let judge = Arc::new(Fake { name: name.to_owned(), acts, log });
        self.filters.push(ActiveFilter { binding, judge });
        self
    }

    /// Changes the filter that was added last.
    fn binding(mut self, change: impl FnOnce(&mut Binding)) -> Self {
        change(&mut self.filters.last_mut().unwrap().binding);
        self
    }

    fn bound(self) -> (Host, Log) {
        self.host.engine.set_filters("acme".parse().unwrap(), self.filters);
        (self.host, self.log)
    }
}

fn names(log: &Log) -> Vec<String> {
    log.lock().iter().map(|(name, _)| name.clone()).collect()
}

fn footer(text: &str) -> Edit {
    Edit::AddFooter(Footer { text: text.to_owned(), html: None })
}

fn field(name: &str, value: &str) -> Edit {
    Edit::AddHeader(Header { name: name.to_owned(), value: value.to_owned() })
}

fn modify(edits: Vec<Edit>) -> Vec<Act> {
    vec![Act::Say(Verdict::Modify(edits))]
}

fn reject(code: &str) -> Vec<Act> {
    let refusal = Refusal { code: code.to_owned(), detail: "not\r\nthis one".to_owned() };
    vec![Act::Say(Verdict::Reject(refusal))]
}

fn stored(host: &Host) -> String {
    let raw = host.outbox.first(|new| new.raw.in_memory().unwrap().to_vec());
    String::from_utf8(raw).unwrap()
}

fn extra<'a>(problem: &'a Problem, name: &str) -> Option<&'a str> {
    problem.extras.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn mail() -> Draft {
    draft(&["bo@example.net"])
}

#[tokio::test]
async fn filters_run_in_order_and_each_sees_the_earlier_edits() {
    let (host, log) = Story::new()
        .filter("last", 30, OnError::Closed, vec![])
        .filter("first", -1, OnError::Closed, modify(vec![footer("one"), field("X-A", "1")]))
        .filter(
            "second",
            7,
            OnError::Closed,
            modify(vec![Edit::AddRecipient("cy@x.test".to_owned())]),
        )
        .filter("third", 7, OnError::Closed, modify(vec![footer("two")]))
        .bound();
    let receipt = host.submit(None, mail()).await.unwrap();
    assert!(receipt.warnings.is_empty());
    let want = [
        ("first", "bo@example.net "),
        ("second", "bo@example.net one"),
        ("third", "bo@example.net,cy@x.test one"),
        ("last", "bo@example.net,cy@x.test onetwo"),
    ];
    let want = want.map(|(name, seen)| (name.to_owned(), seen.to_owned()));
    assert_eq!(*log.lock(), want);
    assert!(stored(&host).contains("X-A: 1\r\n"), "{}", stored(&host));
    assert_eq!(host.outbox.only().recipients.len(), 2);
}

#[tokio::test]
async fn another_tenants_filters_are_not_run_and_a_new_list_replaces_the_old() {
    let story = Story::new().filter("never", 0, OnError::Closed, reject("no"));
    story.host.engine.set_filters("other".parse().unwrap(), story.filters.clone());
    assert!(story.host.submit(None, mail()).await.is_ok());
    let (host, _) = story.bound();
    refused(host.submit(None, mail()).await, Code::RejectedByFilter);
    host.engine.set_filters("acme".parse().unwrap(), Vec::new());
    assert!(host.submit(None, mail()).await.is_ok());
}

#[tokio::test]
async fn a_refusal_names_the_filter_and_its_code_and_nothing_is_stored() {
    let (host, log) = Story::new()
        .filter("guard", 1, OnError::Open, reject("blocked-domain"))
        .filter("after", 2, OnError::Open, vec![])
        .bound();
    let problem = host.submit(None, mail()).await.unwrap_err();
    assert_eq!(problem.code, Code::RejectedByFilter);
    assert_eq!(extra(&problem, "filter"), Some("guard"));
    assert_eq!(extra(&problem, "filterCode"), Some("blocked-domain"));
    assert!(problem.detail.ends_with("not  this one"), "{}", problem.detail);
    assert_eq!(names(&log), ["guard"]);
    assert!(host.outbox.states().is_empty());
}

#[tokio::test]
async fn a_failure_is_handled_as_the_binding_says_and_reported_to_the_sender() {
    // Each with whether a retry may succeed.
    let failures: [(fn() -> Act, bool); 5] = [
        (|| Act::Fail(FilterError::Trapped("unreachable".to_owned())), false),
        (|| Act::Fail(FilterError::Limit("memory".to_owned())), true),
        (|| Act::Fail(FilterError::Timeout), true),
        (|| Act::Say(Verdict::Modify(vec![footer("lost"), field("X", "a\nb")])), false),
        (
            || Act::Say(Verdict::Modify(vec![Edit::RemoveRecipient("bo@example.net".to_owned())])),
            false,
        ),
    ];
    for (failure, is_temporary) in failures {
        let shown = format!("{:?}", failure());
        let (host, log) = Story::new()
            .filter("weak", 1, OnError::Open, vec![failure()])
            .filter("after", 2, OnError::Closed, vec![])
            .bound();
        let receipt = host.submit(Some("k"), mail()).await.unwrap();
        assert_eq!(receipt.warnings.len(), 1, "{shown}");
        assert!(receipt.warnings[0].contains("`weak`"), "{:?}", receipt.warnings);
        assert!(!receipt.warnings[0].contains("unreachable"), "a trap's words stay with the host");
        assert_eq!(names(&log), ["weak", "after"]);
        assert!(!stored(&host).contains("lost"), "all or none: {shown}");
        let again = host.submit(Some("k"), mail()).await.unwrap();
        assert_eq!(again.warnings, receipt.warnings, "the first receipt");

        let (host, log) = Story::new()
            .filter("strict", 1, OnError::Closed, vec![failure()])
            .filter("after", 2, OnError::Closed, vec![])
            .bound();
        let problem = host.submit(None, mail()).await.unwrap_err();
        let code = if is_temporary { Code::FilterFailed } else { Code::FilterBroken };
        assert_eq!((problem.code, problem.code.retryable()), (code, is_temporary), "{shown}");
        assert_eq!(problem.retry_after.is_some(), is_temporary, "{shown}");
        assert_eq!(extra(&problem, "filter"), Some("strict"));
        assert!(!problem.detail.contains("unreachable"));
        assert_eq!(names(&log), ["strict"]);
        assert!(host.outbox.states().is_empty());
    }
}

#[tokio::test]
async fn an_edit_that_cannot_be_applied_is_reported_by_number_and_kind() {
    let edits = vec![footer("x"), field("X", "a\nb")];
    let (host, _) = Story::new().filter("weak", 1, OnError::Closed, modify(edits)).bound();
    let problem = host.submit(None, mail()).await.unwrap_err();
    let want = "the filter `weak` failed: edit 1 (`add-header`) holds a control character";
    assert_eq!(problem.detail, want);
}

#[tokio::test]
async fn an_edit_that_was_not_granted_refuses_the_message_in_every_mode() {
    for on_error in [OnError::Open, OnError::Closed] {
        let edits = vec![footer("x"), Edit::AddRecipient("cy@x.test".to_owned())];
        let (host, _) = Story::new()
            .filter("sly", 1, on_error, modify(edits))
            .binding(|binding| {
                binding.edits.remove(&EditKind::AddRecipient);
            })
            .bound();
        let problem = host.submit(None, mail()).await.unwrap_err();
        assert_eq!(problem.code, Code::EditNotGranted);
        assert_eq!(extra(&problem, "filter"), Some("sly"));
        assert_eq!(extra(&problem, "edit"), Some("add-recipient"));
        assert!(host.outbox.states().is_empty());
    }
}

#[tokio::test]
async fn a_filter_cannot_change_the_sender() {
    let edits = || modify(vec![field("From", "bela@example.com")]);
    let (host, _) = Story::new().filter("forger", 1, OnError::Closed, edits()).bound();
    refused(host.submit(None, mail()).await, Code::FilterBroken);
    let (host, _) = Story::new().filter("forger", 1, OnError::Open, edits()).bound();
    assert_eq!(host.submit(None, mail()).await.unwrap().warnings.len(), 1);
    assert_eq!(host.outbox.first(|new| new.sender.to_string()), "anna@example.com");
}

#[tokio::test]
async fn edits_that_make_a_message_too_large_are_a_failure_of_the_filter() {
    let settings = crate::settings::Settings { message_bytes: 300, ..Default::default() };
    let mut story =
        Story::new().filter("wordy", 1, OnError::Closed, modify(vec![footer(&"x".repeat(300))]));
    story.host = Host::with(settings);
    let (host, _) = story.bound();
    refused(host.submit(None, mail()).await, Code::FilterBroken);
    assert!(host.submit(None, mail()).await.is_ok());
}

#[tokio::test]
async fn a_busy_host_skips_no_filter() {
    let busy = |is_own| {
        let bound = "all 32 places are taken".to_owned();
        vec![Act::Fail(FilterError::Busy(AtCapacity { is_own, bound }))]
    };
    for (is_own, code) in [(false, Code::Unavailable), (true, Code::TooManyRequests)] {
        let (host, _) = Story::new().filter("open", 1, OnError::Open, busy(is_own)).bound();
        let told = host.submit(None, mail()).await.unwrap_err();
        assert_eq!(told.code, code);
        assert!(told.detail.contains("all 32 places are taken"), "{}", told.detail);
        assert!(told.retry_after.is_some());
    }
    let (host, _) =
        Story::new().filter("open", 1, OnError::Open, busy(true)).binding(shadow).bound();
    assert!(host.submit(None, mail()).await.is_ok());
}

fn shadow(binding: &mut Binding) {
    binding.mode = Mode::Shadow;
}

#[tokio::test]
async fn a_shadow_filter_changes_nothing() {
    for acts in [reject("no"), modify(vec![footer("x")]), vec![Act::Fail(FilterError::Timeout)]] {
        let (host, log) =
            Story::new().filter("trial", 1, OnError::Closed, acts).binding(shadow).bound();
        let receipt = host.submit(None, mail()).await.unwrap();
        assert!(receipt.warnings.is_empty());
        assert_eq!(names(&log), ["trial"]);
        assert!(stored(&host).ends_with("\r\n\r\n"));
    }
}

#[tokio::test]
async fn a_repeated_idempotency_key_runs_no_filter() {
    let acts = vec![Act::Say(Verdict::Accept), Act::Say(Verdict::Accept)];
    let (host, log) = Story::new().filter("once", 1, OnError::Closed, acts).bound();
    let first = host.submit(Some("k"), mail()).await.unwrap();
    let again = host.submit(Some("k"), mail()).await.unwrap();
    assert_eq!((first, names(&log).len()), (again, 1));
    let other = Draft { to: vec![Address { name: None, email: "c@d.test".to_owned() }], ..mail() };
    refused(host.submit(Some("k"), other).await, Code::IdempotencyMismatch);
    assert_eq!(names(&log).len(), 1);
}

/// The clock is the test's: exactly the deadline passes, and no real time.
#[tokio::test]
async fn the_whole_chain_has_one_deadline() {
    const ALMOST: Duration = Duration::from_millis(1_999);
    const REST: Duration = Duration::from_millis(1);
    let (host, log) = Story::new()
        .filter("shadow", 0, OnError::Closed, vec![Act::Hang])
        .binding(shadow)
        .filter("slow", 1, OnError::Open, vec![Act::Hang])
        .filter("starved", 2, OnError::Open, vec![])
        .bound();
    let caller = caller(&Scope::EVERY, None);
    let grant = host.engine.open_account(&caller, "anna").await.unwrap();
    let mut answer = None;
    {
        let mut submit = pin!(async { answer = Some(host.engine.submit(&grant, mail()).await) });
        assert!(!settle(submit.as_mut()));
        // Shadow filters have their own time limit.
        host.clock.advance(ALMOST + REST);
        assert!(!settle(submit.as_mut()));
        host.clock.advance(ALMOST);
        assert!(!settle(submit.as_mut()));
        host.clock.advance(REST);
        assert!(settle(submit.as_mut()));
    }
    let receipt = answer.unwrap().unwrap().receipt;
    assert_eq!(receipt.warnings.len(), 2, "{:?}", receipt.warnings);
    assert!(receipt.warnings.iter().all(|warning| warning.contains("within the 2 s")));
    assert_eq!(names(&log), ["shadow", "slow"], "nothing is left for the third");
}
