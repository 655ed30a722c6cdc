//! Whole files: their leaves, whether they are encrypted where they must be, and their MAC.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use super::blocks::{only, root_entries, take_block, without_block};
use super::detect::{Ciphertext, detect};
use super::leaf::{Leaf, LeafContent};
use super::leaves::{Gatherer, gather, gather_windows, no_yaml};
use super::mac::{Mac, hashed};
use super::metadata::Metadata;
use super::scalar::Scalar;
use super::tree::{Entries, Tree};
use super::value::{Cipher, EncryptedValue, Mark};
use super::{dotenv, flat, ini, json};
use crate::diagnostics::{Code, Problem};
use crate::field_path::FieldPath;
use crate::parallel;
use crate::secret::{Plaintext, SecretBuffer, ValueType};
use crate::yaml::Windows;

/// How many leaves are worth a thread.
const LEAVES_AT_ONCE: usize = 1024;

/// How many paths a problem names at most.
const MOST_NAMED: usize = 20;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML, of any number of documents.
    Yaml,
    /// JSON: one object. What SOPS calls binary is wrapped in one.
    Json,
    /// dotenv: `KEY=value` lines.
    Dotenv,
    /// INI: sections of keys.
    Ini,
}

impl Format {
    /// The format of a file of this name. SOPS goes by the extension, too; what is neither YAML nor JSON to it but came
    /// out of kustomize as a resource can only be YAML.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        match Path::new(path).extension() {
            Some(extension) if extension == "json" => Self::Json,
            _ => Self::Yaml,
        }
    }

    /// The format of an encrypted file of this content. `None`: it is none.
    #[must_use]
    pub fn of_content(content: &[u8]) -> Option<Self> {
        match detect(content)? {
            Ciphertext::Yaml => Some(Self::Yaml),
            Ciphertext::Json => Some(Self::Json),
            Ciphertext::Dotenv => Some(Self::Dotenv),
            Ciphertext::Ini => Some(Self::Ini),
            Ciphertext::Values => None,
        }
    }
}

/// An encrypted file, read but not decrypted.
#[derive(Debug)]
pub struct SealedFile {
    /// What its `sops` block claims.
    pub metadata: Metadata,
    /// Its leaves in document order, in the parts in which they were read: to move them together would take as much memory again.
    parts: Vec<Vec<Leaf>>,
    /// The positions of encrypted leaves, each behind its mark, in order.
    by_mark: Vec<(Mark, usize)>,
    /// The positions of plain leaves that look like encrypted ones.
    claims: Vec<usize>,
}

/// What a ciphertext was opened to.
pub struct Revealed {
    /// The value.
    pub plaintext: Plaintext,
    /// The zero-based documents of the file that hold the ciphertext.
    pub documents: BTreeSet<usize>,
}

/// What came of decrypting a file. The plaintexts are not kept: see [`SealedFile::reveal`].
#[derive(Debug)]
pub struct Unsealed {
    /// `value-corrupt` for each value that could not be opened.
    pub corrupt: Vec<Problem>,
    /// Whether the MAC is right: else `mac-missing` or `mac-mismatch`. Only `Ok` says that nothing in the file has been
    /// changed, moved or taken away.
    pub mac: Result<(), Problem>,
}

impl SealedFile {
    /// How much text of a large file is held at a time, unless a document is larger. Bytes.
    pub const WINDOW: u64 = 2 * 1024 * 1024;

    /// Reads a file.
    ///
    /// # Errors
    /// `not-encrypted`: there is no `sops` block in the first document. `bad-metadata`: the block is wrong, or the file
    /// is none that SOPS reads.
    pub fn parse(text: &str, format: Format) -> Result<Self, Problem> {
        let (metadata, parts) = match format {
            Format::Yaml => gather(text)?,
            Format::Json | Format::Dotenv | Format::Ini => {
                let (documents, block) = read(text, format)?;
                let metadata = Metadata::of_tree(&block)?;
                let mut gatherer = Gatherer::new(&metadata, false);
                for entries in documents {
                    gatherer.add(entries);
                }
                let (leaves, _) = gatherer.done();
                (metadata, vec![leaves])
            }
        };
        Ok(Self::of_parts(metadata, parts))
    }

