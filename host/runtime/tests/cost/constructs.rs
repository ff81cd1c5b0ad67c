//! Generated messages of any length, each of one repeated construct.
//!
//! Standards: RFC 5322, RFC 2045 to 2047, RFC 2231, WHATWG HTML, each at its extremes.

/// A message in which one piece is repeated.
#[derive(Debug)]
pub(crate) struct Construct {
    pub(crate) name: String,
    before: String,
    piece: Box<dyn PieceOf>,
    after: String,
}

/// The piece, which may differ for each repetition.
trait PieceOf: std::fmt::Debug {
    fn at(&self, number: usize) -> Vec<u8>;
}

impl PieceOf for Vec<u8> {
    fn at(&self, _: usize) -> Vec<u8> {
        self.clone()
    }
}

/// `#` stands for the number of the repetition.
#[derive(Debug)]
struct Numbered(String);

impl PieceOf for Numbered {
    fn at(&self, number: usize) -> Vec<u8> {
        self.0.replace('#', &number.to_string()).into_bytes()
    }
}

impl Construct {
    /// A message of at least this many bytes.
    pub(crate) fn message(&self, length: usize) -> Vec<u8> {
        let mut raw = self.before.clone().into_bytes();
        let mut number = 0;
        while raw.len() < length {
            raw.extend_from_slice(&self.piece.at(number));
            number += 1;
        }
        raw.extend_from_slice(self.after.as_bytes());
        raw
    }

    fn of(name: &str, before: &str, piece: impl AsRef<[u8]>, after: &str) -> Self {
        let piece = Box::new(piece.as_ref().to_vec());
        Self { name: name.to_owned(), before: before.to_owned(), piece, after: after.to_owned() }
    }

    fn numbered(mut self) -> Self {
        let text = String::from_utf8(self.piece.at(0)).unwrap();
        self.piece = Box::new(Numbered(text));
        self
    }
}

const END: &str = "\r\n\r\nbody\r\n";

/// Constructs of a header.
pub(crate) fn header_fields() -> Vec<Construct> {
    let field = |name: &str, start: &str, piece: &str| {
        Construct::of(&format!("{start}{piece}"), &format!("{name}: {start}"), piece, END)
    };
    let mut all = Vec::new();
    for piece in [
        "=?utf-8?q?a?= ",
        "=?utf-8?b?YQ==?=\r\n ",
        "=?",
        "=?a?q?",
        "?=",
        "=?a?x?x",
        "=?utf-8?q?=",
        "=?iso-2022-jp?b?GyRCMnEbKEI=?= ",
        "=?gbk?q?=C4=E3?= =?big5?q?=A7A?= ",
        "a",
        "\u{e9}",
        "\r\n x",
        "\r\n\t",
        "\\",
        "\"",
    ] {
        all.push(field("Subject", "", piece));
    }
    for start in ["", "\"", "(", "<", "a:"] {
        for piece in [
            "a@b.example, ",
            "a <a@b.example>, ",
            "\"a\\\" b\" <a@b>, ",
            "(",
            "((a) b) ",
            ")",
            "<",
            ">",
            "<a@b> ",
            "g: a@b, c@d;, ",
            ":",
            ";",
            ",",
            "@",
            "@a,@b:",
            "\"",
            "\\",
            "a ",
            "a.",
            "=?utf-8?q?a?= <a@b>, ",
            "\r\n ",
        ] {
            all.push(field("To", start, piece));
        }
    }
    for piece in ["<a@b.example>\r\n ", "<", ">", "<<", "<a", "a@b ", "(<a@b>) ", " "] {
        all.push(field("References", "", piece));
        all.push(field("Message-ID", "", piece));
    }
    for piece in ["Mon, ", "1 ", "Nov ", "10:", "+0000 ", "(", "(a) ", "\r\n "] {
        all.push(field("Date", "", piece));
    }
    for piece in [
        "; name*#*=utf-8''%41",
        "; name*#=a",
        "; name#=a",
        "; name=\"a",
        "; name=a\\",
        ";",
        "=",
        "; name*=",
        "name*x=a ",
        "*",
        "'",
        "%",
        "; charset=\"a\"",
        "\"",
        "\\\"",
        "; boundary=a",
        "(",
        "\r\n ",
    ] {
        all.push(field("Content-Type", "text/plain", piece).numbered());
        all.push(field("Content-Disposition", "attachment", piece).numbered());
    }
    for piece in [
        "X: a\r\n",
        "X: a\r\n b\r\n",
        "nonsense\r\nX: a\r\n",
        " a\r\n",
        "To: a@b\r\n",
        "X\r\n:\r\n",
        "Content-Type: text/plain; name=a\r\n",
        "Content-Disposition: inline\r\n",
        "\u{1b}$B: \u{1b}(B\r\n",
    ] {
        all.push(Construct::of(piece, "Subject: x\r\n", piece, "\r\nbody\r\n"));
    }
    all.push(Construct::of("odd bytes", "Subject: ", b"\xc4\xe3\xba\xc3 ", END));
    all
}

