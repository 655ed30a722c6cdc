//! From the text of a file to its leaves, a document at a time: no tree of a whole file is ever held.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, OnceLock};

use super::blocks::{BLOCK, metadata_of, root_entries, take_block};
use super::leaf::Leaf;
use super::metadata::Metadata;
use super::tree::{Entries, Hop, MERGE, Tree, each_scalar};
use crate::diagnostics::{Code, Problem};
use crate::field_path::{FieldPath, Step};
use crate::selector::Selector;
use crate::yaml::{self, Content, Document, Documents, ParseError, Windows, in_parts};

/// How SOPS writes a merge key. A key `<<` without the tag is one like any other.
const MERGE_KEY: &str = "!!merge <<";

/// The metadata of a YAML file, and its leaves in parts. A large file of many documents is read by several threads.
///
/// # Errors
/// See [`super::SealedFile::parse`].
pub(super) fn gather(text: &str) -> Result<(Metadata, Vec<Vec<Leaf>>), Problem> {
    let has_merge_keys = text.contains(MERGE_KEY);
    // The first document's block counts for all parts; whichever comes first reads it.
    let of_first = OnceLock::new();
    let read = |mut documents: Documents<'_>| -> Result<Part, ParseError> {
        if !documents.are_all() {
            let metadata = of_first.get_or_init(|| first_metadata(text));
            return match metadata {
                Ok(metadata) => add_all(Gatherer::new(metadata, has_merge_keys), documents),
                Err(problem) => Ok(Err(problem.clone())),
            };
        }
        let first = documents.next().transpose()?.map_or(Ok(Entries::new()), |first| entries_of(&first));
        let metadata_and_rest = first.and_then(|mut rest| {
            let metadata = metadata_of(take_block(&mut rest))?;
            Ok((metadata, rest))
        });
        match metadata_and_rest {
            Ok((metadata, rest)) => {
                let mut gatherer = Gatherer::new(&metadata, has_merge_keys);
                gatherer.add(rest);
                let part = add_all(gatherer, documents)?;
                // Read again when the parts were no YAML: it is the same first document.
                let _ = of_first.set(Ok(metadata));
                Ok(part)
            }
            Err(problem) => {
                // What is no YAML at all is called that, wherever it stands.
                documents.try_for_each(|document| document.map(drop))?;
                Ok(Err(problem))
            }
        }
    };
    let mut all = Parts::default();
    for part in in_parts(text, read).map_err(|error| no_yaml(&error))? {
        all.add(part?);
    }
    let metadata = of_first.into_inner().unwrap_or_else(|| metadata_of(Vec::new()))?;
    Ok((metadata, all.leaves))
}

/// The same of a large file, whose text is never held whole. `None` where that cannot be read, or means something that only the
/// whole text tells: then [`gather`] has to be asked, and what it says is what counts.
pub(super) fn gather_windows(mut windows: Windows<impl Read>) -> Option<(Metadata, Vec<Vec<Leaf>>)> {
    let mut of_first = None;
    let mut all = Parts::default();
    while let Some(text) = windows.next_text() {
        let text = text.ok().filter(|text| !text.contains(MERGE_KEY))?;
        let metadata = match of_first.take() {
            Some(metadata) => metadata,
            None => first_metadata(text).ok()?,
        };
        let read = |documents: Documents<'_>| add_all(Gatherer::new(&metadata, false), documents);
        for part in in_parts(text, read).ok()? {
            all.add(part.ok()?);
        }
        of_first = Some(metadata);
    }
    Some((of_first?, all.leaves))
}

/// The leaves of a part, and how many documents it has.
type Part = Result<(Vec<Leaf>, usize), Problem>;

/// The parts so far.
#[derive(Default)]
struct Parts {
    leaves: Vec<Vec<Leaf>>,
    documents: usize,
}

impl Parts {
    fn add(&mut self, (mut leaves, documents): (Vec<Leaf>, usize)) {
        for leaf in &mut leaves {
            leaf.document += self.documents;
        }
        leaves.shrink_to_fit();
        self.leaves.push(leaves);
        self.documents += documents;
    }
}

fn add_all(mut gatherer: Gatherer<'_>, documents: Documents<'_>) -> Result<Part, ParseError> {
    let mut refused = None;
    for document in documents {
        let document = document?;
        if refused.is_some() {
            continue;
        }
        // Every document has the block, and that of the first one counts.
        refused = gatherer.add_document(&document).err();
    }
    Ok(refused.map_or_else(|| Ok(gatherer.done()), Err))
}

fn first_metadata(text: &str) -> Result<Metadata, Problem> {
    let first = yaml::first(text).map_err(|error| no_yaml(&error))?;
    let mut entries = first.map_or(Ok(Entries::new()), |first| entries_of(&first))?;
    metadata_of(take_block(&mut entries))
}

