use crate::krm::Input;

fn first(text: &str) -> Input<'_> {
    Input::parse(text).unwrap_or_else(|problem| panic!("{problem:?} in {text}"))
}

#[test]
fn every_scalar_with_its_path_but_those_of_the_sops_block() {
    let input = first(
        "kind: A\nsops: {x: y}\ndata: {a: b, c: [d, {e: f}]}\nlist:\n- - g\n- h: i\n&k key: &v value\nalias: *v\nempty:\n",
    );
    let mut seen = Vec::new();
    input.items[0].item().each_scalar(|trail, node| {
        seen.push(format!("{} = {}", trail.to_path(), node.text().unwrap_or_default()));
        assert!(trail.keys().eq(trail.to_path().keys()));
    });
    assert_eq!(
        seen,
        [
            "kind = A",
            "data.a = b",
            "data.c[0] = d",
            "data.c[1].e = f",
            "list[0][0] = g",
            "list[1].h = i",
            "key = value",
            "empty = "
        ]
    );
}

#[test]
fn a_sops_entry_that_is_no_mapping_is_a_value() {
    for value in ["text", "", "[a]"] {
        let text = format!("kind: A\nsops: {value}\n");
        let input = first(&text);
        assert!(input.items[0].item().sops().is_none());
        let mut count = 0;
        input.items[0].item().each_scalar(|_, _| count += 1);
        assert_eq!(count, 2, "{value:?}");
    }
    assert!(first("sops: {}").items[0].item().sops().is_some());
    assert!(first("data: {sops: {a: b}}").items[0].item().sops().is_none());
}

#[test]
fn names_of_items_that_lack_parts() {
    let input = first(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\n---\nmetadata: []\n---\nkind: [x]\nmetadata:\n",
    );
    let names: Vec<_> = input.items.iter().map(|item| item.name().to_string()).collect();
    assert_eq!(names, ["Secret b/a", "(no kind) (no name)", "(no kind) (no name)"]);
    let secret = &input.items[0];
    assert_eq!((secret.api_version(), secret.kind(), secret.is_kind("Secret")), ("v1", "Secret", true));
    assert!(secret.annotation("a").is_none() && !secret.is_kind("secret"));
}
