//! Whether a text is a file that SOPS encrypted, whatever holds it: a value of a `ConfigMap`, decoded base64, an annotation.
//!
//! It goes by content, not by name, and decides nothing: what it finds still has to be read, and may be wrong. Almost everything
//! that comes here is not encrypted, so the first question is a search for two words; nothing is parsed before it.

use std::fmt;

use super::value::CLAIM;
use crate::yaml::{self, Content, Node};

/// The names that SOPS gives its metadata; in dotenv and INI files, those of lists have `__list_…` behind.
const METADATA: &[&str] = &[
    "age",
    "azure_kv",
    "encrypted_comment_regex",
    "encrypted_regex",
    "encrypted_suffix",
    "gcp_kms",
    "hc_vault",
    "hckms",
    "key_groups",
    "kms",
    "lastmodified",
    "mac",
    "mac_only_encrypted",
    "pgp",
    "shamir_threshold",
    "unencrypted_comment_regex",
    "unencrypted_regex",
    "unencrypted_suffix",
    "version",
];

/// What a text is that holds ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ciphertext {
    /// A YAML file with a `sops` block at the top of one of its documents.
    Yaml,
    /// A JSON file with one. SOPS wraps what it calls a binary file in the same form; only a name could tell.
    Json,
    /// A dotenv file with metadata in `sops_…` lines.
    Dotenv,
    /// An INI file with a `[sops]` section.
    Ini,
    /// Encrypted values without any metadata: a part of a file, or something around one.
    Values,
}

impl fmt::Display for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "an encrypted YAML file",
            Self::Json => "an encrypted JSON file",
            Self::Dotenv => "an encrypted dotenv file",
            Self::Ini => "an encrypted INI file",
            Self::Values => "encrypted values",
        })
    }
}

/// What these bytes are, where SOPS encrypted them or a part of them.
#[must_use]
pub fn detect(bytes: &[u8]) -> Option<Ciphertext> {
    let Ok(text) = str::from_utf8(bytes) else {
        // No file of sops', but perhaps an archive of some.
        return bytes.windows(CLAIM.len()).any(|part| part == CLAIM.as_bytes()).then_some(Ciphertext::Values);
    };
    let has_values = text.contains(CLAIM);
    if !has_values && !text.contains("sops") {
        return None;
    }
    // One value, as each of a Secret is: whatever key there were in it, it would begin as the value does.
    if text.starts_with(CLAIM) && !text.contains(['\n', '\r']) {
        return Some(Ciphertext::Values);
    }
    whole_file(text).or(has_values.then_some(Ciphertext::Values))
}

/// Whether a key is one that an encrypted dotenv file has for its metadata. kustomize's `envs:` scatters such a file over the
/// keys of a `ConfigMap` or Secret, these among them.
#[must_use]
pub fn is_dotenv_metadata(key: &str) -> bool {
    key.strip_prefix("sops_").is_some_and(is_flat_metadata)
}

/// A name such as `mac` or `kms__list_0__map_arn`.
fn is_flat_metadata(name: &str) -> bool {
    METADATA.contains(&name.split("__list_").next().unwrap_or(name))
}

fn whole_file(text: &str) -> Option<Ciphertext> {
    let text = text.trim_start_matches('\u{feff}');
    if is_dotenv(text) {
        Some(Ciphertext::Dotenv)
    } else if is_ini(text) {
        Some(Ciphertext::Ini)
    } else {
        let documents = yaml::parse(text).ok()?;
        let json = text.trim_start().starts_with('{');
        let form = if json { Ciphertext::Json } else { Ciphertext::Yaml };
        documents.iter().any(|document| has_block(&document.root)).then_some(form)
    }
}

/// sops writes these three into every file. One is enough: a line may be lost.
fn is_dotenv(text: &str) -> bool {
    let marks = ["sops_mac=", "sops_lastmodified=", "sops_version="];
    text.lines().any(|line| marks.iter().any(|mark| line.starts_with(mark)))
}

fn is_ini(text: &str) -> bool {
    let mut section = text.lines().map(str::trim).skip_while(|line| *line != "[sops]").skip(1);
    section
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .any(|(name, _)| is_flat_metadata(name.trim_end()))
}

