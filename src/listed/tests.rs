use proptest::prelude::*;

use super::*;
use crate::config::RolePolicy;
use crate::files::memory::Memory;
use crate::locate::Base;
use crate::policy::Terms;
use crate::yaml::Node;

/// Resources in every form that a file may have them in.
const DOCUMENTS: &[&str] = &[
    "apiVersion: v1\nkind: A\nmetadata: {name: a}\n",
    "# of it\n\napiVersion: v1\nkind: B # behind\ndata:\n  # inside\n  k: v\n# at its end\n",
    "apiVersion: v1\nkind: C\ntext: |\n  one\n\n    two\nkept: |+\n  three\n\n\n",
    "apiVersion: v1\nkind: D\nfolded: >-\n  a\n  b\n\n  c\nindented: |2\n   x\n  y\n",
    "  apiVersion: v1\n  kind: E\n  list:\n  - a\n  - - b\n    - {c: d}\n",
    "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"F\",\n\t\"a\": [1,\n\t\t\"\\tb\"]\n}\n",
    "apiVersion: v1\nkind: G\nquoted: \"a\n  b\\\n  c\"\nsingle: 'd\n\n  e'\nplain: f\n  g\n",
    "apiVersion: v1\r\nkind: H\r\ntext: |\r\n  a\r\n  b\r\n",
    "apiVersion: v1\nkind: I\nanchor: &a {k: v}\nalias: *a\nempty:\nnull: ~\n",
    "apiVersion: v1\nkind: J\nlast: |+\n  kept\n\n",
];

/// What is sent, and how many resources there are in it.
const INPUTS: &[(&str, usize)] = &[
    ("", 0),
    ("kind: X\n", 1),
    ("---\nkind: X\ntext: |+\n  a\n\n---\nkind: Y", 2),
    ("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n", 0),
    (
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []  # none\nfunctionConfig: {kind: Z}\n",
        0,
    ),
    ("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\nfunctionConfig: {kind: Z}", 0),
    ("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: ~\n", 0),
    (
        "apiVersion: config.kubernetes.io/v1\nitems:\n- kind: X\n- kind: Y\n  text: |+\n    a\n\nkind: ResourceList\n",
        2,
    ),
    (
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n    - kind: X\n      list:\n      - a\n    # last\n",
        1,
    ),
    ("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- kind: X", 1),
    ("---\n  apiVersion: config.kubernetes.io/v1\n  kind: ResourceList\n", 0),
    ("\u{feff}apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n", 0),
];

/// All that a node says, and nothing of where it stands.
fn said(node: &Node<'_>) -> String {
    match &node.content {
        Content::Scalar { text, style } => format!("{text:?} {style:?}"),
        Content::Mapping { entries, .. } => {
            let entry = |entry: &yaml::Entry<'_>| format!("{}: {}", said(&entry.key), said(&entry.value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Content::Sequence { items, .. } => {
            format!("[{}]", items.iter().map(said).collect::<Vec<_>>().join(", "))
        }
        Content::Alias(_) => String::from("alias"),
    }
}

fn items(text: &str) -> Vec<String> {
    let input = Input::parse(text).unwrap_or_else(|problem| panic!("{problem:?} in {text}"));
    input.items.iter().map(|item| said(item.item().node())).collect()
}

/// The extended input, and for each of its resources which file it is of.
fn extend_by(text: &str, files: &[(String, String)]) -> Result<(Extended, Vec<Option<String>>), Problem> {
    let on_disk = [("/repo/.git/HEAD", ""), ("/repo/app/kustomization.yaml", "")];
    let paths: Vec<String> = files.iter().map(|(name, _)| format!("/repo/app/{name}")).collect();
    let of_files = paths.iter().zip(files).map(|(path, (_, text))| (path.as_str(), text.as_str()));
    let memory = Memory::of(on_disk.into_iter().chain(of_files));
    let config = Config { files: files.iter().map(|(name, _)| name.clone()).collect(), ..Config::default() };
    let base = Base::Function { directory: "/repo/app".into() };
    let locator = Locator::new(&memory, &base, &config, []).unwrap();
    let terms = Terms { role: RolePolicy::AsRuled, profiles: false, usable: Vec::new() };
    let mut sources = Sources::new(&memory, &config, locator, terms, |_| panic!("nothing is authorised"));
    let extended = extend(text, &Input::parse(text).unwrap(), &config, &memory, &mut sources)?;
    let input = Input::parse(&extended.text).unwrap();
    sources.set_listed(extended.files.clone());
    let of_files = input.items.iter().map(|item| sources.listed_path(item).map(str::to_owned)).collect();
    Ok((extended, of_files))
}

/// Asserts that what was sent comes first, then each file's resources, each as it is alone, and known to be the file's.
fn assert_extends(text: &str, sent: usize, files: &[(String, String)]) {
    let (extended, found) =
        extend_by(text, files).unwrap_or_else(|problem| panic!("{problem:?} of {text:?}"));
    assert!(extended.left_out.is_empty(), "{:?}", extended.left_out);
    let mut expected = items(text);
    assert_eq!(expected.len(), sent, "{text:?}");
    let mut origins = vec![None; sent];
    for (name, text) in files {
        let of_file = items(text);
        origins.extend(of_file.iter().map(|_| Some(name.clone())));
        expected.extend(of_file);
    }
    assert_eq!(items(&extended.text), expected, "{:?}", extended.text);
    assert_eq!(found, origins, "{:?}", extended.text);
}

