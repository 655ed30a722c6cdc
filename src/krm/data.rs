//! The values of a Secret or `ConfigMap`, which may be whole files.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::item::Holder;
use super::sealed::{place, properties};
use super::{Edits, Item, column};
use crate::diagnostics::Problem;
use crate::yaml::emit::{self, Behind, Place, exact};
use crate::yaml::{Content, Entry, Node};

/// How long kustomize makes a line of base64 (`encodeBase64` in its `api/internal/generators/utils.go`).
const BASE64_LINE: usize = 70;

/// Where values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `data`: base64 in a Secret, text in a `ConfigMap`.
    Data,
    /// `stringData` of a Secret.
    StringData,
    /// `binaryData` of a `ConfigMap`.
    BinaryData,
}

impl Section {
    /// Its key in the item.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::StringData => "stringData",
            Self::BinaryData => "binaryData",
        }
    }
}

/// A value of a Secret or `ConfigMap`.
#[derive(Debug)]
pub struct DataField<'n> {
    /// Where it stands.
    pub section: Section,
    /// Its key.
    pub key: &'n str,
    /// What it holds: the bytes, where it is base64.
    pub content: Cow<'n, [u8]>,
    /// Whether it stands in base64.
    base64: bool,
    node: &'n Node<'n>,
    holder: Holder,
}

impl DataField<'_> {
    /// Whether it stands in base64.
    #[must_use]
    pub fn is_base64(&self) -> bool {
        self.base64
    }

    /// Where it stands, as people write it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section.name(), self.key)
    }
}

impl Item<'_> {
    /// The values of a `v1` Secret or `ConfigMap`; none for any other kind. What should be base64 and is not is left out.
    #[must_use]
    pub fn data_fields(&self) -> Vec<DataField<'_>> {
        let sections: &[(Section, bool)] = match (self.name().api_version.as_str(), self.name().kind.as_str())
        {
            ("v1", "Secret") => &[(Section::Data, true), (Section::StringData, false)],
            ("v1", "ConfigMap") => &[(Section::Data, false), (Section::BinaryData, true)],
            _ => return Vec::new(),
        };
        let item_is_flow = matches!(self.node.content, Content::Mapping { flow: true, .. });
        let mut fields = Vec::new();
        for (section, base64) in sections.iter().copied() {
            let Some(mapping) = self.node.find(section.name()) else { continue };
            let Content::Mapping { entries, flow, .. } = &mapping.content else { continue };
            let flow = *flow || item_is_flow;
            let indented = if flow { &self.node } else { mapping };
            let holder = Holder { flow, indent: column(self.source.text, indented.range.start) };
            for Entry { key, value: node } in entries {
                let (Some(key), Some(text)) = (key.text(), node.text()) else { continue };
                let content =
                    if base64 { decoded(text).map(Cow::Owned) } else { Some(Cow::Borrowed(text.as_bytes())) };
                let field = |content| DataField { section, key, content, base64, node, holder };
                fields.extend(content.map(field));
            }
        }
        fields
    }
}

/// base64 that may be wrapped in lines.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let unwrapped: Cow<'_, str> = if text.contains(['\n', '\r', ' ']) {
        text.split_whitespace().collect::<String>().into()
    } else {
        text.into()
    };
    base64_simd::STANDARD.decode_to_vec(unwrapped.as_bytes()).ok()
}

/// What becomes of the values of one item: all at once, since they may move.
pub struct DataEdits<'n> {
    /// Values with new content.
    pub replaced: Vec<(&'n DataField<'n>, Zeroizing<Vec<u8>>)>,
    /// Keys of `data` and `stringData` that go.
    pub removed: Vec<&'n str>,
    /// Whether base64 is wrapped as kustomize's generators do it: hashes in names are over the text.
    pub wrap: bool,
}

