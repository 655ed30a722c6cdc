//! The `sops` block: what a file says about its keys, its selector and its MAC.
//!
//! None of it is authenticated: whoever can commit can change it. It is a claim, which the creation rule confirms or not.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::flat;
use super::scalar::Scalar;
use super::timestamp::Timestamp;
use super::tree::{Entries, Tree};
use super::value::EncryptedValue;
use super::weak::Section;
use crate::diagnostics::{Code, Problem};
use crate::master_key::{KeyKind, MasterKey};
use crate::selector::{Selector, SelectorError, SelectorFields};
use crate::yaml::Node;

/// What the `sops` block claims.
#[derive(Debug)]
pub struct Metadata {
    /// The key groups. Each key of a group unwraps the same bytes: the data key where there is one group, a Shamir
    /// share of it where there are more. The keys stand in the order in which SOPS tries them. A group may be empty,
    /// not all of them.
    pub groups: Vec<Vec<SealedKey>>,
    /// How many groups must be unwrapped, where there is more than one. `None`: all of them.
    pub threshold: Option<usize>,
    /// Which values are encrypted.
    pub selector: Selector,
    /// Whether the MAC is over the encrypted values only.
    pub mac_only_encrypted: bool,
    /// The encrypted MAC. `None`: it is empty or missing.
    pub mac: Option<EncryptedValue>,
    /// The additional authenticated data of the MAC: the time of the last change, as SOPS prints it.
    pub mac_aad: String,
    /// The version of SOPS that wrote the file; empty where it does not say.
    pub version: String,
}

/// A wrapped data key, and the master key that unwraps it.
pub struct SealedKey {
    /// The master key.
    pub key: MasterKey,
    /// The wrapped data key, as the block holds it (base64 for AWS KMS).
    pub wrapped: String,
    /// The IAM role that the block names for AWS KMS. A claim: the rule's role is the one to assume.
    pub claimed_role: Option<String>,
    /// The AWS profile that the block names. A claim, too.
    pub claimed_profile: Option<String>,
}

// A wrapped data key is no secret without the master key, but nobody wants to read it.
impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedKey")
            .field("key", &self.key)
            .field("claimed_role", &self.claimed_role)
            .field("claimed_profile", &self.claimed_profile)
            .finish_non_exhaustive()
    }
}

impl Metadata {
    /// Reads the `sops` block of an item.
    ///
    /// # Errors
    /// `bad-metadata`, with the field.
    pub fn of_item(block: &Node<'_>) -> Result<Self, Problem> {
        let tree = Tree::of_yaml(block).map_err(|mut problem| {
            problem.field = problem.field.map(|field| format!("sops.{field}"));
            problem
        })?;
        match tree {
            Tree::Map(entries) => Self::of_entries(&entries),
            _ => Err(not_a_mapping()),
        }
    }

    /// Reads metadata under the flat names that dotenv files have for them, without their `sops_`.
    ///
    /// # Errors
    /// `bad-metadata`, with the field.
    pub fn of_flat<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<Self, Problem> {
        let text = |text: &str| Tree::Scalar(Scalar::Text(Cow::Owned(text.as_bytes().to_vec())));
        let entries = fields.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
        Self::of_tree(&flat::unflatten(entries)?)
    }

    /// Reads the `sops` block of a file.
    pub(super) fn of_tree(block: &Tree) -> Result<Self, Problem> {
        match block {
            Tree::Map(entries) => Self::of_entries(entries),
            _ => Err(not_a_mapping()),
        }
    }

    fn of_entries(entries: &Entries) -> Result<Self, Problem> {
        let block = Section::root(entries);
        let mac_aad = mac_aad(&block)?;
        let groups = groups(&block)?;
        Ok(Self {
            threshold: threshold(&block, groups.len())?,
            groups,
            selector: selector(&block)?,
            mac_only_encrypted: block.truth("mac_only_encrypted")?,
            mac: mac(&block)?,
            mac_aad,
            version: block.text("version")?,
        })
    }
}

fn not_a_mapping() -> Problem {
    Problem::new(Code::BadMetadata, "the `sops` block is no mapping").at("sops")
}

fn mac_aad(block: &Section<'_>) -> Result<String, Problem> {
    let text = block.required("lastmodified")?;
    // SOPS formats the time anew, so `+00:00` becomes `Z`, and fractions of a second go.
    Timestamp::of_rfc3339(&text)
        .map(Timestamp::to_seconds)
        .ok_or_else(|| block.refuse("lastmodified", "the time of the last change is not in RFC 3339"))
}

fn mac(block: &Section<'_>) -> Result<Option<EncryptedValue>, Problem> {
    let text = block.text("mac")?;
    if text.is_empty() {
        return Ok(None);
    }
    EncryptedValue::parse(&text).map(Some).map_err(|mut problem| {
        problem.code = Code::BadMetadata;
        "the MAC is no encrypted value".clone_into(&mut problem.what);
        problem.at(block.path_of("mac"))
    })
}