/// Constructs of a body.
pub(crate) fn mime_parts() -> Vec<Construct> {
    let mixed = "Content-Type: multipart/mixed; boundary=B\r\n\r\n";
    let body = |name: &str, header: &str, piece: &[u8]| {
        Construct::of(
            &format!("{name} {}", String::from_utf8_lossy(piece)),
            &format!("{header}\r\n\r\n"),
            piece,
            "\r\n",
        )
    };
    let mut all = vec![
        Construct::of("parts", mixed, "--B\r\n\r\na\r\n", "--B--\r\n"),
        Construct::of(
            "attachments",
            mixed,
            "--B\r\nContent-Type: a/b; name=#\r\nContent-ID: <#>\r\n\r\na\r\n",
            "",
        )
        .numbered(),
        Construct::of("texts", mixed, "--B\r\nContent-Type: text/html\r\n\r\n<p>a\r\n", ""),
        Construct::of(
            "multiparts",
            "",
            "Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n",
            "",
        ),
        Construct::of(
            "numbered multiparts",
            "",
            "Content-Type: multipart/mixed; boundary=B#\r\n\r\n--B#\r\n",
            "",
        )
        .numbered(),
        Construct::of("messages", "", "Content-Type: message/rfc822\r\n\r\n", ""),
        Construct::of(
            "alternatives",
            mixed,
            "--B\r\nContent-Type: multipart/alternative; boundary=C#\r\n\r\n--C#\r\n\r\na\r\n--C#\r\nContent-Type: text/html\r\n\r\n<p>a\r\n",
            "",
        )
        .numbered(),
        Construct::of(
            "blank halves",
            "Content-Type: multipart/alternative; boundary=B\r\n\r\n",
            "--B\r\n\r\n   \r\n--B\r\nContent-Type: text/html\r\n\r\n<p>a\r\n",
            "",
        ),
        Construct::of("closes", mixed, "--B--\r\n", ""),
        Construct::of("parts after closes", mixed, "--B--\r\n--B\r\n\r\na\r\n", ""),
        Construct::of("no fields", "", "a\r\n b\r\nA: b\r\n", ""),
        Construct::of(
            "pictures",
            "Content-Type: multipart/related; boundary=B\r\n\r\n--B\r\nContent-Type: text/html\r\n\r\n",
            "<img src=cid:a url(src=b>",
            "\r\n--B\r\nContent-ID: <a>\r\nContent-Location: b\r\nContent-Type: image/png\r\n\r\n",
        ),
        Construct::of("almost a boundary", mixed, "--Bx\r\n", ""),
        Construct::of("dashes", mixed, "--\r\n", ""),
        Construct::of("dashes in a line", mixed, "--", ""),
        Construct::of("headers without bodies", mixed, "--B\r\nX: a\r\n", ""),
    ];
    for piece in ["a \r\n", "> a \r\n", ">", ">> a \r\n> a\r\n", "-- \r\n", " "] {
        all.push(body(
            "flowed",
            "Content-Type: text/plain; format=flowed; delsp=yes",
            piece.as_bytes(),
        ));
    }
    for piece in ["YWJj", "YWJj\r\n", "=", "!", "\r\n", "\n"] {
        all.push(body("base64", "Content-Transfer-Encoding: base64", piece.as_bytes()));
    }
    for piece in ["=41", "=\r\n", "=", "= \r\n", " ", "a \r\n", "=3D=", "\n"] {
        all.push(body(
            "quoted-printable",
            "Content-Transfer-Encoding: quoted-printable",
            piece.as_bytes(),
        ));
    }
    for piece in
        ["#0V%T\r\n", "M\r\n", "begin 644 x\r\n", "end\r\n", "begin 644 x\r\n#0V%T\r\n`\r\nend\r\n"]
    {
        all.push(body("uuencode", "Content-Transfer-Encoding: x-uuencode", piece.as_bytes()));
        all.push(body("uuencode in text", "Subject: x", piece.as_bytes()));
    }
    for charset in [
        "utf-8",
        "us-ascii",
        "iso-2022-jp",
        "iso-2022-kr",
        "gb18030",
        "hz-gb-2312",
        "utf-7",
        "utf-16",
        "x-none",
    ] {
        for piece in [
            &b"\x1b$B2q\x1b(B"[..],
            b"\x1b",
            b"~{",
            b"+",
            b"+AGE-",
            b"\xc4\xe3",
            b"\xff",
            b"\xe4\xbd\xa0",
            b"\0",
            b"\x0e!!\x0f",
        ] {
            all.push(body(charset, &format!("Content-Type: text/plain; charset={charset}"), piece));
        }
    }
    for piece in ["a \r\n", "> a \r\n", "-- \r\n", " \r\n", ">", "a  ", "\r\n"] {
        all.push(body(
            "flowed",
            "Content-Type: text/plain; format=flowed; delsp=yes",
            piece.as_bytes(),
        ));
    }
    all
}

