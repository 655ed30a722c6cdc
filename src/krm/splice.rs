//! The input's text with single places changed.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Item, SealedComment, SealedScalar, count_references, removal};
use crate::diagnostics::{Code, Problem};
use crate::yaml::emit::{self, exact};
use crate::yaml::{Entry, Node};

/// What is to be changed in a text.
#[derive(Debug, Default)]
pub struct Edits(Vec<Edit>);

#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    /// May be plaintext.
    text: Zeroizing<String>,
}

impl Edits {
    /// No change yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a scalar that was made for its place where an encrypted one stands. Its tag goes, too, and its anchor where no
    /// alias refers to it.
    pub fn replace_scalar(&mut self, sealed: &SealedScalar, text: Zeroizing<String>) {
        for property in &sealed.properties {
            self.remove(property.clone());
        }
        self.replace(sealed.range.clone(), text);
    }

    /// Puts a comment where an encrypted one stands. Further lines of it get lines of their own, and what may not stand in
    /// a comment, or could move a cursor, is replaced.
    pub fn replace_comment(&mut self, sealed: &SealedComment, text: &str) {
        let comment = exact(|sink| {
            for (index, line) in text.split('\n').enumerate() {
                if index > 0 {
                    sink(sealed.newline);
                    (0..sealed.column).for_each(|_| sink(" "));
                }
                sink("#");
                let mut rest = line;
                while let Some(bad) = rest.find(|c: char| c != '\t' && !emit::is_printable(c)) {
                    let (good, from) = rest.split_at(bad);
                    sink(good);
                    sink("\u{fffd}");
                    let mut characters = from.chars();
                    characters.next();
                    rest = characters.as_str();
                }
                sink(rest);
            }
        });
        self.replace(sealed.range.clone(), comment);
    }

    /// Puts a comment above the line that its ciphertext ends, where that stands behind a value: `sops -d` prints it there.
    pub fn raise_comment(&mut self, sealed: &SealedComment, text: &str) {
        let Some(line) = &sealed.behind else { return self.replace_comment(sealed, text) };
        self.remove(line.end..sealed.range.end);
        let raised = exact(|sink| {
            // As the line itself.
            sink(sealed.indent);
            sink("#");
            sink(text);
            sink(sealed.newline);
        });
        self.replace(line.start..line.start, raised);
    }

    /// Removes an entry at the top of an item, such as `sops`, with the comments inside it.
    ///
    /// # Errors
    /// `bad-input`: an alias that stays refers into the entry.
    pub fn remove_entry(&mut self, item: &Item, key: &str) -> Result<(), Problem> {
        self.remove_entries(item, &item.node, |candidate| candidate == key)
    }

    /// Removes annotations of an item; all at once, so that where none is left the `annotations` go, too.
    ///
    /// # Errors
    /// `bad-input`: an alias that stays refers into one of them.
    pub fn remove_annotations(&mut self, item: &Item, names: &[&str]) -> Result<(), Problem> {
        let Some(metadata) = item.node.find("metadata") else { return Ok(()) };
        let Some(annotations) = metadata.find("annotations") else { return Ok(()) };
        let goes = |name: &str| names.contains(&name);
        let all_go = annotations.entries().iter().all(|entry| entry.key.text().is_some_and(goes));
        match annotations.entries() {
            [] => Ok(()),
            _ if all_go => self.remove_entries(item, metadata, |key| key == "annotations"),
            _ => self.remove_entries(item, annotations, goes),
        }
    }

    pub(super) fn remove_entries(
        &mut self,
        item: &Item,
        mapping: &Node,
        goes: impl Fn(&str) -> bool,
    ) -> Result<(), Problem> {
        for entry in mapping.entries().iter().filter(|entry| entry.key.text().is_some_and(&goes)) {
            refuse_references_into(item, entry)?;
        }
        for cut in removal::plan(item.source.text, mapping, goes) {
            self.replace(cut.range, Zeroizing::new(cut.instead.to_owned()));
        }
        Ok(())
    }