fn entries_of(document: &Document<'_>) -> Result<Entries, Problem> {
    root_entries(Tree::of_yaml(&document.root)?)
}

pub(super) fn no_yaml(error: &ParseError) -> Problem {
    Problem::new(Code::BadMetadata, "the file is no YAML that sops wrote")
        .because(format!("line {}, column {}: {}", error.line, error.column, error.what))
        .help("restore the file from version control")
}

/// Turns documents into leaves.
pub(super) struct Gatherer<'m> {
    has_merge_keys: bool,
    paths: Paths<'m>,
    leaves: Vec<Leaf>,
    documents: usize,
}

impl<'m> Gatherer<'m> {
    pub(super) fn new(metadata: &'m Metadata, has_merge_keys: bool) -> Self {
        let paths = Paths { selector: &metadata.selector, known: HashMap::new(), last: Vec::new() };
        Self { has_merge_keys, paths, leaves: Vec::new(), documents: 0 }
    }

    /// Takes in the next document, without its block.
    pub(super) fn add(&mut self, entries: Entries) {
        let root = Tree::Map(entries);
        let mut shadowed = Vec::new();
        if self.has_merge_keys {
            root.shadowed(&mut FieldPath::root(), &mut shadowed);
        }
        let (document, has_merge_keys) = (self.documents, self.has_merge_keys);
        root.for_each_scalar(&mut FieldPath::root(), &mut |path, scalar| {
            let merged = has_merge_keys && is_merged(path, &shadowed);
            let (path, covered) = self.paths.of(path);
            let leaf = Leaf::new(document, path, covered, scalar);
            self.leaves.extend(leaf.map(|leaf| Leaf { merged, ..leaf }));
        });
        self.documents += 1;
    }

    /// Takes in the next document as it was read; what is in its block is of no account.
    fn add_document(&mut self, document: &Document<'_>) -> Result<(), Problem> {
        if self.has_merge_keys || !matches!(document.root.content, Content::Mapping { .. }) {
            let mut entries = entries_of(document)?;
            take_block(&mut entries);
            self.add(entries);
            return Ok(());
        }
        let mut position = 0;
        each_scalar(&document.root, |trail, scalar| {
            if !matches!(trail.first(), Some(Hop::Key { key, .. }) if key == BLOCK) {
                let (path, covered) = self.paths.at(position, trail);
                self.leaves.extend(Leaf::new(self.documents, path, covered, scalar));
                position += 1;
            }
        })?;
        self.documents += 1;
        Ok(())
    }

    /// The leaves, and how many documents they are of.
    pub(super) fn done(self) -> (Vec<Leaf>, usize) {
        (self.leaves, self.documents)
    }
}

/// A path, and whether the selector covers it.
type Known = (Arc<FieldPath>, Option<bool>);

/// The paths so far: documents of one file are alike.
struct Paths<'m> {
    selector: &'m Selector,
    known: HashMap<FieldPath, Known>,
    /// Those of the scalars of the last document, by their position: nearly always, the next one has the same.
    last: Vec<Known>,
}

impl Paths<'_> {
    fn of(&mut self, path: &FieldPath) -> Known {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let known = (Arc::new(path.clone()), self.selector.covers(path));
        self.known.insert(path.clone(), known.clone());
        known
    }

    /// The path of a document's next scalar.
    fn at(&mut self, position: usize, trail: &[Hop<'_>]) -> Known {
        if let Some(known) = self.last.get(position).filter(|(path, _)| leads_to(trail, path)) {
            return known.clone();
        }
        let known = self.of(&path_of(trail));
        match self.last.get_mut(position) {
            Some(last) => *last = known.clone(),
            None => self.last.push(known.clone()),
        }
        known
    }
}

fn path_of(trail: &[Hop<'_>]) -> FieldPath {
    let mut path = FieldPath::root();
    for hop in trail {
        path.push(match hop {
            Hop::Key { key, .. } => Step::Key(key.clone().into_owned()),
            Hop::Index(index) => Step::Index(*index),
        });
    }
    path
}

fn leads_to(trail: &[Hop<'_>], path: &FieldPath) -> bool {
    let is_same = |(hop, step): (&Hop<'_>, &Step)| match (hop, step) {
        (Hop::Key { key, .. }, Step::Key(other)) => key == other,
        (Hop::Index(index), Step::Index(other)) => index == other,
        _ => false,
    };
    trail.len() == path.steps().len() && trail.iter().zip(path.steps()).all(is_same)
}

/// Whether what stands there is merged into the mapping around `<<`, and not `shadowed`.
fn is_merged(path: &FieldPath, shadowed: &[FieldPath]) -> bool {
    path.keys().any(|key| key == MERGE)
        && !shadowed.iter().any(|above| path.steps().starts_with(above.steps()))
}
