//! Streaming parser of `multipart/form-data`.
//!
//! A form may be larger than a component's memory, so a part is returned in chunks as it arrives,
//! and only the bytes that may begin a delimiter are kept.
//!
//! Independent of which fields there are and where their bytes go.
//!
//! Invariant: a form that ends before its closing delimiter is an error, never a shorter form. The
//! buffer holds at most one chunk of the source and one header block.
//!
//! Standards: RFC 7578; RFC 2046 section 5.1.1.

use rules::media_type::Parameterised;

use crate::http::media_type;

/// A source of bytes.
pub trait Source {
    type Error;
    /// The next chunk; none at the end.
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// Why parsing failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble<E> {
    Source(E),
    /// A malformed form; the text is for the client.
    Malformed(&'static str),
}

/// The header of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
}

/// A form that is being parsed. Not restartable: after an error it must be dropped.
#[derive(Debug)]
pub struct Form<S> {
    source: S,
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    /// The read position; everything before it was returned.
    at: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Within a part's data, or within the preamble, which is discarded.
    Data,
    AfterDelimiter,
    End,
}

const HEADER_BLOCK: usize = 16 * 1024;
/// The longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY: usize = 70;

impl<S: Source> Form<S> {
    /// # Errors
    /// When the boundary is missing, empty or longer than 70 bytes.
    pub fn new(source: S, boundary: Option<&str>) -> Result<Self, &'static str> {
        let boundary = boundary
            .filter(|text| !text.is_empty() && text.len() <= BOUNDARY)
            .ok_or("the Content-Type has no boundary of 1 to 70 characters")?;
        Ok(Self {
            source,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first delimiter may be at the start of the body, without the line break of the
            // others.
            buffer: b"\r\n".to_vec(),
            at: 0,
            place: Place::Data,
        })
    }

    /// The next part; the rest of the current one is skipped. None after the last.
    ///
    /// # Errors
    /// [`Trouble`]: the source failed, or the form is malformed.
    pub fn part(&mut self) -> Result<Option<Part>, Trouble<S::Error>> {
        while self.data()?.is_some() {}
        if self.place == Place::End {
            return Ok(None);
        }
        if self.starts_with(b"--")? {
            self.place = Place::End;
            return Ok(None);
        }
        // Transport padding after a delimiter, RFC 2046 section 5.1.1.
        while self.starts_with(b" ")? || self.starts_with(b"\t")? {
            self.at += 1;
        }
        if !self.starts_with(b"\r\n")? {
            return Err(Trouble::Malformed("a delimiter is not followed by a line break"));
        }
        // The line break is kept: a header block may be empty, and ends with two of them either
        // way.
        let head = self.header_block()?;
        let part = describe(&head).ok_or(Trouble::Malformed("a part has no name"))?;
        self.place = Place::Data;
        Ok(Some(part))
    }

    /// The next bytes of the current part; none at its end.
    ///
    /// # Errors
    /// [`Trouble`]: the source failed, or the form ends within the part.
    pub fn data(&mut self) -> Result<Option<&[u8]>, Trouble<S::Error>> {
        if self.place != Place::Data {
            return Ok(None);
        }
        let (start, end) = loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let (safe, found) = split(rest, &self.delimiter);
            if safe > 0 {
                break (self.at, self.at + safe);
            }
            if found {
                self.at += self.delimiter.len();
                self.place = Place::AfterDelimiter;
                return Ok(None);
            }
            self.fill()?;
        };
        self.at = end;
        Ok(self.buffer.get(start..end))
    }

    fn header_block(&mut self) -> Result<String, Trouble<S::Error>> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
            if end.unwrap_or(rest.len()) > HEADER_BLOCK {
                return Err(Trouble::Malformed("the header of a part has more than 16384 bytes"));
            }
            if let Some(end) = end {
                let head = String::from_utf8(rest.get(..end).unwrap_or_default().to_vec());
                // The second line break may belong to the delimiter of an empty part.
                self.at += end + 4;
                return head.map_err(|_| Trouble::Malformed("the header of a part is not UTF-8"));
            }
            self.fill()?;
        }
    }

    fn starts_with(&mut self, prefix: &[u8]) -> Result<bool, Trouble<S::Error>> {
        while self.buffer.len() - self.at < prefix.len() {
            self.fill()?;
        }
        Ok(self.buffer.get(self.at..).is_some_and(|rest| rest.starts_with(prefix)))
    }

    fn fill(&mut self) -> Result<(), Trouble<S::Error>> {
        match self.source.chunk() {
            Ok(Some(chunk)) => {
                self.buffer.drain(..self.at);
                self.at = 0;
                self.buffer.extend_from_slice(&chunk);
                Ok(())
            }
            Ok(None) => Err(Trouble::Malformed("the form ends before its closing delimiter")),
            Err(error) => Err(Trouble::Source(error)),
        }
    }
}

