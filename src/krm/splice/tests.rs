use super::*;
use crate::krm::Input;

const KUSTOMIZE: &str = include_str!("../testdata/kustomize-exec.yaml");
const KPT: &str = include_str!("../testdata/kpt-exec.yaml");
const PLUGIN: &str = include_str!("../testdata/kustomize-exec-plugin.yaml");

/// A ciphertext as short as they come.
const E: &str = "ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]";

/// The text, in which `E` stands for a ciphertext, with each value decrypted to this one and without `sops`.
fn opened(text: &str, plaintext: &str) -> String {
    let text =
        text.replace("#E", &format!("#{}", E.replace(":str", ":comment"))).replace("'E'", &format!("'{E}'"));
    let text = text.replace("\"E\"", &format!("\"{E}\"")).replace(" E", &format!(" {E}"));
    let input = Input::parse(&text).unwrap_or_else(|problem| panic!("{problem:?} in {text}"));
    let of_item = |item: &Item| {
        let mut edits = Edits::new();
        for sealed in item.sealed() {
            edits.replace_scalar(&sealed, emit::string(plaintext, &sealed.place));
        }
        for sealed in item.sealed_comments() {
            edits.replace_comment(&sealed, plaintext);
        }
        edits.remove_entry(item, "sops").unwrap();
        edits
    };
    let (mut edits, mut settled) = (Edits::new(), Edits::new());
    for item in &input.items {
        let item = &*item.item();
        edits.append(of_item(item));
        settled.append(of_item(item).settled(item));
    }
    let out = edits.apply(&text);
    assert_eq!(out.capacity(), out.len());
    assert!(settled.0.iter().all(|edit| edit.text.capacity() == edit.text.len()));
    assert_eq!(settled.splice(&text).pieces().collect::<String>(), *out);
    Input::parse(&out).unwrap_or_else(|problem| panic!("{problem:?} in {}", out.as_str()));
    out.to_string()
}

#[test]
fn no_edit_changes_nothing() {
    for text in [KUSTOMIZE, KPT, PLUGIN, "", "\u{feff}a: 1\r\n\r\n"] {
        assert!(Edits::new().is_empty());
        assert_eq!(*Edits::new().apply(text), text);
        assert_eq!(Edits::new().splice(text).pieces().collect::<String>(), text);
    }
}

#[test]
fn what_kustomize_and_kpt_send() {
    insta::assert_snapshot!("kustomize", opened(KUSTOMIZE, "plain"));
    insta::assert_snapshot!("kpt", opened(KPT, "one\ntwo\n"));
    insta::assert_snapshot!("plugin", opened(PLUGIN, "- 1"));
}

