//! The name of an attachment, as a label.
//!
//! A name comes from a stranger and ends in somebody's file system or header field, so it is cut
//! down to what can do no harm there. It is never a path.
//!
//! Standards: RFC 2183 section 2.3, RFC 6266 section 4.3.

/// In bytes: what common file systems take.
pub const LONGEST: usize = 255;

/// None when nothing is left.
pub fn label(name: &str) -> Option<String> {
    let visible: String = name.chars().filter(|character| !is_unsafe(*character)).collect();
    // Only the last segment: writers that leave the path in mean the file.
    let segment = visible.trim().trim_end_matches(['/', '\\']);
    let segment = segment.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let segment = segment.trim_end_matches([' ', '.']);
    if segment.chars().all(|character| character == '.') {
        return None;
    }
    Some(shorten(segment))
}

/// Controls, and what turns the direction of writing or cannot be seen at all.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Keeps the extension, since people and programs go by it.
fn shorten(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let extension = name.rfind('.').and_then(|dot| name.get(dot..)).filter(|ext| ext.len() <= 32);
    let extension = extension.unwrap_or_default();
    let stem = cut(name, LONGEST - extension.len());
    format!("{stem}{extension}")
}

/// The longest start of at most `limit` bytes that ends at a character.
pub fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        check("report.pdf", Some("report.pdf"));
        check("../../etc/passwd", Some("passwd"));
        check("C:\\temp\\x.exe", Some("x.exe"));
        check("a/b/", Some("b"));
        check("..", None);
        check("", None);
        check("  ", None);
        check(".bashrc", Some(".bashrc"));
    }

    #[test]
    fn what_cannot_be_seen_is_gone() {
        check("a\0b\r\nc", Some("abc"));
        check("invoice\u{202e}fdp.exe", Some("invoicefdp.exe"));
        check("你好.txt", Some("你好.txt"));
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let long = label(&format!("{}.pdf", "你".repeat(300))).unwrap();
        assert!(long.len() <= LONGEST && long.ends_with("你.pdf"), "{long}");
        assert_eq!(label(&"a".repeat(300)).unwrap().len(), LONGEST);
    }

    #[track_caller]
    fn check(name: &str, want: Option<&str>) {
        assert_eq!(label(name).as_deref(), want, "{name:?}");
    }
}