    /// Reads a large file of many documents a window at a time: its text is never held whole. `None` where that cannot be
    /// done: then [`SealedFile::parse`] has to be asked, and what it says is what counts.
    #[must_use]
    pub fn in_windows(content: impl Read) -> Option<Self> {
        Self::by_windows(Windows::new(content, Self::WINDOW))
    }

    fn by_windows(windows: Windows<impl Read>) -> Option<Self> {
        let (metadata, parts) = gather_windows(windows)?;
        Some(Self::of_parts(metadata, parts))
    }

    fn of_parts(metadata: Metadata, parts: Vec<Vec<Leaf>>) -> Self {
        let mark = |leaf: &Leaf| match &leaf.content {
            LeafContent::Encrypted(sealed) => Some(sealed.mark()),
            LeafContent::Plain(_) | LeafContent::Known(..) => None,
        };
        let mut by_mark: Vec<_> =
            parts.iter().flatten().enumerate().filter_map(|(at, leaf)| Some((mark(leaf)?, at))).collect();
        by_mark.sort_unstable();
        let claims = parts.iter().flatten().enumerate().filter(|(_, leaf)| leaf.claims_encryption());
        let claims = claims.map(|(at, _)| at).collect();
        Self { metadata, parts, by_mark, claims }
    }

    /// Its leaves, in document order.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.parts.iter().flatten()
    }

    /// The leaf at a position among [`SealedFile::leaves`].
    #[must_use]
    pub fn leaf(&self, mut at: usize) -> Option<&Leaf> {
        for part in &self.parts {
            match part.get(at) {
                Some(leaf) => return Some(leaf),
                None => at -= part.len(),
            }
        }
        None
    }

    /// The positions of the leaves whose text is exactly this, which is that of an encrypted value or looks like one, under the keys of this path, in whichever
    /// documents. List indices are no part of what a ciphertext is bound to, and patches shift them. A merge key is taken
    /// for what it stands for: kustomize merges before anyone sees the item.
    pub fn find<'s>(&'s self, path: &'s FieldPath, text: &'s str) -> impl Iterator<Item = usize> + 's {
        self.find_under(path.keys(), text)
    }

    /// Whether it holds this text under these keys, see [`SealedFile::find`].
    pub fn holds<'p>(&self, keys: impl Iterator<Item = &'p str> + Clone, text: &str) -> bool {
        self.find_under(keys, text).next().is_some()
    }

    /// Whether it holds values of all these marks, wherever. The marks of values that it holds are.
    #[must_use]
    pub fn holds_marks(&self, marks: &[Mark]) -> bool {
        marks.iter().all(|mark| self.by_mark.binary_search_by_key(mark, |(own, _)| *own).is_ok())
    }

    fn find_under<'s, 'p: 's>(
        &'s self,
        keys: impl Iterator<Item = &'p str> + Clone + 's,
        text: &'s str,
    ) -> impl Iterator<Item = usize> + 's {
        let sealed = EncryptedValue::parse(text).ok();
        self.candidates(sealed.as_ref()).filter(move |at| {
            self.leaf(*at).is_some_and(|leaf| leaf.is(text, sealed.as_ref()) && leaf.stands_under(&keys))
        })
    }

    /// The positions of leaves that may be this value; all that only look like one may be what is none.
    fn candidates(&self, sealed: Option<&EncryptedValue>) -> impl Iterator<Item = usize> + use<'_> {
        let mark = sealed.map(EncryptedValue::mark);
        let start =
            mark.map_or(self.by_mark.len(), |mark| self.by_mark.partition_point(|(other, _)| *other < mark));
        let from_there = self.by_mark.get(start..).unwrap_or_default().iter();
        let marked = from_there.take_while(move |(other, _)| Some(*other) == mark);
        marked.map(|(_, at)| *at).chain(self.claims.iter().copied())
    }

    /// The plaintext of a ciphertext under the keys of a path, where the file holds it there, see [`SealedFile::find`].
    #[must_use]
    pub fn reveal(&self, path: &FieldPath, text: &str, cipher: &Cipher) -> Option<Revealed> {
        let sealed = EncryptedValue::parse(text).ok();
        let (mut plaintext, mut documents) = (None, BTreeSet::new());
        for at in self.candidates(sealed.as_ref()) {
            let Some(leaf) = self.leaf(at) else { continue };
            let is_it = leaf.is(text, sealed.as_ref()) || leaf.is_known_as(sealed.as_ref());
            if is_it && leaf.stands_under(&path.keys()) {
                documents.insert(leaf.document);
                // The same ciphertext, so any of them will do.
                plaintext = plaintext.or_else(|| leaf.reveal(sealed.as_ref()?, cipher));
            }
        }
        Some(Revealed { plaintext: plaintext?, documents })
    }

    /// Lets go of the ciphertexts of a file that was opened: [`SealedFile::find`] finds them no more. Who wants a plaintext has its
    /// ciphertext, and [`SealedFile::reveal`] tells whether it is the file's.
    #[must_use]
    pub fn without_ciphertexts(mut self) -> Self {
        for leaf in self.parts.iter_mut().flatten() {
            if let Some(known) = leaf.known() {
                leaf.content = known;
            }
        }
        self
    }

    /// Checks all that needs no key: that there is a MAC, and that what the selector covers is encrypted.
    ///
    /// # Errors
    /// `mac-missing`, `value-corrupt` (for what looks encrypted and is malformed), `value-not-encrypted`: each at most
    /// once, naming all places.
    pub fn check_structure(&self) -> Result<(), Vec<Problem>> {
        let (malformed, plain): (Vec<&Leaf>, Vec<&Leaf>) =
            self.leaves().filter(|leaf| leaf.must_be_encrypted()).partition(|leaf| leaf.claims_encryption());
        let problems: Vec<Problem> = [
            self.metadata.mac.is_none().then(mac_missing),
            places(&malformed).map(|places| {
                let cause = malformed.iter().find_map(|leaf| leaf.malformed_because()).unwrap_or_default();
                Problem::new(Code::ValueCorrupt, "an encrypted value is malformed").at(places).because(cause)
            }),
            places(&plain).map(|places| {
                Problem::new(
                    Code::ValueNotEncrypted,
                    "a value that the file's selector covers is not encrypted",
                )
                .at(places)
            }),
        ]
        .into_iter()
        .flatten()
        .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Decrypts every encrypted value, and computes the MAC beside it. Only a few plaintexts are there at any time: each is
    /// wiped when it has been hashed.
    #[must_use]
    pub fn open(&self, cipher: &Cipher) -> Unsealed {
        let mut mac = Mac::new(self.metadata.mac_only_encrypted);
        let (mut corrupt, mut doubtful) = (Vec::new(), Vec::new());
        let few: Vec<&[Leaf]> = self.parts.iter().flat_map(|part| part.chunks(LEAVES_AT_ONCE)).collect();
        let take = |mut opened: OpenedLeaves| {
            mac.take(&opened.hashed);
            corrupt.append(&mut opened.corrupt);
            doubtful.append(&mut opened.doubtful);
        };
        parallel::in_order(&few, |few| self.open_leaves(few, cipher), take);
        let mac = self.check_mac(mac, cipher);
        if mac.is_err() {
            corrupt.append(&mut doubtful);
        }
        Unsealed { corrupt, mac }
    }

    fn open_leaves(&self, leaves: &[Leaf], cipher: &Cipher) -> OpenedLeaves {
        let mut opened = OpenedLeaves {
            hashed: SecretBuffer::with_capacity(leaves.iter().map(Leaf::length).sum()),
            corrupt: Vec::new(),
            doubtful: Vec::new(),
        };
        for leaf in leaves {
            let sealed = match &leaf.content {
                LeafContent::Encrypted(sealed) => sealed,
                LeafContent::Plain(scalar) => {
                    self.hash_plain(scalar, &mut opened.hashed);
                    continue;
                }
                // The MAC cannot fit: a file is opened before its ciphertexts are let go.
                LeafContent::Known(..) => continue,
            };
            match hash_sealed(sealed, &leaf.path.aad(), cipher, &mut opened.hashed) {
                Ok(()) if sealed.kind() == ValueType::Comment => opened.corrupt.push(comment_in_list(leaf)),
                Ok(()) => {}
                Err(problem) => {
                    let is_doubtful = leaf.covered.is_none();
                    let problems = if is_doubtful { &mut opened.doubtful } else { &mut opened.corrupt };
                    problems.push(problem.at(&leaf.path));
                    let text = sealed.to_text();
                    self.hash_plain(&Scalar::Text(Cow::Borrowed(text.as_bytes())), &mut opened.hashed);
                }
            }
        }
        opened
    }

    fn hash_plain(&self, scalar: &Scalar<'_>, onto: &mut SecretBuffer) {
        if !self.metadata.mac_only_encrypted {
            hashed(scalar, onto);
        }
    }

    fn check_mac(&self, computed: Mac, cipher: &Cipher) -> Result<(), Problem> {
        let Some(stated) = &self.metadata.mac else { return Err(mac_missing()) };
        let mismatch = |cause| {
            Problem::new(Code::MacMismatch, "the file's MAC does not fit its values")
                .at("sops.mac")
                .because(cause)
        };
        let stated = cipher
            .open(stated, &self.metadata.mac_aad)
            .map_err(|_| mismatch("the MAC cannot be opened: it or sops.lastmodified was changed"))?;
        if stated.kind() == ValueType::Str && computed.is(stated.expose()) {
            Ok(())
        } else {
            Err(mismatch("a value was added, removed, changed or moved"))
        }
    }
}

