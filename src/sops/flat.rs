//! Metadata in formats that have no nesting: `kms__list_0__map_arn` is `kms[0].arn` (`stores/flatten.go` in sops 3.13).

use std::collections::BTreeMap;

use super::tree::{Entries, Tree};
use crate::diagnostics::{Code, Problem};

const MAP: &str = "__map_";
const LIST: &str = "__list_";

/// What stands at a name, and below it.
#[derive(Default)]
struct Branch {
    value: Option<Tree>,
    keys: BTreeMap<String, Branch>,
    indices: BTreeMap<usize, Branch>,
}

/// One part of a flat name.
enum Part<'n> {
    Key(&'n str),
    Index(usize),
}

/// Nests flat names again.
///
/// # Errors
/// `bad-metadata`: names that contradict each other, or lists with gaps.
pub(super) fn unflatten(flat: Entries) -> Result<Tree, Problem> {
    let mut root = Branch::default();
    for (name, value) in flat {
        let refuse = |what: &str| Problem::new(Code::BadMetadata, what.to_owned()).at(format!("sops.{name}"));
        let mut branch = &mut root;
        for part in parts(&name).ok_or_else(|| refuse("the name of a metadata field cannot be read"))? {
            branch = match part {
                Part::Key(key) => branch.keys.entry(key.to_owned()).or_default(),
                Part::Index(index) => branch.indices.entry(index).or_default(),
            };
        }
        if branch.value.replace(value).is_some() {
            return Err(refuse("a metadata field is there twice"));
        }
    }
    root.into_tree().ok_or_else(|| {
        Problem::new(Code::BadMetadata, "the names of the metadata fields contradict each other").at("sops")
    })
}

impl Branch {
    /// `None` where it is several things at once, or a list has gaps.
    fn into_tree(self) -> Option<Tree> {
        let Self { value, keys, indices } = self;
        match (value, keys.is_empty(), indices.is_empty()) {
            (Some(value), true, true) => Some(value),
            (None, _, true) => {
                let entries = keys.into_iter().map(|(key, branch)| Some((key, branch.into_tree()?)));
                entries.collect::<Option<Entries>>().map(Tree::Map)
            }
            (None, true, false) => {
                let gapless = indices.keys().copied().eq(0..indices.len());
                let items = indices.into_values().map(Self::into_tree);
                gapless.then(|| items.collect::<Option<Vec<_>>>().map(Tree::List))?
            }
            _ => None,
        }
    }
}

/// `None` where what should be a position is no number.
fn parts(name: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = name;
    let mut is_index = false;
    loop {
        let next = [rest.find(MAP), rest.find(LIST)].into_iter().flatten().min();
        let (part, behind) = rest.split_at(next.unwrap_or(rest.len()));
        parts.push(if is_index { Part::Index(part.parse().ok()?) } else { Part::Key(part) });
        if next.is_none() {
            return Some(parts);
        }
        is_index = behind.starts_with(LIST);
        rest = behind.strip_prefix(if is_index { LIST } else { MAP })?;
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::sops::scalar::Scalar;

    fn text(text: &str) -> Tree {
        Tree::Scalar(Scalar::Text(Cow::Owned(text.as_bytes().to_vec())))
    }

    fn of(names: &[&str]) -> Result<Tree, Problem> {
        unflatten(names.iter().map(|name| ((*name).to_owned(), text(name))).collect())
    }

    #[test]
    fn names_nest_by_their_separators() {
        let arn = "kms__list_0__map_arn";
        let context = "kms__list_0__map_context__map_a_b";
        let group = "key_groups__list_0__map_age__list_0__map_enc";
        let key = |key: &str, value| (key.to_owned(), value);
        let tree = of(&["mac", arn, context, group]).unwrap();
        let first = Tree::Map(vec![
            key("arn", text(arn)),
            key("context", Tree::Map(vec![key("a_b", text(context))])),
        ]);
        let age = Tree::List(vec![Tree::Map(vec![key("enc", text(group))])]);
        let groups = Tree::List(vec![Tree::Map(vec![key("age", age)])]);
        let expected =
            vec![key("key_groups", groups), key("kms", Tree::List(vec![first])), key("mac", text("mac"))];
        assert_eq!(tree, Tree::Map(expected));
        assert_eq!(of(&[]).unwrap(), Tree::Map(vec![]));
    }

    #[test]
    fn contradictions_are_refused() {
        for names in [
            &["kms", "kms__map_a"][..],
            &["kms__list_0", "kms__map_a"],
            &["kms__list_1__map_arn"],
            &["kms__list_x__map_arn"],
            &["kms__list_18446744073709551616"],
            &["mac", "mac"],
        ] {
            assert_eq!(of(names).unwrap_err().code, Code::BadMetadata, "{names:?}");
        }
    }
}
