//! What a file is made of, for SOPS.

use std::fmt;
use std::sync::Arc;

use super::scalar::Scalar;
use super::tree::MERGE;
use super::value::{Cipher, EncryptedValue, Mark};
use crate::field_path::FieldPath;
use crate::secret::{Plaintext, ValueType};

/// A scalar of the file that is not null and not in a `sops` block.
#[derive(Debug)]
pub struct Leaf {
    /// The zero-based position of its document in the file.
    pub document: usize,
    /// Where it stands in its document. The documents of a file are alike, and share their paths.
    pub path: Arc<FieldPath>,
    /// What it is.
    pub content: LeafContent,
    /// Whether the selector covers it. `None`: only comments could tell.
    pub(super) covered: Option<bool>,
    /// Whether a reader of YAML merges it into the mapping around `<<`.
    pub(super) merged: bool,
}

/// What a leaf is.
pub enum LeafContent {
    /// A well-formed encrypted value at a place where values are encrypted, or may be.
    Encrypted(EncryptedValue),
    /// A value that was opened, and of which no more is kept than its authentication tag and type, see `Leaf::known`.
    Known(Mark, ValueType),
    /// A plain value.
    Plain(Scalar<'static>),
}

// A plain value may be a secret that someone forgot to encrypt.
impl fmt::Debug for LeafContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encrypted(_) => "Encrypted(..)",
            Self::Known(..) => "Known(..)",
            Self::Plain(_) => "Plain(..)",
        })
    }
}

impl Leaf {
    /// `None` for a null, which SOPS neither encrypts nor hashes.
    pub(super) fn new(
        document: usize,
        path: Arc<FieldPath>,
        covered: Option<bool>,
        scalar: Scalar<'_>,
    ) -> Option<Self> {
        if scalar == Scalar::Null {
            return None;
        }
        let sealed = scalar
            .as_str()
            .filter(|text| covered != Some(false) && EncryptedValue::is_claimed_by(text))
            .and_then(|text| EncryptedValue::parse(text).ok());
        let content = sealed.map_or_else(|| LeafContent::Plain(scalar.into_owned()), LeafContent::Encrypted);
        Some(Self { document, path, content, covered, merged: false })
    }

    /// What is enough to tell its ciphertext from others once the file is opened; `None` where it has none, or where its text may
    /// be meant as it stands.
    ///
    /// Nobody without the data key can make another ciphertext that opens at this path and has this tag: that would be a forgery of
    /// AES-GCM. Who has the data key can write a whole file, its MAC included.
    pub(super) fn known(&self) -> Option<LeafContent> {
        match &self.content {
            LeafContent::Encrypted(sealed) if self.covered == Some(true) => {
                Some(LeafContent::Known(sealed.mark(), sealed.kind()))
            }
            _ => None,
        }
    }

    /// The plaintext of its ciphertext, as which `sealed` was found; `None` where it is plain, or cannot be opened as a value.
    pub(super) fn reveal(&self, sealed: &EncryptedValue, cipher: &Cipher) -> Option<Plaintext> {
        let is_value = !matches!(self.content, LeafContent::Plain(_)) && sealed.kind() != ValueType::Comment;
        is_value.then(|| cipher.open(sealed, &self.path.aad()).ok()).flatten()
    }

    /// Whether its text is exactly this, which was read as the value `sealed` where it is one. What was let go has no text.
    pub(super) fn is(&self, text: &str, sealed: Option<&EncryptedValue>) -> bool {
        match (&self.content, sealed) {
            (LeafContent::Encrypted(own), Some(sealed)) => own == sealed,
            (LeafContent::Encrypted(_), None) | (LeafContent::Known(..), _) => false,
            (LeafContent::Plain(scalar), _) => scalar.as_str() == Some(text),
        }
    }

    /// Whether this is its ciphertext, if it opens: that was let go.
    pub(super) fn is_known_as(&self, sealed: Option<&EncryptedValue>) -> bool {
        match (&self.content, sealed) {
            (LeafContent::Known(mark, kind), Some(sealed)) => {
                (*mark, *kind) == (sealed.mark(), sealed.kind())
            }
            _ => false,
        }
    }

    /// Whether an item has the leaf under these keys, as it is or merged.
    pub(super) fn stands_under<'p>(&self, keys: &(impl Iterator<Item = &'p str> + Clone)) -> bool {
        let merged = || self.path.keys().filter(|key| *key != MERGE).eq(keys.clone());
        self.path.keys().eq(keys.clone()) || (self.merged && merged())
    }

    /// How much of it is hashed, give or take what numbers are longer as text.
    pub(super) fn length(&self) -> usize {
        match &self.content {
            LeafContent::Encrypted(sealed) => sealed.length(),
            LeafContent::Plain(Scalar::Text(bytes)) => bytes.len(),
            LeafContent::Plain(_) | LeafContent::Known(..) => 0,
        }
    }

    /// SOPS leaves an empty string as it is.
    pub(super) fn must_be_encrypted(&self) -> bool {
        match &self.content {
            LeafContent::Plain(scalar) => self.covered == Some(true) && scalar.as_str() != Some(""),
            LeafContent::Encrypted(_) | LeafContent::Known(..) => false,
        }
    }

    pub(super) fn claims_encryption(&self) -> bool {
        matches!(&self.content, LeafContent::Plain(scalar) if scalar.as_str().is_some_and(EncryptedValue::is_claimed_by))
    }

    pub(super) fn malformed_because(&self) -> Option<String> {
        match &self.content {
            LeafContent::Plain(scalar) => EncryptedValue::parse(scalar.as_str()?).err()?.causes.pop(),
            LeafContent::Encrypted(_) | LeafContent::Known(..) => None,
        }
    }
}
