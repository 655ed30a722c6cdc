//! The rule is the authority: (sealed metadata, creation rule) → [`Authorised`] or a refusal.
//!
//! What a file's or an item's own `sops` block says about keys and roles is a claim. It stands outside the MAC, so anyone
//! who can commit can change it. A claim turns into leave to call AWS only here, and only where the creation rule names
//! the same key; the role is the rule's. An [`Authorised`] cannot be made anywhere else.

use std::sync::Arc;

use crate::config::RolePolicy;
use crate::diagnostics::{Code, Problem};
use crate::master_key::{Grant, KeyKind, MasterKey};
use crate::rule::{AllowedKey, Rule};
use crate::sops::{Metadata, SealedFile, SealedKey};

/// Something sealed by SOPS, before anyone has decided whether it may be opened.
pub enum Sealed {
    /// The origin file, whole.
    File(SealedFile),
    /// The `sops` block of an item whose file is not opened: nothing can vouch for its values.
    Item(Metadata),
}

impl Sealed {
    /// What its `sops` block says.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        match self {
            Self::File(file) => &file.metadata,
            Self::Item(metadata) => metadata,
        }
    }
}

/// Who decides which keys and roles may be used.
#[derive(Clone, Copy)]
pub enum Authority<'r> {
    /// The creation rule that covers the origin.
    Rule(&'r Rule),
    /// The metadata itself: only by `onMissingOrigin: metadata` or `onNoRule: metadata`.
    Metadata,
}

/// What bounds the use of keys beside the rule.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Which role is assumed.
    pub role: RolePolicy,
    /// Whether an AWS profile that the authority names is honoured.
    pub profiles: bool,
    /// The kinds of keys that a provider exists for.
    pub usable: Vec<KeyKind>,
}

/// Leave to open something sealed. Only [`authorise`] makes it.
pub struct Authorised {
    sealed: Sealed,
    grants: Arc<Grants>,
}

/// What may be asked of master keys for something that is authorised. Only [`authorise`] makes it. Shared, so that keys can be
/// asked for elsewhere than where what they open is held.
pub struct Grants {
    groups: Vec<Vec<Grant>>,
    threshold: usize,
}

impl Grants {
    /// For each key group, the grants in the order in which they are tried. A group without a usable key is empty.
    #[must_use]
    pub fn groups(&self) -> &[Vec<Grant>] {
        &self.groups
    }

    /// How many groups must answer.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.threshold
    }
}

impl Authorised {
    /// What may be asked of master keys.
    #[must_use]
    pub fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// What may be opened.
    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// The same, once it is opened.
    #[must_use]
    pub fn into_sealed(self) -> Sealed {
        self.sealed
    }

    /// What its `sops` block says.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.sealed.metadata()
    }
}

/// Decides whether something sealed may be opened, and with which keys and roles.
///
/// # Errors
/// `key-not-in-rule` where a key that we would use is not named by the rule; `no-usable-key` where too few groups hold a
/// key that a provider exists for.
pub fn authorise(sealed: Sealed, authority: Authority<'_>, terms: &Terms) -> Result<Authorised, Problem> {
    let metadata = sealed.metadata();
    if let Authority::Rule(rule) = authority {
        refuse_foreign_keys(metadata, rule, terms)?;
    }
    let groups: Vec<Vec<Grant>> = metadata
        .groups
        .iter()
        .map(|group| {
            let usable = group.iter().filter(|sealed| terms.usable.contains(&sealed.key.kind));
            usable.flat_map(|sealed| grants(sealed, authority, terms)).collect()
        })
        .collect();
    let threshold = match (groups.len(), metadata.threshold) {
        (1, _) => 1,
        (all, None | Some(0)) => all,
        // One share alone opens nothing, and sops splits for no fewer than two: a 1 was put there by hand.
        (_, Some(threshold)) => threshold.max(2),
    };
    if groups.iter().filter(|group| !group.is_empty()).count() < threshold {
        return Err(no_provider(metadata, threshold, terms));
    }
    Ok(Authorised { sealed, grants: Arc::new(Grants { groups, threshold }) })
}

