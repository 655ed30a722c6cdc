//! Reading fields of the config, with errors that name the field and what is expected there.

use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::{Problem, bad};

/// A mapping of the config, and the prefix of its fields' names.
pub(super) struct Fields<'v> {
    value: &'v Value,
    prefix: &'static str,
}

impl<'v> Fields<'v> {
    /// A value that must be a mapping; nothing at all is an empty one.
    pub(super) fn of(value: &'v Value, prefix: &'static str) -> Result<Self, Problem> {
        match value {
            Value::Mapping(_) | Value::Null => Ok(Self { value, prefix }),
            _ => Err(bad("the function config is wrong")
                .at(prefix.trim_end_matches('.'))
                .because("a mapping is expected")),
        }
    }

    /// The complaint that a field is wrong.
    pub(super) fn bad(&self, name: &str, why: &str) -> Problem {
        bad("the function config has a wrong value").at(format!("{}{name}", self.prefix)).because(why)
    }

    fn get(&self, name: &str) -> Option<&'v Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    /// A string that is not empty.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.bad(name, "a string is expected"))?;
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    /// A list of strings, or a string with commas.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Problem> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()),
            Some(Value::Sequence(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| self.bad(name, "a list of strings is expected")),
            Some(_) => Err(self.bad(name, "a list of strings is expected")),
        }
    }

    /// A boolean, also as the text that a `ConfigMap` holds.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(self.bad(name, "true or false is expected")),
        }
    }

    /// A whole number, also as the text that a `ConfigMap` holds.
    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.bad(name, "a whole number from 1 is expected"))
    }

    /// A span of time such as `30s`, `500ms` or `2m`.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let wrong = || self.bad(name, "a time such as 30s, 500ms or 2m is expected");
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let milliseconds = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" => number.checked_mul(60_000),
            _ => None,
        };
        milliseconds.filter(|time| *time > 0).map(|time| Some(Duration::from_millis(time))).ok_or_else(wrong)
    }

    /// One of some words; the first is the default.
    pub(super) fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T, Problem> {
        let text = self.text(name)?;
        let found = match &text {
            None => words.first(),
            Some(text) => words.iter().find(|(word, _)| word == text),
        };
        let names = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| self.bad(name, &format!("one of {} is expected", names())))
    }
}

/// Sets a field by its dotted name.
pub(super) fn set(spec: &mut Value, name: &str, text: &str) -> Result<(), Problem> {
    let mut place = spec;
    for part in name.split('.') {
        if place.is_null() {
            *place = Value::Mapping(Mapping::new());
        }
        let mapping = place.as_mapping_mut().ok_or_else(|| bad("a field is set twice").at(name))?;
        place = mapping.entry(Value::String(part.to_owned())).or_insert(Value::Null);
    }
    *place = Value::String(text.to_owned());
    Ok(())
}

/// The known name that differs least from a mistyped one, where it is near enough to be meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |known: &&&str| edit_distance(&name.to_lowercase(), &known.to_lowercase());
    known.iter().min_by_key(distance).copied().filter(|best| distance(&best) <= name.len().max(3) / 3)
}

/// How many letters have to be put in, taken out or changed (Levenshtein).
fn edit_distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (position, letter) in one.chars().enumerate() {
        let mut left = position + 1;
        let mut diagonal = position;
        for (cell, other_letter) in row.iter_mut().skip(1).zip(other.chars()) {
            let changed = diagonal + usize::from(letter != other_letter);
            diagonal = *cell;
            left = changed.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = position + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
