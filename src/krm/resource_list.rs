//! A resource list or a stream of resources, item by item.

use std::ops::Range;
use std::sync::Arc;

use super::{Item, Resource, Source, column, line_start, next_line};
use crate::diagnostics::{Code, Problem};
use crate::parallel;
use crate::yaml::{self, Content, Document, Entry, Node, ScalarStyle};

/// In which form the resources came, and have to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A KRM `ResourceList`: what functions get, and what results can be added to.
    ResourceList,
    /// Resources as documents: what `kustomize build` prints and exec plugins get.
    Stream,
}

/// The resources on stdin.
#[derive(Debug)]
pub struct Input<'i> {
    /// In which form they came.
    pub form: Form,
    /// The resources, in their order. A `v1` `List` is one of them.
    pub items: Vec<Resource<'i>>,
    function_config: Option<Node<'i>>,
    /// The resource list itself.
    pub(super) list: Option<List>,
    pub(super) source: Arc<Source<'i>>,
}

/// Where a resource list stands, as far as results need to know.
#[derive(Debug)]
pub(super) struct List {
    /// The mapping that is the list.
    pub(super) range: Range<usize>,
    /// Where its document ends.
    pub(super) document_end: usize,
    /// Whether it is written in braces.
    pub(super) flow: bool,
    /// Where the value of its last entry ends.
    pub(super) last_entry_end: usize,
    /// The key and value of `results`, where it has any.
    pub(super) results: Option<Range<usize>>,
    /// Where further items go, where any can.
    room: Option<Room>,
}

/// Where further items go in a resource list, each on lines of its own behind `- `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The bytes that they take the place of: none, or those of an empty list.
    pub place: Range<usize>,
    /// What stands before them.
    pub before: String,
    /// How far in they stand. Columns.
    pub indent: usize,
}

impl<'i> Input<'i> {
    /// Reads what is on stdin. Nothing at all is an empty stream.
    ///
    /// # Errors
    /// `bad-input`: no YAML, a document or item that is no mapping, or a `ResourceList` that is not alone.
    pub fn parse(text: &'i str) -> Result<Self, Problem> {
        Self::parse_with(text, |_| ()).map(|(input, _)| input)
    }

    /// Reads what is on stdin, and has a look at each resource while all of it is there.
    ///
    /// # Errors
    /// See [`Input::parse`].
    pub fn parse_with<T: Send>(
        text: &'i str,
        look: impl Fn(&Item<'i>) -> T + Sync,
    ) -> Result<(Self, Vec<T>), Problem> {
        refuse_old_line_breaks(text)?;
        let source = Arc::new(Source::new(text));
        let mut documents = look_through(&source, true, &look).map_err(|error| {
            let yaml::ParseError { what, line, column } = error;
            bad_input("the input is not YAML that can be read")
                .because(format!("line {line}, column {column}: {what}"))
        })?;
        let lists = documents.iter().filter(|document| matches!(document, Found::List(_))).count();
        match (lists, documents.len()) {
            (0, _) => Self::stream(documents, source),
            (1, 1) => match documents.pop() {
                Some(Found::List(list)) => Self::resource_list(list, &source, look),
                _ => Self::stream(documents, source),
            },
            _ => Err(bad_input("the input holds a ResourceList and other documents beside it")),
        }
    }

    /// Reads the documents of any YAML file, resources or not.
    ///
    /// # Errors
    /// `bad-input`: no YAML, or a document that is no mapping.
    pub fn documents(text: &'i str) -> Result<Self, Problem> {
        refuse_old_line_breaks(text)?;
        let source = Arc::new(Source::new(text));
        let documents = look_through(&source, false, &|_| ());
        let documents = documents.map_err(|error| {
            bad_input("a file is not YAML that can be read")
                .because(format!("line {}, column {}: {}", error.line, error.column, error.what))
        })?;
        Self::stream(documents, source).map(|(input, _)| input)
    }

    /// The function's config, where the resources came as a list that holds one.
    #[must_use]
    pub fn function_config(&self) -> Option<&Node<'i>> {
        self.function_config.as_ref()
    }

