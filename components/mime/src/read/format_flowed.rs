//! Decoder of `format=flowed` text (RFC 3676).
//!
//! A line that ends in a space continues in the next one, if their quote depths are equal.
//! Space-stuffing is removed, and so is, with `delsp`, the space at the end of the line: languages
//! without spaces between words are wrapped so.
//!
//! Invariant: every line is examined once.
//!
//! Standard: RFC 3676 sections 4.1 to 4.5.

/// The `delsp` parameter: whether the space at the end of a line is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelSp {
    Yes,
    No,
}

/// Joins the lines of each paragraph. `text` has LF line ends.
pub fn unwrap_lines(text: &str, delsp: DelSp) -> String {
    let mut whole = String::with_capacity(text.len());
    // The quote depth of the paragraph that continues.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let unquoted = line.trim_start_matches('>');
        let depth = line.len() - unquoted.len();
        // Space-stuffing (section 4.4).
        let content = unquoted.strip_prefix(' ').unwrap_or(unquoted);
        // The signature separator is fixed, and is not joined with other lines (section 4.3).
        let is_separator = content == "-- ";
        match open.take() {
            Some(quoted) if quoted == depth && !is_separator => {}
            before => {
                if before.is_some() {
                    whole.push('\n');
                }
                whole.extend(std::iter::repeat_n('>', depth));
                whole.push_str(if depth > 0 && !content.is_empty() { " " } else { "" });
            }
        }
        let flows = content.ends_with(' ') && !is_separator;
        match (flows, delsp) {
            (true, DelSp::Yes) => whole.push_str(content.strip_suffix(' ').unwrap_or(content)),
            _ => whole.push_str(content),
        }
        if flows && !end.is_empty() {
            open = Some(depth);
        } else {
            whole.push_str(end);
        }
    }
    if open.is_some() {
        whole.push('\n');
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_breaks_are_one_space_and_fixed_lines_stay() {
        check(
            "a paragraph \nof two lines\nfixed\n\nmore",
            "a paragraph of two lines\nfixed\n\nmore",
        );
        check("one \ntwo \nthree\n", "one two three\n");
        check("the last one flows \n", "the last one flows \n");
        check("the last one flows ", "the last one flows ");
        check("", "");
        check("\n\n", "\n\n");
    }

    #[test]
    fn stuffing_goes() {
        check(
            " >not quoted\n From here\n  two spaces\n \n",
            ">not quoted\nFrom here\n two spaces\n\n",
        );
    }

    #[test]
    fn quotes_are_put_together_at_their_own_depth() {
        check(">a \n>b\n>>c \n> d \ne", "> a b\n>> c \n> d \ne");
        check("> a \n>  b\n", "> a  b\n");
        check(">\n>x", ">\n> x");
    }

    #[test]
    fn the_line_above_a_signature_is_fixed() {
        check("bye \n-- \nAda \nExample\n", "bye \n-- \nAda Example\n");
        check(">bye\n>-- \n>Ada", "> bye\n> -- \n> Ada");
    }

    #[test]
    fn with_delsp_the_space_at_the_end_goes() {
        let text = "今天的 \n会议取消\nfirst\nsecond  \nthird";
        assert_eq!(unwrap_lines(text, DelSp::Yes), "今天的会议取消\nfirst\nsecond third");
        assert_eq!(unwrap_lines("-- \nAda", DelSp::Yes), "-- \nAda");
    }

    #[test]
    fn a_million_lines_are_read_once() {
        let text = ">>> a \n".repeat(1_000_000);
        assert!(unwrap_lines(&text, DelSp::No).len() < text.len());
        let deep = format!("{}x \n", ">".repeat(1_000_000)).repeat(3);
        assert!(unwrap_lines(&deep, DelSp::No).len() <= deep.len() + 4);
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(unwrap_lines(text, DelSp::No), want, "{text:?}");
    }
}
