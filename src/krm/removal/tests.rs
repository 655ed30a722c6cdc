use super::*;
use crate::yaml;

/// The text without the entries of these keys in the mapping at a path of keys and indices.
fn without(text: &str, path: &str, keys: &[&str]) -> String {
    let documents = yaml::parse(text).unwrap_or_else(|error| panic!("{error:?} in {text:?}"));
    let mut mapping = &documents[0].root;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        mapping = step
            .parse()
            .map_or_else(|_| mapping.find(step), |index: usize| mapping.items().get(index))
            .unwrap_or_else(|| panic!("{path} in {text}"));
    }
    let mut out = String::new();
    let mut done = 0;
    for Cut { range, instead } in plan(text, mapping, |key| keys.contains(&key)) {
        assert!(done <= range.start && range.start <= range.end, "overlapping cuts in {text:?}");
        out.push_str(&text[done..range.start]);
        out.push_str(instead);
        done = range.end;
    }
    out.push_str(&text[done..]);
    out
}

#[test]
fn block_entries_go_with_their_lines() {
    let text = "a: 1\nsops:\n    x: y\n    z: |\n        text\nb: 2\n";
    assert_eq!(without(text, "", &["sops"]), "a: 1\nb: 2\n");
    assert_eq!(without(text, "", &["a"]), "sops:\n    x: y\n    z: |\n        text\nb: 2\n");
    assert_eq!(without(text, "", &["b", "sops"]), "a: 1\n");
    assert_eq!(without(text, "", &["a", "b"]), "sops:\n    x: y\n    z: |\n        text\n");
    assert_eq!(without(text, "", &["other"]), text);
    assert_eq!(without("a: 1\r\nsops: {}\r\nb: 2\r\n", "", &["sops"]), "a: 1\r\nb: 2\r\n");
    assert_eq!(without("a: 1\nsops: x", "", &["sops"]), "a: 1\n");
    assert_eq!(without("a:\n  b: 1\n  sops:\n  - x\nc: 2\n", "a", &["sops"]), "a:\n  b: 1\nc: 2\n");
}

#[test]
fn comments_inside_a_block_entry_go_and_others_stay() {
    let text = "# top\na: 1 # one\n# about sops\nsops: # inline\n  # in\n  x: y # in\n\n  # in, too\n\n# about b\nb: 2\n";
    assert_eq!(without(text, "", &["sops"]), "# top\na: 1 # one\n# about sops\n\n# about b\nb: 2\n");
    assert_eq!(without("- sops: 1\n  # about a\n  a: 2\n", "0", &["sops"]), "- # about a\n  a: 2\n");
    assert_eq!(without("a: 1\nsops: 2\n  # in, at the end", "", &["sops"]), "a: 1\n");
}

#[test]
fn the_first_entry_of_a_list_item() {
    let text = "- sops:\n    x: y\n    # in\n\n  a: 1\n  b: 2\n- c: 3\n";
    assert_eq!(without(text, "0", &["sops"]), "- a: 1\n  b: 2\n- c: 3\n");
    assert_eq!(without(text, "0", &["sops", "a"]), "- b: 2\n- c: 3\n");
    assert_eq!(without(text, "0", &["a", "b"]), "- sops:\n    x: y\n    # in\n\n- c: 3\n");
    let text = "- a: 1\n  # about b\n  b: 2\n  c: 3\n";
    assert_eq!(without(text, "0", &["a", "b"]), "- # about b\n  c: 3\n");
    assert_eq!(without("- - a: 1\n    b: 2\n", "0.0", &["a"]), "- - b: 2\n");
    assert_eq!(without("\u{feff}a: 1\nb: 2\n", "", &["a"]), "\u{feff}b: 2\n");
}

#[test]
fn where_no_entry_stays_an_empty_mapping_does() {
    assert_eq!(without("a:\n  sops:\n    x: y\nb: 1\n", "a", &["sops"]), "a:\n  {}\nb: 1\n");
    assert_eq!(without("- sops: 1 # c\n- b\n", "0", &["sops"]), "- {} # c\n- b\n");
    assert_eq!(without("a: { sops: 1, b: 2, }\n", "a", &["sops", "b"]), "a: {}\n");
    assert_eq!(without("sops: 1\n", "", &["sops"]), "{}\n");
    assert_eq!(without("a: {}\n", "a", &["sops"]), "a: {}\n");
}

