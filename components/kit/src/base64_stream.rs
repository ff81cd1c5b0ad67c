//! Streaming base64 decoder for the attachments of a JSON draft.
//!
//! Strict: the standard alphabet, padded, no white space. A lenient decoder would accept a
//! truncated attachment as a shorter one, without an error.
//!
//! Invariant: a chunk is never longer than [`PIECE`] decoded bytes, so that a large attachment is
//! never in memory twice.
//!
//! Standard: RFC 4648 sections 3.3, 3.5 and 4.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Decoded bytes in one chunk: what one call of `spool.write` accepts, rounded down to whole
/// groups.
pub const PIECE: usize = 65_535;

/// Decodes `text` and passes it to `sink` in chunks.
///
/// # Errors
/// The outer error is the sink's; the inner one describes the fault in `text`, for the client.
pub fn decode<E>(
    text: &str,
    mut sink: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Result<(), String>, E> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return Ok(Err(
            "the length of base64 has to be a multiple of four, padded with =".to_owned()
        ));
    }
    let mut piece = Vec::with_capacity(PIECE.min(bytes.len()));
    let mut groups = bytes.chunks(PIECE / 3 * 4).peekable();
    while let Some(group) = groups.next() {
        // Padding ends the text; the decoder below sees one group only and would accept it
        // anywhere.
        if groups.peek().is_some() && group.ends_with(b"=") {
            return Ok(Err("padding before the end".to_owned()));
        }
        piece.clear();
        if let Err(fault) = STANDARD.decode_vec(group, &mut piece) {
            return Ok(Err(fault.to_string()));
        }
        sink(&piece)?;
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back_as_it_was() {
        for length in [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 2] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            assert_eq!(collect(&STANDARD.encode(&bytes)), Some(bytes), "{length} bytes");
        }
    }

    #[test]
    fn what_is_not_strict_base64_is_refused() {
        for text in ["QQ", "QQ=", "Q Q=", "QQ==\n", "QQ==QQ==", "QR==", "-_-_", "é==="] {
            assert_eq!(collect(text), None, "{text:?}");
        }
        let long = format!("{}QQ==", "QQ==".repeat(PIECE / 3));
        assert_eq!(collect(&long), None);
    }

    fn collect(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let verdict = decode::<()>(text, |piece| {
            assert!(piece.len() <= PIECE);
            out.extend_from_slice(piece);
            Ok(())
        });
        verdict.ok()?.ok().map(|()| out)
    }
}
