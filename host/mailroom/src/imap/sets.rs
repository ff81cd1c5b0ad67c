//! Number sets: sequence numbers and UIDs alike.
//!
//! Standards: RFC 3501 §9 (`sequence-set`), RFC 4315 §3 (`uid-set`).

use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};

/// Whether the set contains `number`, where `*` is `last`.
pub(crate) fn holds(set: &SequenceSet, number: u32, last: u32) -> bool {
    set.0.as_ref().iter().any(|item| {
        let (from, to) = ends(item, last);
        (from..=to).contains(&number)
    })
}

/// Whether a number in the set is greater than `last`; `*` never is, unless the mailbox is empty.
pub(crate) fn exceeds(set: &SequenceSet, last: u32) -> bool {
    set.0.as_ref().iter().any(|item| {
        let (from, to) = ends(item, last);
        to > last || from == 0
    })
}

/// `1:3,7` for numbers in ascending order.
pub(crate) fn written(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.1.checked_add(1) == Some(*number) => run.1 = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let texts = runs
        .into_iter()
        .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}:{to}") });
    texts.collect::<Vec<_>>().join(",")
}

fn ends(item: &Sequence, last: u32) -> (u32, u32) {
    let number = |end: &SeqOrUid| match end {
        // The codec may write `*` as the largest number.
        SeqOrUid::Value(value) if value.get() < u32::MAX => value.get(),
        SeqOrUid::Value(_) | SeqOrUid::Asterisk => last,
    };
    let (from, to) = match item {
        Sequence::Single(one) => (number(one), number(one)),
        Sequence::Range(from, to) => (number(from), number(to)),
    };
    (from.min(to), from.max(to))
}

#[cfg(test)]
mod tests {
    use imap_codec::imap_types::sequence::SequenceSet;

    use super::{exceeds, holds, written};

    #[test]
    fn a_star_is_the_last_one_on_either_side() {
        check("2:3", 9, &[2, 3]);
        check("*", 3, &[3]);
        check("*:2", 3, &[2, 3]);
        check("7:*", 3, &[3, 4, 5, 6, 7]);
        check("1,3:3,5", 9, &[1, 3, 5]);
    }

    #[test]
    fn a_number_beyond_the_last_exceeds() {
        let exceeds = |set: &str, last| exceeds(&SequenceSet::try_from(set).unwrap(), last);
        assert!(exceeds("1:4", 3));
        assert!(!exceeds("1:*", 3));
        assert!(exceeds("*", 0));
    }

    #[test]
    fn runs_are_written_as_ranges() {
        assert_eq!(written(&[1, 2, 3, 5, 7, 8]), "1:3,5,7:8");
        assert_eq!(written(&[]), "");
    }

    #[track_caller]
    fn check(set: &str, last: u32, want: &[u32]) {
        let parsed = SequenceSet::try_from(set).unwrap();
        let got: Vec<u32> = (1..=9).filter(|number| holds(&parsed, *number, last)).collect();
        assert_eq!(got, want, "{set} of {last}");
    }
}
