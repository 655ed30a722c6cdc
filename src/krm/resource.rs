//! One resource of the input: who it is. What is in it is read when somebody asks, each time from the input's own text.
//!
//! Of ten thousand resources most are only counted, and the others are looked at two or three times. Their nodes, all kept,
//! would take as much memory as the text.

use std::borrow::Cow;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::{Item, Source};
use crate::diagnostics::ItemName;
use crate::yaml::{self, Content, Document, Node};

/// A resource, as it stands in the input.
#[derive(Debug)]
pub struct Resource<'i> {
    name: Arc<ItemName>,
    start: usize,
    held: Held<'i>,
}

/// What is held of a resource.
#[derive(Debug)]
enum Held<'i> {
    /// All: only the whole text tells what is in it, or it is costly to read.
    Item(Box<Item<'i>>),
    /// Where it can be read again, and what is asked of it most.
    Lines { lines: Range<usize>, annotations: Box<[(Cow<'i, str>, Cow<'i, str>)]>, source: Arc<Source<'i>> },
}

/// A resource with what is in it.
#[derive(Debug)]
pub enum Reading<'r, 'i> {
    /// It is held.
    Held(&'r Item<'i>),
    /// It was read for this.
    Read(Box<Item<'i>>),
}

impl<'i> Resource<'i> {
    /// A resource of which nothing is let go.
    pub(super) fn held(item: Item<'i>) -> Self {
        Self { name: Arc::clone(&item.name), start: item.node.range.start, held: Held::Item(Box::new(item)) }
    }

    /// A resource whose nodes are let go, where these `lines` tell all that is in it.
    pub(super) fn of_item(item: Item<'i>, lines: Option<Range<usize>>) -> Self {
        let Some(lines) = lines else { return Self::held(item) };
        let Item { name, node, source, .. } = item;
        let annotations = node.find("metadata").and_then(|metadata| metadata.find("annotations"));
        let entries = annotations.map(Node::entries).unwrap_or_default();
        let text = |node: &Node<'i>| match &node.content {
            Content::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        };
        let annotations =
            entries.iter().filter_map(|entry| Some((text(&entry.key)?, text(&entry.value)?))).collect();
        let start = node.range.start;
        Self { name, start, held: Held::Lines { lines, annotations, source } }
    }

    /// Its position in the input becomes known when all before it are read.
    pub(super) fn set_index(&mut self, index: usize) {
        Arc::make_mut(&mut self.name).index = index;
        if let Held::Item(item) = &mut self.held {
            item.name = Arc::clone(&self.name);
        }
    }

    /// All that is in it.
    #[must_use]
    pub fn item(&self) -> Reading<'_, 'i> {
        match &self.held {
            Held::Item(item) => Reading::Held(item),
            Held::Lines { lines, source, .. } => {
                let Some(Document { root, .. }) = yaml::again(source.text, lines.clone()) else {
                    unreachable!("lines that were read are read again as they were")
                };
                Reading::Read(Box::new(Item::named(root, Arc::clone(&self.name), false, Arc::clone(source))))
            }
        }
    }

    /// Where it begins in the input's text. Bytes.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// By what people know it.
    #[must_use]
    pub fn name(&self) -> &ItemName {
        &self.name
    }

    /// Its `apiVersion`; empty where it has none.
    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.name.api_version
    }

    /// Its `kind`; empty where it has none.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.name.kind
    }

    /// Whether it is of this kind, in any group and version.
    #[must_use]
    pub fn is_kind(&self, kind: &str) -> bool {
        self.name.kind == kind
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        match &self.held {
            Held::Item(item) => item.annotation(name),
            Held::Lines { annotations, .. } => {
                annotations.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
            }
        }
    }
}

impl<'i> Deref for Reading<'_, 'i> {
    type Target = Item<'i>;

    fn deref(&self) -> &Item<'i> {
        match self {
            Self::Held(item) => item,
            Self::Read(item) => item,
        }
    }
}
