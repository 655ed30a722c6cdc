//! `.sops.yaml`: text → [`Rules`], path → [`Rule`].
//!
//! The schema and its oddities are those of `config/config.go` in sops 3.13. Two things are stricter: every rule has to
//! be right, not only those up to the first match, because a broken rule that is passed over hands its files to the next
//! one; and everything is compiled here, so that nothing later can meet a bad regex.

use std::fmt;

use serde_yaml::{Mapping, Value};

use crate::diagnostics::{Code, Problem};
use crate::master_key::{KeyKind, MasterKey};
use crate::re2::{self, Regex};
use crate::selector::{Selector, SelectorError, SelectorFields};

mod fields;

use fields::Fields;

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
    /// # Errors
    /// `bad-rule`: the text is no YAML, a field has a wrong type, a regex does not compile, or a rule has more than one
    /// selector.
    pub fn parse(text: &str, source: &str) -> Result<Self, Problem> {
        // The bounds of depth and size are that parser's; serde's would take seconds to say no.
        crate::yaml::parse(text).map_err(|error| {
            Problem::new(Code::BadRule, format!("{source} is not valid YAML"))
                .because(format!("{} at line {}, column {}", error.what, error.line, error.column))
        })?;
        let unreadable = |_| Problem::new(Code::BadRule, format!("{source} cannot be read as YAML"));
        let mut value: Value = serde_yaml::from_str(text).map_err(unreadable)?;
        value.apply_merge().map_err(unreadable)?;
        let mut file = Fields::of(&value, source, "the file")?;
        Self::from_values(file.list("creation_rules")?, source)
    }

    /// Reads the rules of a function config's `creationRules`.
    ///
    /// # Errors
    /// As [`Rules::parse`].
    pub fn from_values(values: Vec<&Value>, source: &str) -> Result<Self, Problem> {
        let rules = values.into_iter().enumerate().map(|(index, value)| Rule::read(value, index + 1, source));
        Ok(Self { source: source.to_owned(), rules: rules.collect::<Result<_, _>>()? })
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
    fn read(value: &Value, position: usize, source: &str) -> Result<Self, Problem> {
        let mut fields = Fields::of(value, source, &format!("creation rule {position}"))?;
        let path_regex = fields.text("path_regex")?;
        let matcher = match &path_regex {
            Some(pattern) => Some(re2::compile(pattern).map_err(|why| fields.bad("path_regex", &why))?),
            None => None,
        };
        let selector = read_selector(&mut fields)?;
        let groups = read_groups(&mut fields)?;
        let threshold = fields.count("shamir_threshold")?.filter(|threshold| *threshold > 0);
        let mac_only_encrypted = fields.flag("mac_only_encrypted")?;
        let source = source.to_owned();
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

fn read_selector(fields: &mut Fields<'_>) -> Result<Selector, Problem> {
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
fn read_groups(fields: &mut Fields<'_>) -> Result<Vec<Vec<AllowedKey>>, Problem> {
    let groups = fields.list("key_groups")?;
    if groups.is_empty() {
        return Ok(vec![flat_group(fields)?]);
    }
    let mut read = Vec::with_capacity(groups.len());
    for (index, group) in groups.into_iter().enumerate() {
        read.push(without_duplicates(key_group(fields.below(group, &format!("key group {}", index + 1))?)?));
    }
    Ok(read)
}

/// The lists that a rule without `key_groups` has, in sops' order.
fn flat_group(fields: &mut Fields<'_>) -> Result<Vec<AllowedKey>, Problem> {
    let mut keys = Vec::new();
    keys.extend(fields.names("age")?.into_iter().map(|id| plain(KeyKind::Age, id)));
    keys.extend(fields.names("pgp")?.into_iter().map(|id| plain(KeyKind::Pgp, id.replace(' ', ""))));
    let profile = fields.text("aws_profile")?;
    for name in fields.names("kms")? {
        // `arn+arn:aws:iam::…:role/…`: a role ARN behind a plus. Key ARNs hold no `+arn:`.
        let name = name.replace(' ', "");
        let (arn, role) = match name.find("+arn:") {
            Some(plus) if plus > 0 => (name.get(..plus).unwrap_or(&name), name.get(plus + 1..)),
            _ => (name.as_str(), None),
        };
        let key = MasterKey::new(KeyKind::AwsKms, arn);
        keys.push(AllowedKey { key, role: role.map(str::to_owned), profile: profile.clone() });
    }
    for (field, kind) in [
        ("gcp_kms", KeyKind::GcpKms),
        ("hckms", KeyKind::HuaweiKms),
        ("azure_keyvault", KeyKind::AzureKeyVault),
        ("hc_vault_transit_uri", KeyKind::HashicorpVault),
    ] {
        keys.extend(fields.names(field)?.into_iter().map(|id| plain(kind, id)));
    }
    Ok(keys)
}

/// One of `key_groups`, with what it merges in before its own keys.
fn key_group(mut fields: Fields<'_>) -> Result<Vec<AllowedKey>, Problem> {
    let mut keys = Vec::new();
    for (index, merged) in fields.list("merge")?.into_iter().enumerate() {
        keys.extend(key_group(fields.below(merged, &format!("merge {}", index + 1))?)?);
    }
    keys.extend(fields.names("age")?.into_iter().map(|id| plain(KeyKind::Age, id)));
    keys.extend(fields.names("pgp")?.into_iter().map(|id| plain(KeyKind::Pgp, id.replace(' ', ""))));
    for (index, entry) in fields.list("kms")?.into_iter().enumerate() {
        keys.push(kms_key(fields.below(entry, &format!("kms {}", index + 1))?)?);
    }
    for (field, kind, parts) in [
        ("gcp_kms", KeyKind::GcpKms, &["resource_id"] as &[_]),
        ("hckms", KeyKind::HuaweiKms, &["key_id"]),
        ("azure_keyvault", KeyKind::AzureKeyVault, &["vaultUrl", "key", "version"]),
    ] {
        for (index, entry) in fields.list(field)?.into_iter().enumerate() {
            let mut entry = fields.below(entry, &format!("{field} {}", index + 1))?;
            let mut id = Vec::new();
            for part in parts {
                id.push(entry.text(part)?.unwrap_or_default());
            }
            keys.push(plain(kind, azure_id(kind, &id)));
        }
    }
    keys.extend(fields.names("hc_vault")?.into_iter().map(|id| plain(KeyKind::HashicorpVault, id)));
    Ok(keys)
}

fn kms_key(mut fields: Fields<'_>) -> Result<AllowedKey, Problem> {
    let mut key = MasterKey::new(KeyKind::AwsKms, fields.text("arn")?.unwrap_or_default());
    if key.id.is_empty() {
        return Err(fields.bad("arn", "it is missing"));
    }
    key.context = fields.texts_by_name("context")?;
    Ok(AllowedKey { key, role: fields.text("role")?, profile: fields.text("aws_profile")? })
}

/// The parts of an id as SOPS joins them in the metadata: only Azure's has more than one.
fn azure_id(kind: KeyKind, parts: &[String]) -> String {
    match (kind, parts) {
        (KeyKind::AzureKeyVault, [vault, key, version]) => format!("{vault}/keys/{key}/{version}"),
        _ => parts.concat(),
    }
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