    /// The text of the function's config, a YAML document of its own.
    #[must_use]
    pub fn function_config_text(&self) -> Option<&'i str> {
        let range = self.function_config.as_ref()?.range.clone();
        // In block style the first line needs the indentation that the others have.
        let line = super::line_start(self.source.text, range.start);
        let indented = self.source.slice(line..range.start).trim().is_empty();
        Some(self.source.slice(if indented { line } else { range.start }..range.end))
    }

    /// Where further items go; `None` for a stream, and for a list in braces or brackets.
    #[must_use]
    pub fn room_for_items(&self) -> Option<Room> {
        self.list.as_ref()?.room.clone()
    }

    fn stream<T>(documents: Vec<Found<'i, T>>, source: Arc<Source<'i>>) -> Result<(Self, Vec<T>), Problem> {
        let mut items = Vec::with_capacity(documents.len());
        let mut seen = Vec::with_capacity(documents.len());
        for (index, document) in documents.into_iter().enumerate() {
            let Found::Resource(mut resource, of_it) = document else {
                return Err(bad_input(format!("document {} is not a resource", index + 1)));
            };
            resource.set_index(index);
            items.push(resource);
            seen.push(of_it);
        }
        Ok((Self { form: Form::Stream, items, function_config: None, list: None, source }, seen))
    }

    fn resource_list<T: Send>(
        document: Document<'i>,
        source: &Arc<Source<'i>>,
        look: impl Fn(&Item<'i>) -> T + Sync,
    ) -> Result<(Self, Vec<T>), Problem> {
        let source = source.of_document(&document);
        let Document { root, range, .. } = document;
        let json = is_json(&root);
        let mut list = List {
            last_entry_end: root.entries().last().map_or(root.range.start, |entry| entry.value.whole().end),
            range: root.range,
            document_end: range.end,
            flow: false,
            results: None,
            room: None,
        };
        let mut input =
            Self { form: Form::ResourceList, items: Vec::new(), function_config: None, list: None, source };
        if let Content::Mapping { entries, flow, .. } = root.content {
            list.flow = flow;
            if !flow {
                list.room = room(input.source.text, list.range.start, &entries);
            }
            for entry in entries {
                match entry.key.text() {
                    Some("items") => input.add_items(entry.value, json)?,
                    Some("functionConfig") if !is_null(&entry.value) => {
                        input.function_config = Some(entry.value);
                    }
                    Some("results") => list.results = Some(entry.key.whole().start..entry.value.whole().end),
                    _ => {}
                }
            }
        }
        input.list = Some(list);
        let seen = parallel::map_many(&input.items, |item| look(&item.item()));
        Ok((input, seen))
    }

    fn add_items(&mut self, items: Node<'i>, json: bool) -> Result<(), Problem> {
        if is_null(&items) {
            return Ok(());
        }
        let Content::Sequence { items, .. } = items.content else {
            return Err(bad_input("the items of the ResourceList are not a list").at("items"));
        };
        for (index, node) in items.into_iter().enumerate() {
            if !matches!(node.content, Content::Mapping { .. }) {
                return Err(
                    bad_input("an item of the ResourceList is not a resource").at(format!("items[{index}]"))
                );
            }
            self.items.push(Resource::held(Item::new(node, index, json, Arc::clone(&self.source))));
        }
        Ok(())
    }
}

