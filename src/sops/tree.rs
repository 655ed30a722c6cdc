//! A document as SOPS sees it: mappings with string keys, lists, typed scalars; aliases expanded, comments left out.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::scalar::Scalar;
use crate::diagnostics::{Code, Problem};
use crate::field_path::{FieldPath, Step};
use crate::yaml::{Content, Node};

/// A mapping's entries in document order. JSON may hold a key twice, and SOPS keeps both.
pub(super) type Entries = Vec<(String, Tree)>;

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Tree {
    Scalar(Scalar<'static>),
    List(Vec<Tree>),
    Map(Entries),
}

/// The key below which stands what YAML merges into the mapping around it.
pub(super) const MERGE: &str = "<<";

/// How deep expanded aliases may nest. The parser's limit holds for what is written, not for what aliases make of it.
const DEEPEST: usize = 300;

/// How many nodes aliases may add. SOPS expands them when it encrypts, so only an edited file holds any.
const MOST_ALIASED: usize = 100_000;

impl Tree {
    /// Reads a node, which must hold the anchors of all aliases below it.
    ///
    /// # Errors
    /// `bad-metadata`, with the field: SOPS refuses such a key or value, or aliases expand to too much.
    pub(super) fn of_yaml(root: &Node<'_>) -> Result<Self, Problem> {
        Reader::of(root).read(root)
    }

    /// The value that Go's map would hold for a key: the last of equal ones.
    pub(super) fn find<'t>(entries: &'t Entries, key: &str) -> Option<&'t Self> {
        entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The places below merge keys (`<<`) that a reader does not merge, since the mapping has their keys itself, or has them
    /// from an earlier merge.
    pub(super) fn shadowed(&self, path: &mut FieldPath, found: &mut Vec<FieldPath>) {
        match self {
            Self::Scalar(_) => {}
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    item.shadowed(path, found);
                    path.pop();
                }
            }
            Self::Map(entries) => {
                if entries.iter().any(|(key, _)| key == MERGE) {
                    self.merge(&mut HashSet::new(), path, found);
                }
                for (key, value) in entries {
                    path.push(Step::Key(key.clone()));
                    value.shadowed(path, found);
                    path.pop();
                }
            }
        }
    }

    /// Merges keys in the order in which they win: a mapping's own, then those of what it merges.
    fn merge<'t>(&'t self, known: &mut HashSet<&'t str>, path: &mut FieldPath, found: &mut Vec<FieldPath>) {
        match self {
            Self::Scalar(_) => {}
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    item.merge(known, path, found);
                    path.pop();
                }
            }
            Self::Map(entries) => {
                let (merges, own): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| key == MERGE);
                for (key, _) in own {
                    if !known.insert(key) {
                        path.push(Step::Key(key.clone()));
                        found.push(path.clone());
                        path.pop();
                    }
                }
                for (_, value) in merges {
                    path.push(Step::Key(MERGE.to_owned()));
                    value.merge(known, path, found);
                    path.pop();
                }
            }
        }
    }

    /// Hands over every scalar in document order, with its path.
    pub(super) fn for_each_scalar(
        self,
        path: &mut FieldPath,
        visit: &mut impl FnMut(&FieldPath, Scalar<'static>),
    ) {
        match self {
            Self::Scalar(scalar) => visit(path, scalar),
            Self::List(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    path.push(Step::Index(index));
                    item.for_each_scalar(path, visit);
                    path.pop();
                }
            }
            Self::Map(entries) => {
                for (key, value) in entries {
                    path.push(Step::Key(key));
                    value.for_each_scalar(path, visit);
                    path.pop();
                }
            }
        }
    }
}

/// Shows every scalar of a document in document order, with what leads to it: as [`Tree::of_yaml`] and
/// [`Tree::for_each_scalar`] do it, without a tree.
///
/// # Errors
/// Those of [`Tree::of_yaml`].
pub(super) fn each_scalar<'n>(
    root: &'n Node<'_>,
    mut see: impl FnMut(&[Hop<'n>], Scalar<'n>),
) -> Result<(), Problem> {
    Reader::of(root).show(root, &mut see)
}

fn collect_anchors<'n, 'i>(node: &'n Node<'i>, anchors: &mut HashMap<usize, &'n Node<'i>>) {
    if let Some(anchor) = node.anchor() {
        anchors.insert(anchor, node);
    }
    for entry in node.entries() {
        collect_anchors(&entry.value, anchors);
    }
    for item in node.items() {
        collect_anchors(item, anchors);
    }
}

