//! Address fields, and the addresses parsed from them.

use super::*;

/// A field, and its addresses, as `name|email`.
const FORMS: [(&str, &[&str]); 99] = [
    // RFC 5322 section 3.4 and appendix A.
    ("ann@x.example", &["|ann@x.example"]),
    ("<ann@x.example>", &["|ann@x.example"]),
    ("Ann <ann@x.example>", &["Ann|ann@x.example"]),
    ("Ann Lee <ann@x.example>, bo@y.example", &["Ann Lee|ann@x.example", "|bo@y.example"]),
    ("\"Joe Q. Public\" <john.q.public@example.com>", &["Joe Q. Public|john.q.public@example.com"]),
    ("Who? <one@y.test>", &["Who?|one@y.test"]),
    (
        "\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
        &["Giant; \"Big\" Box|sysservices@example.net"],
    ),
    (
        "A Group:Ed Jones <joe@where.test>,John <jdoe@one.test>;",
        &["Ed Jones|joe@where.test", "John|jdoe@one.test"],
    ),
    ("Undisclosed recipients:;", &[]),
    ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", &["Pete|pete@silly.test"]),
    (
        "A Group(Some people) :Chris Jones <c@(Chris's host.)public.example>, joe@example.org, John <jdoe@one.test> (my dear friend); (the end of the group)",
        &["Chris Jones|c@public.example", "|joe@example.org", "John|jdoe@one.test"],
    ),
    ("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", &[]),
    ("undisclosed-recipients:; (no To-header on input)", &[]),
    ("ann@[192.0.2.1]", &["|ann@[192.0.2.1]"]),
    ("ann@[IPv6:2001:db8::1]", &["|ann@[IPv6:2001:db8::1]"]),
    ("!#$%&'*+-/=?^_`{|}~@x.example", &["|!#$%&'*+-/=?^_`{|}~@x.example"]),
    (
        "\"a..b\"@example.test, Jo <\"j o\"@example.test>",
        &["|\"a..b\"@example.test", "Jo|\"j o\"@example.test"],
    ),
    ("\"a@b\"@x.example", &["|\"a@b\"@x.example"]),
    ("\"a\\\"b\"@x.example", &["|\"a\\\"b\"@x.example"]),
    ("\"a, b\"@x.example, c@y.example", &["|\"a, b\"@x.example", "|c@y.example"]),
    ("\"\"@x.example", &["|\"\"@x.example"]),
    // Section 4.
    ("Joe Q. Public <john.q.public@example.com>", &["Joe Q. Public|john.q.public@example.com"]),
    (
        "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
        &["Mary Smith|mary@example.net", "|jdoe@test.example"],
    ),
    ("<@a.test,@b.test:mary@x.example>, bo@y.example", &["|mary@x.example", "|bo@y.example"]),
    ("<,@a.test (c) , (d) , @b.test :mary@x.example>", &["|mary@x.example"]),
    ("John Doe <jdoe@machine(comment).  example>", &["John Doe|jdoe@machine.example"]),
    ("ann . lee @ x . example", &["|ann.lee@x.example"]),
    ("\"ann\".lee@x.example", &["|\"ann\".lee@x.example"]),
    ("ann (c1) . (c2) lee (c3) @ (c4) x.example", &["|ann.lee@x.example"]),
    (", ,ann@x.example,, ,", &["|ann@x.example"]),
    ("friends: , ann@x.example, ;, bo@y.example", &["|ann@x.example", "|bo@y.example"]),
    ("Dr. A. Lee <ann@x.example>", &["Dr. A. Lee|ann@x.example"]),
    ("ann@[ 192.0.2.1 ]", &["|ann@[192.0.2.1]"]),
    // Names.
    ("ann@x.example (Ann Lee)", &["Ann Lee|ann@x.example"]),
    ("<ann@x.example> (Ann Lee), bo@y.example", &["Ann Lee|ann@x.example", "|bo@y.example"]),
    ("=?utf-8?b?5L2g5aW9?= <a@b.example>", &["你好|a@b.example"]),
    ("=?utf-8?q?Doe,_Ann?= <a@b.example>", &["Doe, Ann|a@b.example"]),
    ("=?utf-8?q?Ann?= =?utf-8?q?_Lee?= <a@b.example>", &["Ann Lee|a@b.example"]),
    ("=?utf-8?q?Ann?= Lee <a@b.example>", &["Ann Lee|a@b.example"]),
    ("\"=?utf-8?b?5L2g5aW9?=\" <a@b.example>", &["你好|a@b.example"]),
    ("a@b.example (=?utf-8?b?5L2g5aW9?=)", &["你好|a@b.example"]),
    ("=?utf-8?q?a=0D=0Ab?= <a@b.example>", &["a  b|a@b.example"]),
    ("=?utf-8?q?ann=40x.example?=", &["ann@x.example|"]),
    ("\"Ann\"  \"Lee\" <a@b.example>", &["Ann Lee|a@b.example"]),
    ("\"ann@x.example\" <ann@x.example>", &["ann@x.example|ann@x.example"]),
    ("ann@x.example <ann@x.example>", &["ann@x.example|ann@x.example"]),
    ("\"\" <ann@x.example>", &["|ann@x.example"]),
    ("用户@例子.example", &["|用户@例子.example"]),
    // Without a domain, or without an address.
    ("root (Cron Daemon)", &["Cron Daemon|root"]),
    ("Moderator <moderator>, \"ann@work\" <ann>", &["Moderator|moderator", "ann@work|ann"]),
    ("root", &["|root"]),
    ("John Doe", &["John Doe|"]),
    ("\"John\"", &["John|"]),
    ("Undisclosed-Recipient", &["Undisclosed-Recipient|"]),
    ("John Doe <>", &["John Doe|"]),
    ("<>", &[]),
    ("", &[]),
    ("@x.example", &[]),
    // Malformed fields.
    (
        "Jo <jo@one.example.test> Al <al@two.example.test>",
        &["Jo|jo@one.example.test", "Al|al@two.example.test"],
    ),
    ("ed@one.example.test mo@two.example.test", &["|ed@one.example.test", "|mo@two.example.test"]),
    ("ed@one.example Mo <mo@two.example>", &["|ed@one.example", "Mo|mo@two.example"]),
    ("Mo mo@two.example", &["Mo|mo@two.example"]),
    ("a@x.example; b@y.example", &["|a@x.example", "|b@y.example"]),
    ("Ann <ann@x.example", &["Ann|ann@x.example"]),
    ("Ann <ann@x.example, Bo <bo@y.example>", &["Ann|ann@x.example", "Bo|bo@y.example"]),
    ("<<ann@x.example>>", &["|ann@x.example"]),
    ("Ann <ann@x.example> x", &["Ann|ann@x.example"]),
    ("\"Ann <ann@x.example>", &["Ann|ann@x.example"]),
    ("ann@x.example (oops, bo@y.example", &["|ann@x.example", "|bo@y.example"]),
    ("<mailto:ann@x.example>", &["|ann@x.example"]),
    ("Ann <ann@x.example@y.example>", &["Ann|"]),
    ("Ann <ann lee@x.example>", &["Ann|"]),
    // A name that holds an @, and of which no address is made.
    ("Sales @ Example Corp <sales@example.com>", &["Sales @ Example Corp|sales@example.com"]),
    ("Anna @Work Team <a@x.example>", &["Anna @Work Team|a@x.example"]),
    ("Anna@Work Team <a@x.example>", &["Anna@Work Team|a@x.example"]),
    ("Anna @ work.example Team <a@x.example>", &["Anna @ work.example Team|a@x.example"]),
    ("a@b.example@c.example Team <a@x.example>", &["a@b.example@c.example Team|a@x.example"]),
    ("Meeting @ noon bo@x.example", &["Meeting @ noon|bo@x.example"]),
    ("Meeting@noon bo@x.example", &["Meeting@noon|bo@x.example"]),
    ("Meeting @ noon today", &["Meeting @ noon today|"]),
    ("Team @ Work: a@x.example, b@x.example;", &["|a@x.example", "|b@x.example"]),
    ("Ann <ann@x.example> @ work", &["Ann|ann@x.example"]),
    ("Jo jo@localhost", &["Jo|jo@localhost"]),
    ("jo@one mo@two", &["|jo@one", "|mo@two"]),
    // No address that was written is lost.
    ("Mo mo@one.example Al <al@two.example>", &["Mo|mo@one.example", "Al|al@two.example"]),
    ("ed@one.example (Ed) Mo <mo@two.example>", &["Ed|ed@one.example", "Mo|mo@two.example"]),
    (
        "ed@one.example Mo mo@two.example Al <al@three.example>",
        &["|ed@one.example", "Mo|mo@two.example", "Al|al@three.example"],
    ),
    ("ed@[192.0.2.1] Mo <mo@two.example>", &["|ed@[192.0.2.1]", "Mo|mo@two.example"]),
    ("Mo mo@two.example <mo@two.example>", &["Mo mo@two.example|mo@two.example"]),
    ("Ann <ann@x.example Bo <bo@y.example>", &["Ann|ann@x.example", "Bo|bo@y.example"]),
    ("Ann <ann@x.example Bo <bo@y.example", &["Ann|ann@x.example", "Bo|bo@y.example"]),
    ("Ann <@z.example:ann@x.example Bo <bo@y.example>", &["Ann|ann@x.example", "Bo|bo@y.example"]),
    ("Ann <ann@x.example bo@y.example>", &["Ann|ann@x.example", "|bo@y.example"]),
    ("Ann <ann@x.example Bo, al@z.example", &["Ann|ann@x.example", "|al@z.example"]),
    ("Ann <ann@x.example, bo@y.example>", &["Ann|ann@x.example", "|bo@y.example"]),
    ("Ann <ann@x.example, Bo bo@y.example>", &["Ann|ann@x.example", "Bo|bo@y.example"]),
    ("bo @ y.example>", &["|bo@y.example"]),
    ("bo@y.example) Al <al@z.example>", &["|bo@y.example", "Al|al@z.example"]),
    ("ed@one.example: mo@two.example", &["|ed@one.example", "|mo@two.example"]),
];

#[test]
fn every_form_is_read() {
    let mut wrong = Vec::new();
    for (text, want) in FORMS {
        let found: Vec<_> = parse(text, 100)
            .into_iter()
            .map(|address| format!("{}|{}", address.name.unwrap_or_default(), address.email))
            .collect();
        if found.iter().ne(want.iter()) {
            wrong.push(format!("{text:?}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn so_many_are_read_and_no_more() {
    assert_eq!(parse(&"a@b,".repeat(50), 7).len(), 7);
}

#[test]
fn a_long_field_costs_no_more_than_its_length() {
    for piece in [
        "(",
        "\"",
        "[",
        "<",
        "a.(c)",
        "a .",
        "a@",
        "=?",
        "=?a?q?",
        "<@a",
        "<@a:",
        "(()",
        "\\\"",
        "a ",
        "a (b) ",
        "a@b ",
        "<a",
        "x@y (c)",
        "x@y.z ",
        "x@y.z (c) ",
        "<x@y.z a ",
        "a @ ",
        "a@b:",
        ":",
        "a:",
        "@",
        "\"a\" ",
    ] {
        let found = parse(&piece.repeat(250_000 / piece.len()), 10_000);
        assert!(found.len() <= 10_000, "{piece:?}");
    }
}
