//! Charset labels, as senders spell them.
//!
//! WHATWG's labels first, as encoding_rs has them; then the other names of the IANA registry and
//! code page numbers, compared by letters and digits only, since punctuation varies.
//!
//! Standards: RFC 2978, WHATWG Encoding section 4.2.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, IBM866, ISO_2022_JP, ISO_8859_2, ISO_8859_3,
    ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_10, ISO_8859_13,
    ISO_8859_14, ISO_8859_15, ISO_8859_16, KOI8_R, KOI8_U, MACINTOSH, SHIFT_JIS, UTF_8, UTF_16BE,
    UTF_16LE, WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254,
    WINDOWS_1255, WINDOWS_1256, WINDOWS_1257, WINDOWS_1258, X_MAC_CYRILLIC,
};

use crate::charset::dos_code_pages::upper_half;
use crate::charset::iso2022::Family;
use crate::charset::utf::Order;

/// How bytes are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// By the WHATWG Encoding Standard.
    Web(&'static Encoding),
    /// ASCII in the lower half, these characters in the upper one.
    CodePage(&'static str),
    Iso2022(Family),
    Hz,
    Utf7,
    Utf16(Order),
    Utf32(Order),
    /// US-ASCII; any other byte shows that the label is wrong.
    Ascii,
    /// The label states that the charset is unknown.
    Unknown,
}

impl Charset {
    /// Whether the meaning of a byte depends on earlier ones: then pieces cannot be joined before
    /// decoding.
    pub fn is_stateful(self) -> bool {
        matches!(self, Self::Iso2022(_) | Self::Hz | Self::Utf7)
    }

    /// Whether octets begin with a byte order mark: a text begins there (RFC 2781 section 3.2).
    /// UTF-8 has no byte order.
    pub fn begins_marked(self, octets: &[u8]) -> bool {
        match self {
            Self::Utf16(_) => matches!(octets, [0xfe, 0xff, ..] | [0xff, 0xfe, ..]),
            Self::Utf32(_) => matches!(octets, [0, 0, 0xfe, 0xff, ..] | [0xff, 0xfe, 0, 0, ..]),
            Self::Web(_)
            | Self::CodePage(_)
            | Self::Iso2022(_)
            | Self::Hz
            | Self::Utf7
            | Self::Ascii
            | Self::Unknown => false,
        }
    }
}

/// Looks up a label. None when it names no supported charset.
pub fn named(label: &str) -> Option<Charset> {
    // Longer than any real label.
    const LONGEST: usize = 60;

    let label = label.trim().trim_matches(['"', '\'']).trim();
    if label.is_empty() {
        return Some(Charset::Unknown);
    }
    if label.len() > LONGEST {
        return None;
    }
    let plain: String = label.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let own = || {
        let number = code_page(&plain).and_then(numbered);
        let spelled = || SPELLED.iter().find(|(name, _)| *name == plain).map(|(_, found)| *found);
        number.or_else(spelled).or_else(|| similar(&plain))
    };
    switching(&plain)
        .or_else(|| Encoding::for_label_no_replacement(label.as_bytes()).map(Charset::Web))
        .or_else(own)
}

/// Labels that are decoded differently from WHATWG, or that WHATWG does not have.
fn switching(plain: &str) -> Option<Charset> {
    Some(match plain {
        "unknown" | "unknown8bit" | "xunknown" | "default" | "none" | "binary" | "7bit"
        | "8bit" => Charset::Unknown,
        "usascii" | "ascii" | "ansix341968" | "ansix341986" | "isoir6" | "iso646us"
        | "iso646irv1991" | "us" | "csascii" | "ibm367" | "cp367" => Charset::Ascii,
        "iso2022jp" | "csiso2022jp" | "iso2022jp1" | "iso2022jp2" | "csiso2022jp2"
        | "iso2022jp3" | "iso2022jp2004" | "iso2022jpms" | "xiso2022jp" | "jis"
        | "xwindowsiso2022jp" => Charset::Iso2022(Family::Japanese),
        "iso2022kr" | "csiso2022kr" => Charset::Iso2022(Family::Korean),
        "iso2022cn" | "csiso2022cn" | "iso2022cnext" => Charset::Iso2022(Family::Chinese),
        "hz" | "hzgb2312" | "hzgb" => Charset::Hz,
        "utf7" | "csutf7" | "unicode11utf7" | "csunicode11utf7" | "unicode20utf7"
        | "xunicode20utf7" => Charset::Utf7,
        "utf16" | "csutf16" | "ucs2" | "unicode" | "csunicode" | "iso10646ucs2" | "xutf16" => {
            Charset::Utf16(Order::Marked)
        }
        "utf16le" | "csutf16le" | "ucs2le" | "unicodefeff" | "unicodelittle" => {
            Charset::Utf16(Order::Little)
        }
        "utf16be" | "csutf16be" | "ucs2be" | "unicodefffe" | "unicodebig" => {
            Charset::Utf16(Order::Big)
        }
        "utf32" | "csutf32" | "ucs4" | "csucs4" | "iso10646ucs4" => Charset::Utf32(Order::Marked),
        "utf32le" | "csutf32le" | "ucs4le" => Charset::Utf32(Order::Little),
        "utf32be" | "csutf32be" | "ucs4be" => Charset::Utf32(Order::Big),
        _ => return None,
    })
}

/// Names in the IANA registry, and in other software, that WHATWG does not list.
const SPELLED: [(&str, Charset); 31] = [
    ("utf8mb4", Charset::Web(UTF_8)),
    ("utf8mac", Charset::Web(UTF_8)),
    ("utf8n", Charset::Web(UTF_8)),
    ("unicode20utf8", Charset::Web(UTF_8)),
    ("latin7", Charset::Web(ISO_8859_13)),
    ("latin8", Charset::Web(ISO_8859_14)),
    ("latin9", Charset::Web(ISO_8859_15)),
    ("latin0", Charset::Web(ISO_8859_15)),
    ("latin10", Charset::Web(ISO_8859_16)),
    ("macroman", Charset::Web(MACINTOSH)),
    ("maccyrillic", Charset::Web(X_MAC_CYRILLIC)),
    ("macukraine", Charset::Web(X_MAC_CYRILLIC)),
    ("ujis", Charset::Web(EUC_JP)),
    ("eucjpms", Charset::Web(EUC_JP)),
    ("eucjpwin", Charset::Web(EUC_JP)),
    ("mskanji", Charset::Web(SHIFT_JIS)),
    ("shiftjisx0213", Charset::Web(SHIFT_JIS)),
    ("shiftjis2004", Charset::Web(SHIFT_JIS)),
    ("sjiswin", Charset::Web(SHIFT_JIS)),
    ("uhc", Charset::Web(EUC_KR)),
    ("ksx1001", Charset::Web(EUC_KR)),
    ("euccn", Charset::Web(GBK)),
    ("cngb", Charset::Web(GBK)),
    ("gb231280", Charset::Web(GBK)),
    ("gb180302000", Charset::Web(GB18030)),
    ("gb180302005", Charset::Web(GB18030)),
    ("big5eten", Charset::Web(BIG5)),
    ("big5hkscs2004", Charset::Web(BIG5)),
    ("tis6202533", Charset::Web(WINDOWS_874)),
    ("koi8rnet", Charset::Web(KOI8_R)),
    ("koi8", Charset::Web(KOI8_R)),
];

/// The number in `cp850`, `ibm00858`, `windows_1252`, `cspc8codepage437` and the like.
fn code_page(plain: &str) -> Option<u32> {
    const PREFIXES: [&str; 16] = [
        "",
        "cp",
        "ibm",
        "csibm",
        "ccsid",
        "windows",
        "cswindows",
        "win",
        "ms",
        "dos",
        "codepage",
        "cspc8codepage",
        "cspcp",
        "oem",
        "pc",
        "pcmultilingual",
    ];
    match plain {
        "cspc850multilingual" => return Some(850),
        "pcmultilingual850euro" => return Some(858),
        "cspc775baltic" => return Some(775),
        "cspc862latinhebrew" => return Some(862),
        "windows31j" | "cswindows31j" => return Some(932),
        _ => {}
    }
    let prefix = plain.trim_end_matches(|character: char| character.is_ascii_digit());
    let digits = plain.strip_prefix(prefix)?;
    let known = |prefix: &str| PREFIXES.contains(&prefix);
    if digits.len() < 3 || !(known(prefix) || prefix.strip_prefix('x').is_some_and(known)) {
        return None;
    }
    digits.parse().ok()
}

fn numbered(number: u32) -> Option<Charset> {
    let encoding = match number {
        866 => IBM866,
        874 | 28601 => WINDOWS_874,
        932 | 943 => SHIFT_JIS,
        936 | 51936 | 20936 => GBK,
        949 | 51949 | 1363 | 970 => EUC_KR,
        950 | 1370 => BIG5,
        954 | 20932 | 51932 => EUC_JP,
        1250 => WINDOWS_1250,
        1251 => WINDOWS_1251,
        1252 | 819 | 28591 => WINDOWS_1252,
        1253 => WINDOWS_1253,
        1254 | 28599 => WINDOWS_1254,
        1255 => WINDOWS_1255,
        1256 => WINDOWS_1256,
        1257 => WINDOWS_1257,
        1258 => WINDOWS_1258,
        10000 => MACINTOSH,
        10007 => X_MAC_CYRILLIC,
        20866 | 878 => KOI8_R,
        21866 | 1168 => KOI8_U,
        28592 | 912 => ISO_8859_2,
        28593 | 913 => ISO_8859_3,
        28594 | 914 => ISO_8859_4,
        28595 | 915 => ISO_8859_5,
        28596 | 1089 => ISO_8859_6,
        28597 | 813 => ISO_8859_7,
        28598 | 38598 | 916 => ISO_8859_8,
        28600 => ISO_8859_10,
        28603 | 921 => ISO_8859_13,
        28604 => ISO_8859_14,
        28605 | 923 => ISO_8859_15,
        54936 => GB18030,
        65001 | 1208 => UTF_8,
        1200 => return Some(Charset::Utf16(Order::Little)),
        1201 => return Some(Charset::Utf16(Order::Big)),
        12000 => return Some(Charset::Utf32(Order::Little)),
        12001 => return Some(Charset::Utf32(Order::Big)),
        20127 => return Some(Charset::Ascii),
        50220..=50222 => return Some(Charset::Iso2022(Family::Japanese)),
        50225 => return Some(Charset::Iso2022(Family::Korean)),
        50227 => return Some(Charset::Iso2022(Family::Chinese)),
        52936 => return Some(Charset::Hz),
        65000 => return Some(Charset::Utf7),
        other => return upper_half(other).map(Charset::CodePage),
    };
    Some(Charset::Web(encoding))
}

/// WHATWG's names with other punctuation: `iso_8859_15`, `utf_8`, `x-shift-jis`.
fn similar(plain: &str) -> Option<Charset> {
    const ALL: [&Encoding; 36] = [
        UTF_8,
        IBM866,
        ISO_8859_2,
        ISO_8859_3,
        ISO_8859_4,
        ISO_8859_5,
        ISO_8859_6,
        ISO_8859_7,
        ISO_8859_8,
        ISO_8859_10,
        ISO_8859_13,
        ISO_8859_14,
        ISO_8859_15,
        ISO_8859_16,
        KOI8_R,
        KOI8_U,
        MACINTOSH,
        WINDOWS_874,
        WINDOWS_1250,
        WINDOWS_1251,
        WINDOWS_1252,
        WINDOWS_1253,
        WINDOWS_1254,
        WINDOWS_1255,
        WINDOWS_1256,
        WINDOWS_1257,
        WINDOWS_1258,
        X_MAC_CYRILLIC,
        GBK,
        GB18030,
        BIG5,
        EUC_JP,
        SHIFT_JIS,
        EUC_KR,
        UTF_16BE,
        UTF_16LE,
    ];
    let bare = plain.strip_prefix('x').unwrap_or(plain);
    let is_named = |encoding: &&&'static Encoding| {
        let name = encoding.name().bytes().filter(u8::is_ascii_alphanumeric);
        name.map(|byte| byte.to_ascii_lowercase()).eq(bare.bytes())
    };
    let found = ALL.iter().find(is_named).map(|encoding| Charset::Web(encoding));
    // Names whose labels WHATWG assigns to windows-1252, -1254 and -874, and to GBK.
    found.or_else(|| {
        Some(Charset::Web(match bare {
            "iso88591" | "latin1" => WINDOWS_1252,
            "iso88599" => WINDOWS_1254,
            "iso885911" | "tis620" => WINDOWS_874,
            "gb2312" => GBK,
            "ksc56011987" | "ksc5601" => EUC_KR,
            "big5hkscs" => BIG5,
            "sjis" => SHIFT_JIS,
            "iso2022jp" => ISO_2022_JP,
            _ => return None,
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charset::decode;

    /// A label, the bytes as Python's codec of that name encodes them, and the text.
    const LABELS: [(&str, &[u8], &str); 105] = [
        (
            "UTF-8",
            b"\xc5\xbelu\xc5\xa5ou\xc4\x8dk\xc3\xbd \xe4\xbd\xa0\xe5\xa5\xbd",
            "žluťoučký 你好",
        ),
        ("utf8", b"\xc3\xa9", "é"),
        ("unicode-1-1-utf-8", b"\xc3\xa9", "é"),
        ("UTF_8", b"\xc3\xa9", "é"),
        ("ISO-8859-1", b"caf\xe9", "café"),
        ("latin1", b"\xff", "ÿ"),
        ("iso_8859-1:1987", b"\xdf", "ß"),
        ("cp819", b"\xdf", "ß"),
        ("windows-1252", b"\x93\x80\x94", "“€”"),
        ("CP1252", b"\x93\x80\x94", "“€”"),
        ("Windows_1252", b"\x80", "€"),
        ("x-cp1252", b"\x80", "€"),
        ("iso-8859-2", b"\xa3\xf3d\xbc", "Łódź"),
        ("latin2", b"\xf5", "ő"),
        ("iso-8859-3", b"\xa1\xf8", "Ħĝ"),
        ("iso-8859-4", b"\xbd\xa2", "Ŋĸ"),
        ("iso-8859-5", b"\xbf\xe0\xd8\xd2\xd5\xe2", "Привет"),
        ("iso-8859-6", b"\xd3\xe4\xc7\xe5", "سلام"),
        ("iso-8859-7", b"\xc3\xe5\xe9\xdc", "Γειά"),
        ("greek", b"\xdc", "ά"),
        ("iso-8859-8", b"\xf9\xec\xe5\xed", "שלום"),
        ("iso-8859-8-i", b"\xf9\xec\xe5\xed", "שלום"),
        ("iso-8859-9", b"\xfd\xfe\xf0", "ışğ"),
        ("iso-8859-10", b"\xaa\xb9", "Šđ"),
        ("iso-8859-11", b"\xe4\xb7\xc2", "ไทย"),
        ("iso-8859-13", b"\xcf\xf8", "Ļų"),
        ("iso-8859-14", b"\xf0\xfe", "ŵŷ"),
        ("iso-8859-15", b"\xa4\xbd", "€œ"),
        ("latin9", b"\xa4", "€"),
        ("iso_8859_15", b"\xa4", "€"),
        ("iso-8859-16", b"\xba\xfe", "șț"),
        ("windows-1250", b"\xd8e\xf8icha", "Řeřicha"),
        ("windows-1251", b"\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"),
        ("win1251", b"\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"),
        ("windows-1253", b"\xbf\xf1\xe1", "Ώρα"),
        ("windows-1254", b"\xdd\xf0", "İğ"),
        ("windows-1255", b"\xf9\xc8\xd1", "שָׁ"),
        ("windows-1256", b"\x81\x8d", "پچ"),
        ("windows-1257", b"\xf0\xfe", "šž"),
        ("windows-1258", b"\xf0\xf5", "đơ"),
        ("windows-874", b"\xe4\xb7\xc2\x80", "ไทย€"),
        ("cp874", b"\xe4\xb7\xc2", "ไทย"),
        ("TIS-620", b"\xe4\xb7\xc2", "ไทย"),
        ("koi8-r", b"\xf0\xf2\xe9\xf7\xe5\xf4", "ПРИВЕТ"),
        ("koi8-u", b"\xad\xa7\xa4", "ґїє"),
        ("koi8-ru", b"\xa7\xa4", "їє"),
        ("macintosh", b"\x8e\xc9", "é…"),
        ("x-mac-cyrillic", b"\x84\xe0", "Да"),
        ("ibm866", b"\x84\xa0", "Да"),
        ("cp866", b"\x84\xa0", "Да"),
        ("cp437", b"\x80\xb2\xe1", "Ç▓ß"),
        ("IBM437", b"\x82", "é"),
        ("437", b"\x82", "é"),
        ("cspc8codepage437", b"\x82", "é"),
        ("cp775", b"\xa0\xe9", "Āķ"),
        ("cp850", b"\xa5\xcf", "Ñ¤"),
        ("IBM850", b"\xd5", "ı"),
        ("cp852", b"\x9d\x8b", "Łő"),
        ("cp858", b"\xd5\xa4", "€ñ"),
        ("IBM00858", b"\xd5", "€"),
        ("cp737", b"\x97\xe1", "Ωά"),
        ("cp855", b"\x9d\xe9", "Юж"),
        ("cp857", b"\x9e\xa7", "Şğ"),
        ("cp860", b"\x99\x87", "Õç"),
        ("cp861", b"\x8d\x8c", "Þð"),
        ("cp862", b"\x80\x81", "אב"),
        ("cp863", b"\x92\x82", "Êé"),
        ("cp865", b"\x9d\x9b", "Øø"),
        ("cp869", b"\x86\xfd", "Άώ"),
        ("gb2312", b"\xc4\xe3\xba\xc3", "你好"),
        ("GBK", b"\x87\xe5\xe9F", "囧镕"),
        ("cp936", b"\xe9F", "镕"),
        ("gb18030", b"\x952\x826\x819\xee9", "\u{20000}㐀"),
        ("hz-gb-2312", b"~{Dc:C~} a", "你好 a"),
        ("hz", b"~{Dc:C~}", "你好"),
        ("big5", b"\xa7A\xa6n", "你好"),
        ("big5-hkscs", b"\x9d\xef\x9d\xf7", "嘅咗"),
        ("cp950", b"\xa7A\xa6n", "你好"),
        ("shift_jis", b"\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd", "こんにちは"),
        ("cp932", b"\x87@\xee\xe0", "①髙"),
        ("Windows-31J", b"\x87@", "①"),
        ("ms932", b"\x87@", "①"),
        ("x-sjis", b"\xc3\xbd\xc4", "ﾃｽﾄ"),
        ("euc-jp", b"\xc6\xfc\xcb\xdc\xb8\xec", "日本語"),
        ("iso-2022-jp", b"\x1b$BF|K\x5c8l\x1b(B abc", "日本語 abc"),
        ("iso-2022-jp-1", b"\x1b$(D0!\x1b(B", "丂"),
        ("iso-2022-jp-2", b"\x1b$BCf\x1b$(CGQ\x1b$(D+1\x1b(B", "中한é"),
        ("csiso2022jp", b"\x1b$BF|K\x5c\x1b(B", "日本"),
        ("cp50221", b"\x1b$BF|K\x5c\x1b(B", "日本"),
        ("euc-kr", b"\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4", "안녕하세요"),
        ("ks_c_5601-1987", b"\xbe\xc8\xb3\xe7", "안녕"),
        ("cp949", b"\x81A\x8cc", "갂똠"),
        ("uhc", b"\x8cc", "똠"),
        ("iso-2022-kr", b"\x1b$)C\x0e>H3g\x0f a", "안녕 a"),
        ("utf-7", b"+AOk +T2BZfQ +-", "é 你好 +"),
        ("unicode-1-1-utf-7", b"+AOk-", "é"),
        ("utf-16", b"\xff\xfeA\x00\xe9\x00`O=\xd8\x00\xde", "Aé你😀"),
        ("utf-16be", b"\x00\xe9O`", "é你"),
        ("utf-16le", b"\xe9\x00`O", "é你"),
        ("utf-32", b"\xff\xfe\x00\x00\xe9\x00\x00\x00`O\x00\x00\x00\xf6\x01\x00", "é你😀"),
        ("utf-32be", b"\x00\x00O`", "你"),
        ("utf-32le", b"`O\x00\x00", "你"),
        ("us-ascii", b"plain", "plain"),
        ("ANSI_X3.4-1968", b"plain", "plain"),
        ("\"windows-1252\"", b"\x80", "€"),
    ];

    #[test]
    fn every_label_is_known_and_read() {
        for (label, bytes, want) in LABELS {
            assert!(named(label).is_some(), "{label}");
            assert_eq!(decode(Some(label), bytes), want, "{label}");
            assert_eq!(decode(Some(&label.to_uppercase()), bytes), want, "{label}");
        }
    }

    #[test]
    fn what_is_no_label_is_none() {
        for label in
            ["no-such-charset", "cp", "cp1", "cp99999999999999999999", "é", "x", &"a".repeat(100)]
        {
            assert_eq!(named(label), None, "{label}");
        }
    }
}
