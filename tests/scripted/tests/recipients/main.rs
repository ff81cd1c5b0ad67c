//! Tests of many recipients at servers that accept some, refuse some and end sessions: every
//! verdict is true, no recipient is omitted, and none gets the message twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise"
)]

mod fixture;

use std::collections::HashMap;
use std::time::Duration;

use model::submission::State;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use scripted::smtp::{Ask, Say, Server, Step};

use crate::fixture::{Seen, submit};

/// The server's reply to a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// 2yz.
    Taken,
    /// 4yz the first time.
    Later,
    /// 5yz.
    Refused,
    /// 421 the first time: the session ends.
    Closing,
    /// 421 each time.
    Poison,
}

const KINDS: [Kind; 4] = [Kind::Taken, Kind::Later, Kind::Refused, Kind::Closing];

/// The behaviour of the server.
#[derive(Clone, Copy, Debug)]
struct Manner {
    pipelining: bool,
    /// It closes connections without a reply.
    silent: bool,
    /// The number of refusals after which it ends a session; Postfix: twenty.
    errors: Option<usize>,
    /// The maximum number of recipients, and the reply code for further ones.
    most: Option<(usize, u16)>,
}

const PLAIN: Manner = Manner { pipelining: false, silent: false, errors: None, most: None };

/// Long enough for many attempts of every recipient, and shorter than a submission's life.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Shorter than the first pause between attempts.
const AT_ONCE: Duration = Duration::from_secs(1);

fn server(kinds: &[Kind], manner: Manner) -> Server {
    let kinds = kinds.to_vec();
    let mut asked: HashMap<usize, usize> = HashMap::new();
    let (mut session, mut errors, mut accepted) = (0, 0, 0);
    let end = move |text: &str| {
        if manner.silent { Say::HangUp } else { Say::Last(format!("421 {text}\r\n")) }
    };
    let offers: &[&str] = if manner.pipelining { &["PIPELINING"] } else { &[] };
    Server::new(offers, move |ask: &Ask<'_>| {
        if ask.session != session {
            (session, errors) = (ask.session, 0);
        }
        if manner.errors.is_some_and(|most| errors >= most) {
            return end("4.7.0 too many errors");
        }
        match ask.step {
            Step::Mail => {
                accepted = 0;
                Say::Usual
            }
            Step::Data if accepted == 0 && errors % 2 == 0 => {
                errors += 1;
                Say::line("554 5.5.1 no valid recipients")
            }
            Step::Rcpt => {
                let index: usize = ask.argument[1..].split('@').next().unwrap().parse().unwrap();
                if let Some((most, code)) = manner.most
                    && accepted >= most
                {
                    errors += 1;
                    return Say::line(&format!("{code} {}.5.3 too many recipients", code / 100));
                }
                let times = asked.entry(index).or_default();
                *times += 1;
                match kinds[index] {
                    Kind::Later if *times == 1 => {
                        errors += 1;
                        Say::line("450 4.2.1 later")
                    }
                    Kind::Refused => {
                        errors += 1;
                        Say::line("550 5.1.1 nobody")
                    }
                    Kind::Closing if *times == 1 => end("4.3.2 closing"),
                    Kind::Poison => end("4.3.2 closing"),
                    Kind::Taken | Kind::Later | Kind::Closing => {
                        accepted += 1;
                        Say::line("250 2.1.5 ok")
                    }
                }
            }
            _ => Say::Usual,
        }
    })
}

