use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::yaml;

/// By events, and as all readers together read it.
fn parse(text: &str) -> Result<Vec<Document<'_>>, ParseError> {
    let by_events = Piece::new(text, 0..text.len()).collect();
    assert_eq!(yaml::parse(text), by_events, "{text:?}");
    by_events
}

/// What a node is and the text on its ranges, one line a node, indented by depth.
fn dump(text: &str) -> String {
    let documents = parse(text).unwrap_or_else(|error| panic!("{error:?} in {text:?}"));
    let mut dump = Dump { text, out: String::new() };
    for document in &documents {
        let on = &text[document.range.clone()];
        dump.line(0, &format!("document {on:?}"));
        dump.node(&document.root, 1);
    }
    dump.out
}

struct Dump<'t> {
    text: &'t str,
    out: String,
}

impl Dump<'_> {
    fn line(&mut self, depth: usize, line: &str) {
        writeln!(self.out, "{}{line}", "  ".repeat(depth)).unwrap();
    }

    fn node(&mut self, node: &Node, depth: usize) {
        let on = &self.text[node.range.clone()];
        let properties = self.properties(node);
        match &node.content {
            Content::Scalar { text, style } => {
                let start = node.range.start;
                self.line(depth, &format!("{style:?} {text:?} on {on:?} at {start}{properties}"));
            }
            Content::Alias(id) => self.line(depth, &format!("alias {id} on {on:?}")),
            Content::Mapping { entries, comments, flow } => {
                self.line(depth, &format!("mapping flow={flow} on {on:?}{properties}"));
                self.comments(comments, depth + 1);
                for entry in entries {
                    self.node(&entry.key, depth + 1);
                    self.node(&entry.value, depth + 2);
                }
            }
            Content::Sequence { items, comments, flow } => {
                self.line(depth, &format!("sequence flow={flow} on {on:?}{properties}"));
                self.comments(comments, depth + 1);
                for item in items {
                    self.node(item, depth + 1);
                }
            }
        }
    }

    fn properties(&self, node: &Node) -> String {
        let mut properties = String::new();
        if node.whole() != node.range {
            write!(properties, " whole {:?}", &self.text[node.whole()]).unwrap();
        }
        if let Some(tag) = node.tag() {
            write!(properties, " tag {tag}").unwrap();
        }
        if let Some(anchor) = node.anchor() {
            write!(properties, " anchor {anchor}").unwrap();
        }
        properties
    }

    fn comments(&mut self, comments: &[Comment], depth: usize) {
        for comment in comments {
            let on = &self.text[comment.range.clone()];
            self.line(depth, &format!("comment {:?} on {on:?}", comment.text));
        }
    }
}

#[test]
fn scalars_of_every_style() {
    insta::assert_snapshot!(dump("a: x y\nb: 'it''s'\nc: \"\\ud83d\\ude00\"\nd: ~\ne:\nf: é # c\n"));
}

#[test]
fn block_scalars_have_their_header_but_not_the_blank_lines_behind() {
    insta::assert_snapshot!(dump(
        "a: |\n  one\n  two\n\n\nb: &x !!str >- # | not this\n\n  one\n\n  two\n\nc: |2+\n   x\n \nd:\n  # or > this\n  |\n  y\ne: |\nf: >\n  last"
    ));
}

#[test]
fn block_scalars_in_lists_and_behind_tags() {
    insta::assert_snapshot!(dump("- |\n  a\n- - >-\n    b\n- !t |-\n  c\n- &a|b |\n  d\r\n\r\n"));
}

#[test]
fn empty_values_stand_behind_their_indicator() {
    insta::assert_snapshot!(dump("a:\nb: &x\nc: !!str\nd: [, ]\n".replace("[, ]", "{k: , l}").as_str()));
    insta::assert_snapshot!(dump("list:\n-\n-  # c\n- a\n-\nlast:"));
    insta::assert_snapshot!(dump("? a\n? b\n: \n: c\n"));
}

#[test]
fn block_collections_end_where_their_last_child_does() {
    insta::assert_snapshot!(dump("a:\n  b:\n  - x\n  - y: 1\n    z: 2\n\n# end\nc: 3 # three\n"));
}

#[test]
fn flow_collections_include_their_brackets() {
    insta::assert_snapshot!(dump("a: { b: [1, 'two' ,], c: [x: y, z], }  \nd: !!map {}\n"));
}

