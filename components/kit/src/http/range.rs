//! Range requests for downloads.
//!
//! One byte range is honoured. A request for several gets the whole representation, which RFC 9110
//! section 14.2 allows: no mail client needs multipart/byteranges, and it lets a small request
//! cause much work.
//!
//! Invariant: `start < end <= size` for every [`Wanted::Slice`].
//!
//! Standard: RFC 9110 sections 14.1.2, 14.2 and 13.1.5.

/// The selected part of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// From `start` up to, not including, `end`.
    Slice {
        start: u64,
        end: u64,
    },
    /// 416: the range is not satisfiable.
    Nothing,
}

/// Parses a `Range` field for a representation of `size` bytes. A malformed one is ignored, as the
/// standard requires.
#[must_use]
pub fn wanted(range: &str, size: u64) -> Wanted {
    // Units are compared without case (RFC 9110 section 14.1).
    let Some((first, last)) = range
        .trim()
        .split_once('=')
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .map(|(_, ranges)| ranges)
        .filter(|ranges| !ranges.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Wanted::Whole;
    };
    match (number(first), number(last)) {
        (Some(start), _) if start >= size && (last.is_empty() || number(last).is_some()) => {
            Wanted::Nothing
        }
        (Some(start), None) if last.is_empty() => Wanted::Slice { start, end: size },
        (Some(start), Some(last)) if start <= last => {
            Wanted::Slice { start, end: last.saturating_add(1).min(size) }
        }
        (None, Some(tail)) if first.is_empty() => match tail.min(size) {
            0 => Wanted::Nothing,
            length => Wanted::Slice { start: size - length, end: size },
        },
        (Some(_) | None, Some(_) | None) => Wanted::Whole,
    }
}

fn number(text: &str) -> Option<u64> {
    // `u64::from_str` accepts a plus sign; the grammar has digits only.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_the_size() {
        check("bytes=0-0", Wanted::Slice { start: 0, end: 1 });
        check("BYTES=0-0", Wanted::Slice { start: 0, end: 1 });
        check("bytes=2-", Wanted::Slice { start: 2, end: 10 });
        check("bytes=2-99", Wanted::Slice { start: 2, end: 10 });
        check("bytes=-3", Wanted::Slice { start: 7, end: 10 });
        check("bytes=-99", Wanted::Slice { start: 0, end: 10 });
    }

    #[test]
    fn a_range_outside_is_refused() {
        check("bytes=10-", Wanted::Nothing);
        check("bytes=10-12", Wanted::Nothing);
        check("bytes=-0", Wanted::Nothing);
        assert_eq!(wanted("bytes=-5", 0), Wanted::Nothing);
    }

    #[test]
    fn nonsense_and_several_ranges_give_the_whole() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=+1-2",
            "lines=1-2",
            "bytes=0-1,3-4",
        ] {
            check(range, Wanted::Whole);
        }
    }

    #[track_caller]
    fn check(range: &str, want: Wanted) {
        assert_eq!(wanted(range, 10), want, "{range:?}");
    }
}
