use super::*;

const KUSTOMIZE: &str = include_str!("../testdata/kustomize-exec.yaml");
const KPT: &str = include_str!("../testdata/kpt-exec.yaml");
const PLUGIN: &str = include_str!("../testdata/kustomize-exec-plugin.yaml");

fn names(text: &str) -> (Form, Vec<String>) {
    let input = Input::parse(text).unwrap_or_else(|problem| panic!("{problem:?} in {text}"));
    for (position, item) in input.items.iter().enumerate() {
        assert_eq!(item.name().index, position);
    }
    (input.form, input.items.iter().map(|item| item.name().to_string()).collect())
}

#[test]
fn what_kustomize_sends_to_an_exec_function() {
    let (form, items) = names(KUSTOMIZE);
    assert_eq!(form, Form::ResourceList);
    assert_eq!(
        items,
        ["Secret default/p-db", "Secret p-db2", "ConfigMap p-cm", "Secret p-tls-x", "Secret p-gen"]
    );
    let input = Input::parse(KUSTOMIZE).unwrap();
    let config = input.function_config().expect("a config");
    assert_eq!(config.find("kind").and_then(Node::text), Some("SopsDecrypt"));
    assert_eq!(input.items[0].annotation("config.kubernetes.io/index"), Some("0"));
    assert_eq!(
        input.items[0].annotation("config.kubernetes.io/origin"),
        Some("path: secrets/us-west-2-platform-engineering-sbx/db.yaml\n")
    );
    assert_eq!(input.items[0].annotation("config.kubernetes.io"), None);
}

#[test]
fn what_kpt_sends() {
    let (form, items) = names(KPT);
    assert_eq!(form, Form::ResourceList);
    assert_eq!(items, ["Kptfile p", "Secret default/db", "Secret db2", "ConfigMap cm"]);
    let input = Input::parse(KPT).unwrap();
    assert_eq!(input.items[0].annotation("config.kubernetes.io/path"), Some("Kptfile"));
}

#[test]
fn what_kustomize_sends_to_an_exec_plugin() {
    let (form, items) = names(PLUGIN);
    assert_eq!(form, Form::Stream);
    assert_eq!(
        items,
        ["Secret default/p-db", "Secret p-db2", "ConfigMap p-cm", "Secret p-tls-x", "Secret p-gen"]
    );
    assert!(Input::parse(PLUGIN).unwrap().function_config().is_none());
}

#[test]
fn nothing_is_an_empty_stream() {
    for text in ["", "\n", "---\n", "# comment\n---\n~\n---\nnull\n...\n", "\u{feff}"] {
        assert_eq!(names(text), (Form::Stream, vec![]), "{text:?}");
    }
}

#[test]
fn a_list_is_one_item_of_a_stream() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- kind: Secret\n- kind: Secret\n";
    assert_eq!(names(text), (Form::Stream, vec!["List (no name)".into()]));
}

#[test]
fn a_custom_resource_may_be_called_resource_list() {
    let text = "apiVersion: example.com/v1\nkind: ResourceList\nitems: 3\n";
    assert_eq!(names(text), (Form::Stream, vec!["ResourceList (no name)".into()]));
}

#[test]
fn resource_lists_of_every_version_and_style() {
    for text in [
        "apiVersion: config.kubernetes.io/v1alpha1\nkind: ResourceList\nitems: [{kind: A}]\n---\n",
        "---\nkind: ResourceList\napiVersion: config.kubernetes.io/v1beta1\nfunctionConfig:\nitems:\n  - kind: A\n",
        r#"{"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": [{"kind": "A"}], "functionConfig": null}"#,
    ] {
        assert_eq!(names(text), (Form::ResourceList, vec!["A (no name)".into()]), "{text}");
        assert!(Input::parse(text).unwrap().function_config().is_none());
    }
    for items in ["", "items:\n", "items: []\n", "items: null\n"] {
        let text = format!("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n{items}");
        assert_eq!(names(&text), (Form::ResourceList, vec![]), "{text}");
    }
}

#[test]
fn json_is_told_from_flow_style() {
    let json = |text| Input::parse(text).unwrap().items[0].item().json;
    assert!(json(r#"{"kind": "A", "data": {"b": 1}}"#));
    assert!(!json(r#"{kind: "A", "data": {"b": 1}}"#));
    assert!(!json("kind: A\ndata: {\"b\": 1}\n"));
    assert!(json(
        r#"{"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": [{"kind": "A"}]}"#
    ));
}

#[test]
fn what_is_no_input() {
    const LIST: &str = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n";
    let refused = [
        "a: b: c\n".to_owned(),
        "- kind: Secret\n".to_owned(),
        "kind: Secret\n---\njust text\n".to_owned(),
        format!("{LIST}items: 3\n"),
        format!("{LIST}items:\n- kind: A\n- 3\n"),
        format!("{LIST}---\nkind: Secret\n"),
        format!("{LIST}---\n{LIST}"),
    ];
    let problems = refused.iter().map(|text| {
        let problem = Input::parse(text).expect_err(text);
        assert_eq!(problem.code, Code::BadInput);
        format!("{} {:?} {:?}", problem.what, problem.field, problem.causes)
    });
    insta::assert_snapshot!(problems.collect::<Vec<_>>().join("\n"), @r#"
    the input is not YAML that can be read None ["line 1, column 5: mapping values are not allowed in this context"]
    document 1 is not a resource None []
    document 2 is not a resource None []
    the items of the ResourceList are not a list Some("items") []
    an item of the ResourceList is not a resource Some("items[1]") []
    the input holds a ResourceList and other documents beside it None []
    the input holds a ResourceList and other documents beside it None []
    "#);
}
