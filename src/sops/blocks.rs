//! The `sops` blocks of a file's documents. That of the first one counts.

use super::metadata::Metadata;
use super::scalar::Scalar;
use super::tree::{Entries, Tree};
use crate::diagnostics::{Code, Problem};

/// The key of SOPS' own block, in the root mapping of each document.
pub(super) const BLOCK: &str = "sops";

/// That there is none.
pub(super) fn without_block() -> Problem {
    Problem::new(Code::NotEncrypted, "the file has no `sops` block")
}

/// What a document holds.
pub(super) fn root_entries(root: Tree) -> Result<Entries, Problem> {
    match root {
        Tree::Map(entries) => Ok(entries),
        // An empty document.
        Tree::Scalar(Scalar::Null) => Ok(Entries::new()),
        _ => Err(Problem::new(Code::BadMetadata, "a document of the file is no mapping")),
    }
}

/// Takes the `sops` blocks out of a document.
pub(super) fn take_block(entries: &mut Entries) -> Vec<Tree> {
    entries.extract_if(.., |(key, _)| key == BLOCK).map(|(_, block)| block).collect()
}

/// The metadata in the blocks of the first document, which is the one that counts.
pub(super) fn metadata_of(blocks: Vec<Tree>) -> Result<Metadata, Problem> {
    Metadata::of_tree(&only(blocks)?)
}

/// The block, where there is one.
pub(super) fn only(mut blocks: Vec<Tree>) -> Result<Tree, Problem> {
    match (blocks.pop(), blocks.is_empty()) {
        (Some(block), true) => Ok(block),
        (Some(_), false) => {
            Err(Problem::new(Code::BadMetadata, "there is more than one `sops` block").at(BLOCK))
        }
        (None, _) => Err(without_block()),
    }
}
