use proptest::prelude::*;

use super::*;
use crate::yaml::{Document, Node, parse};

const BLOCK: Place =
    Place { flow: false, parent_indent: 2, json: false, newline: "\n", key: false, behind: Behind::LineEnd };
const FLOW: Place = Place { flow: true, ..BLOCK };
const JSON: Place = Place { json: true, ..FLOW };

/// Strings that some reader takes for something else when they stand plain, or that quoting could spoil.
/// Each was read back as itself by `PyYAML`, libyaml, yaml.v2, yaml.v3 and sigs.k8s.io/yaml.
pub(crate) const INTERESTING: &[&str] = &[
    "",
    " ",
    "  ",
    "~",
    "null",
    "Null",
    "NULL",
    "nil",
    "none",
    "true",
    "True",
    "TRUE",
    "false",
    "yes",
    "Yes",
    "YES",
    "no",
    "on",
    "On",
    "off",
    "OFF",
    "y",
    "Y",
    "n",
    "N",
    "0",
    "-0",
    "0777",
    "0o17",
    "0x1F",
    "0b101",
    "1_000",
    "1e3",
    "1E+3",
    "1.5",
    "1.",
    ".5",
    "+1",
    "-1",
    ".",
    "..",
    "...",
    "-.",
    ".inf",
    "-.Inf",
    "+.INF",
    ".nan",
    ".NaN",
    "inf",
    "Infinity",
    "nan",
    "2001-12-14",
    "2001-12-14T21:59:43.10-05:00",
    "2001-12-14 21:59:43",
    "12:30:45",
    "190:20:30",
    "1:1",
    "=",
    "<<",
    "-",
    "- a",
    "--",
    "---",
    "--- a",
    "?",
    "? a",
    ":",
    ": a",
    "a:",
    "a: b",
    "a:b",
    "a :b",
    "a #b",
    "a#b",
    "#",
    "# a",
    " #",
    "%",
    "%a",
    "@a",
    "`a",
    "*a",
    "&a",
    "!a",
    "!!str a",
    "|",
    "|-",
    ">",
    "> a",
    "'",
    "''",
    "'a'",
    "it's",
    "\"",
    "\"a\"",
    "a\"b",
    "\\",
    "a\\b",
    "a\\nb",
    "[",
    "]",
    "[a]",
    "{",
    "}",
    "{a: b}",
    ",",
    "a,b",
    "a, b",
    " a",
    "a ",
    "a  b",
    "\t",
    "\ta",
    "a\t",
    "a\tb",
    "\n",
    "\n\n",
    "a\n",
    "a\n\n",
    "a\n\n\n",
    "\na",
    "\n\na\n",
    "a\nb",
    "a\nb\n",
    "a\n\nb\n\n",
    " a\nb",
    "a\n b",
    "\n a\nb",
    "  a\n b\n",
    "a\n \nb",
    "a\n ",
    "a\n \n",
    " \na",
    "a \nb ",
    "a \n",
    "a\tb\nc",
    "\ta\nb",
    "a\n\tb",
    "a\r",
    "a\r\nb",
    "a\rb",
    "\r\n",
    "# a\nb",
    "- a\n- b\n",
    "a: b\nc: d\n",
    "---\na\n",
    "...\n",
    "%a\nb",
    "a\n#b",
    "a\n# b\n",
    "|\na",
    "'a\nb'",
    "a\nb\n...\n",
    "\u{0}",
    "\u{1}",
    "a\u{7}\nb",
    "\u{1b}[0m",
    "\u{7f}",
    "\u{80}",
    "\u{85}",
    "a\u{85}b",
    "a\nb\u{85}c",
    "\u{a0}",
    "\u{a0}a\n",
    "\u{ad}",
    "\u{200b}",
    "\u{202e}",
    "\u{2028}",
    "a\u{2028}b\nc",
    "\u{2029}",
    "\u{feff}",
    "a\u{feff}",
    "\u{feff}a\nb",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{d7ff}",
    "\u{e000}",
    "é",
    "é\nü\n",
    "日本語",
    "日本\n語\n",
    "😀",
    "a😀\nb",
    "\u{1fffe}",
    "\u{10ffff}",
    "/etc/x",
    "postgres://user:p%40ss@db.example.com:5432/app",
    "user@example.com",
    "Bearer abc.def-ghi",
    "aGVsbG8=",
    "a=b",
    "C:\\x",
    "-----BEGIN KEY-----\nMII+/=\n-----END KEY-----\n",
    "{\"a\": \"b\"}\n",
    "{\n  \"a\": 1\n}\n",
    "key: |\n  text\n",
    "<<EOF\nx\nEOF\n",
];