/// Constructs of an HTML document.
pub(crate) fn html() -> Vec<Construct> {
    let mut all = Vec::new();
    for (before, piece) in [
        ("", "&"),
        ("", "& "),
        ("", "&a"),
        ("", "&amp"),
        ("", "&amp;"),
        ("", "&nbsp;"),
        ("", "&#"),
        ("", "&#1"),
        ("", "&#x"),
        ("", "&notit"),
        ("", "&abcdefghijklmnopqrstuvwxyz"),
        ("", "\u{a0}"),
        ("", "\u{a9}a"),
        ("", "<"),
        ("", "< "),
        ("", ">"),
        ("", "</"),
        ("", "</ "),
        ("", "<!"),
        ("", "<!--"),
        ("", "<!-- -->"),
        ("", "<!-- --!>"),
        ("<!--", "-"),
        ("<!--", "--!"),
        ("", "<!-->"),
        ("", "<![CDATA["),
        ("", "<?"),
        ("", "<!doctype html>"),
        ("", "a"),
        ("", " "),
        ("", "\r\n"),
        ("", "\0"),
        ("<p ", "a "),
        ("<p ", "a=b "),
        ("<p ", "a='&' "),
        ("<p ", "/"),
        ("<p ", "="),
        ("<p ", "\""),
        ("<p ", "#=# "),
        ("<p title='", "a"),
        ("<p title='", "&"),
        ("<p title='", "\u{a0}"),
        ("<a href='", "&a=1"),
        ("<img src='cid:", "a"),
        ("<img src='data:image/png;base64,", "AAAA"),
        ("", "cid:"),
        ("", "<img src=cid:a>"),
        ("", "<img src=cid:#>"),
        ("", "<a href=\"https://x.example/#\">x</a>"),
        ("", "<p id=#>"),
        ("", "<br>"),
        ("", "<p>"),
        ("", "<p>x"),
        ("", "</p>"),
        ("", "</br>"),
        ("", "<b>"),
        ("", "<b>x"),
        ("", "<b></b>"),
        ("", "<b><p></b>"),
        ("", "<b><p></b></p>"),
        ("", "<b><i></b></i>"),
        ("", "<a><a>"),
        ("", "<a><div></a>"),
        ("", "<a><p><a>"),
        ("", "<nobr>"),
        ("", "<font size=#>"),
        ("", "<p><font></p>"),
        ("", "<div>"),
        ("", "<div></div>"),
        ("", "</div>"),
        ("", "<span>"),
        ("", "<x-#>"),
        ("", "<span></div>"),
        ("", "<table>"),
        ("<table>", "x"),
        ("<table>", "<b>"),
        ("<table>", "<p>x"),
        ("<table>", "<tr>"),
        ("<table>", "<td>"),
        ("<table><tr>", "<td>x"),
        ("<table>", "<caption>"),
        ("<table>", "</td>"),
        ("<table>", "<table>"),
        ("", "<table><td>"),
        ("", "<table><td></table>"),
        ("<table>", " "),
        ("<table>", "<input>"),
        ("", "<tr>"),
        ("", "<td>"),
        ("", "<template>"),
        ("", "<template></template>"),
        ("<template>", "<td>"),
        ("", "<select>"),
        ("", "<select><option>"),
        ("<select>", "<option>"),
        ("<select>", "<optgroup>"),
        ("", "<option>"),
        ("", "<optgroup>"),
        ("", "<ul>"),
        ("", "<li>"),
        ("", "<ul><li>"),
        ("", "<dl><dt><dd>"),
        ("", "<li><dd>"),
        ("", "<ruby><rt>"),
        ("", "<button>"),
        ("", "<form>"),
        ("", "<h1>"),
        ("", "<h1><h2>"),
        ("", "<marquee>"),
        ("", "<object>"),
        ("", "<noscript>"),
        ("", "<plaintext>"),
        ("", "<xmp>"),
        ("", "<textarea>"),
        ("", "<title>"),
        ("", "<script>"),
        ("", "<script></script>"),
        ("<script>", "<!--"),
        ("<script>", "<"),
        ("<script>", "</"),
        ("<style>", "</"),
        ("", "<style></style>"),
        ("", "<iframe>"),
        ("", "<svg>"),
        ("", "<math>"),
        ("", "<svg><p>"),
        ("", "<svg><foreignObject>"),
        ("", "<math><mi>"),
        ("", "<frameset>"),
        ("", "<body>"),
        ("", "<html>"),
        ("", "<head>"),
        ("", "<base>"),
        ("", "<meta charset=a>"),
        ("", "<pre>\n"),
        ("", "<image>"),
        ("", "<isindex>"),
        ("", "<col>"),
        ("", "<area>"),
        ("", "<selectedcontent>"),
        // Constructs that matter for the conversion to text.
        ("", "<blockquote>"),
        ("", "<blockquote>x</blockquote>"),
        ("<blockquote>", "<br>x"),
        ("", "<ol><li>x"),
        ("<ol>", "<li value=#>x"),
        ("<ul>", "<li><p>x"),
        ("<pre>", "\n"),
        ("<pre>", " x\n"),
        ("", "<a href=https://x.example/#>"),
        ("", "<a href=https://x.example/#>x"),
        ("<a href=https://x.example/>", "x<br>"),
        ("", "<a href=https://x.example/><img></a>"),
        ("", "<img alt=x>"),
        ("", "<span style='display:none'>x"),
        ("", "<div style='display:none'>x</div>"),
        ("<p style='", "a:b;"),
        ("<p style='", "color:red;"),
        ("<p style='color:", "("),
        ("<p style='", ";"),
        ("", "<p style='white-space:pre'> "),
        ("", "&nbsp;&zwnj;"),
        ("a", "&zwnj;"),
        ("", "&nbsp; "),
        ("<!<b x='><i ", "a#=b "),
        ("<?<b x='><i ", "a#=b "),
        ("</ <b x='><i ", "a#=b "),
    ] {
        let header = "Content-Type: text/html; charset=utf-8\r\n\r\n";
        let construct =
            Construct::of(&format!("{before}{piece}"), &format!("{header}{before}"), piece, "");
        all.push(if piece == "&#" || piece == "&#1" || piece == "&#x" {
            construct
        } else {
            construct.numbered()
        });
    }
    all
}

/// Elements that open, close or move others.
pub(crate) fn elements() -> Vec<&'static str> {
    vec![
        "a", "b", "font", "nobr", "p", "li", "ul", "dd", "dl", "div", "address", "span", "h1",
        "table", "tr", "td", "caption", "colgroup", "template", "select", "option", "optgroup",
        "button", "form", "object", "marquee", "ruby", "rt", "pre", "noscript", "x-y",
    ]
}

/// Each of these within each, closed in the wrong order or not at all.
pub(crate) fn pairs(elements: &[&str]) -> Vec<Construct> {
    let mut all = Vec::new();
    for outer in elements {
        for inner in elements {
            for piece in [format!("<{outer}><{inner}>x"), format!("<{outer}><{inner}></{outer}>x")]
            {
                all.push(Construct::of(&piece, "Content-Type: text/html\r\n\r\n", &piece, ""));
            }
        }
    }
    all
}