/// Sends one message and checks the verdict of each recipient.
fn check(kinds: &[Kind], manner: Manner, within: Duration) -> Result<Seen, String> {
    let server = server(kinds, manner);
    let seen = submit(&server, kinds.len(), within);
    let taken = server.taken();
    let wrong = |what: String| format!("{kinds:?}, {manner:?}: {what}\n{seen:?}");
    for (index, (kind, verdict)) in kinds.iter().zip(&seen.recipients).enumerate() {
        let name = format!("r{index}@example.net");
        let times = taken.iter().flat_map(|taken| &taken.recipients).filter(|to| **to == name);
        let times = times.count();
        let want = match kind {
            Kind::Taken | Kind::Later | Kind::Closing => (State::Sent, 1),
            Kind::Refused => (State::Failed, 0),
            Kind::Poison => (State::Deferred, 0),
        };
        if (verdict.state, times) != want {
            return Err(wrong(format!("{name} is {:?} and got it {times} times", verdict.state)));
        }
        let said = verdict.reply.as_deref().unwrap_or_default();
        let true_word = match kind {
            Kind::Taken | Kind::Later | Kind::Closing => "250 2.0.0",
            Kind::Refused => "550 5.1.1",
            Kind::Poison if manner.silent => "",
            Kind::Poison => "421 4.3.2",
        };
        if !said.starts_with(true_word) {
            return Err(wrong(format!("the reply for {name} is {said:?}")));
        }
    }
    if seen.possible_duplicate {
        return Err(wrong("marked as a possible duplicate without a reason".to_owned()));
    }
    Ok(seen)
}

/// Every combination of up to four recipients.
#[test]
fn every_combination_of_few_recipients_has_true_verdicts() {
    let mut wrong = Vec::new();
    for count in 1..=4_u32 {
        for number in 0..4_usize.pow(count) {
            let kind = |place: u32| KINDS[number / 4_usize.pow(place) % 4];
            let kinds: Vec<Kind> = (0..count).map(kind).collect();
            for pipelining in [false, true] {
                for silent in [false, true] {
                    let manner = Manner { pipelining, silent, ..PLAIN };
                    wrong.extend(check(&kinds, manner, A_DAY).err());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases fail, the first: {}", wrong.len(), wrong[0]);
}

/// Random combinations of up to fifty, at servers that count errors or recipients as well.
#[test]
fn combinations_of_many_recipients_have_true_verdicts() {
    let kinds = prop_oneof![
        4 => Just(Kind::Taken), 2 => Just(Kind::Later), 4 => Just(Kind::Refused), 1 => Just(Kind::Closing),
    ];
    let limit = || prop_oneof![Just(None), (1..25_usize).prop_map(Some)];
    let code = prop_oneof![Just(452_u16), Just(552)];
    let most = (limit(), code).prop_map(|(most, code)| most.map(|most| (most, code)));
    let manner = (any::<bool>(), any::<bool>(), limit(), most)
        .prop_map(|(pipelining, silent, errors, most)| Manner { pipelining, silent, errors, most });
    let config = ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let cases = (vec(kinds, 1..=50), manner);
    let outcome = runner.run(&cases, |(kinds, manner)| {
        check(&kinds, manner, A_DAY).map(drop).map_err(proptest::test_runner::TestCaseError::fail)
    });
    outcome.unwrap();
}

/// A recipient for whom a server ends the session each time is finally tried alone.
#[test]
fn a_recipient_that_ends_every_session_delays_no_other() {
    for place in 0..3 {
        for (pipelining, silent) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut kinds = [Kind::Taken; 3];
            kinds[place] = Kind::Poison;
            check(&kinds, Manner { pipelining, silent, ..PLAIN }, A_DAY).unwrap();
        }
    }
}

/// The limits of Postfix's default configuration.
#[test]
fn twenty_refusals_cost_no_recipient_and_no_time() {
    for pipelining in [false, true] {
        let manner = Manner { pipelining, errors: Some(20), ..PLAIN };
        for refused_first in [true, false] {
            let mut kinds = vec![Kind::Refused; 25];
            kinds.extend([Kind::Taken; 5]);
            if !refused_first {
                kinds.reverse();
            }
            let seen = check(&kinds, manner, AT_ONCE).unwrap();
            assert_eq!(seen.attempts, 1, "{seen:?}");
        }
    }
}

#[test]
fn recipients_above_the_servers_limit_follow_in_the_same_attempt() {
    for code in [452, 552] {
        for pipelining in [false, true] {
            let manner = Manner { pipelining, most: Some((10, code)), ..PLAIN };
            let seen = check(&[Kind::Taken; 35], manner, AT_ONCE).unwrap();
            assert_eq!(seen.attempts, 1, "{seen:?}");
        }
    }
}