fn file(number: usize, text: String) -> (String, String) {
    (format!("{number}.yaml"), text)
}

#[test]
fn each_document_stands_in_each_input_as_it_is_alone() {
    for (text, sent) in INPUTS {
        for document in DOCUMENTS {
            assert_extends(text, *sent, &[file(0, (*document).to_owned())]);
        }
        let all = DOCUMENTS.iter().enumerate().map(|(number, text)| file(number, (*text).to_owned()));
        assert_extends(text, *sent, &all.collect::<Vec<_>>());
    }
}

/// The bytes that were sent are still there, in a list around what was added.
#[test]
fn what_was_sent_is_not_touched() {
    let [(_, _), (stream, _), .., (list, _), (_, _), (_, _), (_, _), (_, _)] = INPUTS else {
        panic!("there are more")
    };
    let files = [file(0, DOCUMENTS[0].to_owned())];
    let extended = extend_by(stream, &files).unwrap().0.text;
    assert_eq!(extended, format!("{stream}---\n{}", DOCUMENTS[0]));
    let extended = extend_by(list, &files).unwrap().0.text;
    let (before, behind) = list.split_once("kind: ResourceList").unwrap();
    let item = "- apiVersion: v1\n  kind: A\n  metadata: {name: a}\n";
    assert_eq!(extended, format!("{before}{item}kind: ResourceList{behind}"));
}

#[test]
fn a_list_in_braces_has_no_room() {
    let files = [file(0, DOCUMENTS[0].to_owned())];
    let head = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n";
    for list in [
        String::from(
            "{\"apiVersion\": \"config.kubernetes.io/v1\", \"kind\": \"ResourceList\", \"items\": []}",
        ),
        format!("{head}items: [{{kind: X}}]\n"),
        format!("{head}items: &i []\n"),
    ] {
        let problem = extend_by(&list, &files).unwrap_err();
        assert_eq!((problem.code, problem.causes.len()), (Code::BadInput, 1), "{list}");
    }
}

#[test]
fn nothing_is_put_behind_a_block_that_no_line_break_ends() {
    let files = [file(0, DOCUMENTS[0].to_owned())];
    let head = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n";
    for input in [String::from("kind: X\nt: |\n  a"), format!("{head}- kind: X\n  t: >-\n    a")] {
        let problem = extend_by(&input, &files).unwrap_err();
        assert_eq!(problem.code, Code::BadInput, "{input}");
        assert!(extend_by(&format!("{input}\n"), &files).is_ok());
    }
}

/// With a line break behind it, it would be another value.
#[test]
fn a_block_that_no_line_break_ends_is_refused() {
    for (text, is_refused) in [
        ("apiVersion: v1\nkind: A\nlast: |\n  kept", true),
        ("apiVersion: v1\nkind: A\nlast: [x, y]\nlist:\n- >-\n  kept", true),
        ("apiVersion: v1\nkind: A\nlast: |\n  kept\nmore: x", false),
    ] {
        let (extended, _) = extend_by("", &[file(0, text.to_owned())]).unwrap();
        assert_eq!(!extended.left_out.is_empty(), is_refused, "{text}");
    }
}

#[test]
fn a_byte_order_mark_stays_outside() {
    let (extended, _) = extend_by("kind: X\n", &[file(0, format!("\u{feff}{}", DOCUMENTS[0]))]).unwrap();
    assert_eq!(extended.text, format!("kind: X\n---\n{}", DOCUMENTS[0]));
}

#[test]
fn what_is_wrong_with_a_file_is_said_of_it() {
    let files = [
        file(0, DOCUMENTS[0].to_owned()),
        file(1, String::from("A=b\n")),
        (String::from("./0.yaml"), DOCUMENTS[0].to_owned()),
        file(2, DOCUMENTS[1].to_owned()),
        // It would be taken for the input's own form.
        file(3, String::from("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []\n")),
    ];
    let (extended, _) = extend_by("", &files).unwrap();
    let said: Vec<_> = extended.left_out.iter().map(|left| (left.file.as_str(), left.problem.code)).collect();
    assert_eq!(
        said,
        [("app/1.yaml", Code::BadInput), ("app/0.yaml", Code::BadConfig), ("app/3.yaml", Code::BadInput)]
    );
    assert_eq!(items(&extended.text).len(), 2);
}

proptest! {
    #[test]
    fn files_of_any_documents(
        input in prop::sample::select(INPUTS),
        files in prop::collection::vec(
            (prop::collection::vec(prop::sample::select(DOCUMENTS), 1..4), prop::sample::select(&["", "---\n", "---\n---\n", "# c\n---\n"][..]),
             prop::sample::select(&["---\n", "...\n---\n", "--- # c\n", "---\n\n---\n"][..]), any::<bool>()),
            1..4,
        ),
    ) {
        let text = |(documents, head, between, ends): (Vec<&str>, &str, &str, bool)| {
            let text = format!("{head}{}", documents.join(between));
            // A block that no line break ends is refused.
            let is_kept = ends || text.ends_with(DOCUMENTS[9]) || [2, 3, 7].iter().any(|at| text.ends_with(DOCUMENTS[*at]));
            if is_kept { text } else { text.trim_end().to_owned() }
        };
        let files = files.into_iter().map(text).enumerate().map(|(number, text)| file(number, text)).collect::<Vec<_>>();
        assert_extends(input.0, input.1, &files);
    }
}
