//! Conformance suite that both stores pass, by port: each case is written once, and `suite!` runs
//! it on each.

use model::ids::SubmissionId;
use model::port::outbox::Claim;

use crate::tests::fixture::id;

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(crate::tests::fixture::memory()).await; })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(crate::tests::fixture::sqlite()).await; })*
        }
    };
}

mod outbox;
mod claims;
mod attempts;
mod accounts;
mod account_changes;
mod tokens;
mod maintenance;

/// The numbers of the claimed drafts.
fn order(claims: &[Claim]) -> Vec<u8> {
    claims.iter().map(|claim| number(&claim.id)).collect()
}

/// The number of the draft with this id.
fn number(of: &SubmissionId) -> u8 {
    (0..=u8::MAX).find(|number| id(*number) == *of).unwrap()
}
