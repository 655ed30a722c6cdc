use proptest::prelude::*;

use crate::yaml::parse::Piece;

/// The documents that are read line by line, up to the first that is not, each as the parser reads it, too; how many, and
/// what is left.
fn read(text: &str) -> (usize, &str) {
    let (mut start, mut read) = (0, 0);
    while start < text.len()
        && let Some((document, next)) = super::document(text, start, text.len())
    {
        let mut parsed = Piece::new(text, start..next);
        let whole = parsed.next().unwrap_or_else(|| panic!("no document in {:?}", &text[start..next]));
        let whole = whole.unwrap_or_else(|error| panic!("{error:?} in {:?}", &text[start..next]));
        assert_eq!(document, whole, "{:?}", &text[start..next]);
        let again = crate::yaml::again(text, document.lines.clone().unwrap());
        assert_eq!(Some(&document), again.as_ref(), "{:?}", &text[start..next]);
        assert!(parsed.next().is_none(), "more than a document in {:?}", &text[start..next]);
        // Nor does it matter to the parser what comes behind it, but that it looks ahead.
        if start == 0
            && let Some(Ok(first)) = Piece::new(text, 0..text.len()).next()
        {
            assert_eq!(document, first, "{text:?}");
        }
        (start, read) = (next, read + 1);
    }
    (read, &text[start..])
}

fn is_read(text: &str) {
    let documents =
        text.lines().filter(|line| *line == "---").count() + usize::from(!text.starts_with("---"));
    assert_eq!(read(text), (documents, ""), "{text:?}");
}

#[test]
fn what_kustomize_and_sops_write_is_read() {
    for text in [
        "apiVersion: v1\nkind: Secret\n",
        "apiVersion: v1\nkind: Secret",
        "---\na: 1\n---\nb: 2\n---\nc: 3",
        "a:\n  b:\n    c: d e f\n    g: ''\n  h: \"i j\"\nk:\n- l\n- m: n\n  o: p\n- q:\n  - r\n  s:\nt:\n",
        "a:\n  - b\n  -   c: 1\n      d:\n      - 2\n  - e:\nf: {}\ng: []\n",
        "metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: ../a.yaml\n  name: a\n",
        "a: |\n  x\n    y: z\n  # no comment\nb: |-\n    x\n    - y\nc: |-\n x\n",
        "- |\n x\n- a: |\n    y\n  b: 1\n",
        "\n\na: 1\n\nb:\n\n  - 2\n\n---\n\n- x\n\n",
        "x: ENC[AES256_GCM,data:a1w=,iv:2oE=,tag:5tA==,type:str]\ny: ^(data|stringData)$\nz: ~\n",
        "\"yes\": 1\n'a: b':\n  \"\": ''\nc:\n- \"d #\": \"e: f\"\n- 'g'\n",
        "a:   spaced\nhttp//x/y.z-_: http://x:80/#y\n.dockerconfigjson: x\n",
    ] {
        is_read(text);
    }
}

#[test]
fn recorded_inputs_are_read() {
    is_read(include_str!("../../krm/testdata/kustomize-exec.yaml"));
    is_read(include_str!("../../krm/testdata/kustomize-exec-plugin.yaml"));
    is_read(include_str!("../../../tests/fixtures/versions/3.13.2/groups.yaml"));
}

