//! Resources as orchestrators send them, and as they want them back.
//!
//! The output is the input with single scalars replaced and single entries removed; every other byte is as it came. So
//! annotations by which kustomize and kpt recognise their items, comments, order and quoting are right by construction.
//! This module knows YAML and the KRM specification. Of SOPS it knows only how a ciphertext begins and that its metadata
//! stands under `sops`.

mod block;
mod data;
mod item;
mod removal;
mod resource;
mod resource_list;
mod results;
mod sealed;
mod splice;

pub use block::Block;
pub use data::{DataEdits, DataField, Section};
pub use item::{Item, Trail};
pub use resource::{Reading, Resource};
pub use resource_list::{Form, Input, Room, is_resource_list};
pub use sealed::{SealedComment, SealedScalar};
pub use splice::{Edits, Spliced};

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::yaml::{Content, Document, Node};

/// The text that items stand in.
#[derive(Debug)]
struct Source<'i> {
    text: &'i str,
    /// The line break of its first line.
    newline: &'static str,
    /// How many aliases refer to each anchor of the document that is looked at.
    references: HashMap<usize, usize>,
}

impl<'i> Source<'i> {
    fn new(text: &'i str) -> Self {
        let crlf = text
            .find('\n')
            .is_some_and(|newline| text.get(..newline).is_some_and(|line| line.ends_with('\r')));
        Self { text, newline: if crlf { "\r\n" } else { "\n" }, references: HashMap::new() }
    }

    /// The same for what stands in a document: an alias refers to an anchor of its own document.
    fn of_document(self: &Arc<Self>, document: &Document<'i>) -> Arc<Self> {
        let mut references = HashMap::new();
        // Few texts hold an alias, and those that can't need no walk.
        if document.lines.is_none() && self.slice(document.range.clone()).contains('*') {
            count_references(&document.root, &mut references);
        }
        if references.is_empty() {
            return Arc::clone(self);
        }
        Arc::new(Self { references, ..*self.as_ref() })
    }

    fn slice(&self, range: Range<usize>) -> &'i str {
        self.text.get(range).unwrap_or_default()
    }
}

/// Counts the aliases in a node, by the anchor that they refer to.
fn count_references(node: &Node, references: &mut HashMap<usize, usize>) {
    if let Content::Alias(anchor) = node.content {
        *references.entry(anchor).or_default() += 1;
    }
    for child in node.items().iter().chain(node.entries().iter().map(|entry| &entry.value)) {
        count_references(child, references);
    }
}

/// The column, from zero, in which a place stands. A byte-order mark has no width.
fn column(text: &str, place: usize) -> usize {
    let before = text.get(line_start(text, place)..place).unwrap_or_default();
    before.chars().filter(|c| *c != '\u{feff}').count()
}

/// Where the line of a place starts.
fn line_start(text: &str, place: usize) -> usize {
    text.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// Where the line behind that of a place starts; the end of the text where there is none.
fn next_line(text: &str, place: usize) -> usize {
    text.get(place..).and_then(|rest| rest.find('\n')).map_or(text.len(), |newline| place + newline + 1)
}
