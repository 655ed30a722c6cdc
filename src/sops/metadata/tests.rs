use super::*;
use crate::field_path::FieldPath;
use crate::yaml;

/// What is left out of a block to try one thing is filled in here.
fn metadata(fields: &str) -> Result<Metadata, Problem> {
    let text = ["lastmodified: 2024-01-02T03:04:05+00:00", "age: [{recipient: age1x, enc: sealed}]"]
        .into_iter()
        .filter(|line| !fields.contains(line.split(':').next().unwrap()))
        .chain([fields])
        .collect::<Vec<_>>()
        .join("\n");
    Metadata::of_item(&yaml::parse(&text).unwrap()[0].root)
}

/// The field that is at fault.
fn fault(fields: &str) -> String {
    let problem = metadata(fields).unwrap_err();
    assert_eq!(problem.code, Code::BadMetadata, "{problem:?}");
    problem.field.unwrap()
}

const ARN: &str = "arn:aws:kms:us-west-2:111122223333:key/00000000-0000-0000-0000-000000000001";

#[test]
fn keys_are_named_as_rules_name_them_and_ordered_as_sops_tries_them() {
    let text = format!(
        "kms:
- {{arn: '{ARN}', enc: a, role: 'arn:aws:iam::111122223333:role/sops', aws_profile: dev, context: {{app: db, off: ~, n: 1}}}}
- {{arn: 'arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/sops', enc: b, role: '', aws_profile: ''}}
gcp_kms: [{{resource_id: projects/p/locations/global/keyRings/r/cryptoKeys/k, enc: c}}]
hckms: [{{key_id: 'eu-west-101:0-1', enc: d}}]
azure_kv: [{{vault_url: 'https://v.vault.azure.net', name: n, version: '2', enc: e}}]
hc_vault: [{{vault_address: 'https://vault:8200', engine_path: transit, key_name: k, enc: f}}]
pgp: [{{fp: ABCD, enc: g}}]
age: [{{recipient: age1x, enc: h}}]
key_groups: [{{age: [{{recipient: age1hidden, enc: i}}]}}]
"
    );
    let metadata = metadata(&text).unwrap();
    let [group] = metadata.groups.as_slice() else { panic!("{metadata:?}") };
    let named: Vec<_> =
        group.iter().map(|key| format!("{}: {} {}", key.key.kind, key.key, key.wrapped)).collect();
    assert_eq!(
        named,
        [
            "age: age1x h".to_owned(),
            "PGP: ABCD g".to_owned(),
            format!("AWS KMS: {ARN} (encryption context app=db, n=1) a"),
            "AWS KMS: arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/sops b".to_owned(),
            "GCP KMS: projects/p/locations/global/keyRings/r/cryptoKeys/k c".to_owned(),
            "Huawei Cloud KMS: eu-west-101:0-1 d".to_owned(),
            "Azure Key Vault: https://v.vault.azure.net/keys/n/2 e".to_owned(),
            "HashiCorp Vault: https://vault:8200/v1/transit/keys/k f".to_owned(),
        ]
    );
    assert_eq!(group[2].claimed_role.as_deref(), Some("arn:aws:iam::111122223333:role/sops"));
    assert_eq!(group[2].claimed_profile.as_deref(), Some("dev"));
    assert_eq!((&group[3].claimed_role, &group[3].claimed_profile), (&None, &None));
}

