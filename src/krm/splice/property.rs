//! Random documents, written in random ways, with random plaintexts put into them.

use std::iter::Cycle;
use std::vec::IntoIter;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::krm::Input;
use crate::yaml::emit::tests::any_string;
use crate::yaml::{Content, parse};

/// A value of a document.
#[derive(Clone, Debug)]
enum Tree {
    Plain,
    /// Encrypted; with its plaintext.
    Sealed(String),
    Mapping(Vec<Tree>, Style),
    List(Vec<Tree>, Style),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    Block,
    Flow,
}

/// Lines of scalars that are not encrypted; those behind the first are indented.
const PLAIN: &[&[&str]] = &[
    &["text"],
    &["'it''s'"],
    &["\"a\\tb\""],
    &["a b#c"],
    &["|", "x", "y"],
    &["|+", "x", ""],
    &[">-", "x", "y"],
    &["a", "b"],
];
const PLAIN_IN_FLOW: &[&str] = &["text", "'it''s'", "\"a,\\tb\"", "a b#c"];

/// Lines of an encrypted scalar, whose ciphertext `E` is.
const SEALED: &[&[&str]] = &[
    &["E"],
    &["'E'"],
    &["\"E\""],
    &[">-", "E"],
    &["|-", "E"],
    &["!!str E"],
    &["&a E"],
    &["!!str &a 'E'"],
    &["", "E"],
    &["!!str", "\"E\""],
];
const SEALED_IN_FLOW: &[&str] = &["'E'", "\"E\"", "!!str 'E'"];

/// Lines that may stand between entries; `> ` is their indentation.
const BETWEEN: &[&[&str]] = &[
    &[],
    &[],
    &[],
    &["> # c"],
    &[""],
    &["", "> # c", ""],
    &[">    # deeper"],
    &["          "],
    &["# further out"],
];

/// What may stand behind a value on its line.
const BEHIND: &[&str] = &["", "", "", " # c", "  "];

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![3 => Just(Style::Block), 1 => Just(Style::Flow)]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![1 => Just(Tree::Plain), 2 => any_string().prop_map(Tree::Sealed)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let several = proptest::collection::vec(inner, 1..4);
        prop_oneof![
            (several.clone(), style()).prop_map(|(entries, style)| Tree::Mapping(entries, style)),
            (several, style()).prop_map(|(items, style)| Tree::List(items, style)),
        ]
    })
}

/// Writes trees, and takes its decisions from a list of numbers.
struct Writer {
    out: String,
    choices: Cycle<IntoIter<usize>>,
    /// The plaintext of each ciphertext, by its number.
    plaintexts: Vec<String>,
}

