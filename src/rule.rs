//! `.sops.yaml`: text → [`Rules`], path → [`Rule`].
//!
//! The schema and its oddities are those of `config/config.go` in sops 3.13. Two things are stricter: every rule has to
//! be right, not only those up to the first match, because a broken rule that is passed over hands its files to the next
//! one; and everything is compiled here, so that nothing later can meet a bad regex.

use std::fmt;

use crate::diagnostics::{Code, Problem};
use crate::master_key::{KeyKind, MasterKey};
use crate::re2::{self, Regex};
use crate::selector::{Selector, SelectorError, SelectorFields};
use crate::yaml::Node;

mod fields;
mod id;

use fields::{Fields, File};

/// The largest `.sops.yaml` that is read, in bytes. sops has no bound; rules that people write have a few kilobytes.
const LARGEST: usize = 4 << 20;

/// The creation rules of one `.sops.yaml`, or of the function config.
#[derive(Debug)]
pub struct Rules {
    source: String,
    rules: Vec<Rule>,
}

/// A creation rule.
#[derive(Debug)]
pub struct Rule {
    /// Its one-based position among the rules of its file.
    pub position: usize,
    /// The file that it stands in, as people know it.
    pub source: String,
    /// The regex as it was written; none where the rule matches every path.
    pub path_regex: Option<String>,
    /// The key groups, each with its keys in the order in which sops lists them.
    pub groups: Vec<Vec<AllowedKey>>,
    /// How many groups recover a data key; none for all.
    pub threshold: Option<usize>,
    /// Which values it wants encrypted.
    pub selector: Selector,
    /// Whether its files' MACs cover encrypted values only.
    pub mac_only_encrypted: bool,
    matcher: Option<Regex>,
}

/// A master key that a rule allows, and the identity to use it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedKey {
    /// The key.
    pub key: MasterKey,
    /// The IAM role to assume first (AWS KMS).
    pub role: Option<String>,
    /// The AWS profile to start from (AWS KMS).
    pub profile: Option<String>,
}

impl Rules {
    /// Reads a `.sops.yaml`. `source` is its name for people.
    ///
    /// Without creation rules there is no rule for any path: sops does not look any further up then, either.
    ///
    /// # Errors
    /// `bad-rule`: the text is no YAML, a field has a wrong type, a key's name is none, a regex does not compile, or a rule
    /// has more than one selector.
    pub fn parse(text: &str, source: &str) -> Result<Self, Problem> {
        Self::read(text, &["creation_rules"], source, true)
    }

    /// Reads the list of rules that stands in a YAML text below these keys: those of a function config.
    ///
    /// # Errors
    /// As [`Rules::parse`]. They name no line, because an orchestrator has rewritten the text.
    pub fn parse_at(text: &str, keys: &[&str], source: &str) -> Result<Self, Problem> {
        Self::read(text, keys, source, false)
    }

    fn read(text: &str, keys: &[&str], source: &str, lines: bool) -> Result<Self, Problem> {
        if text.len() > LARGEST {
            return Err(Problem::new(Code::BadRule, format!("{source} is too large"))
                .because(format!("it is larger than {} MiB", LARGEST >> 20)));
        }
        let documents = crate::yaml::parse(text).map_err(|error| {
            Problem::new(Code::BadRule, format!("{source} is not valid YAML"))
                .because(format!("{} at line {}, column {}", error.what, error.line, error.column))
        })?;
        let source = source.to_owned();
        // Of several documents sops reads the first.
        let Some(document) = documents.first() else { return Ok(Self { source, rules: Vec::new() }) };
        let file = File::new(&source, lines.then_some(text), &document.root);
        let rules = fields::list_at(&file, &document.root, keys)?;
        let rules = rules.into_iter().enumerate().map(|(index, node)| Rule::read(&file, node, index + 1));
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Self { source, rules })
    }

    /// The rule for a path: the first that matches.
    ///
    /// `path` is the file's, relative to the directory of the `.sops.yaml`, with `/` between its parts.
    #[must_use]
    pub fn for_path(&self, path: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matches(path))
    }

    /// All rules, in order.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Where they come from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Rule {
    fn read<'n>(file: &File<'n>, node: &'n Node<'n>, position: usize) -> Result<Self, Problem> {
        let fields = Fields::of(file, node, &format!("creation rule {position}"))?;
        let path_regex = fields.text("path_regex")?;
        let matcher = match &path_regex {
            Some(pattern) => Some(re2::compile(pattern).map_err(|why| fields.bad("path_regex", &why))?),
            None => None,
        };
        let selector = read_selector(&fields)?;
        let groups = read_groups(&fields)?;
        let threshold = fields.count("shamir_threshold")?.filter(|threshold| *threshold > 0);
        let mac_only_encrypted = fields.flag("mac_only_encrypted")?;
        let source = file.source.to_owned();
        Ok(Self { position, source, path_regex, groups, threshold, selector, mac_only_encrypted, matcher })
    }

    /// Whether it covers a path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.matcher.as_ref().is_none_or(|regex| regex.is_match(path))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: creation rule {} ", self.source, self.position)?;
        match &self.path_regex {
            Some(regex) => write!(f, "(path_regex: {regex})"),
            None => f.write_str("(no path_regex: covers every path)"),
        }
    }
}

