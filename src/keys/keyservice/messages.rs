//! The messages of sops' keyservice, and how a grant becomes one. The field numbers are those of its
//! `keyservice/keyservice.proto`; sops encrypts with the same service, but here only decryption is asked for.

use std::collections::BTreeMap;
use std::fmt;

use prost::{Message, Oneof};

use crate::diagnostics::{Code, Problem};
use crate::master_key::{Grant, KeyKind};

/// What the service is asked: to unwrap this with that key.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DecryptRequest {
    /// The master key.
    #[prost(message, optional, tag = "1")]
    pub(super) key: Option<Key>,
    /// The wrapped data key, as the `sops` block holds it.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) ciphertext: Vec<u8>,
}

/// What it answers.
#[derive(PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct DecryptResponse {
    /// The data key, or a share of one.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) plaintext: Vec<u8>,
}

// A message has to have it; a data key must not.
impl fmt::Debug for DecryptResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecryptResponse(..)")
    }
}

/// A master key of any kind.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Key {
    #[prost(oneof = "KeyType", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(super) key_type: Option<KeyType>,
}

/// The kinds of master keys.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum KeyType {
    #[prost(message, tag = "1")]
    AwsKms(AwsKmsKey),
    #[prost(message, tag = "2")]
    Pgp(NamedKey),
    #[prost(message, tag = "3")]
    GcpKms(NamedKey),
    #[prost(message, tag = "4")]
    AzureKeyVault(AzureKeyVaultKey),
    #[prost(message, tag = "5")]
    HashicorpVault(VaultKey),
    #[prost(message, tag = "6")]
    Age(NamedKey),
    #[prost(message, tag = "7")]
    HuaweiKms(NamedKey),
}

/// A key that one string names: a fingerprint, a resource id, a recipient, a key id. They are four messages of one shape.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NamedKey {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

/// A key of AWS KMS, and as whom to use it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AwsKmsKey {
    #[prost(string, tag = "1")]
    pub(super) arn: String,
    #[prost(string, tag = "2")]
    pub(super) role: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(super) context: BTreeMap<String, String>,
    #[prost(string, tag = "4")]
    pub(super) aws_profile: String,
}

/// A key of Azure's Key Vault.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AzureKeyVaultKey {
    #[prost(string, tag = "1")]
    pub(super) vault_url: String,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) version: String,
}

/// A key of Vault's transit engine.
#[derive(Clone, PartialEq, Message)]
pub(super) struct VaultKey {
    #[prost(string, tag = "1")]
    pub(super) vault_address: String,
    #[prost(string, tag = "2")]
    pub(super) engine_path: String,
    #[prost(string, tag = "3")]
    pub(super) key_name: String,
}

impl DecryptRequest {
    /// Asks for what a grant allows: its key and context, as its role and profile. The file's own claims are not in it.
    ///
    /// # Errors
    /// `bad-metadata`: the key's name has not the parts that the service wants.
    pub(super) fn of(grant: &Grant) -> Result<Self, Problem> {
        let key_type = key_type(grant).ok_or_else(|| {
            let what = format!("{} is not the name of a key of {}", grant.key, grant.key.kind);
            Problem::new(Code::BadMetadata, what)
        })?;
        let key = Some(Key { key_type: Some(key_type) });
        Ok(Self { key, ciphertext: grant.wrapped.clone().into_bytes() })
    }
}

fn key_type(grant: &Grant) -> Option<KeyType> {
    let id = grant.key.id.as_str();
    let named = || NamedKey { name: id.to_owned() };
    Some(match grant.key.kind {
        KeyKind::AwsKms => KeyType::AwsKms(AwsKmsKey {
            arn: id.to_owned(),
            role: grant.role.clone().unwrap_or_default(),
            context: grant.key.context.clone(),
            aws_profile: grant.profile.clone().unwrap_or_default(),
        }),
        KeyKind::Pgp => KeyType::Pgp(named()),
        KeyKind::GcpKms => KeyType::GcpKms(named()),
        KeyKind::Age => KeyType::Age(named()),
        KeyKind::HuaweiKms => KeyType::HuaweiKms(named()),
        KeyKind::AzureKeyVault => KeyType::AzureKeyVault(azure(id)?),
        KeyKind::HashicorpVault => KeyType::HashicorpVault(vault(id)?),
    })
}

/// `VAULT/keys/NAME/VERSION`
fn azure(id: &str) -> Option<AzureKeyVaultKey> {
    let (rest, version) = id.rsplit_once('/')?;
    let (vault_url, name) = rest.rsplit_once("/keys/")?;
    Some(AzureKeyVaultKey { vault_url: vault_url.into(), name: name.into(), version: version.into() })
}

/// `ADDRESS/v1/ENGINE/keys/NAME`
fn vault(id: &str) -> Option<VaultKey> {
    let (address, rest) = id.split_once("/v1/")?;
    let (engine, name) = rest.rsplit_once("/keys/")?;
    Some(VaultKey { vault_address: address.into(), engine_path: engine.into(), key_name: name.into() })
}
