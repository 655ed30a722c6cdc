//! Fields of the `sops` block, typed as weakly as SOPS types them: `"true"` is a boolean, `3` a string, null an absent
//! field, a mapping a list of one (the weak mode of Go's mapstructure v2.5, which sops 3.13 decodes metadata with).

use std::collections::BTreeMap;

use super::number::{self, Integer};
use super::scalar::{self, Scalar};
use super::tree::{Entries, Tree};
use crate::diagnostics::{Code, Problem};
use crate::field_path::{FieldPath, Step};

/// A mapping of the block, and where it stands.
pub(super) struct Section<'t> {
    path: FieldPath,
    entries: &'t Entries,
}

impl<'t> Section<'t> {
    /// The block itself.
    pub(super) fn root(entries: &'t Entries) -> Self {
        Self { path: FieldPath::from(["sops"]), entries }
    }

    /// Where a field of the section stands.
    pub(super) fn path_of(&self, name: &str) -> FieldPath {
        let mut path = self.path.clone();
        path.push(Step::Key(name.to_owned()));
        path
    }

    /// The refusal of a field.
    pub(super) fn refuse(&self, name: &str, what: &str) -> Problem {
        Problem::new(Code::BadMetadata, what).at(self.path_of(name))
    }

    /// A string; empty where the field is absent.
    pub(super) fn text(&self, name: &str) -> Result<String, Problem> {
        self.find(name).map_or(Ok(String::new()), |value| {
            text(value).ok_or_else(|| self.refuse(name, "a field of the `sops` block is no string"))
        })
    }

    /// A string that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, Problem> {
        let text = self.text(name)?;
        if text.is_empty() {
            return Err(self.refuse(name, "a field of the `sops` block is missing"));
        }
        Ok(text)
    }

    /// A boolean; false where the field is absent.
    pub(super) fn truth(&self, name: &str) -> Result<bool, Problem> {
        let truth = match self.find(name) {
            None => Some(false),
            Some(Tree::Scalar(Scalar::Bool(truth))) => Some(*truth),
            Some(Tree::Scalar(Scalar::Int(number))) => Some(*number != 0),
            Some(Tree::Scalar(Scalar::Float(number))) => Some(*number != 0.0),
            Some(Tree::Scalar(text)) => match text.as_str() {
                Some("") => Some(false),
                text => text.and_then(scalar::boolean),
            },
            Some(_) => None,
        };
        truth.ok_or_else(|| self.refuse(name, "a field of the `sops` block is neither true nor false"))
    }

    /// An integer; 0 where the field is absent.
    pub(super) fn integer(&self, name: &str) -> Result<i64, Problem> {
        let number = match self.find(name) {
            None => Some(0),
            Some(Tree::Scalar(Scalar::Int(number))) => Some(*number),
            Some(Tree::Scalar(Scalar::Bool(truth))) => Some(i64::from(*truth)),
            Some(Tree::Scalar(text)) => match text.as_str() {
                Some("") => Some(0),
                text => match text.and_then(number::integer) {
                    Some(Integer::Signed(number)) => Some(number),
                    _ => None,
                },
            },
            Some(_) => None,
        };
        number.ok_or_else(|| self.refuse(name, "a field of the `sops` block is no integer"))
    }

    /// A list of mappings; empty where the field is absent.
    pub(super) fn list(&self, name: &str) -> Result<Vec<Section<'t>>, Problem> {
        let path = self.path_of(name);
        match self.find(name) {
            None => Ok(Vec::new()),
            Some(Tree::Map(entries)) if entries.is_empty() => Ok(Vec::new()),
            Some(Tree::Map(entries)) => Ok(vec![Section { path, entries }]),
            Some(Tree::List(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let mut path = path.clone();
                    path.push(Step::Index(index));
                    match item {
                        Tree::Map(entries) => Ok(Section { path, entries }),
                        _ => {
                            Err(Problem::new(Code::BadMetadata, "an entry of the `sops` block is no mapping")
                                .at(path))
                        }
                    }
                })
                .collect(),
            Some(_) => Err(self.refuse(name, "a field of the `sops` block is no list")),
        }
    }

    /// A mapping of strings; empty where the field is absent. Null values are left out.
    pub(super) fn texts(&self, name: &str) -> Result<BTreeMap<String, String>, Problem> {
        let refuse = || self.refuse(name, "a field of the `sops` block is no mapping of strings");
        let maps = match self.find(name) {
            None => &[],
            Some(map @ Tree::Map(_)) => std::slice::from_ref(map),
            // A list of mappings is one mapping.
            Some(Tree::List(items)) => items.as_slice(),
            Some(_) => return Err(refuse()),
        };
        let mut texts = BTreeMap::new();
        for map in maps {
            let Tree::Map(entries) = map else { return Err(refuse()) };
            for (key, value) in entries {
                if !matches!(value, Tree::Scalar(Scalar::Null)) {
                    texts.insert(key.clone(), text(value).ok_or_else(refuse)?);
                }
            }
        }
        Ok(texts)
    }

    fn find(&self, name: &str) -> Option<&'t Tree> {
        Tree::find(self.entries, name).filter(|value| !matches!(value, Tree::Scalar(Scalar::Null)))
    }
}

fn text(value: &Tree) -> Option<String> {
    let Tree::Scalar(scalar) = value else { return None };
    match scalar {
        Scalar::Null => Some(String::new()),
        Scalar::Text(_) => scalar.as_str().map(str::to_owned),
        Scalar::Int(number) => Some(number.to_string()),
        Scalar::Float(number) => Some(number::fixed(*number).to_string()),
        Scalar::Bool(truth) => Some(u8::from(*truth).to_string()),
        // sops would refuse it; a reader on the way may have dropped the quotes.
        Scalar::Time(time) => Some(time.to_nanoseconds().to_string()),
    }
}
