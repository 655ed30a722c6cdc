//! From the text of a file to its leaves, a document at a time: no tree of a whole file is ever held.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::file::{Leaf, metadata_of, root_entries, take_block};
use super::metadata::Metadata;
use super::tree::{Entries, MERGE, Tree};
use crate::diagnostics::{Code, Problem};
use crate::field_path::FieldPath;
use crate::yaml::{Document, Documents, ParseError, in_parts};

/// How SOPS writes a merge key. A key `<<` without the tag is one like any other.
const MERGE_KEY: &str = "!!merge <<";

/// The metadata and leaves of a YAML file. A large file of many documents is read by several threads.
///
/// # Errors
/// See [`super::SealedFile::parse`].
pub(super) fn gather(text: &str) -> Result<(Metadata, Vec<Leaf>), Problem> {
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
    let parts = in_parts(text, read).map_err(|error| no_yaml(&error))?;
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut leaves = Vec::with_capacity(parts.iter().map(|(of_part, _)| of_part.len()).sum());
    let mut before = 0;
    for (of_part, documents) in parts {
        leaves.extend(of_part.into_iter().map(|leaf| Leaf { document: leaf.document + before, ..leaf }));
        before += documents;
    }
    let metadata = of_first.into_inner().unwrap_or_else(|| metadata_of(Vec::new()))?;
    Ok((metadata, leaves))
}

/// The leaves of a part, and how many documents it has.
type Part = Result<(Vec<Leaf>, usize), Problem>;

fn add_all(mut gatherer: Gatherer<'_>, documents: Documents<'_>) -> Result<Part, ParseError> {
    let mut refused = None;
    for document in documents {
        let document = document?;
        if refused.is_some() {
            continue;
        }
        match entries_of(&document) {
            Ok(mut entries) => {
                // Every document has the block, and that of the first one counts.
                take_block(&mut entries);
                gatherer.add(entries);
            }
            Err(problem) => refused = Some(problem),
        }
    }
    Ok(refused.map_or_else(|| Ok(gatherer.done()), Err))
}

fn first_metadata(text: &str) -> Result<Metadata, Problem> {
    let first = Documents::of(text).next().transpose().map_err(|error| no_yaml(&error))?;
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
    metadata: &'m Metadata,
    has_merge_keys: bool,
    /// The paths so far, and whether the selector covers each: documents of one file are alike.
    paths: HashMap<FieldPath, (Arc<FieldPath>, Option<bool>)>,
    leaves: Vec<Leaf>,
    documents: usize,
}

impl<'m> Gatherer<'m> {
    pub(super) fn new(metadata: &'m Metadata, has_merge_keys: bool) -> Self {
        Self { metadata, has_merge_keys, paths: HashMap::new(), leaves: Vec::new(), documents: 0 }
    }

    /// Takes in the next document, without its block.
    pub(super) fn add(&mut self, entries: Entries) {
        let root = Tree::Map(entries);
        let mut shadowed = Vec::new();
        if self.has_merge_keys {
            root.shadowed(&mut FieldPath::root(), &mut shadowed);
        }
        let (document, has_merge_keys) = (self.documents, self.has_merge_keys);
        let selector = &self.metadata.selector;
        root.for_each_scalar(&mut FieldPath::root(), &mut |path, scalar| {
            let merged = has_merge_keys && is_merged(path, &shadowed);
            let (path, covered) = match self.paths.get(path) {
                Some(known) => known,
                None => self
                    .paths
                    .entry(path.clone())
                    .or_insert_with(|| (Arc::new(path.clone()), selector.covers(path))),
            };
            let leaf = Leaf::new(document, path, *covered, scalar);
            self.leaves.extend(leaf.map(|leaf| Leaf { merged, ..leaf }));
        });
        self.documents += 1;
    }

    /// The leaves, and how many documents they are of.
    pub(super) fn done(self) -> (Vec<Leaf>, usize) {
        (self.leaves, self.documents)
    }
}

/// Whether what stands there is merged into the mapping around `<<`, and not `shadowed`.
fn is_merged(path: &FieldPath, shadowed: &[FieldPath]) -> bool {
    path.keys().any(|key| key == MERGE)
        && !shadowed.iter().any(|above| path.steps().starts_with(above.steps()))
}
