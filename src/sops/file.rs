//! Whole files: their leaves, whether they are encrypted where they must be, and their MAC.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use super::detect::{Ciphertext, detect};
use super::mac::Mac;
use super::metadata::Metadata;
use super::scalar::Scalar;
use super::tree::{Entries, MERGE, Tree};
use super::value::{Cipher, EncryptedValue};
use super::{dotenv, flat, ini, json};
use crate::diagnostics::{Code, Problem};
use crate::field_path::FieldPath;
use crate::secret::{DataKey, Plaintext, ValueType};
use crate::yaml;

/// The key of SOPS' own block, in the root mapping of each document.
const BLOCK: &str = "sops";

/// How SOPS writes a merge key. A key `<<` without the tag is one like any other.
const MERGE_KEY: &str = "!!merge <<";

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
    leaves: Vec<Leaf>,
    /// The positions of leaves that are encrypted, or look as if, ordered by their text.
    by_text: Vec<usize>,
}

/// A scalar of the file that is not null and not in a `sops` block.
#[derive(Debug)]
pub struct Leaf {
    /// The zero-based position of its document in the file.
    pub document: usize,
    /// Where it stands in its document.
    pub path: FieldPath,
    /// What it is.
    pub content: LeafContent,
    /// Whether the selector covers it. `None`: only comments could tell.
    covered: Option<bool>,
    /// Whether a reader of YAML merges it into the mapping around `<<`.
    merged: bool,
}

/// What a leaf is.
pub enum LeafContent {
    /// A well-formed encrypted value at a place where values are encrypted, or may be.
    Encrypted(EncryptedValue),
    /// A plain value.
    Plain(Scalar<'static>),
}

// A plain value may be a secret that someone forgot to encrypt.
impl fmt::Debug for LeafContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encrypted(_) => "Encrypted(..)",
            Self::Plain(_) => "Plain(..)",
        })
    }
}

/// The content of a file, decrypted.
#[derive(Debug)]
pub struct Unsealed {
    /// For each leaf, in the order of [`SealedFile::leaves`]: its plaintext, where it was encrypted and could be opened.
    pub values: Vec<Option<Plaintext>>,
    /// `value-corrupt` for each value that could not be opened.
    pub corrupt: Vec<Problem>,
    /// Whether the MAC is right: else `mac-missing` or `mac-mismatch`. Only `Ok` says that nothing in the file has been
    /// changed, moved or taken away.
    pub mac: Result<(), Problem>,
}

impl SealedFile {
    /// Reads a file.
    ///
    /// # Errors
    /// `not-encrypted`: there is no `sops` block in the first document. `bad-metadata`: the block is wrong, or the file
    /// is none that SOPS reads.
    pub fn parse(text: &str, format: Format) -> Result<Self, Problem> {
        let (documents, block) = read(text, format)?;
        let metadata = Metadata::of_tree(&block)?;
        let mut leaves = Vec::new();
        let has_merge_keys = format == Format::Yaml && text.contains(MERGE_KEY);
        for (document, entries) in documents.into_iter().enumerate() {
            let root = Tree::Map(entries);
            let mut shadowed = Vec::new();
            if has_merge_keys {
                root.shadowed(&mut FieldPath::root(), &mut shadowed);
            }
            root.for_each_scalar(&mut FieldPath::root(), &mut |path, scalar| {
                let merged = has_merge_keys && is_merged(path, &shadowed);
                leaves
                    .extend(Leaf::new(document, path, scalar, &metadata).map(|leaf| Leaf { merged, ..leaf }));
            });
        }
        let mut by_text: Vec<usize> =
            (0..leaves.len()).filter(|at| claimed_text(&leaves, *at).is_some()).collect();
        by_text.sort_by_key(|at| claimed_text(&leaves, *at));
        Ok(Self { metadata, leaves, by_text })
    }

