use super::*;
use crate::krm::Input;

/// The content of a node, without its places.
fn shown(node: &Node<'_>) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match &node.content {
        Content::Scalar { text, style } => format!("{text:?} {style:?} {:?}", node.tag()),
        Content::Mapping { entries, flow, .. } => {
            let entry = |entry: &yaml::Entry<'_>| format!("{}: {}", shown(&entry.key), shown(&entry.value));
            format!("{{{} {flow}}}", list(entries.iter().map(entry).collect()))
        }
        Content::Sequence { items, flow, .. } => {
            format!("[{} {flow}]", list(items.iter().map(shown).collect()))
        }
        Content::Alias(_) => String::from("alias"),
    }
}

/// Whether the nodes of the first item's block were let go; and what is read of it is what stands in the text.
fn is_hollow(text: &str) -> bool {
    let documents = yaml::parse(text).unwrap();
    let root = &documents[0].root;
    let resource = root.find("items").map_or(root, |items| &items.items()[0]);
    let expected = resource.find("sops").unwrap();
    let input = Input::parse(text).unwrap();
    let item = input.items[0].item();
    let block = item.sops().unwrap();
    assert_eq!(block.read(shown), Some(shown(expected)), "{text}");
    assert_eq!(block.range(), expected.range);
    block.node.entries().is_empty()
}

const BLOCK: &str = "sops:\n  # kept?\n  kms:\n  - arn: a\n    enc: |\n      b\n\n      c\n  mac: 'ENC[d]'\n\n  # last\n  version: 3.13.2  # behind\n  # further\n";

#[test]
fn what_is_in_a_block_is_let_go_and_read_again() {
    for text in [
        BLOCK.to_owned(),
        format!("{BLOCK}data:\n  a: b\n"),
        format!("kind: A\n{BLOCK}---\nkind: B\n"),
        BLOCK.trim_end().to_owned(),
        BLOCK.replace('\n', "\r\n"),
        format!("\u{feff}kind: A\n{BLOCK}"),
        String::from("kind: A\nsops: {mac: a, kms: [{arn: b}],\n  version: \"c\"}\ndata: {}\n"),
        String::from("{\"kind\": \"A\", \"sops\": {\"mac\": \"\\u0041\\n\", \"kms\": null}}"),
        String::from("sops:\n  version: several\n    lines\n    of it\nkind: A\n"),
        String::from("sops: {}\n"),
    ] {
        assert!(is_hollow(&text), "{text}");
        if !text.starts_with(['\u{feff}', '{']) && !text.contains("---") {
            let indented = text.replace('\n', "\n  ");
            let list = format!(
                "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- {}\n",
                indented.trim()
            );
            assert!(is_hollow(&list), "{list}");
        }
    }
}

#[test]
fn what_could_not_be_read_again_stays() {
    for text in [
        // It refers to what is around it, or is referred to.
        "kind: &k A\nsops: {mac: *k}\n",
        "sops:\n  mac: &m a\ndata: {b: *m}\n",
        "sops: &s\n  mac: a\n",
        "%TAG !e! tag:example.com,2000:\n---\nsops:\n  mac: !e!t a\n",
        // Other things stand on its lines.
        "? sops\n: mac: a\n  version: b\nkind: A\n",
        // Blank lines behind it are its own.
        "sops:\n  mac: a\n  enc: |+\n    b\n\nkind: A\n",
    ] {
        assert!(!is_hollow(text), "{text}");
    }
}
