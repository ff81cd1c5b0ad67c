//! Header of a part as a list of fields that can be kept, removed or replaced.
//!
//! A field that is kept keeps its bytes, folding included: what was signed or checked before is
//! sent unchanged.
//!
//! Invariant: every field ends in a line end.
//!
//! Standard: RFC 5322 section 2.2.

use crate::header::fields::line_at;

/// One field with its name in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    name: String,
    bytes: Vec<u8>,
}

/// The fields of one part, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block(Vec<Piece>);

impl Block {
    /// Splits the block from `start` to the empty line, or to `end`. Lines that are not fields are
    /// dropped.
    pub(crate) fn cut(raw: &[u8], start: usize, end: usize) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = start;
        while at < end {
            let (line, next) = line_at(raw, at);
            if line.is_empty() {
                break;
            }
            let folded = matches!(line.first(), Some(b' ' | b'\t'));
            match (folded, pieces.last_mut(), line.iter().position(|byte| *byte == b':')) {
                (true, Some(piece), _) => push_line(&mut piece.bytes, line),
                (false, _, Some(colon)) => {
                    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
                    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                    let mut bytes = Vec::with_capacity(line.len() + 2);
                    push_line(&mut bytes, line);
                    pieces.push(Piece { name, bytes });
                }
                _ => {}
            }
            at = next;
        }
        Self(pieces)
    }

    /// Appends `field`, a whole field with its line end.
    pub(crate) fn push(&mut self, name: &str, field: String) {
        self.0.push(Piece { name: name.to_ascii_lowercase(), bytes: field.into_bytes() });
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|piece| piece.name == name)
    }

    /// Removes every field of that name.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|piece| !piece.name.eq_ignore_ascii_case(name));
    }

    /// Removes and returns the fields that describe the body (RFC 2045 section 3).
    pub(crate) fn take_content(&mut self) -> Self {
        let (content, rest) =
            self.0.drain(..).partition(|piece| piece.name.starts_with("content-"));
        self.0 = rest;
        Self(content)
    }

    pub(crate) fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    /// The fields, without the empty line.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|piece| piece.bytes.iter().copied()).collect()
    }
}

fn push_line(bytes: &mut Vec<u8>, line: &[u8]) {
    bytes.extend_from_slice(line);
    bytes.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] =
        b"A: 1\r\nContent-Type: x/y;\r\n a=b\r\nB : 2\r\nnonsense\r\na: 3\r\n\r\nbody: x";

    #[test]
    fn what_stays_keeps_its_bytes() {
        let mut block = Block::cut(RAW, 0, RAW.len());
        let content = block.take_content();
        assert_eq!(content.bytes(), b"Content-Type: x/y;\r\n a=b\r\n");
        assert_eq!(block.bytes(), b"A: 1\r\nB : 2\r\na: 3\r\n");
        block.remove("A");
        assert_eq!(block.bytes(), b"B : 2\r\n");
        assert!(block.has("b") && !block.has("a"));
    }
}