fn document_with(text: &str, place: &Place) -> String {
    let (value, newline) = (string(text, place), place.newline);
    let value = value.as_str();
    match (place.json, place.flow, place.key) {
        (true, ..) => format!("{{\"a\": {{\"b\": {value}, \"next\": \"d\"}}}}"),
        (false, true, false) => format!("a: {{b: {value}, next: d}}{newline}"),
        (false, true, true) => format!("a: {{{value}: b, next: d}}{newline}"),
        (false, false, true) => format!("a:{newline}  {value}: b{newline}  next: d{newline}"),
        (false, false, false) => format!("a:{newline}  b: {value}{newline}  next: d{newline}"),
    }
}

fn read_back(document: &str, place: &Place) -> String {
    let documents = parse(document).unwrap_or_else(|error| panic!("{error:?} in {document:?}"));
    let [Document { root, .. }] = documents.as_slice() else { panic!("{document:?}") };
    let [first, second] = root.find("a").map_or(&[][..], Node::entries) else { panic!("{document:?}") };
    assert_eq!((second.key.text(), second.value.text()), (Some("next"), Some("d")), "{document:?}");
    let node = if place.key { &first.key } else { &first.value };
    node.text().expect("a scalar").to_owned()
}

fn read_back_by_libyaml(document: &str, place: &Place) -> serde_yaml::Value {
    let value: serde_yaml::Value =
        serde_yaml::from_str(document).unwrap_or_else(|error| panic!("{error} in {document:?}"));
    let mapping = value["a"].as_mapping().expect("a mapping");
    let (key, value) = mapping.iter().next().expect("an entry");
    if place.key { key.clone() } else { value.clone() }
}

fn every_place() -> Vec<Place> {
    let mut places = vec![BLOCK, FLOW, JSON];
    places.extend([BLOCK, FLOW].map(|place| Place { key: true, ..place }));
    places.push(Place { newline: "\r\n", ..BLOCK });
    places.push(Place { behind: Behind::Anything, ..BLOCK });
    places
}

fn comes_back(text: &str) {
    for place in every_place() {
        comes_back_from(text, &place);
    }
}

fn comes_back_from(text: &str, place: &Place) {
    let document = document_with(text, place);
    assert_eq!(read_back(&document, place), text, "{document:?}");
    assert_eq!(read_back_by_libyaml(&document, place), text, "{document:?}");
    if place.json {
        let value: serde_json::Value = serde_json::from_str(&document).expect("JSON");
        assert_eq!(value["a"]["b"], text, "{document:?}");
    }
}

#[test]
fn interesting_strings_come_back() {
    for text in INTERESTING {
        comes_back(text);
    }
}

#[test]
fn how_interesting_strings_look() {
    let looks: Vec<String> =
        INTERESTING.iter().map(|text| format!("{text:?} => {}", string(text, &BLOCK).as_str())).collect();
    insta::assert_snapshot!(looks.join("\n"));
}

#[test]
fn in_flow_style_there_are_no_blocks_and_no_plain_colons() {
    assert_eq!(*string("a\nb\n", &FLOW), r#""a\nb\n""#);
    assert_eq!(*string("a:b", &FLOW), r#""a:b""#);
    assert_eq!(*string("a:b", &BLOCK), "a:b");
}

#[test]
fn json_is_always_quoted() {
    assert_eq!(*string("abc", &JSON), r#""abc""#);
    assert_eq!(*string("a\u{1f}\u{2028}😀/\t", &JSON), r#""a\u001f\u2028😀/\t""#);
}

#[test]
fn blocks_stand_where_what_follows_lets_them() {
    let behind = |behind| Place { behind, ..BLOCK };
    assert_eq!(*string("a\nb\n", &behind(Behind::Anything)), r#""a\nb\n""#);
    assert_eq!(*string("a\nb\n", &behind(Behind::BlankLines)), "|\n    a\n    b");
    assert_eq!(*string("a\nb\n\n", &behind(Behind::BlankLines)), r#""a\nb\n\n""#);
    assert_eq!(*string("a\nb\n\n", &behind(Behind::LineEnd)), "|+\n    a\n    b\n");
    assert_eq!(*string(" a\n\nb", &behind(Behind::LineEnd)), "|2-\n     a\n\n    b");
}

#[test]
fn long_strings_stay_on_one_line() {
    let long = "word ".repeat(10_000) + "'end'";
    // A key may have no more than 1024 characters in YAML, however it is written.
    for place in every_place().into_iter().filter(|place| !place.key) {
        assert!(!string(&long, &place).contains('\n'));
        comes_back_from(&long, &place);
        comes_back_from(&"x".repeat(50_000), &place);
    }
}

#[test]
fn no_text_is_allocated_twice() {
    for text in INTERESTING {
        for place in every_place() {
            let written = string(text, &place);
            assert_eq!(written.capacity(), written.len(), "{text:?}");
        }
    }
}

pub(crate) fn any_string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(INTERESTING).prop_map(str::to_owned),
        4 => "[ -~]{0,6}",
        2 => any::<char>().prop_map(String::from),
        2 => proptest::sample::select(vec!["\n", "\n\n", " ", ": ", " #", "\t", "\r\n", "\\", "\""]).prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_string_comes_back(text in any_string()) {
        comes_back(&text);
    }
}
