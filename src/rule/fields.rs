//! Reading rules field by field, as Go's yaml.v3 decodes them into sops' structs, with errors that say where and never what
//! stands there.
//!
//! A scalar keeps the text that it is written with: an encryption context of `1.10` is not one of `1.1`. That, and the
//! line of an error, is why this reads nodes and has no serde model.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use super::{Code, Problem};
use crate::yaml::{Content, Node, ScalarStyle};

/// How many aliases and merged mappings are followed in one file. They may multiply; nobody's rules come near this.
const MOST_FOLLOWED: usize = 100_000;

/// How deep mappings may stand in each other, those that aliases put there included.
const DEEPEST: usize = 64;

/// The file that rules are read from.
pub(super) struct File<'n> {
    /// Its name for people.
    pub(super) source: &'n str,
    /// Its text, where a person can look up a line of it.
    text: Option<&'n str>,
    anchors: HashMap<usize, &'n Node<'n>>,
    followed: Cell<usize>,
}

/// A mapping of the file, and where it stands. Fields that nobody asks for are ignored, as sops does.
pub(super) struct Fields<'f, 'n> {
    file: &'f File<'n>,
    place: String,
    start: usize,
    depth: usize,
    entries: HashMap<&'n str, &'n Node<'n>>,
}

impl<'n> File<'n> {
    /// The file of this name and text, whose document has this root.
    pub(super) fn new(source: &'n str, text: Option<&'n str>, root: &'n Node<'n>) -> Self {
        let mut anchors = HashMap::new();
        collect_anchors(root, &mut anchors);
        Self { source, text, anchors, followed: Cell::new(0) }
    }

    /// The node that an alias stands for; any other node itself.
    fn follow(&self, node: &'n Node<'n>) -> Result<&'n Node<'n>, Problem> {
        let Content::Alias(anchor) = &node.content else { return Ok(node) };
        self.count(node)?;
        let target = self.anchors.get(anchor).copied();
        target.ok_or_else(|| self.bad("", node.range.start, "an alias has no anchor"))
    }

    fn count(&self, node: &Node<'_>) -> Result<(), Problem> {
        self.followed.set(self.followed.get() + 1);
        if self.followed.get() > MOST_FOLLOWED {
            return Err(self.bad("", node.range.start, "its aliases expand to too much"));
        }
        Ok(())
    }

    /// The items of a node that must be a list; null is an empty one.
    fn items(&self, node: &'n Node<'n>, place: &str) -> Result<Vec<&'n Node<'n>>, Problem> {
        let items: &[Node] = match &node.content {
            Content::Sequence { items, .. } => items,
            _ if is_null(node) => &[],
            _ => return Err(self.bad(place, node.range.start, "a list is expected")),
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            let item = self.follow(item)?;
            if !is_null(item) {
                list.push(item);
            }
        }
        Ok(list)
    }

    /// The complaint that something at this byte is wrong.
    fn bad(&self, place: &str, byte: usize, why: &str) -> Problem {
        let source = self.source;
        let what = if place.is_empty() { source.to_owned() } else { format!("{place} of {source}") };
        let before = self.text.and_then(|text| text.get(..byte));
        let line = before.map(|before| format!(" (line {})", before.matches('\n').count() + 1));
        Problem::new(Code::BadRule, format!("{what} is wrong"))
            .because(format!("{why}{}", line.unwrap_or_default()))
    }
}

/// The list that stands below these keys; empty where there is none. Without keys, the document itself is it.
pub(super) fn list_at<'n>(
    file: &File<'n>,
    root: &'n Node<'n>,
    keys: &[&str],
) -> Result<Vec<&'n Node<'n>>, Problem> {
    match keys {
        [] => file.items(file.follow(root)?, ""),
        [last] => Fields::of(file, root, "")?.list(last),
        [first, rest @ ..] => match Fields::of(file, root, "")?.value(first)? {
            Some(node) => list_at(file, node, rest),
            None => Ok(Vec::new()),
        },
    }
}

impl<'f, 'n> Fields<'f, 'n> {
    /// A node that must be a mapping; null is an empty one.
    pub(super) fn of(file: &'f File<'n>, node: &'n Node<'n>, place: &str) -> Result<Self, Problem> {
        Self::at_depth(file, node, place.to_owned(), 0)
    }

    /// A mapping inside this one.
    pub(super) fn below(&self, node: &'n Node<'n>, place: &str) -> Result<Self, Problem> {
        Self::at_depth(self.file, node, format!("{}, {place}", self.place), self.depth + 1)
    }

    fn at_depth(
        file: &'f File<'n>,
        node: &'n Node<'n>,
        place: String,
        depth: usize,
    ) -> Result<Self, Problem> {
        let mut fields = Self { file, place, start: node.range.start, depth, entries: HashMap::new() };
        fields.take_in(node, depth)?;
        Ok(fields)
    }