/// JSON as `sops` writes it is indented with tabs.
#[test]
fn json_of_every_layout() {
    const VALUE: &str = r#""c\/\u00e9\ud83d\ude00""#;
    let texts = [
        r#"{"a":{"b":[VALUE,1,null,{}]},"d":"e"}"#,
        "{\n\t\"a\": {\n\t\t\"b\": [\n\t\t\tVALUE,\n\t\t\t1,\n\t\t\tnull,\n\t\t\t{}\n\t\t]\n\t},\n\t\"d\": \"e\"\n}\n",
        "\r\n {\r\n\"a\"\t:\t{\"b\"\n:\n[VALUE\n,1\n,null,{\n}]}\n,\n\"d\"\n:\"e\"}\t\n\t\n",
    ];
    for text in texts.map(|text| text.replace("VALUE", VALUE)) {
        let documents = parse(&text).unwrap_or_else(|error| panic!("{error:?} in {text:?}"));
        let root = &documents[0].root;
        let items = root.find("a").and_then(|a| a.find("b")).expect("a list").items();
        let texts: Vec<_> = items.iter().map(Node::text).collect();
        assert_eq!(texts, [Some("c/é😀"), Some("1"), Some("null"), None]);
        assert_eq!(&text[items[0].range.clone()], VALUE);
        assert_eq!(root.find("d").and_then(Node::text), Some("e"));
    }
}

#[test]
fn comments_go_where_their_column_says() {
    insta::assert_snapshot!(dump(
        "# top\na: # a\n  # b\n  b: 1 # one\n  # in a\n# in root\nc:\n# in list\n- x\n# also root\nd: [1, # in d\n 2\n # end of d\n]\ne:\n  f:\n    g: 1\n    # in f\n  # in e\n# last\n"
    ));
}

#[test]
fn comments_behind_a_dash_are_the_items() {
    insta::assert_snapshot!(dump(
        "a:\n- # one\n  # two\n  b: c\n- # three\n  d: e\nf:\n# list\n-  # four\n   g\n- # five\nh:\n  - # six\n    i: j\n"
    ));
}

#[test]
fn documents_reach_to_the_next_marker() {
    insta::assert_snapshot!(dump(
        "# one\na: 1\n# end of one\n---\n# two\nb: 2\n...\n# three\nc: 3\n---\n---\n"
    ));
    insta::assert_snapshot!(dump("%YAML 1.1\n---\na: 1\n...\n%TAG !e! tag:e,1:\n---\n!e!x b\n"));
    insta::assert_snapshot!(dump("\u{feff}a: 1\r\nb: é\r\n"));
    for nothing in ["", "\n\n", "# only a comment\n", "\u{feff}"] {
        assert_eq!(dump(nothing), "", "{nothing:?}");
    }
}

#[test]
fn anchors_are_numbered_and_aliases_refer_to_them() {
    insta::assert_snapshot!(dump("a: &x 1\nb: &y {k: *x}\nc: *y\n<<: *y\nd: &x 2\ne: *x\n&k key: v\n"));
}

#[test]
fn what_is_refused() {
    let cases = [
        ("a: 1\nb: 2\na: 3\n", "a mapping holds the same key twice", 3, 1),
        ("{x: 1, 'x': 2}", "a mapping holds the same key twice", 1, 8),
        ("? [a]\n: 1\n", "a key is not a scalar", 1, 3),
        ("a: &x b\n*x : c\n", "a key is not a scalar", 2, 1),
        ("a: &x [1, *x]\n", "an alias stands inside the node that it refers to", 1, 11),
        ("a: *x\n", "while parsing node, found unknown anchor", 1, 4),
        ("a: \"\\ud83d\"\n", "", 1, 4),
        ("a: \u{1}\n", "unexpected character", 1, 4),
        ("a: b: c\n", "", 1, 5),
    ];
    for (text, what, line, column) in cases {
        let error = parse(text).expect_err(text);
        if !what.is_empty() {
            assert_eq!(error.what, what, "{text:?}");
        }
        assert_eq!((error.line, error.column), (line, column), "{text:?}");
    }
}

#[test]
fn errors_never_hold_text_of_the_input() {
    for text in [
        "SECRET: *SECRET",
        "SECRET: [SECRET",
        "a: %SECRET",
        "a: \"\\S SECRET\"",
        "SECRET\u{7}",
        "a: !S!x SECRET",
    ] {
        let error = parse(text).expect_err(text);
        assert!(!error.what.contains("SECRET") && !error.what.contains('\u{7}'), "{error:?}");
    }
}

