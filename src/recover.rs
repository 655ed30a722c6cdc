//! Key groups to data key: asks each group's keys in turn, all groups at once, and combines Shamir shares.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::diagnostics::{Code, Problem};
use crate::keys::Keys;
use crate::master_key::Grant;
use crate::policy::Authorised;
use crate::secret::{DataKey, SecretBytes};
use crate::sops::shamir;

/// Recovers the data key of something that may be opened.
///
/// # Errors
/// The one refusal where one key was asked; `no-usable-key`, with the reason of each, where several were.
pub async fn recover(authorised: &Authorised, keys: &Keys) -> Result<DataKey, Problem> {
    let answers = join_all(authorised.groups().iter().map(|group| ask_group(group, keys))).await;
    let mut parts = Vec::with_capacity(answers.len());
    let mut refusals = Vec::new();
    for answer in answers {
        match answer {
            Ok(part) => parts.push(part),
            Err(mut refused) => refusals.append(&mut refused),
        }
    }
    if parts.len() < authorised.threshold() {
        return Err(too_few(refusals, authorised));
    }
    match (parts.as_slice(), authorised.groups().len()) {
        // One group wraps the data key itself; only more than one make SOPS split it.
        ([whole], 1) => DataKey::new(whole).map_err(wrong_length),
        (shares, _) => {
            let shares: Vec<&SecretBytes> = shares.iter().map(AsRef::as_ref).collect();
            DataKey::new(&shamir::combine(&shares)?).map_err(wrong_length)
        }
    }
}

/// What a grant that was refused was for, and why.
type Refusal<'g> = (&'g Grant, Problem);

/// Any key of a group will do: the next is asked when one fails.
async fn ask_group<'g>(group: &'g [Grant], keys: &Keys) -> Result<Arc<SecretBytes>, Vec<Refusal<'g>>> {
    let mut refusals = Vec::new();
    for grant in group {
        match keys.unwrap(grant).await {
            Ok(part) => return Ok(part),
            Err(problem) => refusals.push((grant, problem)),
        }
    }
    Err(refusals)
}

fn too_few(mut refusals: Vec<Refusal<'_>>, authorised: &Authorised) -> Problem {
    if refusals.len() == 1
        && let Some((_, only)) = refusals.pop()
    {
        return only;
    }
    let what = match authorised.groups().len() {
        1 => format!("none of the {} keys could unwrap the data key", refusals.len()),
        groups => format!(
            "too few of the {groups} key groups could unwrap their share of the data key: {} must",
            authorised.threshold()
        ),
    };
    let mut problem = Problem::new(Code::NoUsableKey, what);
    for (grant, refusal) in refusals {
        let reasons = [&[refusal.what], refusal.causes.as_slice()].concat().join(": ");
        problem =
            problem.because(format!("{} key {} [{}]: {reasons}", grant.key.kind, grant.key, refusal.code));
        if problem.help.is_none() {
            problem.help = Some(refusal.help.unwrap_or_else(|| refusal.code.help().to_owned()));
        }
    }
    problem
}

fn wrong_length(length: usize) -> Problem {
    Problem::new(Code::NoUsableKey, "the master key unwrapped something that is no data key")
        .because(format!("it has {length} bytes, and a data key has {}", DataKey::LENGTH))
        .help("restore the file's `sops` block from version control")
}