impl DataEdits<'_> {
    /// Makes the edits. Bytes that are no text move from a `ConfigMap`'s `data` to its `binaryData`, where kustomize puts them.
    ///
    /// # Errors
    /// `bad-input`: an alias refers to something that goes.
    pub fn make(&self, item: &Item<'_>, edits: &mut Edits) -> Result<(), Problem> {
        let is_binary =
            |field: &DataField<'_>, content: &[u8]| !field.base64 && std::str::from_utf8(content).is_err();
        let (moved, stay): (Vec<_>, Vec<_>) =
            self.replaced.iter().partition(|(field, content)| is_binary(field, content));
        for (field, content) in stay {
            edits.replace_field(item, field, self.written(item, field, content));
        }
        let moved: Vec<(&str, Zeroizing<String>)> =
            moved.into_iter().map(|(field, content)| (field.key, self.base64(content))).collect();
        let goes = |key: &str| self.removed.contains(&key) || moved.iter().any(|(moved, _)| *moved == key);
        let data = item.node.find(Section::Data.name());
        let all_move = data.is_some_and(|data| {
            !moved.is_empty() && data.entries().iter().all(|entry| entry.key.text().is_some_and(goes))
        });
        match (all_move, item.node.find(Section::BinaryData.name())) {
            (true, None) => {
                edits.turn_into_binary(item, &moved);
                return Ok(());
            }
            (true, Some(_)) => edits.remove_entry(item, Section::Data.name())?,
            (false, _) => {
                for mapping in [Section::Data, Section::StringData]
                    .iter()
                    .filter_map(|section| item.node.find(section.name()))
                {
                    edits.remove_entries(item, mapping, goes)?;
                }
            }
        }
        if !moved.is_empty() {
            edits.add_binary(item, &moved);
        }
        Ok(())
    }

    /// New content as it stands in the place of the old. What is removed may stand behind it.
    fn written(&self, item: &Item<'_>, field: &DataField<'_>, content: &[u8]) -> Zeroizing<String> {
        let place = place(item, field.node, field.holder, false, None);
        let behind = if self.removed.is_empty() { place.behind } else { Behind::Anything };
        let place = Place { behind, ..place };
        if field.base64 {
            return emit::string(&self.base64(content), &place);
        }
        emit::string(std::str::from_utf8(content).unwrap_or_default(), &place)
    }

    fn base64(&self, content: &[u8]) -> Zeroizing<String> {
        let line = Zeroizing::new(base64_simd::STANDARD.encode_to_string(content));
        if !self.wrap || line.len() < BASE64_LINE {
            return line;
        }
        exact(|sink| {
            let mut rest = line.as_str();
            while !rest.is_empty() {
                let (first, behind) = rest.split_at(rest.len().min(BASE64_LINE));
                sink(first);
                sink("\n");
                rest = behind;
            }
        })
    }
}

impl Edits {
    fn replace_field(&mut self, item: &Item<'_>, field: &DataField<'_>, text: Zeroizing<String>) {
        for property in properties(&item.source, field.node) {
            self.replace(property, Zeroizing::default());
        }
        self.replace(field.node.range.clone(), text);
    }

    /// Makes the `data` of an item its `binaryData`, with these entries.
    fn turn_into_binary(&mut self, item: &Item<'_>, entries: &[(&str, Zeroizing<String>)]) {
        let name = Section::Data.name();
        let Some(data) = item.node.entries().iter().find(|entry| entry.key.text() == Some(name)) else {
            return;
        };
        let name = if item.json { "\"binaryData\"" } else { "binaryData" };
        self.replace(data.key.range.clone(), Zeroizing::new(name.to_owned()));
        let pairs: Vec<Zeroizing<String>> = entries.iter().map(|(key, base64)| pair(key, base64)).collect();
        let mapping = exact(|sink| {
            for (index, pair) in pairs.iter().enumerate() {
                sink(if index > 0 { ", " } else { "{" });
                sink(pair);
            }
            sink("}");
        });
        self.replace(data.value.range.clone(), mapping);
    }

    /// Adds entries to the `binaryData` of an item, before its `data` where it has none yet.
    fn add_binary(&mut self, item: &Item<'_>, entries: &[(&str, Zeroizing<String>)]) {
        let name = Section::BinaryData.name();
        let existing = item.node.find(name);
        let (holder, before) = match existing {
            Some(mapping) => (mapping, mapping.entries().first().map(|entry| &entry.key)),
            None => (
                &item.node,
                item.node.entries().iter().map(|entry| &entry.key).find(|key| key.text() == Some("data")),
            ),
        };
        let Some(before) = before else { return };
        let flow = matches!(holder.content, Content::Mapping { flow: true, .. });
        let indent = column(item.source.text, before.whole().start);
        let inner = if existing.is_some() { indent } else { indent + 2 };
        let separator = |indent: usize| {
            if flow { String::from(", ") } else { format!("{}{}", item.source.newline, " ".repeat(indent)) }
        };
        let pairs: Vec<Zeroizing<String>> = entries.iter().map(|(key, base64)| pair(key, base64)).collect();
        let text = exact(|sink| {
            if existing.is_none() {
                sink(if flow { "\"binaryData\": {" } else { "binaryData:" });
                if !flow {
                    sink(&separator(inner));
                }
            }
            for (index, pair) in pairs.iter().enumerate() {
                if index > 0 {
                    sink(&separator(inner));
                }
                sink(pair);
            }
            if existing.is_none() && flow {
                sink("}");
            }
            sink(&separator(indent));
        });
        let start = before.whole().start;
        self.replace(start..start, text);
    }
}

/// A key and its value, in quotes that stand in YAML and in JSON.
fn pair(key: &str, value: &str) -> Zeroizing<String> {
    let quotes = Place {
        flow: true,
        parent_indent: 0,
        json: true,
        newline: "\n",
        key: false,
        behind: Behind::Anything,
    };
    let (key, value) = (emit::string(key, &quotes), emit::string(value, &quotes));
    exact(|sink| {
        sink(&key);
        sink(": ");
        sink(&value);
    })
}

#[cfg(test)]
mod tests;