#[test]
fn duplicates_are_found_in_large_mappings_too() {
    let mut text = (0..20_000).fold(String::new(), |text, n| text + &format!("k{n}: {n}\n"));
    assert!(parse(&text).is_ok());
    text.push_str("k777: again\n");
    assert_eq!(parse(&text).map_err(|error| error.line).err(), Some(20_001));
}

/// A text of megabytes has a node for each thirty bytes, so their size is most of the memory that a run takes.
#[test]
fn nodes_are_small() {
    assert!(size_of::<Node>() <= 64, "{}", size_of::<Node>());
    assert!(size_of::<Entry>() <= 128, "{}", size_of::<Entry>());
}

#[test]
fn depth_is_bounded_and_length_is_not() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let nested = |depth: usize| open.repeat(depth) + &close.repeat(depth);
        assert!(parse(&nested(200)).is_ok());
        assert!(parse(&nested(100_000)).is_err());
    }
    let block: String = (0..100_000).map(|_| "- ").collect();
    assert!(parse(&block).is_err());
    let comments = format!("a:\n{}  b: 1\n", "  # c\n".repeat(5_000));
    assert_eq!(parse(&comments).expect("long comments")[0].root.entries().len(), 1);
    let key = format!("{{\"{}\": 1}}", "k".repeat(10_000));
    assert!(parse(&key).is_ok());
    let value = format!("{{\"k\": \"{}\", l: 1}}", "v".repeat(1_000_000));
    assert!(parse(&value).is_ok());
}

fn every_range_is_right(node: &Node, text: &str) {
    assert!(node.whole().start <= node.range.start && node.range.end <= node.whole().end, "{node:?}");
    let on = text.get(node.range.clone()).expect("a range on characters");
    match &node.content {
        Content::Scalar { text, style: ScalarStyle::Plain } if !on.contains('\n') => assert_eq!(text, on),
        Content::Scalar { style: ScalarStyle::SingleQuoted, .. } => {
            assert!(on.starts_with('\'') && on.ends_with('\''), "{on:?}");
        }
        Content::Scalar { style: ScalarStyle::DoubleQuoted, .. } => {
            assert!(on.starts_with('"') && on.ends_with('"'), "{on:?}");
        }
        Content::Scalar { style: ScalarStyle::Literal, .. } => assert!(on.starts_with('|'), "{on:?}"),
        Content::Scalar { style: ScalarStyle::Folded, .. } => assert!(on.starts_with('>'), "{on:?}"),
        Content::Scalar { .. } => {}
        Content::Alias(_) => assert!(on.starts_with('*'), "{on:?}"),
        Content::Mapping { entries, .. } => {
            for Entry { key, value } in entries {
                every_range_is_right(key, text);
                every_range_is_right(value, text);
                assert!(
                    node.range.start <= key.whole().start && value.whole().end <= node.range.end,
                    "{node:?}"
                );
                assert!(key.whole().end <= value.whole().start, "{node:?}");
            }
        }
        Content::Sequence { items, .. } => {
            let mut end = node.range.start;
            for item in items {
                every_range_is_right(item, text);
                assert!(end <= item.whole().start && item.whole().end <= node.range.end, "{node:?}");
                end = item.whole().end;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Fragments of YAML in any order: what the parser accepts has ranges that hold what they say.
    #[test]
    fn ranges_hold_what_they_say(fragments in proptest::collection::vec(proptest::sample::select(vec![
        "a", "b", "é", "😀", ": ", ":\n", "- ", "? ", "\n", "\r\n", "  ", "    ", " # c\n", "# d\n", "|\n", "|2-\n",
        ">+ # e\n", "'x'", "'y\n z'", "\"\\u00e9\"", "[", "]", "{", "}", ", ", "&n ", "*n", "!!str ", "!t ", "---\n",
        "...\n", "\t", "~", "x y\n  z", "\u{feff}",
    ]), 0..24)) {
        let text = fragments.concat();
        if let Ok(documents) = parse(&text) {
            let mut end = 0;
            for document in &documents {
                every_range_is_right(&document.root, &text);
                assert!(end <= document.range.start, "{documents:?}");
                assert!(document.range.start <= document.root.whole().start, "{documents:?}");
                assert!(document.root.whole().end <= document.range.end, "{documents:?}");
                end = document.range.end;
            }
        }
    }
}