/// What came of some leaves that follow each other.
struct OpenedLeaves {
    /// What the MAC takes in of them.
    hashed: SecretBuffer,
    corrupt: Vec<Problem>,
    /// What looks encrypted, cannot be opened, and might be meant to be plain: the MAC tells.
    doubtful: Vec<Problem>,
}

/// Adds what is hashed of an encrypted value; nothing of a comment.
fn hash_sealed(
    sealed: &EncryptedValue,
    aad: &str,
    cipher: &Cipher,
    onto: &mut SecretBuffer,
) -> Result<(), Problem> {
    match sealed.kind() {
        // Nearly all of them: as they are.
        ValueType::Str | ValueType::Bytes => cipher.open_onto(sealed, aad, onto),
        ValueType::Comment => cipher.open(sealed, aad).map(drop),
        ValueType::Int | ValueType::Float | ValueType::Bool | ValueType::Time => {
            let plaintext = cipher.open(sealed, aad)?;
            if let Some(scalar) = Scalar::of_sealed(plaintext.kind(), plaintext.expose()) {
                hashed(&scalar, onto);
            }
            Ok(())
        }
    }
}

/// SOPS encrypts a comment inside a list to an item of that list, and fails on it with a wrong MAC when it decrypts.
fn comment_in_list(leaf: &Leaf) -> Problem {
    Problem::new(Code::ValueCorrupt, "an encrypted comment stands in the place of a value")
        .at(&leaf.path)
        .help(
            "sops cannot read back an encrypted comment in a list: move it out of the list, and encrypt anew",
        )
}