#[test]
fn explicit_keys_go_with_their_indicator() {
    assert_eq!(without("? a\n: 1\n? sops\n: x: y\n? b\n: 2\n", "", &["sops"]), "? a\n: 1\n? b\n: 2\n");
    assert_eq!(without("?\n  sops\n:\n  x\nb: 2\n", "", &["sops"]), "b: 2\n");
    assert_eq!(without("- ? sops\n  : x\n  ? b\n  : 2\n", "0", &["sops"]), "- ? b\n  : 2\n");
    assert_eq!(without("a: what?\nsops: x\nb: 2\n", "", &["sops"]), "a: what?\nb: 2\n");
    assert_eq!(without("{? sops : x, ? b : 2}", "", &["sops"]), "{? b : 2}");
    assert_eq!(without("!!str sops: x\n&b b: 2\n", "", &["sops"]), "&b b: 2\n");
}

#[test]
fn flow_entries_go_with_a_comma() {
    let text = "{a: 1, sops: {x: [y, z]}, b: 2}";
    assert_eq!(without(text, "", &["a"]), "{sops: {x: [y, z]}, b: 2}");
    assert_eq!(without(text, "", &["sops"]), "{a: 1, b: 2}");
    assert_eq!(without(text, "", &["b"]), "{a: 1, sops: {x: [y, z]}}");
    assert_eq!(without(text, "", &["a", "sops"]), "{b: 2}");
    assert_eq!(without(text, "", &["sops", "b"]), "{a: 1}");
    assert_eq!(without(text, "", &["a", "b"]), "{sops: {x: [y, z]}}");
    assert_eq!(without("{a: 1, sops: x , }", "", &["sops"]), "{a: 1 , }");
    assert_eq!(without("{sops, b}", "", &["sops"]), "{b}");
}

#[test]
fn json_stays_json() {
    let text = "{\n  \"a\": 1,\n  \"sops\": {\n    \"x\": \"y, z\"\n  },\n  \"b\": \"# no comment\"\n}\n";
    assert_eq!(without(text, "", &["sops"]), "{\n  \"a\": 1,\n  \"b\": \"# no comment\"\n}\n");
    assert_eq!(without(text, "", &["b"]), "{\n  \"a\": 1,\n  \"sops\": {\n    \"x\": \"y, z\"\n  }\n}\n");
    assert_eq!(without(text, "", &["a", "sops"]), "{\n  \"b\": \"# no comment\"\n}\n");
    assert_eq!(without(r#"{"a":1,"sops":2,"b":3}"#, "", &["b", "sops"]), r#"{"a":1}"#);
}

#[test]
fn comments_in_flow_style() {
    let text = "{\n  a: 1, # about a\n  sops: 2, # about sops\n  # about b\n  b: 3 # about b, too\n}\n";
    assert_eq!(without(text, "", &["sops"]), "{\n  a: 1, # about a\n  # about b\n  b: 3 # about b, too\n}\n");
    let text = "{\n  a: 1, # about a, and more\n  sops: 2\n}\n";
    assert_eq!(without(text, "", &["sops"]), "{\n  a: 1 # about a, and more\n\n}\n");
}

#[test]
fn a_block_scalar_before_the_entry_does_not_grow() {
    let text = "a: |+\n  text\nsops: x\n\n   \nb: 1\n";
    assert_eq!(without(text, "", &["sops"]), "a: |+\n  text\nb: 1\n");
    let text = "a:\n- b: >\n    text\nc: 2\nsops: x\n\n";
    assert_eq!(without(text, "", &["c", "sops"]), "a:\n- b: >\n    text\n");
    assert_eq!(without("a: 1\nsops: x\n\nb: 1\n", "", &["sops"]), "a: 1\n\nb: 1\n");
}
