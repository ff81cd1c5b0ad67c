//! UTF-7, UTF-16 and UTF-32.
//!
//! Invariant: linear; an invalid sequence is U+FFFD, and a byte order mark is not part of the text.
//!
//! Standards: RFC 2152 (UTF-7), RFC 2781 (UTF-16), Unicode section 3.10 (UTF-32).

use encoding_rs::{UTF_16BE, UTF_16LE};

/// Byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Big,
    Little,
    /// Given by a byte order mark, or else detected.
    Marked,
}

const BAD: char = '\u{fffd}';

pub fn decode_utf16(order: Order, bytes: &[u8]) -> String {
    let (encoding, bytes) = match (order, bytes) {
        (Order::Big | Order::Marked, [0xfe, 0xff, rest @ ..]) => (UTF_16BE, rest),
        (Order::Little | Order::Marked, [0xff, 0xfe, rest @ ..]) => (UTF_16LE, rest),
        (Order::Big, _) => (UTF_16BE, bytes),
        (Order::Little, _) => (UTF_16LE, bytes),
        // RFC 2781 section 4.3 says big-endian, WHATWG little-endian, and senders do both: ASCII
        // characters decide.
        (Order::Marked, _) if ascii_units(bytes, 1) > ascii_units(bytes, 0) => (UTF_16LE, bytes),
        (Order::Marked, _) => (UTF_16BE, bytes),
    };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// Counts the pairs of an ASCII byte and a zero at the position `zero`.
fn ascii_units(bytes: &[u8], zero: usize) -> usize {
    let is_ascii = |pair: &&[u8]| match (pair.get(zero), pair.get(1 - zero)) {
        (Some(0), Some(other)) => (1..0x80).contains(other),
        _ => false,
    };
    bytes.chunks_exact(2).filter(is_ascii).count()
}

pub fn decode_utf32(order: Order, bytes: &[u8]) -> String {
    let unit = |order: Order, chunk: &[u8]| {
        let unit = <[u8; 4]>::try_from(chunk).ok()?;
        char::from_u32(match order {
            Order::Little => u32::from_le_bytes(unit),
            Order::Big | Order::Marked => u32::from_be_bytes(unit),
        })
    };
    let fits = |order: Order| bytes.get(..4).is_some_and(|first| unit(order, first).is_some());
    let order = match order {
        // Only one of the two orders gives a valid character.
        Order::Marked if fits(Order::Little) && !fits(Order::Big) => Order::Little,
        Order::Marked => Order::Big,
        Order::Big | Order::Little => order,
    };
    let text: String = bytes.chunks(4).map(|chunk| unit(order, chunk).unwrap_or(BAD)).collect();
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

pub fn decode_utf7(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', [b'-', after @ ..]) => {
                text.push('+');
                rest = after;
            }
            (b'+', _) => {
                let end = after.iter().position(|byte| value(*byte).is_none());
                let (shifted, tail) = after.split_at(end.unwrap_or(after.len()));
                unshift(shifted, &mut text);
                rest = tail.strip_prefix(b"-").unwrap_or(tail);
            }
            (0x80.., _) => text.push(BAD),
            _ => text.push(char::from(*first)),
        }
    }
    text
}

/// Decodes the modified base64 of UTF-7: UTF-16 without padding.
fn unshift(shifted: &[u8], text: &mut String) {
    if shifted.is_empty() {
        text.push(BAD);
    }
    let (mut bits, mut count) = (0u32, 0u32);
    let mut units = Vec::with_capacity(shifted.len());
    for digit in shifted.iter().filter_map(|byte| value(*byte)) {
        bits = bits << 6 | digit;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.extend(u16::try_from(bits >> count & 0xffff));
            bits &= (1 << count) - 1;
        }
    }
    text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(BAD)));
    // The remainder is fewer than six zero bits.
    if count >= 6 || bits != 0 {
        text.push(BAD);
    }
}

fn value(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_7() {
        let check = |bytes: &[u8], want: &str| assert_eq!(decode_utf7(bytes), want, "{bytes:x?}");
        // The examples of RFC 2152.
        check(b"A+ImIDkQ.", "A\u{2262}\u{391}.");
        check(b"Hi Mom -+Jjo--!", "Hi Mom -\u{263a}-!");
        check(b"+ZeVnLIqe-", "\u{65e5}\u{672c}\u{8a9e}");
        check(b"Item 3 is +AKM-1.", "Item 3 is \u{a3}1.");
        check(b"1 +- 1", "1 + 1");
        check(b"+2D3eCg-", "\u{1f60a}");
        check(b"+2D0-", "\u{fffd}");
        check(b"+!", "\u{fffd}!");
        check(b"+AKM", "\u{a3}");
        check(b"+AK-", "\u{fffd}");
        check(b"\xe9", "\u{fffd}");
    }

    #[test]
    fn utf_16() {
        let check = |order, bytes: &[u8], want: &str| {
            assert_eq!(decode_utf16(order, bytes), want, "{bytes:x?}");
        };
        check(Order::Marked, b"\xfe\xff\x4f\x60", "你");
        check(Order::Marked, b"\xff\xfe\x60\x4f", "你");
        check(Order::Marked, b"\x4f\x60\0\r\0\n", "你\r\n");
        check(Order::Marked, b"\x60\x4f\r\0\n\0", "你\r\n");
        check(Order::Marked, b"\x4f\x60", "你");
        check(Order::Big, b"\x4f\x60", "你");
        check(Order::Little, b"\x60\x4f\x3d\xd8\x00\xde", "你😀");
        check(Order::Little, b"\x60\x4f\x3d\xd8a", "你\u{fffd}");
    }

    #[test]
    fn utf_32() {
        let check = |order, bytes: &[u8], want: &str| {
            assert_eq!(decode_utf32(order, bytes), want, "{bytes:x?}");
        };
        check(Order::Marked, b"\0\0\xfe\xff\0\x01\xf6\0", "😀");
        check(Order::Marked, b"\xff\xfe\0\0\0\xf6\x01\0", "😀");
        check(Order::Big, b"\0\0\x4f\x60", "你");
        check(Order::Little, b"\x60\x4f\0\0\0\xd8\0\0a", "你\u{fffd}\u{fffd}");
    }
}
