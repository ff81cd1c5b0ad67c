//! File names of attachments, made safe as labels.
//!
//! A name is chosen by the sender and may become a file name or a part of a header field, so
//! characters that could do harm there are removed. It is never a path.
//!
//! Standards: RFC 2183 section 2.3, RFC 6266 section 4.3.

/// The longest label, in bytes: what common file systems accept.
pub const LONGEST: usize = 255;

/// The safe part of a name. None when nothing is left.
pub fn label(name: &str) -> Option<String> {
    let visible: String = name.chars().filter(|character| !is_unsafe(*character)).collect();
    // Only the last segment: senders that include the path mean the file.
    let segment = visible.trim().trim_end_matches(['/', '\\']);
    let segment = segment.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let segment = segment.trim_end_matches([' ', '.']);
    if segment.chars().all(|character| character == '.') {
        return None;
    }
    Some(shorten(segment))
}

/// Control characters, bidirectional controls and invisible characters. The two joiners are kept:
/// Persian and joined emoji are misspelt without them.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Keeps the extension, since it determines the type.
fn shorten(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let extension = name.rfind('.').and_then(|dot| name.get(dot..)).filter(|ext| ext.len() <= 32);
    let extension = extension.unwrap_or_default();
    let stem = cut(name, LONGEST - extension.len());
    format!("{stem}{extension}")
}

/// The longest prefix of at most `limit` bytes that ends at a character boundary.
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
    use crate::header::fields::split;
    use crate::header::parameters::parse;

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
        check("👩\u{200d}🚀 نامه\u{200c}ها.pdf", Some("👩\u{200d}🚀 نامه\u{200c}ها.pdf"));
    }

    /// How a Content-Disposition, in octets, gives a file name: by RFC 2183, RFC 2231, or as it
    /// occurs.
    const FORMS: [(&[u8], Option<&str>); 45] = [
        // RFC 2183 with the tokens and quoted strings of RFC 2045.
        (b"attachment; filename=a.pdf", Some("a.pdf")),
        (b"attachment; filename=\"a b.pdf\"", Some("a b.pdf")),
        (b"attachment; filename=\"a \\\"b\\\".pdf\"", Some("a \"b\".pdf")),
        (b"attachment; filename=\"a;b.pdf\"; size=3", Some("a;b.pdf")),
        (b"attachment; FileName=a.pdf", Some("a.pdf")),
        (b"attachment ; filename = \"a.pdf\"", Some("a.pdf")),
        (b"attachment (as asked); filename=a.pdf (final)", Some("a.pdf")),
        (b"attachment;\r\n filename=\"a\r\n b.pdf\"", Some("a b.pdf")),
        (b"inline; size=3; filename=a.pdf", Some("a.pdf")),
        (b"attachment; filename=\"\"", None),
        (b"attachment", None),
        // RFC 2231.
        (b"attachment; filename*=utf-8''%e4%bd%a0.pdf", Some("你.pdf")),
        (b"attachment; filename*=ISO-8859-1'de'Gr%FC%DFe.pdf", Some("Grüße.pdf")),
        (b"attachment; filename*=iso-2022-jp''%1B$B2q5D%1B%28B.pdf", Some("会議.pdf")),
        (b"attachment; filename*0=\"a\"; filename*1=\"b.pdf\"", Some("ab.pdf")),
        (b"attachment; filename*0*=utf-8''%e4%bd; filename*1*=%a0.pdf", Some("你.pdf")),
        (b"attachment; filename*0*=utf-8''%e4%bd%a0; filename*1=\"%20 b.pdf\"", Some("你%20 b.pdf")),
        (b"attachment; filename*1*=%a0.pdf; filename*0*=utf-8''%e4%bd", Some("你.pdf")),
        (b"attachment; filename*10=k; filename*9=j; filename*0=a", Some("ajk")),
        (b"attachment; filename=x.pdf; filename*=utf-8''%e4%bd%a0.pdf", Some("你.pdf")),
        (b"attachment; filename*=''a%20b.pdf", Some("a b.pdf")),
        (b"attachment; filename*=utf-8''%e4%bd.pdf", Some("\u{fffd}.pdf")),
        (b"attachment; filename*=utf-8''%3D%3Futf-8%3Fq%3Fa%3F%3D", Some("=?utf-8?q?a?=")),
        (b"attachment; filename*=\"utf-8''a%20b.pdf\"", Some("a b.pdf")),
        (b"attachment; filename*=a.pdf", Some("a.pdf")),
        (b"attachment; filename*=latin1''\xe9.pdf", Some("é.pdf")),
        // Encoded-words, which RFC 2047 does not allow here.
        (b"attachment; filename=\"=?utf-8?b?5L2g?=.pdf\"", Some("你.pdf")),
        (b"attachment; filename==?utf-8?b?5L2gLnBkZg==?=", Some("你.pdf")),
        (b"attachment; filename=\"=?utf-8?q?a?=\r\n =?utf-8?q?b=2Epdf?=\"", Some("ab.pdf")),
        (b"attachment; filename=\"=?ISO-2022-JP?B?GyRCMnE1RCROGyhC?= =?ISO-2022-JP?B?GyRCO3FOQRsoQi5wZGY=?=\"", Some("会議の資料.pdf")),
        (b"attachment; filename*0=\"=?utf-8?b?5L2g\"; filename*1=\"?=.pdf\"", Some("你.pdf")),
        (b"=?utf-8?q?attachment?=; filename=a.pdf", Some("a.pdf")),
        // Octets without a charset.
        ("attachment; filename=\"你.pdf\"".as_bytes(), Some("你.pdf")),
        (b"attachment; filename=\"r\xe9sum\xe9.pdf\"", Some("résumé.pdf")),
        (b"attachment; filename=\"\xbb\xe1\xd2\xe9\xcd\xa8\xd6\xaa.pdf\"", Some("会议通知.pdf")),
        (b"attachment; filename=\"\x1b$B2q5D\x1b(B.pdf\"", Some("会議.pdf")),
        // Malformed values.
        (b"attachment; filename=my long name.pdf; size=3", Some("my long name.pdf")),
        (b"attachment; filename=my long name.pdf size=3", Some("my long name.pdf")),
        (b"attachment; filename=report (final)", Some("report (final)")),
        (b"attachment; filename=\"a.pdf", Some("a.pdf")),
        (b"attachment filename=\"a.pdf\"", Some("a.pdf")),
        (b"attachment;; ;filename=a.pdf;", Some("a.pdf")),
        (b"attachment; size; filename=a.pdf", Some("a.pdf")),
        // Paths, and deceptive names.
        (b"attachment; filename=\"C:\\Users\\ann\\a.pdf\"", Some("a.pdf")),
        (b"attachment; filename*=utf-8''..%2F..%2Fa%0D%0Ab%E2%80%AEfdp.exe", Some("a  bfdp.exe")),
    ];

    #[test]
    fn every_form_of_a_name_is_read() {
        for (form, want) in FORMS {
            let block = [b"Content-Disposition: ", form, b"\r\n\r\n"].concat();
            let fields = split(&block, 0, &|_| false).fields;
            let raw = fields.raw("Content-Disposition").unwrap();
            let found = parse(raw).param("filename").and_then(label);
            assert_eq!(found.as_deref(), want, "{}", String::from_utf8_lossy(form));
        }
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