    /// Its leaves, in document order.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The positions of the leaves whose text is exactly this, which is that of an encrypted value or looks like one, under the keys of this path, in whichever
    /// documents. List indices are no part of what a ciphertext is bound to, and patches shift them. A merge key is taken
    /// for what it stands for: kustomize merges before anyone sees the item.
    pub fn find<'s>(&'s self, path: &'s FieldPath, text: &'s str) -> impl Iterator<Item = usize> + 's {
        let start = self.by_text.partition_point(|at| claimed_text(&self.leaves, *at) < Some(text));
        let from_there = self.by_text.get(start..).unwrap_or_default().iter().copied();
        from_there
            .take_while(move |at| claimed_text(&self.leaves, *at) == Some(text))
            .filter(move |at| self.leaves.get(*at).is_some_and(|leaf| leaf.stands_at(path)))
    }

    /// Checks all that needs no key: that there is a MAC, and that what the selector covers is encrypted.
    ///
    /// # Errors
    /// `mac-missing`, `value-corrupt` (for what looks encrypted and is malformed), `value-not-encrypted`: each at most
    /// once, naming all places.
    pub fn check_structure(&self) -> Result<(), Vec<Problem>> {
        let (malformed, plain): (Vec<&Leaf>, Vec<&Leaf>) = self
            .leaves
            .iter()
            .filter(|leaf| leaf.must_be_encrypted())
            .partition(|leaf| leaf.claims_encryption());
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

    /// Decrypts every encrypted value, and computes the MAC beside it.
    #[must_use]
    pub fn open(&self, key: &DataKey) -> Unsealed {
        let cipher = Cipher::new(key);
        let mut mac = Mac::new(self.metadata.mac_only_encrypted);
        let mut values = Vec::with_capacity(self.leaves.len());
        let mut corrupt = Vec::new();
        // What looks encrypted, cannot be opened, and might be meant to be plain: the MAC tells.
        let mut doubtful = Vec::new();
        for leaf in &self.leaves {
            let value = match &leaf.content {
                LeafContent::Plain(scalar) => {
                    self.hash_plain(&mut mac, scalar);
                    None
                }
                LeafContent::Encrypted(sealed) => match cipher.open(sealed, &leaf.path.aad()) {
                    Ok(comment) if comment.kind() == ValueType::Comment => {
                        corrupt.push(comment_in_list(leaf));
                        None
                    }
                    Ok(plaintext) => {
                        hash_sealed(&mut mac, &plaintext);
                        Some(plaintext)
                    }
                    Err(problem) => {
                        let problems = if leaf.covered.is_some() { &mut corrupt } else { &mut doubtful };
                        problems.push(problem.at(&leaf.path));
                        self.hash_plain(&mut mac, &Scalar::Text(Cow::Borrowed(sealed.as_str().as_bytes())));
                        None
                    }
                },
            };
            values.push(value);
        }
        let mac = self.check_mac(mac, &cipher);
        if mac.is_err() {
            corrupt.append(&mut doubtful);
        }
        Unsealed { values, corrupt, mac }
    }

    fn hash_plain(&self, mac: &mut Mac, scalar: &Scalar<'_>) {
        if !self.metadata.mac_only_encrypted {
            mac.add(scalar);
        }
    }

    fn check_mac(&self, computed: Mac, cipher: &Cipher<'_>) -> Result<(), Problem> {
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

impl Leaf {
    /// `None` for a null, which SOPS neither encrypts nor hashes.
    fn new(document: usize, path: &FieldPath, scalar: Scalar<'static>, metadata: &Metadata) -> Option<Self> {
        if scalar == Scalar::Null {
            return None;
        }
        let covered = metadata.selector.covers(path);
        let sealed = scalar
            .as_str()
            .filter(|text| covered != Some(false) && EncryptedValue::is_claimed_by(text))
            .and_then(|text| EncryptedValue::parse(text).ok());
        let content = sealed.map_or_else(|| LeafContent::Plain(scalar), LeafContent::Encrypted);
        Some(Self { document, path: path.clone(), content, covered, merged: false })
    }

    /// Whether an item has the leaf under these keys, as it is or merged.
    fn stands_at(&self, path: &FieldPath) -> bool {
        let merged = || self.path.keys().filter(|key| *key != MERGE).eq(path.keys());
        self.path.keys().eq(path.keys()) || (self.merged && merged())
    }

    /// SOPS leaves an empty string as it is.
    fn must_be_encrypted(&self) -> bool {
        match &self.content {
            LeafContent::Plain(scalar) => self.covered == Some(true) && scalar.as_str() != Some(""),
            LeafContent::Encrypted(_) => false,
        }
    }

    fn claims_encryption(&self) -> bool {
        matches!(&self.content, LeafContent::Plain(scalar) if scalar.as_str().is_some_and(EncryptedValue::is_claimed_by))
    }

    fn malformed_because(&self) -> Option<String> {
        match &self.content {
            LeafContent::Plain(scalar) => EncryptedValue::parse(scalar.as_str()?).err()?.causes.pop(),
            LeafContent::Encrypted(_) => None,
        }
    }
}

/// Whether what stands there is merged into the mapping around `<<`, and not `shadowed`.
fn is_merged(path: &FieldPath, shadowed: &[FieldPath]) -> bool {
    path.keys().any(|key| key == MERGE)
        && !shadowed.iter().any(|above| path.steps().starts_with(above.steps()))
}

fn hash_sealed(mac: &mut Mac, plaintext: &Plaintext) {
    if let Some(scalar) = Scalar::of_sealed(plaintext.kind(), plaintext.expose()) {
        mac.add(&scalar);
    }
}

fn claimed_text(leaves: &[Leaf], at: usize) -> Option<&str> {
    match &leaves.get(at)?.content {
        LeafContent::Encrypted(sealed) => Some(sealed.as_str()),
        LeafContent::Plain(scalar) => scalar.as_str().filter(|text| EncryptedValue::is_claimed_by(text)),
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
    let block = match (take_block(&mut documents)?, format) {
        (Tree::Map(entries), Format::Ini) => flat::unflatten(ini::unescaped(entries))?,
        (block, _) => block,
    };
    Ok((documents, block))
}

fn without_block() -> Problem {
    Problem::new(Code::NotEncrypted, "the file has no `sops` block")
}

fn yaml_documents(text: &str) -> Result<Vec<Entries>, Problem> {
    let documents = yaml::parse(text).map_err(|error| {
        Problem::new(Code::BadMetadata, "the file is no YAML that sops wrote")
            .because(format!("line {}, column {}: {}", error.line, error.column, error.what))
            .help("restore the file from version control")
    })?;
    documents.iter().map(|document| root_entries(Tree::of_yaml(&document.root)?)).collect()
}

fn root_entries(root: Tree) -> Result<Entries, Problem> {
    match root {
        Tree::Map(entries) => Ok(entries),
        // An empty document.
        Tree::Scalar(Scalar::Null) => Ok(Entries::new()),
        _ => Err(Problem::new(Code::BadMetadata, "a document of the file is no mapping")),
    }
}

/// Takes the `sops` blocks out of all documents. That of the first one counts.
fn take_block(documents: &mut [Entries]) -> Result<Tree, Problem> {
    let mut of_first = Vec::new();
    for (position, entries) in documents.iter_mut().enumerate() {
        let blocks = entries.extract_if(.., |(key, _)| key == BLOCK);
        let blocks: Vec<Tree> = blocks.map(|(_, block)| block).collect();
        if position == 0 {
            of_first = blocks;
        }
    }
    match (of_first.pop(), of_first.is_empty()) {
        (Some(block), true) => Ok(block),
        (Some(_), false) => {
            Err(Problem::new(Code::BadMetadata, "there is more than one `sops` block").at(BLOCK))
        }
        (None, _) => Err(without_block()),
    }
}

#[cfg(test)]
mod tests;