/// A document that holds anything.
enum Found<'i, T> {
    /// A resource, and what was seen of it.
    Resource(Resource<'i>, T),
    /// A `ResourceList`.
    List(Document<'i>),
    /// What is neither.
    Other,
}

/// The length of a byte-order mark. Bytes.
const BOM: usize = '\u{feff}'.len_utf8();

/// Where further items of a list go that begins at `start`, in block style.
fn room(text: &str, start: usize, entries: &[Entry<'_>]) -> Option<Room> {
    let indent = column(text, start);
    let Some(Entry { key, value }) = entries.iter().find(|entry| entry.key.text() == Some("items")) else {
        // A byte-order mark is no part of the first line.
        let line = line_start(text, start).max(if text.starts_with('\u{feff}') { BOM } else { 0 });
        let is_first = text.get(line..start)?.bytes().all(|byte| byte == b' ');
        let before = format!("{}items:\n", " ".repeat(indent));
        return is_first.then_some(Room { place: line..line, before, indent });
    };
    match &value.content {
        Content::Sequence { items, flow: false, .. } if !items.is_empty() => {
            let mut place = next_line(text, value.range.end);
            // Blank lines may be the last item's own.
            while text
                .get(place..next_line(text, place))
                .is_some_and(|line| !line.is_empty() && line.trim().is_empty())
            {
                place = next_line(text, place);
            }
            Some(Room { place: place..place, before: String::new(), indent: column(text, value.range.start) })
        }
        Content::Sequence { items, .. } if !items.is_empty() => None,
        Content::Sequence { .. } | Content::Scalar { .. } if value.whole() == value.range => {
            let end = next_line(text, value.range.end);
            // A comment, if anything.
            let rest = text.get(value.range.end..end)?.trim();
            let before = if rest.is_empty() { String::new() } else { format!("{rest}\n") };
            Some(Room { place: value.range.start..end, before, indent: column(text, key.range.start) })
        }
        _ => None,
    }
}

/// The documents of a text, each let go as soon as it is looked at.
fn look_through<'i, T: Send>(
    source: &Arc<Source<'i>>,
    may_be_list: bool,
    look: &(impl Fn(&Item<'i>) -> T + Sync),
) -> Result<Vec<Found<'i, T>>, yaml::ParseError> {
    let find = |document: Document<'i>| {
        let root = &document.root;
        if is_null(root) {
            return None;
        }
        if !matches!(root.content, Content::Mapping { .. }) {
            return Some(Found::Other);
        }
        if may_be_list && is_list(root) {
            return Some(Found::List(document));
        }
        let source = source.of_document(&document);
        let Document { root, lines, .. } = document;
        let json = is_json(&root);
        let item = Item::new(root, 0, json, source);
        let seen = look(&item);
        Some(Found::Resource(Resource::of_item(item, lines), seen))
    };
    let parts = yaml::in_parts(source.text, |documents| {
        documents.filter_map(|document| document.map(find).transpose()).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// A carriage return alone breaks a line in YAML, and nobody writes it. Lines are what is cut out here, so what would be
/// cut is more than is meant.
fn refuse_old_line_breaks(text: &str) -> Result<(), Problem> {
    let alone = |at: &usize| !text.get(at + 1..).is_some_and(|rest| rest.starts_with('\n'));
    let Some(at) = text.match_indices('\r').map(|(at, _)| at).find(alone) else { return Ok(()) };
    let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    Err(bad_input("a line is broken with a carriage return alone")
        .because(format!("line {line}"))
        .help("end lines with a newline"))
}

fn bad_input(what: impl Into<String>) -> Problem {
    Problem::new(Code::BadInput, what)
}

/// Whether a resource is a `ResourceList`, of any version of the KRM functions' specification.
#[must_use]
pub fn is_resource_list(resource: &Resource<'_>) -> bool {
    is_list_of(resource.api_version(), resource.kind())
}

fn is_list(root: &Node) -> bool {
    let text = |name: &str| root.find(name).and_then(Node::text).unwrap_or_default();
    is_list_of(text("apiVersion"), text("kind"))
}

fn is_list_of(api_version: &str, kind: &str) -> bool {
    kind == "ResourceList" && api_version.starts_with("config.kubernetes.io/")
}

fn is_null(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar { text, style: ScalarStyle::Plain }
        if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL"))
}

/// Whether a document is JSON and not YAML's flow style. Either is written validly if it is taken for JSON.
fn is_json(root: &Node) -> bool {
    matches!(root.content, Content::Mapping { flow: true, .. })
        && root.entries().iter().all(|entry| {
            matches!(entry.key.content, Content::Scalar { style: ScalarStyle::DoubleQuoted, .. })
        })
}

#[cfg(test)]
mod tests;