/// Every key that we would use must be the rule's, whichever of them is asked first: a foreign key beside a good one
/// means that somebody else can read the file, or that the block was tampered with.
fn refuse_foreign_keys(metadata: &Metadata, rule: &Rule, terms: &Terms) -> Result<(), Problem> {
    let foreign: Vec<&MasterKey> = metadata
        .groups
        .iter()
        .flatten()
        .map(|sealed| &sealed.key)
        .filter(|key| terms.usable.contains(&key.kind) && allowed(key, rule).next().is_none())
        .collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let mut problem = Problem::new(
        Code::KeyNotInRule,
        "the file is encrypted with a key that its creation rule does not name",
    );
    for key in foreign {
        problem = problem.because(describe_foreign(key, rule));
    }
    let own: Vec<String> = rule.groups.iter().flatten().map(|allowed| allowed.key.to_string()).collect();
    let own = if own.is_empty() { String::from("no key at all") } else { own.join(", ") };
    Err(problem.because(format!("the rule names {own}")))
}

fn describe_foreign(key: &MasterKey, rule: &Rule) -> String {
    let same_id =
        rule.groups.iter().flatten().any(|allowed| allowed.key.kind == key.kind && allowed.key.id == key.id);
    if same_id {
        format!("{} key {key}: the rule names this key with another encryption context", key.kind)
    } else {
        format!("{} key {key} is not in the rule", key.kind)
    }
}

fn allowed<'r>(key: &MasterKey, rule: &'r Rule) -> impl Iterator<Item = &'r AllowedKey> {
    rule.groups.iter().flatten().filter(move |allowed| allowed.key == *key)
}

/// The grants that one key of the metadata turns into: one for each role that the authority names for it.
fn grants(sealed: &SealedKey, authority: Authority<'_>, terms: &Terms) -> Vec<Grant> {
    let identities: Vec<(Option<&String>, Option<&String>)> = match authority {
        Authority::Rule(rule) => allowed(&sealed.key, rule)
            .map(|allowed| (allowed.role.as_ref(), allowed.profile.as_ref()))
            .collect(),
        Authority::Metadata => vec![(sealed.claimed_role.as_ref(), sealed.claimed_profile.as_ref())],
    };
    let mut grants: Vec<Grant> = Vec::with_capacity(identities.len());
    for (role, profile) in identities {
        let grant = Grant {
            key: sealed.key.clone(),
            wrapped: sealed.wrapped.clone(),
            role: match &terms.role {
                RolePolicy::AsRuled => role.cloned(),
                RolePolicy::Never => None,
                RolePolicy::Fixed(arn) => Some(arn.clone()),
            },
            profile: profile.filter(|_| terms.profiles).cloned(),
        };
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    }
    grants
}

fn no_provider(metadata: &Metadata, threshold: usize, terms: &Terms) -> Problem {
    let what = match metadata.groups.len() {
        1 => String::from("the data key is not wrapped with any key that krm-sops can use"),
        groups => format!(
            "too few of the {groups} key groups hold a key that krm-sops can use: {threshold} must answer"
        ),
    };
    let unusable = metadata.groups.iter().flatten().filter(|sealed| !terms.usable.contains(&sealed.key.kind));
    let kinds: Vec<String> = terms.usable.iter().map(ToString::to_string).collect();
    unusable
        .fold(Problem::new(Code::NoUsableKey, what), |problem, sealed| {
            problem.because(format!(
                "{} key {}: there is no provider for this kind of key",
                sealed.key.kind, sealed.key
            ))
        })
        .help(format!(
            "add a key of a supported kind ({}) to the creation rule and run `sops updatekeys FILE`, or let a \
             keyservice unwrap it (spec.keyservices)",
            kinds.join(", ")
        ))
}

#[cfg(test)]
mod tests;
