//! One resource.

use std::sync::Arc;

use super::sealed::{SealedComment, SealedScalar};
use super::{Block, Source, block, column};
use crate::diagnostics::ItemName;
use crate::field_path::{FieldPath, Step};
use crate::yaml::{Comment, Content, Node};

/// The key under which SOPS keeps its metadata.
pub(super) const SOPS: &str = "sops";

/// A resource with what is in it, as it stands in the input.
#[derive(Debug)]
pub struct Item<'i> {
    pub(super) name: Arc<ItemName>,
    pub(super) node: Node<'i>,
    /// Whether its document is JSON.
    pub(super) json: bool,
    pub(super) source: Arc<Source<'i>>,
}

impl<'i> Item<'i> {
    /// The resource that a mapping is; `index` is its zero-based position in the input.
    pub(super) fn new(node: Node<'i>, index: usize, json: bool, source: Arc<Source<'i>>) -> Self {
        let metadata = node.find("metadata");
        let text = |node: Option<&Node>| node.and_then(Node::text).unwrap_or_default().to_owned();
        let name = ItemName {
            api_version: text(node.find("apiVersion")),
            kind: text(node.find("kind")),
            namespace: text(metadata.and_then(|metadata| metadata.find("namespace"))),
            name: text(metadata.and_then(|metadata| metadata.find("name"))),
            index,
        };
        Self::named(node, Arc::new(name), json, source)
    }

    /// The resource that a mapping is, of which it is known who it is.
    pub(super) fn named(
        mut node: Node<'i>,
        name: Arc<ItemName>,
        json: bool,
        source: Arc<Source<'i>>,
    ) -> Self {
        block::hollow(&mut node, source.text);
        Self { name, node, json, source }
    }

    /// By what people know it.
    #[must_use]
    pub fn name(&self) -> &ItemName {
        &self.name
    }

    /// The mapping that it is. What is in its `sops` block may be left out, see [`Item::sops`].
    #[must_use]
    pub fn node(&self) -> &Node<'i> {
        &self.node
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.node.find("metadata")?.find("annotations")?.find(name)?.text()
    }

    /// Its `sops` block: the entry of that name at the top, where that is a mapping.
    #[must_use]
    pub fn sops(&self) -> Option<Block<'_>> {
        Block::new(self.node.find(SOPS)?, self.source.text)
    }

    /// Its encrypted values, outside the `sops` block, in document order.
    #[must_use]
    pub fn sealed(&self) -> Vec<SealedScalar<'_>> {
        SealedScalar::all_of(self)
    }

    /// Its encrypted comments, outside the `sops` block. Those of a mapping or list come before those of its children.
    #[must_use]
    pub fn sealed_comments(&self) -> Vec<SealedComment<'_>> {
        SealedComment::all_of(self)
    }

    /// Shows each scalar that is a value, outside the `sops` block, in document order.
    pub fn each_scalar<'n>(&'n self, mut see: impl FnMut(&Trail<'n>, &'n Node<'i>)) {
        self.walk(&mut |trail, _, seen| {
            if let Seen::Scalar(node) = seen {
                see(trail, node);
            }
        });
    }

    /// Shows everything outside the `sops` block.
    pub(super) fn walk<'n>(&'n self, see: &mut impl FnMut(&Trail<'n>, Holder, Seen<'n, 'i>)) {
        let skip = self.sops().map(|sops| sops.range().start);
        let holder = Holder { flow: false, indent: 0 };
        Walk { text: self.source.text, skip, see }.node(&self.node, holder, &mut Trail::default());
    }
}

/// The steps from an item to a value, borrowed from the item: most are never needed as a [`FieldPath`].
#[derive(Debug, Default)]
pub struct Trail<'n>(Vec<TrailStep<'n>>);

#[derive(Clone, Copy, Debug)]
enum TrailStep<'n> {
    Key(&'n str),
    Index(usize),
}

impl<'n> Trail<'n> {
    /// The same steps, on their own.
    #[must_use]
    pub fn to_path(&self) -> FieldPath {
        let mut path = FieldPath::root();
        for step in &self.0 {
            path.push(match step {
                TrailStep::Key(key) => Step::Key((*key).to_owned()),
                TrailStep::Index(index) => Step::Index(*index),
            });
        }
        path
    }

    /// The keys among the steps.
    pub fn keys(&self) -> impl Iterator<Item = &'n str> + Clone {
        self.0.iter().filter_map(|step| match step {
            TrailStep::Key(key) => Some(*key),
            TrailStep::Index(_) => None,
        })
    }
}

/// The mapping or list around a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    /// Whether it, or one around it, is in brackets or braces.
    pub(super) flow: bool,
    /// The column of the innermost that is not.
    pub(super) indent: usize,
}

/// What a walk shows.
pub(super) enum Seen<'n, 'i> {
    Scalar(&'n Node<'i>),
    Comment(&'n Comment<'i>),
}

/// A walk through an item.
struct Walk<'t, F> {
    text: &'t str,
    /// Where the node starts that is left out.
    skip: Option<usize>,
    see: F,
}

impl<F> Walk<'_, F> {
    fn node<'n, 'i>(&mut self, node: &'n Node<'i>, holder: Holder, trail: &mut Trail<'n>)
    where
        F: FnMut(&Trail<'n>, Holder, Seen<'n, 'i>),
    {
        match &node.content {
            Content::Scalar { .. } => (self.see)(trail, holder, Seen::Scalar(node)),
            // The node that it refers to is shown where it stands.
            Content::Alias(_) => {}
            Content::Mapping { entries, comments, flow } => {
                let inside = self.holder(node, *flow, holder);
                self.comments(comments, inside, trail);
                let skip = self.skip;
                for entry in entries.iter().filter(|entry| Some(entry.value.range.start) != skip) {
                    trail.0.push(TrailStep::Key(entry.key.text().unwrap_or_default()));
                    self.node(&entry.value, inside, trail);
                    trail.0.pop();
                }
            }
            Content::Sequence { items, comments, flow } => {
                let inside = self.holder(node, *flow, holder);
                self.comments(comments, inside, trail);
                for (index, item) in items.iter().enumerate() {
                    trail.0.push(TrailStep::Index(index));
                    self.node(item, inside, trail);
                    trail.0.pop();
                }
            }
        }
    }

    fn comments<'n, 'i>(&mut self, comments: &'n [Comment<'i>], inside: Holder, trail: &Trail<'n>)
    where
        F: FnMut(&Trail<'n>, Holder, Seen<'n, 'i>),
    {
        for comment in comments {
            (self.see)(trail, inside, Seen::Comment(comment));
        }
    }

    fn holder(&self, node: &Node, flow: bool, around: Holder) -> Holder {
        if flow || around.flow {
            Holder { flow: true, ..around }
        } else {
            Holder { flow: false, indent: column(self.text, node.range.start) }
        }
    }
}

#[cfg(test)]
mod tests;