#[test]
fn what_leaves_a_doubt_is_the_parsers() {
    for text in [
        "",
        "a",
        "# c\na: 1\n",
        "a: 1 # c\n",
        "a: 1\n# c\n",
        "a: &x 1\n",
        "a: !t 1\n",
        "a: *x\n",
        "a: b\n  c\n",
        "a: 'b\n  c'\n",
        "a: b: c\n",
        "a: b:\n",
        "a: \"\\n\"\n",
        "a: 'it''s'\n",
        "a: >\n  x\n",
        "a: |+\n  x\n",
        "a: |2\n  x\n",
        "a: |\n  x\n\n  y\n",
        "a: |\n  x",
        "a: |\n",
        "a: |\nb: 1\n",
        "a: |\n    x\n  y\n",
        "a: {b: c}\n",
        "a: [b]\n",
        "a: -\n",
        "a: \n",
        "a: 1 \n",
        "a:\t1\n",
        "a: 1\r\n",
        "a: é\n",
        "a: 1\n  \nb: 2\n",
        "a: 1\n...\n",
        "--- a: 1\n",
        "--- \na: 1\n",
        "%YAML 1.2\n---\na: 1\n",
        "a: 1\na: 2\n",
        "a: 1\nb:\n  c: 1\n  c: 2\n",
        "- - a\n",
        "-\n  a\n",
        "? a\n: b\n",
        "a b: 1\n",
        "\"a\\n\": 1\n",
        "'a''b': 1\n",
        "\"a\" : 1\n",
        "'a' 'b': 1\n",
        " a: 1\n",
        "a:\n    b: 1\n  c: 2\n",
        "a: 1\n b: 2\n",
        "a:\n  - 1\n - 2\n",
        "a: 1\n- b\n",
        "- a\nb: 1\n",
        "{\"a\": 1}\n",
        "a: @b\n",
        "a: b #\n",
    ] {
        assert_eq!(read(text), (0, text), "{text:?}");
    }
    let deep: Vec<String> = (0..40).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(read(&deep.concat()).0, 0);
    let twice: Vec<String> = (0..20).map(|key| format!("k{}: 1\n", key % 19)).collect();
    assert_eq!(read(&twice.concat()).0, 0);
}

#[test]
fn long_scalars_are_read() {
    let long = "x".repeat(200_000);
    is_read(&format!("a: {long}\nb:\n- {long}\n- '{long}'\n- \"{long}\"\nc: |\n  {long}\n  {long}\n"));
    assert_eq!(read(&format!("{long}: a\n")).0, 0);
}

/// One of the first, or more seldom one of the others.
fn often(usual: &'static [&'static str], others: &'static [&'static str]) -> impl Strategy<Value = String> {
    let usual = prop::sample::select(usual).prop_map(str::to_owned);
    let others = prop::sample::select(others).prop_map(str::to_owned);
    prop_oneof![12 => usual, 1 => others].boxed()
}

/// Lines that are nearly right: what is put together from them is YAML now and then.
fn line() -> impl Strategy<Value = String> {
    let indent = often(&["", "", "", "  ", "  ", "    "], &[" ", "   ", "      "]);
    let dash = often(&["", "", "", "- ", "- "], &["-   ", "-", "- - "]);
    let key = often(
        &["", "", "a", "b", "c.d", "e/f", "0", "~", "<<", "x-y", ".z", "\"q\"", "'q: r'"],
        &["-a", "\"q\"s", "'q''r'", "\"\\q\"", "\"q", "a b", "?", "é", "&x a", "a:b", "...", "---"],
    );
    let colon = often(&[": ", ": ", ": ", ":", ""], &[":  ", " :"]);
    let value = often(
        &[
            "", "", "x", "x y", "1", "~", "''", "'x: y'", "\"x #\"", "{}", "[]", "|", "|-", "x#y", "x:y",
            "a'b", "^$", "<", "=", "-x", "--",
        ],
        &[
            "|+", ">", "|2", ">-", "x:", "x: y", "x #y", "#y", "'it''s'", "\"\\n\"", "'x", "x'", "\"",
            "{a: b}", "[a]", "-1", "-", "- x", "&x y", "*x", "!t", "@", "`", "%x", "x ", "\tx", "x\ty", "é",
            "\u{feff}", "\u{2028}", "x\r", "?", "? x", ",", "{", "]", "---", "...", "\u{85}", "\u{0}",
            "!!str", "! x", "\\", "x\\", "\"\\\"", "x, y", "[", "}", "<<", "$(x)",
        ],
    );
    let whole = often(
        &["no"],
        &["", "", "---", "---", "--- ", "--- x", "...", "# c", "  # c", "%YAML 1.2", " ", "   "],
    );
    (indent, dash, key, colon, value, whole).prop_map(|(indent, dash, key, colon, value, whole)| {
        if whole == "no" { format!("{indent}{dash}{key}{colon}{value}") } else { whole }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_is_what_the_parser_reads(lines in prop::collection::vec(line(), 0..8), ends in any::<bool>()) {
        let text = lines.join("\n") + if ends { "\n" } else { "" };
        read(&text);
    }
}

#[test]
fn many_of_such_lines_are_read_here() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = prop::collection::vec(line(), 1..5);
    let texts = (0..4_000).map(|_| strategy.new_tree(&mut runner).unwrap().current().join("\n"));
    let read = texts.filter(|text| read(text).0 > 0).count();
    assert!(read > 150, "{read} of 4,000");
}
