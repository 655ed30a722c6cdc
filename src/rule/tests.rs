use std::fmt::Write as _;

use super::*;

fn rules(text: &str) -> Rules {
    Rules::parse(text, ".sops.yaml").unwrap()
}

fn refused(text: &str) -> Problem {
    let problem = Rules::parse(text, ".sops.yaml").unwrap_err();
    assert_eq!(problem.code, Code::BadRule);
    problem
}

const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/25ce04e0";
const ROLE: &str = "arn:aws:iam::123456789012:role/flux-secrets";

fn ids(rule: &Rule) -> Vec<Vec<&str>> {
    rule.groups.iter().map(|group| group.iter().map(|allowed| allowed.key.id.as_str()).collect()).collect()
}

#[test]
fn the_first_match_wins_and_no_regex_matches_all() {
    let rules = rules(
        "creation_rules:\n- path_regex: secrets/us-west-2\n  kms: a\n- path_regex: ^secrets/\n  kms: b\n- kms: c\n",
    );
    for (path, position) in
        [("secrets/us-west-2-x/db.yaml", 1), ("x/secrets/us-west-2", 1), ("secrets/a", 2), ("a", 3)]
    {
        assert_eq!(rules.for_path(path).unwrap().position, position, "{path}");
    }
}

#[test]
fn the_setting_this_tool_comes_from() {
    let rules = rules(&format!(
        "creation_rules:\n  - path_regex: secrets/us-west-2-platform-engineering-sbx\n    \
         encrypted_regex: \"^(data|stringData)$\"\n    shamir_threshold: 1\n    key_groups:\n      - kms:\n          \
         - arn: {KEY}\n            role: {ROLE}\n            context:\n              app: x\n              none:\n",
    ));
    let rule = rules.for_path("secrets/us-west-2-platform-engineering-sbx/db.yaml").unwrap();
    let [allowed] = rule.groups[0].as_slice() else { panic!("{rule:?}") };
    assert_eq!(allowed.key.id, KEY);
    assert_eq!(allowed.role.as_deref(), Some(ROLE));
    assert_eq!(allowed.key.context.clone().into_iter().collect::<Vec<_>>(), [("app".into(), "x".into())]);
    assert_eq!(rule.threshold, Some(1));
    assert_eq!(
        rule.to_string(),
        ".sops.yaml: creation rule 1 (path_regex: secrets/us-west-2-platform-engineering-sbx)"
    );
}

#[test]
fn flat_keys_as_text_and_as_list_with_roles_and_profile() {
    for kms in [format!("'{KEY} + {ROLE}, other,'"), format!("['{KEY}+{ROLE}', other]")] {
        let rules = rules(&format!(
            "creation_rules:\n- kms: {kms}\n  aws_profile: dev\n  age: age1x\n  pgp: 'AB CD'\n"
        ));
        let rule = rules.for_path("x").unwrap();
        assert_eq!(ids(rule), [["age1x", "ABCD", KEY, "other"]]);
        assert_eq!(rule.groups[0][2].role.as_deref(), Some(ROLE));
        assert_eq!(rule.groups[0][3].role, None);
        assert_eq!(rule.groups[0][3].profile.as_deref(), Some("dev"));
    }
}

#[test]
fn merged_groups_come_first_and_duplicates_go() {
    let rules = rules(
        "creation_rules:\n- key_groups:\n  - merge:\n    - kms: [{arn: a}, {arn: b}]\n      pgp: [p]\n    kms: [{arn: b}, {arn: c}]\n    \
         azure_keyvault: [{vaultUrl: 'https://v', key: k, version: '1'}]\n    hc_vault: ['https://h/v1/t/keys/k']\n  - age: ['a1, a2']\n",
    );
    assert_eq!(
        ids(&rules.all()[0]),
        [vec!["p", "a", "b", "c", "https://v/keys/k/1", "https://h/v1/t/keys/k"], vec!["a1", "a2"]]
    );
}

#[test]
fn anchors_and_merge_keys_are_read() {
    let rules = rules(
        "x: &base\n  kms: a\n  encrypted_regex: ^data$\ncreation_rules:\n- <<: *base\n  path_regex: ^s\n",
    );
    assert_eq!(ids(&rules.all()[0]), [["a"]]);
    assert!(matches!(rules.all()[0].selector, Selector::EncryptedRegex(_)));
}

#[test]
fn without_creation_rules_nothing_matches() {
    for text in
        ["", "{}", "creation_rules:", "creation_rules: []", "stores: {yaml: {indent: 2}}", "# a\n---\n"]
    {
        assert!(rules(text).for_path("x").is_none(), "{text}");
    }
}

#[test]
fn odd_forms_are_taken_as_sops_takes_them() {
    // Each was tried with sops 3.13.2.
    let rules = rules(
        "\u{feff}creation_rules:\r\n- null\r\n- path_regex: 1.10\r\n  age: [a]\r\n  mac_only_encrypted: On\r\n  \
         shamir_threshold: 0x1\r\n  foo: bar\r\n  key_groups: [null]\r\n- path_regex:\r\n  key_groups:\r\n  - age: [null, !!str b]\r\n  \
         shamir_threshold: 2.0\r\n---\r\ncreation_rules: [{path_regex: '('}]\r\n",
    );
    let [first, second] = rules.all() else { panic!("{rules:?}") };
    assert_eq!((first.path_regex.as_deref(), ids(first)), (Some("1.10"), vec![vec!["a"]]));
    assert_eq!((first.mac_only_encrypted, first.threshold), (true, Some(1)));
    assert_eq!((second.path_regex.as_deref(), ids(second)), (None, vec![vec!["b"]]));
    assert_eq!((second.mac_only_encrypted, second.threshold), (false, Some(2)));
}