/// Whether a mapping has a `sops` entry that is metadata, and not just some program's settings for sops.
fn has_block(root: &Node<'_>) -> bool {
    let Some(block) = root.find("sops") else { return false };
    let is_list = |node: &Node<'_>| matches!(node.content, Content::Sequence { .. });
    block.entries().iter().any(|entry| match entry.key.text() {
        Some("mac" | "lastmodified") => true,
        Some(name) => METADATA.contains(&name) && is_list(&entry.value),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As sops 3.13.2 wrote them, with less base64.
    const DOTENV: &str = "\
A=ENC[AES256_GCM,data:Z/il,iv:kAZhEnA3OMTxWDX5hBaqqD0MoSKzG6MbPR5g8NKSTlk=,tag:IaREiC+FwE9tTVNyMbgvyA==,type:str]
sops_kms__list_0__map_arn=arn:aws:kms:us-west-2:123456789012:key/0d1c2b3a-4f5e-4a6b-8c7d-9e8f7a6b5c4d
sops_kms__list_0__map_aws_profile=
sops_lastmodified=2026-11-24T11:35:21Z
sops_mac=ENC[AES256_GCM,data:R9UC,iv:2b4tacxuaHK0mpx8c2toDHaM3g0CojWrbpWymMGMExQ=,tag:EWY1gDo7BmGujBbKqK6y/A==,type:str]
sops_unencrypted_suffix=_unencrypted
sops_version=3.13.2
";
    const INI: &str = "\
; ENC[AES256_GCM,data:zw==,iv:MDFXqwJ3wOHJtxWkR5IT7NVQZfWiivqCh1HpjPCeXKA=,tag:WEd7C7SjuVNzPWsQXyS/hw==,type:comment]
top = ENC[AES256_GCM,data:Fw==,iv:vc5OESUA4x1NbtczbKj1jL+CJ1QHvgeckW3cc9dBdE8=,tag:GzUWAiyQMmr1zZx5GOejmw==,type:str]

[sops]
kms__list_0__map_arn         = arn:aws:kms:us-west-2:123456789012:key/0d1c2b3a-4f5e-4a6b-8c7d-9e8f7a6b5c4d
lastmodified                 = 2026-11-24T11:35:21Z
version                      = 3.13.2
";

    fn of(text: &str) -> Option<Ciphertext> {
        detect(text.as_bytes())
    }

    #[test]
    fn each_form_that_sops_writes() {
        let yaml = include_str!("../../tests/fixtures/sops/secret.yaml");
        let json = include_str!("../../tests/fixtures/sops/types.json");
        for (text, form) in [
            (yaml, Ciphertext::Yaml),
            (json, Ciphertext::Json),
            (DOTENV, Ciphertext::Dotenv),
            (INI, Ciphertext::Ini),
        ] {
            assert_eq!(of(text), Some(form), "{text}");
            assert_eq!(of(&text.replace('\n', "\r\n")), Some(form), "with carriage returns: {text}");
            assert_eq!(of(&format!("\u{feff}{text}")), Some(form), "with a byte-order mark: {text}");
            let without_values = text.replace("ENC[AES256_GCM,", "");
            assert_eq!(of(&without_values), Some(form), "by its metadata alone: {without_values}");
        }
        // The block need not be in the first document, and JSON need not be laid out.
        assert_eq!(of(&format!("a: b\n---\n{yaml}")), Some(Ciphertext::Yaml));
        assert_eq!(of(r#"{"a":"b","sops":{"mac":""}}"#), Some(Ciphertext::Json));
    }

    #[test]
    fn values_without_metadata() {
        for text in [
            "ENC[AES256_GCM,data:zw==,iv:a,tag:b,type:str]",
            "password: ENC[AES256_GCM,data:zw==,iv:a,tag:b,type:str]\n",
            "{\"a\": \"ENC[AES256_GCM,data:zw==",
            "# ENC[AES256_GCM,data:zw==,iv:a,tag:b,type:comment]",
        ] {
            assert_eq!(of(text), Some(Ciphertext::Values), "{text}");
        }
        assert_eq!(detect(b"\xff\x00a = ENC[AES256_GCM,data:\xfe"), Some(Ciphertext::Values));
    }

    #[test]
    fn what_only_speaks_of_sops() {
        for text in [
            "",
            "sops",
            "creation_rules:\n- kms: arn:aws:kms:us-west-2:1:key/a # for sops\n",
            "sops:\n  enabled: true\n  version: 3.13.2\n",
            "sops:\n  kms: arn:aws:kms:us-west-2:1:key/a\n",
            "a:\n  sops:\n    mac: nested, so it is another's\n",
            "[sops]\nenabled = true\n\n[other]\nmac = 00:00\n",
            "SOPS_VERSION=3.13.2\nsops_home=/opt\n",
            "ENC[PKCS7,MIIB] is what Puppet writes, and no sops\n",
            "not: [valid, sops\n",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(detect(b"\xff sops: {mac: a}"), None);
    }

    #[test]
    fn metadata_that_is_scattered_over_keys() {
        for line in DOTENV.lines().skip(1) {
            let (key, _) = line.split_once('=').unwrap();
            assert!(is_dotenv_metadata(key), "{key}");
        }
        for key in ["sops", "sops_", "sops_home", "mac", "SOPS_MAC", "sops_kms_key", "sops_machine", "A"] {
            assert!(!is_dotenv_metadata(key), "{key}");
        }
    }
}