fn selector(block: &Section<'_>) -> Result<Selector, Problem> {
    let field = |name| block.text(name).map(Some);
    let fields = SelectorFields {
        unencrypted_suffix: field("unencrypted_suffix")?,
        encrypted_suffix: field("encrypted_suffix")?,
        unencrypted_regex: field("unencrypted_regex")?,
        encrypted_regex: field("encrypted_regex")?,
        unencrypted_comment_regex: field("unencrypted_comment_regex")?,
        encrypted_comment_regex: field("encrypted_comment_regex")?,
    };
    Selector::new(fields).map_err(|error| match error {
        SelectorError::MoreThanOne(names) => {
            Problem::new(Code::BadMetadata, "the `sops` block has more than one selector").at(names
                .iter()
                .map(|name| format!("sops.{name}"))
                .collect::<Vec<_>>()
                .join(", "))
        }
        SelectorError::BadRegex(name, why) => {
            block.refuse(name, "the regex that selects the encrypted values does not compile").because(why)
        }
    })
}

fn threshold(block: &Section<'_>, groups: usize) -> Result<Option<usize>, Problem> {
    let name = "shamir_threshold";
    let threshold = usize::try_from(block.integer(name)?)
        .map_err(|_| block.refuse(name, "the Shamir threshold is negative"))?;
    if groups > 1 && threshold > groups {
        return Err(block
            .refuse(name, "the Shamir threshold cannot be reached")
            .because(format!("it is {threshold}, and there are {groups} key groups")));
    }
    Ok((threshold > 0).then_some(threshold))
}

/// The keys of the block itself are one group, and hide `key_groups`.
fn groups(block: &Section<'_>) -> Result<Vec<Vec<SealedKey>>, Problem> {
    let flat = group(block)?;
    if !flat.is_empty() {
        return Ok(vec![flat]);
    }
    let groups = block.list("key_groups")?.iter().map(group).collect::<Result<Vec<_>, _>>()?;
    if groups.iter().all(Vec::is_empty) {
        return Err(Problem::new(
            Code::BadMetadata,
            "the `sops` block names no key that could decrypt the file",
        )
        .at("sops"));
    }
    Ok(groups)
}

fn group(section: &Section<'_>) -> Result<Vec<SealedKey>, Problem> {
    let mut keys = Vec::new();
    for (field, read) in READERS {
        for entry in section.list(field)? {
            keys.push(read(&entry)?);
        }
    }
    // SOPS tries age first, then PGP, then the others as listed (`DefaultDecryptionOrder` in sops' `sops.go`).
    keys.sort_by_key(|key| match key.key.kind {
        KeyKind::Age => 0,
        KeyKind::Pgp => 1,
        _ => 2,
    });
    Ok(keys)
}

type ReadKey = fn(&Section<'_>) -> Result<SealedKey, Problem>;

/// The lists that a group has, in the order in which SOPS reads them (`internalGroupFrom` in sops' `stores.go`), and
/// how an entry becomes a key. Names are those of each `MasterKey.ToString`.
const READERS: [(&str, ReadKey); 7] = [
    ("kms", aws_kms),
    ("gcp_kms", |entry| sealed(KeyKind::GcpKms, entry.required("resource_id")?, entry)),
    ("hckms", |entry| sealed(KeyKind::HuaweiKms, entry.required("key_id")?, entry)),
    ("azure_kv", |entry| {
        let (vault, name) = (entry.required("vault_url")?, entry.required("name")?);
        sealed(KeyKind::AzureKeyVault, format!("{vault}/keys/{name}/{}", entry.text("version")?), entry)
    }),
    ("hc_vault", |entry| {
        let (address, engine) = (entry.required("vault_address")?, entry.required("engine_path")?);
        let name = entry.required("key_name")?;
        sealed(KeyKind::HashicorpVault, format!("{address}/v1/{engine}/keys/{name}"), entry)
    }),
    ("pgp", |entry| sealed(KeyKind::Pgp, entry.required("fp")?, entry)),
    ("age", |entry| sealed(KeyKind::Age, entry.required("recipient")?, entry)),
];

fn sealed(kind: KeyKind, id: String, entry: &Section<'_>) -> Result<SealedKey, Problem> {
    Ok(SealedKey {
        key: MasterKey::new(kind, id),
        wrapped: entry.required("enc")?,
        claimed_role: None,
        claimed_profile: None,
    })
}

fn aws_kms(entry: &Section<'_>) -> Result<SealedKey, Problem> {
    let arn = entry.required("arn")?;
    if !is_kms_arn(&arn) {
        return Err(entry
            .refuse("arn", "the ARN is not that of a KMS key or alias")
            .help("correct it to arn:aws:kms:REGION:ACCOUNT:key/ID, as `aws kms describe-key` prints it"));
    }
    let context: BTreeMap<String, String> = entry.texts("context")?;
    let given = |text: String| (!text.is_empty()).then_some(text);
    let mut key = sealed(KeyKind::AwsKms, arn, entry)?;
    key.key.context = context;
    key.claimed_role = given(entry.text("role")?);
    key.claimed_profile = given(entry.text("aws_profile")?);
    Ok(key)
}

/// `arn:aws…:kms:REGION:ACCOUNT:key/…` or `…:alias/…` (`arnRegex` in sops' `kms/keysource.go`).
fn is_kms_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts.as_slice() else {
        return false;
    };
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let id = resource.strip_prefix("key/").or_else(|| resource.strip_prefix("alias/"));
    partition.starts_with("aws")
        && is_name(partition)
        && is_name(region)
        && !region.is_empty()
        && account.bytes().all(|b| b.is_ascii_digit())
        && !account.is_empty()
        && id.is_some_and(|id| !id.is_empty() && !id.contains(char::is_control))
}

#[cfg(test)]
mod tests;
