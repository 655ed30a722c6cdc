use super::*;
use crate::krm::Input;

/// Gives the fields with these keys this content, takes those keys away, and returns what the text has become.
fn edited(text: &str, replace: &[(&str, &[u8])], removed: &[&str], wrap: bool) -> String {
    let input = Input::parse(text).unwrap();
    let mut edits = Edits::new();
    for item in &input.items {
        let item = item.item();
        let fields = item.data_fields();
        let replaced = replace.iter().filter_map(|(key, content)| {
            let field = fields.iter().find(|field| field.key == *key)?;
            Some((field, Zeroizing::new(content.to_vec())))
        });
        let data = DataEdits { replaced: replaced.collect(), removed: removed.to_vec(), wrap };
        data.make(&item, &mut edits).unwrap();
    }
    edits.apply(text).to_string()
}

const MAP: &str =
    "kind: ConfigMap\napiVersion: v1\ndata:\n  a: x # kept\n  b: |\n    y\n  c: z\nmetadata: {name: m}\n";

#[test]
fn what_a_secret_and_a_config_map_hold() {
    let text = "apiVersion: v1\nkind: Secret\ndata:\n  a: aGV5\n  b: |\n    aGV\n    5\n  c: '%'\n  d: {e: aGV5}\n  f: null\nstringData: {g: hey}\n\
                ---\napiVersion: v1\nkind: ConfigMap\ndata: {h: aGV5}\nbinaryData: {i: aGV5}\n---\napiVersion: v2\nkind: Secret\ndata: {j: aGV5}\n";
    let input = Input::parse(text).unwrap();
    let fields: Vec<(String, String)> = input
        .items
        .iter()
        .flat_map(|item| {
            let item = item.item();
            let field =
                |field: DataField<'_>| (field.path(), String::from_utf8_lossy(&field.content).into_owned());
            item.data_fields().into_iter().map(field).collect::<Vec<_>>()
        })
        .collect();
    let expected = [
        ("data.a", "hey"),
        ("data.b", "hey"),
        ("stringData.g", "hey"),
        ("data.h", "aGV5"),
        ("binaryData.i", "hey"),
    ];
    let known: Vec<(String, String)> =
        expected.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect();
    // `null` is three bytes of base64 to whoever does not type scalars; no file is that short.
    let fields: Vec<_> = fields.into_iter().filter(|(path, _)| path != "data.f").collect();
    assert_eq!(fields, known);
}

#[test]
fn base64_is_wrapped_as_kustomize_does_it() {
    let secret = "apiVersion: v1\nkind: Secret\ndata:\n  a: eA==\n";
    let lines = |length: usize, wrap| edited(secret, &[("a", &vec![b'x'; length])], &[], wrap);
    let line = "eHh4".repeat(18);
    assert_eq!(lines(51, true), format!("apiVersion: v1\nkind: Secret\ndata:\n  a: {}\n", &line[..68]));
    assert_eq!(
        lines(54, true),
        format!("apiVersion: v1\nkind: Secret\ndata:\n  a: |\n    {}\n    {}\n", &line[..70], &line[70..72])
    );
    assert_eq!(lines(54, false), format!("apiVersion: v1\nkind: Secret\ndata:\n  a: {}\n", &line[..72]));
}

#[test]
fn keys_that_go_take_their_lines_along() {
    let expected = "kind: ConfigMap\napiVersion: v1\ndata:\n  b: \"new\\nlines\"\nmetadata: {name: m}\n";
    assert_eq!(edited(MAP, &[("b", b"new\nlines")], &["a", "c"], true), expected);
}

#[test]
fn bytes_that_are_no_text_move() {
    let some = "kind: ConfigMap\napiVersion: v1\nbinaryData:\n  \"b\": \"/w==\"\ndata:\n  a: x # kept\n  c: z\nmetadata: {name: m}\n";
    assert_eq!(edited(MAP, &[("b", b"\xff")], &[], true), some);
    let all = "kind: ConfigMap\napiVersion: v1\nbinaryData:\n  {\"a\": \"/w==\", \"b\": \"/g==\"}\nmetadata: {name: m}\n";
    let two = "kind: ConfigMap\napiVersion: v1\ndata:\n  a: x\n  b: y\nmetadata: {name: m}\n";
    assert_eq!(edited(two, &[("a", b"\xff"), ("b", b"\xfe")], &[], true), all);
    let existing = "apiVersion: v1\nkind: ConfigMap\nbinaryData:\n  z: eA==\ndata:\n  a: x\n  b: y\n";
    let joined =
        "apiVersion: v1\nkind: ConfigMap\nbinaryData:\n  \"a\": \"/w==\"\n  z: eA==\ndata:\n  b: y\n";
    assert_eq!(edited(existing, &[("a", b"\xff")], &[], true), joined);
    let alone = "apiVersion: v1\nkind: ConfigMap\nbinaryData:\n  z: eA==\ndata:\n  a: x\n";
    let joined = "apiVersion: v1\nkind: ConfigMap\nbinaryData:\n  \"a\": \"/w==\"\n  z: eA==\n";
    assert_eq!(edited(alone, &[("a", b"\xff")], &[], true), joined);
}

#[test]
fn likewise_in_json() {
    let text = r#"{"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "x", "b": "y"}, "metadata": {}}"#;
    let some = r#"{"apiVersion": "v1", "kind": "ConfigMap", "binaryData": {"a": "/w=="}, "data": {"b": "z\n"}, "metadata": {}}"#;
    assert_eq!(edited(text, &[("a", b"\xff"), ("b", b"z\n")], &[], true), some);
    let all = r#"{"apiVersion": "v1", "kind": "ConfigMap", "binaryData": {"a": "/w=="}, "metadata": {}}"#;
    assert_eq!(edited(text, &[("a", b"\xff")], &["b"], true), all);
    for text in [some, all] {
        serde_json::from_str::<serde_json::Value>(text).unwrap();
    }
}

#[test]
fn text_in_base64_stays_where_it_is() {
    let secret = "apiVersion: v1\nkind: Secret\ndata: {a: eA==}\n";
    assert_eq!(
        edited(secret, &[("a", b"\xff")], &[], true),
        "apiVersion: v1\nkind: Secret\ndata: {a: /w==}\n"
    );
}
