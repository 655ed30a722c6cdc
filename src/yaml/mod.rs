//! YAML with its places: every node knows the bytes it stands on, so that output can be spliced and not re-serialised.
//!
//! All text from outside (resource lists, origin files, rules, config) is parsed here and nowhere else, within
//! limits of depth and size. Values are not typed here: SOPS, Kubernetes and Go disagree about that.

mod documents;
pub mod emit;
mod lines;
mod parse;
mod parts;
mod windows;

pub use documents::{Documents, again, first, parse};
pub use parse::ParseError;
pub use parts::in_parts;
pub use windows::Windows;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// One document of a YAML stream. JSON is one, too.
#[derive(Debug, Eq)]
pub struct Document<'i> {
    /// Its content. An empty document is a plain, empty scalar.
    pub root: Node<'i>,
    /// The document's bytes, from its first content or comment to its end, without the `---` and `...` markers.
    pub range: Range<usize>,
    /// What [`again`] reads it from once more, where these lines alone tell all of it.
    pub lines: Option<Range<usize>>,
}

// What reads it is no part of it.
impl PartialEq for Document<'_> {
    fn eq(&self, other: &Self) -> bool {
        (&self.root, &self.range) == (&other.root, &other.range)
    }
}

/// A value and the bytes it stands on.
#[derive(Debug, PartialEq, Eq)]
pub struct Node<'i> {
    /// The bytes of the node itself, without tag and anchor: a quoted scalar with its quotes, a block scalar from its
    /// `|` or `>` to the end of its last line's content, a flow collection with its brackets. Empty for an empty value.
    pub range: Range<usize>,
    /// What it is.
    pub content: Content<'i>,
    /// Few nodes have any, and a text of megabytes has a node for each thirty bytes.
    properties: Option<Box<Properties>>,
}

/// What stands before a node's content.
#[derive(Debug, PartialEq, Eq)]
struct Properties {
    anchor: Option<usize>,
    tag: Option<String>,
    /// The bytes from the first of tag and anchor to the end of the last.
    range: Option<Range<usize>>,
}

/// What a node is.
#[derive(Debug, PartialEq, Eq)]
pub enum Content<'i> {
    /// A scalar, with its escapes and folds resolved.
    Scalar {
        /// Its text.
        text: Cow<'i, str>,
        /// How it is written.
        style: ScalarStyle,
    },
    /// A mapping.
    Mapping {
        /// Its entries, in document order; keys are unique.
        entries: Box<[Entry<'i>]>,
        /// Comments that stand inside it, in document order.
        comments: Box<[Comment<'i>]>,
        /// Whether it is written in braces.
        flow: bool,
    },
    /// A list.
    Sequence {
        /// Its items, in document order.
        items: Box<[Node<'i>]>,
        /// Comments that stand inside it, in document order.
        comments: Box<[Comment<'i>]>,
        /// Whether it is written in brackets.
        flow: bool,
    },
    /// A reference to the node with this anchor number.
    Alias(usize),
}

/// A key and its value.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'i> {
    /// The key. A key that is no scalar is refused by the parser.
    pub key: Node<'i>,
    /// The value.
    pub value: Node<'i>,
}

/// A comment.
#[derive(Debug, PartialEq, Eq)]
pub struct Comment<'i> {
    /// From its `#` to the end of its line, without the line break.
    pub range: Range<usize>,
    /// The text after the `#`.
    pub text: Cow<'i, str>,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

impl<'i> Node<'i> {
    /// The bytes from the first of tag and anchor on, where there is any, else the same as `range`.
    #[must_use]
    pub fn whole(&self) -> Range<usize> {
        let before = self.properties.as_ref().and_then(|properties| properties.range.as_ref());
        before.map_or(self.range.start, |range| range.start.min(self.range.start))..self.range.end
    }

    /// The anchor's number, by which an alias refers to it.
    #[must_use]
    pub fn anchor(&self) -> Option<usize> {
        self.properties.as_ref()?.anchor
    }

    /// The resolved tag, such as `tag:yaml.org,2002:str` or `!custom`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.properties.as_ref()?.tag.as_deref()
    }

    /// The value of a key, where this is a mapping that has it.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Node<'i>> {
        self.entries().iter().find(|entry| entry.key.text() == Some(key)).map(|entry| &entry.value)
    }

    /// Whether the last that is in it is a block scalar, to which line breaks behind it may belong.
    #[must_use]
    pub fn ends_in_block_scalar(&self) -> bool {
        match &self.content {
            Content::Scalar { style, .. } => matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
            Content::Mapping { entries, .. } => {
                entries.last().is_some_and(|entry| entry.value.ends_in_block_scalar())
            }
            Content::Sequence { items, .. } => items.last().is_some_and(Self::ends_in_block_scalar),
            Content::Alias(_) => false,
        }
    }

    /// The entries of a mapping; none for anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry<'i>] {
        match &self.content {
            Content::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    #[must_use]
    pub fn items(&self) -> &[Node<'i>] {
        match &self.content {
            Content::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// Mappings up to this size are searched for duplicate keys without a hash table.
const SMALL_MAPPING: usize = 8;

/// The first entry whose key an entry before it has, too. Two readers could disagree about which of them counts.
fn duplicate<'e, 'i>(entries: &'e [Entry<'i>]) -> Option<&'e Entry<'i>> {
    if entries.len() <= SMALL_MAPPING {
        let is_later = |(index, entry): &(usize, &Entry<'_>)| {
            entries.iter().take(*index).any(|other| other.key.text() == entry.key.text())
        };
        return entries.iter().enumerate().find(is_later).map(|(_, entry)| entry);
    }
    let mut keys = HashSet::with_capacity(entries.len());
    entries.iter().find(|entry| !keys.insert(entry.key.text()))
}