    /// Adds the entries of a mapping that are not there yet, and then those of what it merges in with `<<`.
    fn take_in(&mut self, node: &'n Node<'n>, depth: usize) -> Result<(), Problem> {
        let node = self.file.follow(node)?;
        if is_null(node) {
            return Ok(());
        }
        let bad = |why: &str| self.file.bad(&self.place, node.range.start, why);
        let Content::Mapping { entries, .. } = &node.content else {
            return Err(bad("a mapping is expected"));
        };
        if depth > DEEPEST {
            return Err(bad("it nests too deeply"));
        }
        let mut merged = Vec::new();
        for entry in entries {
            match entry.key.text() {
                Some("<<") => merged.push(&entry.value),
                Some(name) => {
                    self.entries.entry(name).or_insert(&entry.value);
                }
                None => {}
            }
        }
        for value in merged {
            let value = self.file.follow(value)?;
            let mappings = if value.items().is_empty() { std::slice::from_ref(value) } else { value.items() };
            for mapping in mappings {
                self.file.count(mapping)?;
                self.take_in(mapping, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The complaint that a field is wrong.
    pub(super) fn bad(&self, field: &str, why: &str) -> Problem {
        let start = self.entries.get(field).map_or(self.start, |node| node.range.start);
        self.file.bad(&self.place, start, why).at(field)
    }

    fn value(&self, field: &str) -> Result<Option<&'n Node<'n>>, Problem> {
        let Some(node) = self.entries.get(field) else { return Ok(None) };
        let node = self.file.follow(node)?;
        Ok(Some(node).filter(|node| !is_null(node)))
    }

    /// A string. Empty and absent are the same. Numbers and booleans count as text, as they do for Go's reader.
    pub(super) fn text(&self, field: &str) -> Result<Option<String>, Problem> {
        let Some(node) = self.value(field)? else { return Ok(None) };
        let text = node.text().ok_or_else(|| self.bad(field, "a string is expected"))?;
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, field: &str) -> Result<Option<usize>, Problem> {
        let Some(node) = self.value(field)? else { return Ok(None) };
        let plain = is_plain(node).then(|| node.text().and_then(whole)).flatten();
        plain.map(Some).ok_or_else(|| self.bad(field, "a whole number from 0 is expected"))
    }

    /// A boolean; absent is false. The words of YAML 1.1 count, as they do for Go's reader.
    pub(super) fn flag(&self, field: &str) -> Result<bool, Problem> {
        let Some(node) = self.value(field)? else { return Ok(false) };
        match node.text() {
            Some("true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON") => {
                Ok(true)
            }
            Some("false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF") => {
                Ok(false)
            }
            _ => Err(self.bad(field, "true or false is expected")),
        }
    }

    /// A list of anything; absent is empty. Go's reader leaves nulls out of it.
    pub(super) fn list(&self, field: &str) -> Result<Vec<&'n Node<'n>>, Problem> {
        let Some(node) = self.value(field)? else { return Ok(Vec::new()) };
        self.file.items(node, &self.place).map_err(|problem| problem.at(field))
    }

    /// Names of keys: a string with commas, or a list of such strings. Blanks around names and empty names are dropped.
    pub(super) fn names(&self, field: &str) -> Result<Vec<String>, Problem> {
        let nodes = match self.value(field)? {
            None => Vec::new(),
            Some(node) if node.text().is_some() => vec![node],
            Some(_) => self.list(field)?,
        };
        let mut names = Vec::new();
        for node in nodes {
            let text =
                node.text().ok_or_else(|| self.bad(field, "a string or a list of strings is expected"))?;
            names.extend(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        }
        Ok(names)
    }

    /// A mapping of strings; entries without a value are dropped, as sops does before it calls KMS.
    pub(super) fn texts_by_name(&self, field: &str) -> Result<BTreeMap<String, String>, Problem> {
        let mut texts = BTreeMap::new();
        let Some(node) = self.value(field)? else { return Ok(texts) };
        let below = self.below(node, field)?;
        for name in below.entries.keys() {
            if let Some(value) = below.value(name)? {
                let text = value.text().ok_or_else(|| self.bad(field, "a mapping of strings is expected"))?;
                texts.insert((*name).to_owned(), text.to_owned());
            }
        }
        Ok(texts)
    }
}

fn collect_anchors<'n>(node: &'n Node<'n>, anchors: &mut HashMap<usize, &'n Node<'n>>) {
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

fn is_plain(node: &Node<'_>) -> bool {
    let style = match &node.content {
        Content::Scalar { style, .. } => Some(*style),
        _ => None,
    };
    style == Some(ScalarStyle::Plain) && node.tag() != Some("tag:yaml.org,2002:str")
}

fn is_null(node: &Node<'_>) -> bool {
    is_plain(node) && matches!(node.text(), Some("" | "~" | "null" | "Null" | "NULL"))
}

/// A whole number as YAML writes it. A float without fraction counts, as it does for Go's reader.
fn whole(text: &str) -> Option<usize> {
    let digits = text.replace('_', "");
    let digits = digits.strip_prefix('+').unwrap_or(&digits);
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return usize::from_str_radix(digits, radix).ok();
        }
    }
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    if digits.len() > 1 && digits.starts_with('0') {
        return usize::from_str_radix(digits, 8).ok();
    }
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