/// The number of bytes of `text` that are certainly data, and whether the delimiter follows them.
fn split(text: &[u8], delimiter: &[u8]) -> (usize, bool) {
    let mut from = 0;
    while let Some(rest) = text.get(from..)
        && let Some(offset) = rest.iter().position(|&byte| byte == b'\r')
    {
        let candidate = rest.get(offset..).unwrap_or_default();
        if candidate.starts_with(delimiter) {
            return (from + offset, true);
        }
        if delimiter.starts_with(candidate) {
            return (from + offset, false);
        }
        from += offset + 1;
    }
    (text.len(), false)
}

fn describe(head: &str) -> Option<Part> {
    let field = |wanted: &str| {
        head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let disposition = Parameterised::parse(field("content-disposition")?);
    Some(Part {
        name: disposition.parameter("name")?.to_owned(),
        filename: media_type::filename(&disposition),
        content_type: field("content-type").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces<'a>(std::slice::Chunks<'a, u8>);

    impl Source for Pieces<'_> {
        type Error = ();
        fn chunk(&mut self) -> Result<Option<Vec<u8>>, ()> {
            Ok(self.0.next().map(<[u8]>::to_vec))
        }
    }

    const TWO: &str = "--x\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\na@b\r\n--x \t\r\n\
        content-type: text/plain\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"f\"\r\n\r\n\
        one\r\n--\r\n\r--xy\r\n\r\n--x--\r\nepilogue";

    #[test]
    fn a_form_reads_the_same_however_it_is_cut() {
        let want = vec![
            ("to".to_owned(), None, None, "a@b".to_owned()),
            (
                "attachment".to_owned(),
                Some("f".to_owned()),
                Some("text/plain".to_owned()),
                "one\r\n--\r\n\r--xy\r\n".to_owned(),
            ),
        ];
        for size in 1..TWO.len() {
            assert_eq!(read(TWO, size), Ok(want.clone()), "pieces of {size}");
        }
    }

    #[test]
    fn a_part_may_be_empty_and_a_preamble_is_skipped() {
        let form = "hello\r\n--x\r\nContent-Disposition: form-data; name=text\r\n\r\n\r\n--x--";
        for size in [1, 7, 200] {
            assert_eq!(read(form, size), Ok(vec![("text".to_owned(), None, None, String::new())]));
        }
    }

    #[test]
    fn an_empty_form_has_no_parts() {
        assert_eq!(read("--x--\r\n", 100), Ok(vec![]));
    }

    #[test]
    fn a_form_that_breaks_off_is_refused_wherever_it_does() {
        let end = TWO.len() - "--\r\nepilogue".len();
        for length in 0..end {
            assert!(read(&TWO[..length], 5).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_part_without_a_name_or_with_an_endless_header_is_refused() {
        let nameless = "--x\r\nContent-Type: text/plain\r\n\r\na\r\n--x--";
        assert_eq!(read(nameless, 9), Err(Trouble::Malformed("a part has no name")));
        let endless = format!("--x\r\nA: {}\r\n\r\n", "a".repeat(HEADER_BLOCK + 1));
        assert_eq!(
            read(&endless, 999),
            Err(Trouble::Malformed("the header of a part has more than 16384 bytes"))
        );
    }

    #[test]
    fn a_boundary_is_needed() {
        for boundary in [None, Some(""), Some(&*"x".repeat(71))] {
            assert!(Form::new(Pieces(b"".chunks(1)), boundary).is_err());
        }
    }

    type Row = (String, Option<String>, Option<String>, String);

    fn read(form: &str, size: usize) -> Result<Vec<Row>, Trouble<()>> {
        let mut form = Form::new(Pieces(form.as_bytes().chunks(size)), Some("x")).unwrap();
        let mut rows = Vec::new();
        while let Some(part) = form.part()? {
            let mut data = Vec::new();
            while let Some(piece) = form.data()? {
                assert!(!piece.is_empty());
                data.extend_from_slice(piece);
            }
            rows.push((
                part.name,
                part.filename,
                part.content_type,
                String::from_utf8(data).unwrap(),
            ));
        }
        Ok(rows)
    }
}
