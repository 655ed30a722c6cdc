use super::*;
use crate::diagnostics::{Code, Problem, Severity, Subject};
use crate::yaml;

const LIST: &str = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- kind: A\n";

fn diagnostics() -> Vec<Diagnostic> {
    let full = Diagnostic {
        severity: Severity::Error,
        problem: Problem::new(Code::ValueCorrupt, "an encrypted value cannot be opened")
            .at("data[\"tls.crt\"]")
            .because("the tag does not fit"),
        rule: Some(".sops.yaml: creation rule 1 (path_regex: ^secrets/)".into()),
        subjects: vec![Subject {
            items: vec![ItemName {
                api_version: "v1".into(),
                kind: "Secret".into(),
                namespace: "default".into(),
                name: "on".into(),
                index: 1,
            }],
            origin: Some("secrets/db.yaml".into()),
        }],
    };
    let small = Diagnostic {
        severity: Severity::Info,
        problem: Problem::new(Code::BadInput, "odd \u{1b}[2J\n: \"text\" #").help("do: this"),
        rule: None,
        subjects: Vec::new(),
    };
    vec![full, small]
}

/// The text with results. They are read back, too.
fn with_results(text: &str, diagnostics: &[Diagnostic]) -> String {
    let input = Input::parse(text).unwrap();
    let mut edits = Edits::new();
    edits.set_results(&input, diagnostics);
    let out = edits.apply(text).to_string();
    let documents = yaml::parse(&out).unwrap_or_else(|error| panic!("{error:?} in {out}"));
    let results = documents[0].root.find("results").expect("results").items();
    assert_eq!(results.len(), diagnostics.len());
    for (result, diagnostic) in results.iter().zip(diagnostics) {
        assert_eq!(result.find("message").and_then(yaml::Node::text), Some(message(diagnostic).as_str()));
    }
    assert_eq!(
        documents[0].root.entries().len(),
        if text.contains("functionConfig") { 5 } else { 4 },
        "{out}"
    );
    out
}

#[test]
fn results_are_appended_to_a_block() {
    insta::assert_snapshot!(with_results(LIST, &diagnostics()));
    assert_eq!(with_results(LIST, &[]), format!("{LIST}results: []\n"));
    let crlf = LIST.replace('\n', "\r\n");
    assert_eq!(with_results(&crlf, &[]), format!("{crlf}results: []\r\n"));
    let indented = "  kind: ResourceList\n  apiVersion: config.kubernetes.io/v1\n  items: []\n# end\n...\n";
    let expected = indented.replace("...", "  results: []\n...");
    assert_eq!(with_results(indented, &[]), expected);
    assert!(with_results(indented, &diagnostics()).contains("\n  - message: "));
}

#[test]
fn the_last_value_stays_as_it_is() {
    let text = format!("{LIST}  a: |+\n    text\n\n");
    assert!(with_results(&text, &diagnostics()).starts_with(&text));
    let text = format!("{LIST}  a: |\n    text");
    assert_eq!(with_results(&text, &[]), format!("results: []\n{text}"));
}

#[test]
fn results_that_are_there_are_replaced() {
    let text = LIST.replace("items", "results:\n- message: old\n  tags: {a: b}\n# about items\nitems");
    assert_eq!(with_results(&text, &[]), LIST.replace("items", "results: []\n# about items\nitems"));
    insta::assert_snapshot!(with_results(&text, &diagnostics()));
    let text = format!("{LIST}results: # none yet\n");
    assert_eq!(with_results(&text, &[]), format!("{LIST}results: [] # none yet\n"));
}

#[test]
fn results_in_json() {
    let text = r#"{"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": []}"#;
    let out = with_results(text, &diagnostics());
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(value["results"][0]["resourceRef"]["name"], "on");
    insta::assert_snapshot!(out);
    let old = text.replace("[]}", "[], \"results\": [{\"message\": \"old\"}], \"functionConfig\": {}}");
    let out = with_results(&old, &[]);
    assert_eq!(out, text.replace("[]}", "[], \"results\": [], \"functionConfig\": {}}"));
}

#[test]
fn a_stream_has_no_place_for_results() {
    let input = Input::parse("kind: A\n").unwrap();
    let mut edits = Edits::new();
    edits.set_results(&input, &diagnostics());
    assert!(edits.is_empty());
}
