//! Master keys: what wraps a data key, as rules and metadata both name it.

use std::collections::BTreeMap;
use std::fmt;

/// The services and tools that SOPS 3.13 can wrap data keys with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// AWS KMS.
    AwsKms,
    /// age.
    Age,
    /// `OpenPGP`.
    Pgp,
    /// Google Cloud KMS.
    GcpKms,
    /// Huawei Cloud KMS.
    HuaweiKms,
    /// Azure Key Vault.
    AzureKeyVault,
    /// `HashiCorp` Vault's transit engine.
    HashicorpVault,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::AwsKms,
        Self::Age,
        Self::Pgp,
        Self::GcpKms,
        Self::HuaweiKms,
        Self::AzureKeyVault,
        Self::HashicorpVault,
    ];
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AwsKms => "AWS KMS",
            Self::Age => "age",
            Self::Pgp => "PGP",
            Self::GcpKms => "GCP KMS",
            Self::HuaweiKms => "Huawei Cloud KMS",
            Self::AzureKeyVault => "Azure Key Vault",
            Self::HashicorpVault => "HashiCorp Vault",
        })
    }
}

/// The identity of a master key. Two are the same key when all three parts are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterKey {
    /// Which service or tool holds it.
    pub kind: KeyKind,
    /// Its name there: an ARN, a recipient, a fingerprint, a resource id or a URL.
    pub id: String,
    /// The encryption context that a KMS call must send; empty for none.
    pub context: BTreeMap<String, String>,
}

impl MasterKey {
    /// A master key without an encryption context.
    pub fn new(kind: KeyKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), context: BTreeMap::new() }
    }
}

impl fmt::Display for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if !self.context.is_empty() {
            let pairs: Vec<_> = self.context.iter().map(|(key, value)| format!("{key}={value}")).collect();
            write!(f, " (encryption context {})", pairs.join(", "))?;
        }
        Ok(())
    }
}

/// Leave to unwrap one wrapped data key with one master key, as one identity.
///
/// The policy makes it, from the rule; a provider needs nothing else. Equal grants unwrap to the same bytes, so each
/// distinct one is asked for once a run.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The master key to ask.
    pub key: MasterKey,
    /// The wrapped data key, as the metadata holds it (base64 for AWS KMS).
    pub wrapped: String,
    /// The IAM role to assume first.
    pub role: Option<String>,
    /// The AWS profile whose credentials to start from.
    pub profile: Option<String>,
}

// A wrapped data key is no secret without the master key, but nobody wants to read it.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("key", &self.key)
            .field("role", &self.role)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