impl Writer {
    fn new(choices: Vec<usize>) -> Self {
        Self { out: String::new(), choices: choices.into_iter().cycle(), plaintexts: Vec::new() }
    }

    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.choices.next().unwrap() % from.len()]
    }

    fn ciphertext(&mut self, plaintext: &str) -> String {
        self.plaintexts.push(plaintext.to_owned());
        format!("ENC[AES256_GCM,data:{},iv:b,tag:c,type:str]", self.plaintexts.len() - 1)
    }

    /// An item: a mapping with `sops` somewhere among its entries, behind an indentation or dash that is there already.
    fn item(&mut self, entries: &[Tree], style: Style, indent: usize) {
        let mut keyed = keyed(entries);
        let sops = (
            String::from("sops:"),
            Tree::Mapping(vec![Tree::Plain, Tree::Plain], self.choose(&[Style::Block, Style::Flow])),
        );
        let place = self.choices.next().unwrap() % (keyed.len() + 1);
        keyed.insert(place, sops);
        match style {
            Style::Block => self.block(&keyed, indent),
            Style::Flow => {
                self.flow('{', &keyed, '}');
                self.out.push('\n');
            }
        }
    }

    /// The first entry stands where the text ends, the others on lines of their own.
    fn block(&mut self, entries: &[(String, Tree)], indent: usize) {
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                self.between(indent);
            }
            self.out.push_str(key);
            match value {
                Tree::Mapping(entries, Style::Block) => self.nested(key, &keyed(entries), indent),
                Tree::List(items, Style::Block) => self.nested(key, &listed(items), indent),
                Tree::Plain => {
                    let lines = self.choose(PLAIN).join("\n");
                    self.scalar(&lines, indent);
                }
                Tree::Sealed(plaintext) => {
                    let ciphertext = self.ciphertext(plaintext);
                    let lines = self.choose(SEALED).join("\n").replace('E', &ciphertext);
                    self.scalar(&lines, indent);
                }
                flow => {
                    self.out.push(' ');
                    self.flow_value(flow);
                    self.end_line();
                }
            }
        }
    }

    /// Lines between entries, and the indentation of the next one.
    fn between(&mut self, indent: usize) {
        let spaces = " ".repeat(indent);
        for line in self.choose(BETWEEN) {
            self.out.push_str(&line.replace("> ", &spaces));
            self.out.push('\n');
        }
        self.out.push_str(&spaces);
    }

    fn nested(&mut self, key: &str, entries: &[(String, Tree)], indent: usize) {
        if key == "-" {
            self.out.push(' ');
        } else {
            self.end_line();
            self.between(indent + 2);
        }
        self.block(entries, indent + 2);
    }

    fn scalar(&mut self, lines: &str, indent: usize) {
        self.out.push(' ');
        self.out.push_str(&lines.replace('\n', &format!("\n{}", " ".repeat(indent + 3))));
        if lines.contains('\n') { self.out.push('\n') } else { self.end_line() }
    }

    fn end_line(&mut self) {
        let behind = self.choose(BEHIND);
        self.out.push_str(behind);
        self.out.push('\n');
    }

    fn flow(&mut self, open: char, entries: &[(String, Tree)], close: char) {
        self.out.push(open);
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                let comma =
                    self.choose(&[",", ", ", " , ", ",\n               ", ", # c, d\n               "]);
                self.out.push_str(comma);
            }
            if open == '{' {
                self.out.push_str(key);
                self.out.push(' ');
            }
            self.flow_value(value);
        }
        self.out.push(close);
    }

    fn flow_value(&mut self, tree: &Tree) {
        match tree {
            Tree::Plain => {
                let text = self.choose(PLAIN_IN_FLOW);
                self.out.push_str(text);
            }
            Tree::Sealed(plaintext) => {
                let ciphertext = self.ciphertext(plaintext);
                let text = self.choose(SEALED_IN_FLOW).replace('E', &ciphertext);
                self.out.push_str(&text);
            }
            Tree::Mapping(entries, _) => self.flow('{', &keyed(entries), '}'),
            Tree::List(items, _) => self.flow('[', &listed(items), ']'),
        }
    }
}

fn keyed(entries: &[Tree]) -> Vec<(String, Tree)> {
    entries.iter().enumerate().map(|(index, tree)| (format!("k{index}:"), tree.clone())).collect()
}

fn listed(items: &[Tree]) -> Vec<(String, Tree)> {
    items.iter().map(|tree| (String::from("-"), tree.clone())).collect()
}

/// Items in the form of a stream or of a resource list.
fn written(
    items: &[(Vec<Tree>, Style)],
    as_list: bool,
    crlf: bool,
    choices: Vec<usize>,
) -> (String, Vec<String>) {
    let mut writer = Writer::new(choices);
    if as_list {
        writer.out.push_str("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n");
    }
    for (entries, style) in items {
        writer.out.push_str(if as_list { "- " } else { "---\n" });
        writer.item(entries, *style, if as_list { 2 } else { 0 });
    }
    let text = if crlf { writer.out.replace('\n', "\r\n") } else { writer.out };
    (text, writer.plaintexts)
}

/// What our parser reads; every scalar is a string.
fn read(node: &Node) -> Value {
    match &node.content {
        Content::Scalar { text, .. } => json!(text),
        Content::Mapping { entries, .. } => entries
            .iter()
            .map(|entry| (entry.key.text().unwrap().to_owned(), read(&entry.value)))
            .collect::<Map<_, _>>()
            .into(),
        Content::Sequence { items, .. } => items.iter().map(read).collect(),
        Content::Alias(_) => panic!("no alias was written"),
    }
}