fn read_selector(fields: &Fields<'_, '_>) -> Result<Selector, Problem> {
    let given = SelectorFields {
        unencrypted_suffix: fields.text("unencrypted_suffix")?,
        encrypted_suffix: fields.text("encrypted_suffix")?,
        unencrypted_regex: fields.text("unencrypted_regex")?,
        encrypted_regex: fields.text("encrypted_regex")?,
        unencrypted_comment_regex: fields.text("unencrypted_comment_regex")?,
        encrypted_comment_regex: fields.text("encrypted_comment_regex")?,
    };
    Selector::new(given).map_err(|error| match error {
        SelectorError::MoreThanOne(names) => {
            fields.bad(&names.join(", "), "at most one of the six selectors may be given")
        }
        SelectorError::BadRegex(name, why) => fields.bad(name, &why),
    })
}

/// `key_groups` where there is any, else the flat lists as one group.
fn read_groups(fields: &Fields<'_, '_>) -> Result<Vec<Vec<AllowedKey>>, Problem> {
    let groups = fields.list("key_groups")?;
    if groups.is_empty() {
        return Ok(vec![flat_group(fields)?]);
    }
    let mut read = Vec::with_capacity(groups.len());
    for (index, group) in groups.into_iter().enumerate() {
        let group = fields.below(group, &format!("key group {}", index + 1))?;
        read.push(without_duplicates(key_group(&group)?));
    }
    Ok(read)
}

/// The lists that a rule without `key_groups` has, in sops' order.
fn flat_group(fields: &Fields<'_, '_>) -> Result<Vec<AllowedKey>, Problem> {
    let mut keys = plain_keys(fields, &[("age", KeyKind::Age), ("pgp", KeyKind::Pgp)])?;
    let profile = fields.text("aws_profile")?;
    for name in fields.names("kms")? {
        let (arn, role) = id::arn_and_role(&name);
        keys.push(AllowedKey { key: MasterKey::new(KeyKind::AwsKms, arn), role, profile: profile.clone() });
    }
    keys.extend(plain_keys(
        fields,
        &[
            ("gcp_kms", KeyKind::GcpKms),
            ("hckms", KeyKind::HuaweiKms),
            ("azure_keyvault", KeyKind::AzureKeyVault),
            ("hc_vault_transit_uri", KeyKind::HashicorpVault),
        ],
    )?);
    Ok(keys)
}

/// One of `key_groups`, with what it merges in before its own keys.
fn key_group(fields: &Fields<'_, '_>) -> Result<Vec<AllowedKey>, Problem> {
    let mut keys = Vec::new();
    for (index, merged) in fields.list("merge")?.into_iter().enumerate() {
        keys.extend(key_group(&fields.below(merged, &format!("merge {}", index + 1))?)?);
    }
    keys.extend(plain_keys(fields, &[("age", KeyKind::Age), ("pgp", KeyKind::Pgp)])?);
    for (index, entry) in fields.list("kms")?.into_iter().enumerate() {
        keys.push(kms_key(&fields.below(entry, &format!("kms {}", index + 1))?)?);
    }
    for (field, part, kind) in
        [("gcp_kms", "resource_id", KeyKind::GcpKms), ("hckms", "key_id", KeyKind::HuaweiKms)]
    {
        for (index, entry) in fields.list(field)?.into_iter().enumerate() {
            let entry = fields.below(entry, &format!("{field} {}", index + 1))?;
            let name = required(&entry, part)?;
            keys.push(plain(kind, id::of(kind, &name).map_err(|why| entry.bad(part, why))?));
        }
    }
    for (index, entry) in fields.list("azure_keyvault")?.into_iter().enumerate() {
        let entry = fields.below(entry, &format!("azure_keyvault {}", index + 1))?;
        let version = entry.text("version")?.unwrap_or_default();
        let id = id::azure(&required(&entry, "vaultUrl")?, &required(&entry, "key")?, &version);
        keys.push(plain(KeyKind::AzureKeyVault, id));
    }
    keys.extend(plain_keys(fields, &[("hc_vault", KeyKind::HashicorpVault)])?);
    Ok(keys)
}

/// Keys that are named by one string each.
fn plain_keys(fields: &Fields<'_, '_>, kinds: &[(&str, KeyKind)]) -> Result<Vec<AllowedKey>, Problem> {
    let mut keys = Vec::new();
    for (field, kind) in kinds {
        for name in fields.names(field)? {
            keys.push(plain(*kind, id::of(*kind, &name).map_err(|why| fields.bad(field, why))?));
        }
    }
    Ok(keys)
}

fn kms_key(fields: &Fields<'_, '_>) -> Result<AllowedKey, Problem> {
    let mut key = MasterKey::new(KeyKind::AwsKms, required(fields, "arn")?);
    key.context = fields.texts_by_name("context")?;
    Ok(AllowedKey { key, role: fields.text("role")?, profile: fields.text("aws_profile")? })
}

fn required(fields: &Fields<'_, '_>, field: &str) -> Result<String, Problem> {
    fields.text(field)?.ok_or_else(|| fields.bad(field, "it is missing"))
}

fn plain(kind: KeyKind, id: String) -> AllowedKey {
    AllowedKey { key: MasterKey::new(kind, id), role: None, profile: None }
}

/// Drops keys that are there already, as SOPS does when it merges groups.
fn without_duplicates(keys: Vec<AllowedKey>) -> Vec<AllowedKey> {
    let mut kept: Vec<AllowedKey> = Vec::with_capacity(keys.len());
    for key in keys {
        if !kept.contains(&key) {
            kept.push(key);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