#[test]
fn groups_may_be_empty_but_not_all_of_them() {
    let both =
        metadata("age: []\nkey_groups: [{}, {age: [{recipient: a, enc: b}]}]\nshamir_threshold: 2").unwrap();
    assert_eq!(both.groups.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(both.threshold, Some(2));
    assert_eq!(fault("age: []"), "sops");
    assert_eq!(fault("age: ~\nkey_groups: [{}, {}]"), "sops");
}

#[test]
fn types_are_weak() {
    for truth in ["true", "'true'", "1", "'T'", "2.5"] {
        assert!(metadata(&format!("mac_only_encrypted: {truth}")).unwrap().mac_only_encrypted, "{truth}");
    }
    for lie in ["false", "'0'", "0", "''", "~"] {
        assert!(!metadata(&format!("mac_only_encrypted: {lie}")).unwrap().mac_only_encrypted, "{lie}");
    }
    for (threshold, expected) in
        [("3", Some(3)), ("'3'", Some(3)), ("'0x3'", Some(3)), ("true", Some(1)), ("''", None), ("0", None)]
    {
        let metadata = metadata(&format!("shamir_threshold: {threshold}")).unwrap();
        assert_eq!(metadata.threshold, expected, "{threshold}");
    }
    assert_eq!(metadata("version: 3.10").unwrap().version, "3.1");
    assert_eq!(metadata("version: true").unwrap().version, "1");
    let one = metadata(&format!("kms: {{arn: '{ARN}', enc: a, context: [{{a: b}}, {{c: d}}]}}\nage: {{}}"))
        .unwrap();
    assert_eq!(one.groups[0][0].key.context.len(), 2);
}

#[test]
fn the_time_of_the_mac_is_formatted_anew() {
    assert_eq!(
        metadata("lastmodified: '2024-01-02T03:04:05.6+00:00'").unwrap().mac_aad,
        "2024-01-02T03:04:05Z"
    );
    assert_eq!(
        metadata("lastmodified: 2024-01-02T03:04:05+01:00").unwrap().mac_aad,
        "2024-01-02T03:04:05+01:00"
    );
}

#[test]
fn the_selector_is_one_and_compiles() {
    let covers = |fields, key| metadata(fields).unwrap().selector.covers(&FieldPath::from([key]));
    assert_eq!(covers("version: ''", "a_unencrypted"), Some(false));
    assert_eq!(covers("encrypted_suffix: _enc", "a"), Some(false));
    assert_eq!(covers("encrypted_regex: 1", "a1"), Some(true));
    assert_eq!(covers("encrypted_comment_regex: secret", "a"), None);
    assert_eq!(fault("encrypted_regex: '('"), "sops.encrypted_regex");
    assert_eq!(
        fault("encrypted_regex: a\nunencrypted_suffix: b"),
        "sops.unencrypted_suffix, sops.encrypted_regex"
    );
}

#[test]
fn an_absent_mac_is_no_fault_of_the_block() {
    assert!(metadata("version: ''").unwrap().mac.is_none());
    assert!(metadata("mac: ''").unwrap().mac.is_none());
    assert_eq!(fault("mac: hunter2"), "sops.mac");
}

#[test]
fn what_is_wrong_is_named_by_its_field() {
    for (fields, field) in [
        ("lastmodified: ''", "sops.lastmodified"),
        ("lastmodified: yesterday", "sops.lastmodified"),
        ("lastmodified: [x]", "sops.lastmodified"),
        ("shamir_threshold: -1", "sops.shamir_threshold"),
        ("shamir_threshold: many", "sops.shamir_threshold"),
        (
            "age: []\nkey_groups: [{age: {recipient: a, enc: b}}, {}]\nshamir_threshold: 3",
            "sops.shamir_threshold",
        ),
        ("mac_only_encrypted: maybe", "sops.mac_only_encrypted"),
        ("age: x", "sops.age"),
        ("age: [x]", "sops.age[0]"),
        ("age: [{recipient: x}]", "sops.age[0].enc"),
        ("age: [{enc: x}]", "sops.age[0].recipient"),
        ("kms: [{enc: x}]", "sops.kms[0].arn"),
        ("kms: [{arn: 'arn:aws:kms:us-west-2:1:key/x', enc: x, context: y}]", "sops.kms[0].context"),
        ("kms: [{arn: 'arn:aws:kms:us-west-2:1:key/x', enc: x, context: {a: [b]}}]", "sops.kms[0].context"),
        ("key_groups: [{kms: [{arn: x, enc: y}]}]\nage: ~", "sops.key_groups[0].kms[0].arn"),
        ("pgp: [{fp: x, enc: y}, {fp: [], enc: y}]", "sops.pgp[1].fp"),
        ("version: {1: x}", "sops.version"),
        ("version: 9223372036854775808", "sops.version"),
    ] {
        assert_eq!(fault(fields), field, "{fields}");
    }
}

#[test]
fn arns_of_anything_but_kms_keys_are_refused() {
    for arn in [
        "arn:aws:kms:us-west-2:111122223333:key/",
        "arn:aws:kms:us-west-2:111122223333:grant/x",
        "arn:aws:kms::111122223333:key/x",
        "arn:aws:kms:us-west-2::key/x",
        "arn:aws:iam:us-west-2:111122223333:key/x",
        "arn:azure:kms:us-west-2:111122223333:key/x",
        "arn:aws:kms:us-west-2/../x:111122223333:key/x",
        "alias/x",
    ] {
        assert!(!is_kms_arn(arn), "{arn}");
        assert_eq!(fault(&format!("kms: [{{arn: '{arn}', enc: x}}]")), "sops.kms[0].arn");
    }
}

#[test]
fn a_block_that_is_no_mapping_is_refused() {
    for text in ["x", "[x]", "~"] {
        let problem = Metadata::of_item(&yaml::parse(text).unwrap()[0].root).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), (Code::BadMetadata, Some("sops")), "{text}");
    }
}
