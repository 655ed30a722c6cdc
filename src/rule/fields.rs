//! Reading a mapping field by field, with errors that say where and never what stands there.

use std::collections::BTreeMap;

use super::{Code, Mapping, Problem, Value};

/// A mapping of `.sops.yaml`, and where it stands. Fields that nobody asks for are ignored, as sops does.
pub(super) struct Fields<'v> {
    mapping: Option<&'v Mapping>,
    source: &'v str,
    place: String,
}

impl<'v> Fields<'v> {
    /// A value that must be a mapping; nothing at all is an empty one.
    pub(super) fn of(value: &'v Value, source: &'v str, place: &str) -> Result<Self, Problem> {
        let mapping = match value {
            Value::Mapping(mapping) => Some(mapping),
            Value::Null => None,
            _ => return Err(bad(source, place, "", "a mapping is expected")),
        };
        Ok(Self { mapping, source, place: place.to_owned() })
    }

    /// A mapping inside this one.
    pub(super) fn below(&self, value: &'v Value, place: &str) -> Result<Self, Problem> {
        Self::of(value, self.source, &format!("{}, {place}", self.place))
    }

    /// The complaint that a field is wrong.
    pub(super) fn bad(&self, field: &str, why: &str) -> Problem {
        bad(self.source, &self.place, field, why)
    }

    fn value(&self, field: &str) -> Option<&'v Value> {
        self.mapping?.get(field).filter(|value| !value.is_null())
    }

    /// A string. Empty and absent are the same. Numbers and booleans count as text, as they do for Go's reader.
    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, Problem> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let text = scalar_text(value).ok_or_else(|| self.bad(field, "a string is expected"))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A whole number that is not negative.
    pub(super) fn count(&mut self, field: &str) -> Result<Option<usize>, Problem> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.map(Some).ok_or_else(|| self.bad(field, "a whole number from 0 is expected"))
    }

    /// A boolean; absent is false.
    pub(super) fn flag(&mut self, field: &str) -> Result<bool, Problem> {
        let Some(value) = self.value(field) else { return Ok(false) };
        value.as_bool().ok_or_else(|| self.bad(field, "true or false is expected"))
    }

    /// A list of anything; absent is empty.
    pub(super) fn list(&mut self, field: &str) -> Result<Vec<&'v Value>, Problem> {
        match self.value(field) {
            None => Ok(Vec::new()),
            Some(Value::Sequence(items)) => Ok(items.iter().collect()),
            Some(_) => Err(self.bad(field, "a list is expected")),
        }
    }

    /// Names of keys: a string with commas, or a list of such strings. Blanks around names and empty names are dropped.
    pub(super) fn names(&mut self, field: &str) -> Result<Vec<String>, Problem> {
        let texts = match self.value(field) {
            None => Vec::new(),
            Some(Value::Sequence(items)) => items.iter().map(scalar_text).collect(),
            Some(value) => vec![scalar_text(value)],
        };
        let mut names = Vec::new();
        for text in texts {
            let text = text.ok_or_else(|| self.bad(field, "a string or a list of strings is expected"))?;
            names.extend(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        }
        Ok(names)
    }

    /// A mapping of strings; entries without a value are dropped, as sops does before it calls KMS.
    pub(super) fn texts_by_name(&mut self, field: &str) -> Result<BTreeMap<String, String>, Problem> {
        let mut texts = BTreeMap::new();
        let Some(value) = self.value(field) else { return Ok(texts) };
        let wrong = || self.bad(field, "a mapping of strings is expected");
        for (name, value) in value.as_mapping().ok_or_else(wrong)? {
            if !value.is_null() {
                texts.insert(scalar_text(name).ok_or_else(wrong)?, scalar_text(value).ok_or_else(wrong)?);
            }
        }
        Ok(texts)
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn bad(source: &str, place: &str, field: &str, why: &str) -> Problem {
    let problem = Problem::new(Code::BadRule, format!("{place} of {source} is wrong")).because(why);
    if field.is_empty() { problem } else { problem.at(field) }
}