/// One walk over a YAML document.
struct Reader<'n, 'i> {
    anchors: HashMap<usize, &'n Node<'i>>,
    /// Where it is, in case it has to say so.
    trail: Vec<Hop<'n>>,
    depth: usize,
    /// How many aliases the walk is inside of.
    aliases: usize,
    /// How many nodes it has met inside of aliases.
    aliased: usize,
}

/// A step of a [`Reader`], borrowed: most are never told.
pub(super) enum Hop<'n> {
    Key {
        key: Cow<'n, str>,
        /// As it stands in the text; `!!binary` is another way to write a key.
        written: &'n str,
    },
    Index(usize),
}

impl<'n, 'i> Reader<'n, 'i> {
    fn of(root: &'n Node<'i>) -> Self {
        let mut anchors = HashMap::new();
        collect_anchors(root, &mut anchors);
        Self { anchors, trail: Vec::new(), depth: 0, aliases: 0, aliased: 0 }
    }

    fn show(
        &mut self,
        node: &'n Node<'i>,
        see: &mut impl FnMut(&[Hop<'n>], Scalar<'n>),
    ) -> Result<(), Problem> {
        self.enter()?;
        match &node.content {
            Content::Scalar { .. } => {
                let scalar = self.scalar(node)?;
                see(&self.trail, scalar);
            }
            Content::Sequence { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    self.trail.push(Hop::Index(index));
                    self.show(item, see)?;
                    self.trail.pop();
                }
            }
            Content::Mapping { entries, .. } => {
                for entry in entries {
                    let key = self.key(&entry.key)?;
                    self.trail.push(Hop::Key { key, written: entry.key.text().unwrap_or_default() });
                    self.show(&entry.value, see)?;
                    self.trail.pop();
                }
            }
            Content::Alias(anchor) => {
                let target = self.target(*anchor)?;
                self.aliases += 1;
                self.show(target, see)?;
                self.aliases -= 1;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Steps down to a node.
    fn enter(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        self.aliased += usize::from(self.aliases > 0);
        if self.depth > DEEPEST || self.aliased > MOST_ALIASED {
            return Err(self.refuse("aliases expand to too much"));
        }
        Ok(())
    }

    fn target(&self, anchor: usize) -> Result<&'n Node<'i>, Problem> {
        self.anchors.get(&anchor).copied().ok_or_else(|| self.refuse("an alias has no anchor"))
    }

    fn read(&mut self, node: &'n Node<'i>) -> Result<Tree, Problem> {
        self.enter()?;
        let tree = match &node.content {
            Content::Scalar { .. } => Tree::Scalar(self.scalar(node)?.into_owned()),
            Content::Sequence { items, .. } => self.list(items)?,
            Content::Mapping { .. } => self.map(node)?,
            Content::Alias(anchor) => {
                let target = self.target(*anchor)?;
                self.aliases += 1;
                let tree = self.read(target)?;
                self.aliases -= 1;
                tree
            }
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn scalar(&self, node: &'n Node<'i>) -> Result<Scalar<'n>, Problem> {
        match &node.content {
            Content::Scalar { text, style } => {
                Scalar::of_yaml(text, *style, node.tag()).map_err(|cause| self.refuse(cause))
            }
            _ => Err(self.refuse("a key is no string")),
        }
    }

    fn list(&mut self, items: &'n [Node<'i>]) -> Result<Tree, Problem> {
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.trail.push(Hop::Index(index));
            list.push(self.read(item)?);
            self.trail.pop();
        }
        Ok(Tree::List(list))
    }

    fn map(&mut self, node: &'n Node<'i>) -> Result<Tree, Problem> {
        let mut map = Vec::with_capacity(node.entries().len());
        for entry in node.entries() {
            let key = self.key(&entry.key)?;
            let written = entry.key.text().unwrap_or_default();
            self.trail.push(Hop::Key { key: key.clone(), written });
            let value = self.read(&entry.value)?;
            self.trail.pop();
            map.push((key.into_owned(), value));
        }
        Ok(Tree::Map(map))
    }

    fn key(&self, node: &'n Node<'i>) -> Result<Cow<'n, str>, Problem> {
        let key = match self.scalar(node)? {
            Scalar::Text(Cow::Borrowed(bytes)) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Scalar::Text(Cow::Owned(bytes)) => String::from_utf8(bytes).ok().map(Cow::Owned),
            _ => None,
        };
        key.ok_or_else(|| {
            self.refuse("a key is no string")
                .help("quote the key: sops takes none but strings, and `1`, `true` and `null` are not")
        })
    }

    fn refuse(&self, cause: impl std::fmt::Display) -> Problem {
        let mut path = FieldPath::root();
        for hop in &self.trail {
            path.push(match hop {
                Hop::Key { written, .. } => Step::Key((*written).to_owned()),
                Hop::Index(index) => Step::Index(*index),
            });
        }
        Problem::new(Code::BadMetadata, "the file holds what sops does not take").at(&path).because(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    /// The scalars of the first document, one a line; with a tree and without, it is the same.
    fn scalars(text: &str) -> Result<Vec<String>, Problem> {
        let documents = yaml::parse(text).unwrap();
        let line = |path: &FieldPath, scalar: &Scalar<'_>| {
            format!("{path} {}", scalar.as_str().map_or(format!("{scalar:?}"), str::to_owned))
        };
        let mut of_tree = Vec::new();
        let tree = Tree::of_yaml(&documents[0].root).map(|tree| {
            tree.for_each_scalar(&mut FieldPath::root(), &mut |path, scalar| {
                of_tree.push(line(path, &scalar));
            });
        });
        let mut of_nodes = Vec::new();
        let nodes = each_scalar(&documents[0].root, |trail, scalar| {
            let step = |hop: &Hop<'_>| match hop {
                Hop::Key { key, .. } => Step::Key(key.clone().into_owned()),
                Hop::Index(index) => Step::Index(*index),
            };
            let steps: Vec<Step> = trail.iter().map(step).collect();
            of_nodes.push(line(&FieldPath::from_steps(&steps), &scalar));
        });
        assert_eq!(tree, nodes, "{text}");
        tree?;
        assert_eq!(of_tree, of_nodes, "{text}");
        Ok(of_tree)
    }

    #[test]
    fn scalars_come_in_document_order() {
        let text = "b: [x, {c: 2}]\na:\n  d: ~\n  <<: e\n";
        assert_eq!(scalars(text).unwrap(), ["b[0] x", "b[1].c Int(2)", "a.d Null", "a.<< e"]);
    }

    #[test]
    fn aliases_are_expanded() {
        let text = "a: &a {x: [1]}\nb: *a\nc: [*a]\n";
        assert_eq!(scalars(text).unwrap(), ["a.x[0] Int(1)", "b.x[0] Int(1)", "c[0].x[0] Int(1)"]);
    }

    #[test]
    fn what_a_mapping_does_not_merge() {
        let text = "a: {k: 1, <<: [{k: 2, l: 3}, {l: 4, m: 5, <<: {k: 6, n: 7}}]}\nb: {<<: {k: 8}}\nk: 9\n";
        let documents = yaml::parse(text).unwrap();
        let mut shadowed = Vec::new();
        Tree::of_yaml(&documents[0].root).unwrap().shadowed(&mut FieldPath::root(), &mut shadowed);
        let shadowed: Vec<String> = shadowed.iter().map(ToString::to_string).collect();
        assert_eq!(shadowed, ["a.<<[0].k", "a.<<[1].l", "a.<<[1].<<.k"]);
    }

    #[test]
    fn aliases_that_expand_to_too_much_are_refused() {
        let bomb = (1..10).fold(String::from("a0: &a0 [x]\n"), |text, n| {
            let alias = format!("*a{}", n - 1);
            format!("{text}a{n}: &a{n} [{}]\n", [alias.as_str(); 10].join(", "))
        });
        assert_eq!(scalars(&bomb).unwrap_err().causes, ["aliases expand to too much"]);
        let ladder = (1..10_000)
            .fold(String::from("a0: &a0 [x]\n"), |text, n| format!("{text}a{n}: &a{n} [*a{}]\n", n - 1));
        assert_eq!(scalars(&ladder).unwrap_err().causes, ["aliases expand to too much"]);
    }

    #[test]
    fn keys_must_be_strings() {
        for text in ["{1: x}", "{true: x}", "{~: x}", "{2024-01-02: x}", "{1.5: x}", "{: x}"] {
            assert_eq!(scalars(text).unwrap_err().causes, ["a key is no string"], "{text}");
        }
        let odd = "{'1': x, yes: y, !!str 2: z, !!binary aGV5: [!!binary eW91]}";
        assert_eq!(scalars(odd).unwrap(), ["1 x", "yes y", "2 z", "hey[0] you"]);
    }

    #[test]
    fn a_value_that_sops_cannot_walk_is_refused_with_its_path() {
        let problem = scalars("a: [x, {b: 9223372036854775808}]").unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("a[1].b"));
        assert_eq!(problem.code, Code::BadMetadata);
        assert!(!format!("{problem:?}").contains("92233"), "{problem:?}");
    }
}