#[test]
fn scalars_of_every_style() {
    assert_eq!(opened("a: E # c\nb: 'E'\nc:   \"E\"\n", "x"), "a: x # c\nb: x\nc:   x\n");
    assert_eq!(opened("a: >-\n  E\n\nb: |-\n  E\n\nc: >- # c\n  E", "x"), "a: x\n\nb: x\n\nc: x");
    let folded = format!("a: \"{}\\\n   {}\"\nb: c\n", &E[..20], &E[20..]);
    assert_eq!(opened(&folded, "x"), "a: x\nb: c\n");
    assert_eq!(opened("a:\n   E\nb:\n- E\n- - E\n", "x"), "a:\n   x\nb:\n- x\n- - x\n");
    assert_eq!(opened("? a\n: E\n", "x"), "? a\n: x\n");
    assert_eq!(opened("{a: 'E', b: [\"E\" , 'E'], c: [d: \"E\"]}", "x"), "{a: x, b: [x , x], c: [d: x]}");
    assert_eq!(opened(r#"{"a": "E", "b": {"c": ["E"]}}"#, "x"), r#"{"a": "x", "b": {"c": ["x"]}}"#);
    assert_eq!(opened("a: E\r\nb: 'E'\r\n", "x"), "a: x\r\nb: x\r\n");
}

#[test]
fn tags_and_anchors() {
    assert_eq!(opened("a: !!str E\nb: &b E\nc: !!str &c 'E'\nd: &d !t E\n", "x"), "a: x\nb: x\nc: x\nd: x\n");
    assert_eq!(opened("a: !!str &b E\nc: *b\n", "x"), "a: &b x\nc: *b\n");
    assert_eq!(opened("a: &b !!str E\nc: *b\n", "x"), "a: &b x\nc: *b\n");
    assert_eq!(opened("a: &b !<!&c> E\n", "x"), "a: x\n");
    assert_eq!(opened("a: !!str # not a !tag\n  E\nb: c\n", "x"), "a: # not a !tag\n  x\nb: c\n");
    assert_eq!(opened("a: !!str\n  &b E\nc: *b\n", "x\ny\n"), "a: \n  &b |\n  x\n  y\nc: *b\n");
}

#[test]
fn blocks_are_indented_from_what_holds_them() {
    assert_eq!(opened("a: E\n", "x\ny\n"), "a: |\n  x\n  y\n");
    assert_eq!(opened("a:\n    b: E\nc: d\n", "x\ny"), "a:\n    b: |-\n      x\n      y\nc: d\n");
    assert_eq!(
        opened("a:\n- E\n- b: E\n- - E\n", " x\n"),
        "a:\n- |2\n   x\n- b: |2\n     x\n- - |2\n     x\n"
    );
    assert_eq!(opened("a:\n  - E\n", "x\n"), "a:\n  - |\n    x\n");
    assert_eq!(opened("a: E\r\nb: c\r\n", "x\n\ny\n"), "a: |\r\n  x\r\n\r\n  y\r\nb: c\r\n");
    assert_eq!(opened("a: >-\n  E\nb: c\n", "x\n\n"), "a: |+\n  x\n\nb: c\n");
}

#[test]
fn where_a_block_would_take_in_what_follows_there_is_none() {
    for (text, expected) in [
        ("a: E", r#"a: "x\ny\n""#),
        ("a: E # c\n", "a: \"x\\ny\\n\" # c\n"),
        ("a: E \nb: c\n", "a: \"x\\ny\\n\" \nb: c\n"),
        ("a: E\n   # deeper\nb: c\n", "a: \"x\\ny\\n\"\n   # deeper\nb: c\n"),
        ("a: E\n\n   \nb: c\n", "a: \"x\\ny\\n\"\n\n   \nb: c\n"),
        ("a: E\n\n# not deeper\nb: c\n", "a: |\n  x\n  y\n\n# not deeper\nb: c\n"),
        ("metadata:\n  annotations:\n    a: E\n", "metadata:\n  annotations:\n    a: \"x\\ny\\n\"\n"),
        ("{a: 'E'}", r#"{a: "x\ny\n"}"#),
        ("a: ['E']\n", "a: [\"x\\ny\\n\"]\n"),
        (r#"{"a": "E"}"#, r#"{"a": "x\ny\n"}"#),
        ("a: E\nsops:\n  b: c\n  # c\n   \n", "a: \"x\\ny\\n\"\n   \n"),
    ] {
        assert_eq!(opened(text, "x\ny\n"), expected);
    }
    assert_eq!(opened("a: E\nsops:\n  b: c\n\nd: e\n", "x\n\n"), "a: \"x\\n\\n\"\n\nd: e\n");
}

#[test]
fn comments_are_decrypted_in_their_place() {
    assert_eq!(
        opened("#E\na: b #E\nc:\n  #E\n  - d\n  #E\n", " x y"),
        "# x y\na: b # x y\nc:\n  # x y\n  - d\n  # x y\n"
    );
    assert_eq!(
        opened("a:\n  #E\n  b: c\n", " x\n\ty\u{1b}\r\n: z\u{2028}"),
        "a:\n  # x\n  #\ty\u{fffd}\u{fffd}\n  #: z\u{fffd}\n  b: c\n"
    );
    assert_eq!(opened("a: [b, #E\n  c]\nsops:\n  #E\n  d: e\n", "x"), "a: [b, #x\n  c]\n");
    let text = format!("a:\n- #{E}\n  b: c\n");
    let input = Input::parse(&text).unwrap();
    let item = input.items[0].item();
    let comments = item.sealed_comments();
    assert_eq!((comments[0].path.to_string().as_str(), comments[0].text), ("a[0]", E));
}

#[test]
fn only_values_that_begin_as_ciphertexts_are_sealed() {
    let text =
        format!("{E}: a\nb: x {E}\nc: |\n  d: {E}\ne: {E}f\ng: 'ENC[AES256_GCM,'\nsops: {{mac: '{E}'}}\n");
    let input = Input::parse(&text).unwrap();
    let sealed: Vec<_> =
        input.items[0].item().sealed().iter().map(|sealed| sealed.path.to_string()).collect();
    assert_eq!(sealed, ["e", "g"]);
}

fn without_annotations(text: &str, names: &[&str]) -> String {
    let input = Input::parse(text).unwrap();
    let mut edits = Edits::new();
    edits.remove_annotations(&input.items[0].item(), names).unwrap();
    edits.apply(text).to_string()
}

#[test]
fn annotations_go_one_by_one_and_the_last_with_all() {
    let text = "metadata:\n  annotations:\n    a: |\n      x\n    b: 'y'\n    # c\n    c: z\n  name: n\n";
    assert_eq!(
        without_annotations(text, &["a"]),
        "metadata:\n  annotations:\n    b: 'y'\n    # c\n    c: z\n  name: n\n"
    );
    assert_eq!(
        without_annotations(text, &["c", "a", "other"]),
        "metadata:\n  annotations:\n    b: 'y'\n    # c\n  name: n\n"
    );
    assert_eq!(without_annotations(text, &["a", "b", "c"]), "metadata:\n  name: n\n");
    assert_eq!(without_annotations(text, &["other"]), text);
    let only = "metadata:\n  annotations: {a: b}\nkind: A\n";
    assert_eq!(without_annotations(only, &["a"]), "metadata:\n  {}\nkind: A\n");
    let flow = "metadata: {name: p, annotations: {a: '0', b: 'c'}}\n";
    assert_eq!(without_annotations(flow, &["b"]), "metadata: {name: p, annotations: {a: '0'}}\n");
    assert_eq!(without_annotations(flow, &["b", "a"]), "metadata: {name: p}\n");
    for none in ["kind: A\n", "metadata:\n", "metadata:\n  annotations:\n", "metadata:\n  annotations: {}\n"]
    {
        assert_eq!(without_annotations(none, &["a"]), none);
    }
}

#[test]
fn an_alias_into_what_is_removed_is_refused() {
    let refused = |text: &str| {
        let input = Input::parse(text).unwrap();
        let problem = Edits::new().remove_entry(&input.items[0].item(), "sops").err()?;
        assert_eq!((problem.code, problem.field.as_deref()), (Code::BadInput, Some("sops")));
        Some(())
    };
    assert!(refused("sops:\n  a: &x b\nc: *x\n").is_some());
    assert!(refused("sops: &x\n  a: [b]\nc: *x\n").is_some());
    assert!(refused("&x sops: {a: b}\nc: *x\n").is_some());
    assert!(refused("sops: {a: [&x b]}\nc: *x\n").is_some());
    assert!(refused("sops:\n  a: &x b\n  c: *x\nd: &y e\nf: *y\n").is_none());
    // An alias of another item counts, too.
    assert!(
        refused("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- sops: &x {}\n- a: *x\n")
            .is_some()
    );
}

#[test]
fn edits_of_what_is_removed_are_dropped() {
    let text = format!("data:\n  a: {E}\nb: c\n");
    let input = Input::parse(&text).unwrap();
    let item = &*input.items[0].item();
    let mut edits = Edits::new();
    edits.replace_scalar(&item.sealed()[0], Zeroizing::new("x".into()));
    edits.remove_entry(item, "data").unwrap();
    edits.remove_entry(item, "data").unwrap();
    assert_eq!(*edits.apply(&text), "b: c\n");
}
