//! The `sops` block of an item: where it stands. What is in it is read again when somebody asks.
//!
//! Half of the nodes of an encrypted Secret are its block's, and hardly anybody asks: only where something is wrong, or where
//! no file vouches for the item. Kept for each of ten thousand items, they would be the largest thing in memory.

use std::ops::Range;

use super::item::SOPS;
use super::{line_start, next_line};
use crate::yaml::{self, Content, Node};

/// The `sops` block of an item.
pub struct Block<'n> {
    /// Without what is in it, where it was let go.
    node: &'n Node<'n>,
    text: &'n str,
}

impl<'n> Block<'n> {
    /// `text` is the whole text that the node stands in.
    pub(super) fn new(node: &'n Node<'n>, text: &'n str) -> Option<Self> {
        matches!(node.content, Content::Mapping { .. }).then_some(Self { node, text })
    }

    /// The bytes that it stands on.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.node.range.clone()
    }

    /// Shows it with what is in it. `None` is for what cannot be: that it was YAML and is no more.
    pub fn read<R>(&self, look: impl FnOnce(&Node<'_>) -> R) -> Option<R> {
        if !self.node.entries().is_empty() {
            return Some(look(self.node));
        }
        let documents = yaml::parse(self.text.get(lines(self.node, self.text)?)?).ok()?;
        documents.first().map(|document| look(&document.root))
    }
}

/// Lets go what is in the `sops` block of a resource, where the very same can be read again.
pub(super) fn hollow(resource: &mut Node<'_>, text: &str) {
    let Content::Mapping { entries, .. } = &mut resource.content else { return };
    let Some(entry) = entries.iter_mut().find(|entry| entry.key.text() == Some(SOPS)) else { return };
    let block = &mut entry.value;
    // How a block ends matters to what is removed behind it.
    if lines(block, text).is_none() || !stands_alone(block) || block.ends_in_block_scalar() {
        return;
    }
    if let Content::Mapping { entries, comments, .. } = &mut block.content {
        (*entries, *comments) = (Box::default(), Box::default());
    }
}

/// What has to be read to get the block: what is in its braces, or its lines, where no other thing stands on them.
fn lines(block: &Node<'_>, text: &str) -> Option<Range<usize>> {
    let Content::Mapping { flow, .. } = &block.content else { return None };
    if *flow {
        return Some(block.range.clone());
    }
    let start = line_start(text, block.range.start);
    let is_indented = text.get(start..block.range.start)?.bytes().all(|byte| byte == b' ');
    is_indented.then(|| start..next_line(text, block.range.end))
}

/// Whether nothing in it depends on what is around it, nor the other way round: there is no anchor, alias or tag.
fn stands_alone(node: &Node<'_>) -> bool {
    let is_bare = |node: &Node<'_>| node.anchor().is_none() && node.tag().is_none();
    is_bare(node)
        && !matches!(node.content, Content::Alias(_))
        && node.items().iter().all(stands_alone)
        && node.entries().iter().all(|entry| is_bare(&entry.key) && stands_alone(&entry.value))
}

#[cfg(test)]
mod tests;