/// What libyaml reads, where it can.
fn read_by_libyaml(text: &str) -> Option<Vec<Value>> {
    use serde::Deserialize as _;
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).ok()).collect()
}

/// What is to become of a document: its ciphertexts replaced, and without `sops`.
fn opened(mut value: Value, plaintexts: &[String]) -> Value {
    fn open(value: &mut Value, plaintexts: &[String]) {
        match value {
            Value::String(text) => {
                if let Some(rest) = text.strip_prefix("ENC[AES256_GCM,data:") {
                    let number: usize = rest.split(',').next().unwrap().parse().unwrap();
                    text.clone_from(&plaintexts[number]);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| open(item, plaintexts)),
            Value::Object(entries) => {
                entries.remove("sops");
                entries.values_mut().for_each(|entry| open(entry, plaintexts));
            }
            _ => panic!("{value} is no string"),
        }
    }
    open(&mut value, plaintexts);
    value
}

fn copy_of(edits: &Edits) -> Edits {
    let copy = |Edit { range, text }: &Edit| Edit { range: range.clone(), text: text.clone() };
    Edits(edits.0.iter().map(copy).collect())
}

/// Asserts that the output is the input but for the edits.
fn only_edits_changed(text: &str, edits: &Edits, out: &str) {
    let (mut done, mut rest) = (0, out);
    let mut ordered: Vec<&Edit> = edits.0.iter().collect();
    ordered.sort_by_key(|edit| edit.range.start);
    for edit in ordered {
        assert!(done <= edit.range.start, "edits overlap in {text:?}");
        rest = rest.strip_prefix(&text[done..edit.range.start]).expect("untouched bytes");
        rest = rest.strip_prefix(edit.text.as_str()).expect("the new text");
        done = edit.range.end;
    }
    assert_eq!(rest, &text[done..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn documents_open_as_expected(
        items in proptest::collection::vec((proptest::collection::vec(tree(), 1..4), style()), 1..3),
        as_list: bool,
        crlf: bool,
        choices in proptest::collection::vec(0_usize..360_360, 1..40),
    ) {
        let (text, plaintexts) = written(&items, as_list, crlf, choices);
        let input = Input::parse(&text).unwrap_or_else(|problem| panic!("{problem:?} in {text:?}"));
        let (mut edits, mut settled) = (Edits::new(), Edits::new());
        for item in &input.items {
            let item = &*item.item();
            let mut of_item = Edits::new();
            for sealed in item.sealed() {
                let number = sealed.text.split([':', ',']).nth(2).unwrap();
                let plaintext = &plaintexts[number.parse::<usize>().unwrap()];
                of_item.replace_scalar(&sealed, emit::string(plaintext, &sealed.place));
            }
            of_item.remove_entry(item, "sops").unwrap();
            settled.append(copy_of(&of_item).settled(item));
            edits.append(of_item);
        }
        let copy = copy_of(&edits);
        let out = edits.apply(&text);
        assert!(settled.0.len() <= input.items.len());
        assert_eq!(settled.splice(&text).pieces().collect::<String>(), *out);
        only_edits_changed(&text, &copy, &out);

        let read_all = |text: &str| parse(text).map(|documents| documents.iter().map(|document| read(&document.root)).collect::<Vec<_>>());
        let before = read_all(&text).unwrap();
        let after = read_all(&out).unwrap_or_else(|error| panic!("{error:?} in {:?} from {text:?}", out.as_str()));
        let expected: Vec<_> = before.into_iter().map(|document| opened(document, &plaintexts)).collect();
        assert_eq!(expected, after, "{:?} from {text:?}", out.as_str());
        if let Some(before) = read_by_libyaml(&text) {
            let expected: Vec<_> = before.into_iter().map(|document| opened(document, &plaintexts)).collect();
            assert_eq!(Some(expected), read_by_libyaml(&out), "{:?} from {text:?}", out.as_str());
        }
    }
}