    /// Takes over the changes of another part of the text.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    fn remove(&mut self, range: Range<usize>) {
        self.replace(range, Zeroizing::default());
    }

    /// Puts a text in the place of a range.
    pub(super) fn replace(&mut self, range: Range<usize>, text: Zeroizing<String>) {
        self.0.push(Edit { range, text });
    }

    /// One change in the place of all those of an item: the plaintexts move into a part of the output, and are wiped where they
    /// were.
    #[must_use]
    pub fn settled(self, item: &Item) -> Self {
        let text = item.source.text;
        let spliced = self.splice(text);
        let start = spliced.edits.first().map(|edit| edit.range.start);
        let Some(range) = start.map(|start| start..spliced.end()) else { return Self::new() };
        let settled = exact(|sink| spliced.pieces_in(range.clone()).for_each(sink));
        Self(vec![Edit { range, text: settled }])
    }

    /// The text with all changes made; every other byte is as it came.
    ///
    /// Of changes that overlap, those that start first win: what is removed with an entry needs no change any more.
    #[must_use]
    pub fn splice(mut self, text: &str) -> Spliced<'_> {
        self.0.sort_by_key(|edit| (edit.range.start, edit.range.end));
        Spliced { text, edits: self.0 }
    }

    /// Likewise, in one piece. It is allocated once, at its exact size, so that no copy of a plaintext is left behind.
    #[must_use]
    pub fn apply(self, text: &str) -> Zeroizing<String> {
        let spliced = self.splice(text);
        exact(|sink| spliced.pieces().for_each(sink))
    }
}

/// A text with changes made. What has not changed is not copied.
#[derive(Debug, Default)]
pub struct Spliced<'t> {
    text: &'t str,
    edits: Vec<Edit>,
}

impl Spliced<'_> {
    /// Its pieces, one behind the other.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.pieces_in(0..self.text.len())
    }

    /// Those of a range in which all edits lie.
    fn pieces_in(&self, range: Range<usize>) -> impl Iterator<Item = &str> {
        let rest = self.text.get(self.end().max(range.start)..range.end).unwrap_or_default();
        let mut done = range.start;
        let changed = self.edits.iter().flat_map(move |Edit { range, text: new }| {
            let pieces = (range.start >= done)
                .then(|| [self.text.get(done..range.start).unwrap_or_default(), new.as_str()]);
            done = done.max(range.end);
            pieces.into_iter().flatten()
        });
        changed.chain([rest])
    }

    /// Where the last edit ends.
    fn end(&self) -> usize {
        self.edits.iter().map(|edit| edit.range.end).max().unwrap_or_default()
    }
}

/// An alias without its anchor would break the whole output.
fn refuse_references_into(item: &Item, entry: &Entry) -> Result<(), Problem> {
    let references = &item.source.references;
    if references.is_empty() {
        return Ok(());
    }
    let mut inside = std::collections::HashMap::new();
    count_references(&entry.value, &mut inside);
    let stays = |anchor: usize| references.get(&anchor) > inside.get(&anchor);
    if entry.key.anchor().is_some_and(stays) || any_anchor(&entry.value, &stays) {
        let what = "an alias refers to a place that has to be removed";
        let help = "write the value out where the alias stands";
        return Err(Problem::new(Code::BadInput, what).at(entry.key.text().unwrap_or_default()).help(help));
    }
    Ok(())
}

/// Whether any anchor in a node is one of these.
fn any_anchor(node: &Node, these: &impl Fn(usize) -> bool) -> bool {
    node.anchor().is_some_and(these)
        || node.items().iter().any(|item| any_anchor(item, these))
        || node
            .entries()
            .iter()
            .any(|Entry { key, value }| key.anchor().is_some_and(these) || any_anchor(value, these))
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