fn mac_missing() -> Problem {
    Problem::new(Code::MacMissing, "the file has no MAC").at("sops.mac")
}

/// The paths of leaves, as far as they can be read at a glance. `None` for none.
fn places(leaves: &[&Leaf]) -> Option<String> {
    if leaves.is_empty() {
        return None;
    }
    let mut places: Vec<String> = leaves.iter().take(MOST_NAMED).map(|leaf| leaf.path.to_string()).collect();
    if leaves.len() > MOST_NAMED {
        places.push(format!("and {} more", leaves.len() - MOST_NAMED));
    }
    Some(places.join(", "))
}

/// The documents of a file without their `sops` blocks, and that of the first one.
pub(super) fn read(text: &str, format: Format) -> Result<(Vec<Entries>, Tree), Problem> {
    let mut documents = match format {
        Format::Yaml => yaml_documents(text)?,
        Format::Json => vec![root_entries(json::parse(text)?)?],
        Format::Dotenv => {
            let (values, metadata) = dotenv::parse(text)?;
            if metadata.is_empty() {
                return Err(without_block());
            }
            return Ok((vec![values], flat::unflatten(metadata)?));
        }
        Format::Ini => vec![ini::tree_of(&ini::parse(text)?)],
    };
    let mut blocks: Vec<Vec<Tree>> = documents.iter_mut().map(take_block).collect();
    let first = if blocks.is_empty() { Vec::new() } else { blocks.swap_remove(0) };
    let block = match (only(first)?, format) {
        (Tree::Map(entries), Format::Ini) => flat::unflatten(ini::unescaped(entries))?,
        (block, _) => block,
    };
    Ok((documents, block))
}

fn yaml_documents(text: &str) -> Result<Vec<Entries>, Problem> {
    let documents = crate::yaml::parse(text).map_err(|error| no_yaml(&error))?;
    documents.iter().map(|document| root_entries(Tree::of_yaml(&document.root)?)).collect()
}

#[cfg(test)]
mod tests;
