use std::collections::BTreeMap;

use prost::Message as _;

use super::messages::{DecryptRequest, DecryptResponse};
use crate::diagnostics::Code;
use crate::master_key::{Grant, KeyKind, MasterKey};

fn grant(kind: KeyKind, id: &str) -> Grant {
    Grant { key: MasterKey::new(kind, id), wrapped: "w".into(), role: None, profile: None }
}

/// The bytes on the wire, control characters as escapes.
fn wire(grant: &Grant) -> String {
    DecryptRequest::of(grant).unwrap().encode_to_vec().escape_ascii().to_string()
}

#[test]
fn each_kind_goes_by_the_number_that_sops_gave_it() {
    for (kind, id, bytes) in [
        (KeyKind::AwsKms, "k", r"\n\x05\n\x03\n\x01k\x12\x01w"),
        (KeyKind::Pgp, "k", r"\n\x05\x12\x03\n\x01k\x12\x01w"),
        (KeyKind::GcpKms, "k", r"\n\x05\x1a\x03\n\x01k\x12\x01w"),
        (KeyKind::AzureKeyVault, "a/keys/n/v", r#"\n\x0b\"\t\n\x01a\x12\x01n\x1a\x01v\x12\x01w"#),
        (KeyKind::HashicorpVault, "a/v1/e/keys/n", r"\n\x0b*\t\n\x01a\x12\x01e\x1a\x01n\x12\x01w"),
        (KeyKind::Age, "k", r"\n\x052\x03\n\x01k\x12\x01w"),
        (KeyKind::HuaweiKms, "k", r"\n\x05:\x03\n\x01k\x12\x01w"),
    ] {
        assert_eq!(wire(&grant(kind, id)), bytes, "{kind}");
    }
    assert_eq!(KeyKind::ALL.len(), 7);
}

#[test]
fn aws_is_asked_as_the_role_and_profile_of_the_grant_with_its_context() {
    let mut grant = grant(KeyKind::AwsKms, "k");
    grant.role = Some("r".into());
    grant.profile = Some("p".into());
    grant.key.context = BTreeMap::from([("a".into(), "b".into())]);
    assert_eq!(wire(&grant), r#"\n\x13\n\x11\n\x01k\x12\x01r\x1a\x06\n\x01a\x12\x01b\"\x01p\x12\x01w"#);
}

#[test]
fn the_parts_of_a_name_are_found_again() {
    let vault = grant(KeyKind::HashicorpVault, "https://vault:8200/v1/a/keys/b/keys/name");
    let sent = wire(&vault);
    assert!(
        sent.contains("https://vault:8200") && sent.contains("a/keys/b") && sent.contains("name"),
        "{sent}"
    );
    for (kind, id) in
        [(KeyKind::HashicorpVault, "https://vault/name"), (KeyKind::AzureKeyVault, "https://vault")]
    {
        assert_eq!(DecryptRequest::of(&grant(kind, id)).unwrap_err().code, Code::BadMetadata);
    }
}

#[test]
fn an_answer_shows_no_data_key() {
    let answer = DecryptResponse::decode(&b"\n\x07hunter2"[..]).unwrap();
    assert_eq!(answer.plaintext, b"hunter2");
    assert_eq!(format!("{answer:?}"), "DecryptResponse(..)");
}