#[test]
fn a_context_is_the_text_that_stands_there() {
    let rules = rules(
        "creation_rules:\n- key_groups:\n  - kms: [{arn: a, context: {version: 1.10, on: True, id: 0123, none: ~, n: '~'}}]\n",
    );
    let context: Vec<_> =
        rules.all()[0].groups[0][0].key.context.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(context, ["id=0123", "n=~", "on=True", "version=1.10"]);
}

#[test]
fn ids_are_those_of_the_metadata() {
    let flat = rules(
        "creation_rules:\n- pgp: '85D7 7543, AB'\n  gcp_kms: ' projects/p /x'\n  hckms: ['tr-west-1:k']\n  \
         azure_keyvault: https://v.vault.azure.net/keys/k/1,https://v.vault.azure.net/keys/k\n  \
         hc_vault_transit_uri: https://h:8200/v1/transit/keys/k/, http://h/v2/a/b/keys/k\n",
    );
    assert_eq!(
        ids(&flat.all()[0]),
        [[
            "85D77543",
            "AB",
            "projects/p/x",
            "tr-west-1:k",
            "https://v.vault.azure.net/keys/k/1",
            "https://v.vault.azure.net/keys/k/",
            "https://h:8200/v1/transit/keys/k",
            "http://h/v1/a/b/keys/k",
        ]]
    );
    let groups = rules(
        "creation_rules:\n- key_groups:\n  - gcp_kms: [{resource_id: projects/p}]\n    hckms: [{key_id: 'r:k'}]\n    \
         azure_keyvault: [{vaultUrl: 'https://v', key: k}]\n",
    );
    assert_eq!(ids(&groups.all()[0]), [["projects/p", "r:k", "https://v/keys/k/"]]);
    for (field, name) in [
        ("hckms", "k"),
        ("azure_keyvault", "http://v/keys/k"),
        ("azure_keyvault", "https://v/k"),
        ("hc_vault_transit_uri", "h/v1/t/keys/k"),
        ("hc_vault_transit_uri", "https://h/v1/keys/k"),
        ("hc_vault_transit_uri", "https://h/transit/t/keys/k"),
    ] {
        assert_eq!(
            refused(&format!("creation_rules: [{{{field}: ['{name}']}}]")).field.as_deref(),
            Some(field)
        );
    }
}

#[test]
fn merged_mappings_give_way_to_what_stands_there() {
    let rules = rules(
        "a: &a {age: x, encrypted_regex: ^a}\nb: &b {<<: *a, age: y, path_regex: ^s}\nkeys: [&k kx, &l ky]\n\
         creation_rules:\n- <<: [*b, *a]\n  kms: [*k, *l]\n- *a\n",
    );
    let [first, second] = rules.all() else { panic!("{rules:?}") };
    assert_eq!((ids(first), first.path_regex.as_deref()), (vec![vec!["y", "kx", "ky"]], Some("^s")));
    assert_eq!(first.selector.to_string(), "encrypted_regex: ^a");
    assert_eq!(ids(second), [["x"]]);
}

#[test]
fn aliases_that_multiply_or_nest_are_refused() {
    let mut text = String::from("x0: &x0 {age: [a]}\n");
    for level in 1..40 {
        let _ = writeln!(text, "x{level}: &x{level} {{merge: [*x{below}, *x{below}]}}", below = level - 1);
    }
    text.push_str("creation_rules: [{key_groups: [*x39]}]\n");
    assert!(refused(&text).causes[0].starts_with("its aliases expand to too much"));
    let mut text = String::from("x0: &x0 {age: a}\n");
    for level in 1..10_000 {
        let _ = writeln!(text, "x{level}: &x{level} {{<<: *x{}}}", level - 1);
    }
    text.push_str("creation_rules: [*x9999]\n");
    assert!(refused(&text).causes[0].starts_with("it nests too deeply"));
    assert_eq!(refused(&" ".repeat(5 << 20)).what, ".sops.yaml is too large");
}

#[test]
fn a_bad_regex_refuses_even_where_it_is_not_reached() {
    let problem = refused("creation_rules:\n- kms: a\n- path_regex: '('\n  kms: b\n");
    assert_eq!(problem.what, "creation rule 2 of .sops.yaml is wrong");
    assert_eq!(problem.field.as_deref(), Some("path_regex"));
    assert_eq!(problem.causes, ["missing closing ) (line 3)"]);
}

#[test]
fn more_than_one_selector_is_refused() {
    let problem = refused("creation_rules:\n- encrypted_regex: a\n  unencrypted_suffix: b\n");
    assert_eq!(problem.field.as_deref(), Some("unencrypted_suffix, encrypted_regex"));
}

#[test]
fn wrong_types_are_named_by_place_and_not_by_content() {
    for (text, field) in [
        ("creation_rules: 5", Some("creation_rules")),
        ("creation_rules: [hunter2]", None),
        ("creation_rules: [{kms: {a: hunter2}}]", Some("kms")),
        ("creation_rules: [{shamir_threshold: hunter2}]", Some("shamir_threshold")),
        ("creation_rules: [{shamir_threshold: -1}]", Some("shamir_threshold")),
        ("creation_rules: [{mac_only_encrypted: hunter2}]", Some("mac_only_encrypted")),
        ("creation_rules: [{key_groups: [{kms: [{role: hunter2}]}]}]", Some("arn")),
        ("hunter2", None),
    ] {
        let problem = refused(text);
        assert_eq!(problem.field.as_deref(), field, "{text}");
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    }
    assert!(!format!("{:?}", refused("hunter2: {")).contains("hunter2"));
}
