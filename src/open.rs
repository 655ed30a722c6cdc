//! (Authorised, data key) → [`Opened`]: the values that may be written, each vouched for.
//!
//! Kustomize sorts keys, drops comments and merges patches before a transformer sees an item, so the MAC says nothing
//! about an item. It is checked over the origin file, and a value of an item is accepted only if that file holds the very
//! same ciphertext under the very same keys. Neither an [`Opened`] nor an [`OpenedValue`] can be made anywhere else.

use std::collections::BTreeSet;

use crate::diagnostics::{Code, Problem};
use crate::field_path::FieldPath;
use crate::policy::{Authorised, Sealed};
use crate::secret::{DataKey, Plaintext, SecretBytes, ValueType};
use crate::sops::print::Reveal;
use crate::sops::{Cipher, EncryptedValue, Revealed, SealedFile, Unsealed};

/// How strictly values are vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// The MAC must be right, and a value must stand in the file.
    Verified,
    /// What is wrong is told, and values are opened by the data key alone.
    Lenient,
}

/// Something sealed whose data key is known and, where strictness asks for it, whose MAC is right.
pub struct Opened {
    /// Of a file, what tells its ciphertexts: their plaintexts were needed for the MAC, and are not kept either.
    sealed: Sealed,
    /// For the values, each when it is written.
    cipher: Cipher,
    /// Whether nothing was wrong with the file: every value opened, and the MAC fits.
    is_right: bool,
    strictness: Strictness,
}

/// A value that may be written.
pub struct OpenedValue {
    plaintext: Plaintext,
    /// The documents of the file that hold it; `None` where no file vouches for it.
    documents: Option<BTreeSet<usize>>,
}

impl OpenedValue {
    /// The value.
    #[must_use]
    pub fn plaintext(&self) -> &Plaintext {
        &self.plaintext
    }

    /// The zero-based documents of the origin file that hold it; `None` where no file vouches for it.
    #[must_use]
    pub fn documents(&self) -> Option<&BTreeSet<usize>> {
        self.documents.as_ref()
    }
}

/// Opens what may be opened. What is wrong but let pass comes back beside it; only [`Strictness::Lenient`] lets anything pass.
///
/// # Errors
/// `value-corrupt` where values cannot be opened, else `mac-missing` or `mac-mismatch`.
pub fn open(
    authorised: Authorised,
    key: &DataKey,
    strictness: Strictness,
) -> Result<(Opened, Vec<Problem>), Vec<Problem>> {
    let cipher = Cipher::new(key);
    let wrong = match authorised.sealed() {
        Sealed::File(file) => {
            let Unsealed { corrupt, mac } = file.open(&cipher);
            // A value that cannot be opened breaks the MAC, too; it is the cause, so it alone is told.
            if corrupt.is_empty() { mac.err().into_iter().collect() } else { together(corrupt) }
        }
        Sealed::Item(_) => Vec::new(),
    };
    if strictness == Strictness::Verified && !wrong.is_empty() {
        return Err(wrong);
    }
    let sealed = match authorised.into_sealed() {
        Sealed::File(file) => Sealed::File(file.without_ciphertexts()),
        item @ Sealed::Item(_) => item,
    };
    Ok((Opened { sealed, cipher, is_right: wrong.is_empty(), strictness }, wrong))
}

impl Opened {
    /// The value of a ciphertext of an item, at its path in the item. What only looks like a ciphertext, and stands like this
    /// in the file at a place that is not encrypted, is its own value, as it is to sops.
    ///
    /// # Errors
    /// `not-in-origin`: the verified file does not hold it there. `value-corrupt`: nothing vouches for it, and the data
    /// key does not open it at that path.
    pub fn value(&self, path: &FieldPath, text: &str) -> Result<OpenedValue, Problem> {
        match (&self.sealed, self.strictness) {
            (Sealed::File(file), strictness) => match self.held(file, path, text) {
                Some(value) => Ok(value),
                None if self.is_in_the_clear(file, path, text) => Ok(as_it_is(text)),
                None if strictness == Strictness::Lenient => self.by_key_alone(path, text),
                None => Err(Problem::new(Code::NotInOrigin, "an encrypted value is not in the origin file")
                    .at(path)
                    .because("the file has no such ciphertext at this path")),
            },
            (Sealed::Item(_), _) => self.by_key_alone(path, text),
        }
    }

    /// The text of an encrypted comment. A comment is outside the MAC; its ciphertext is bound to the mapping or list that
    /// it stood in, which is this path or one above it. `None` where it is not, as for a comment that sops could not open either.
    #[must_use]
    pub fn comment(&self, path: &FieldPath, text: &str) -> Option<OpenedValue> {
        let sealed = EncryptedValue::parse(text).ok()?;
        (0..=path.steps().len()).rev().find_map(|length| {
            let above = FieldPath::from_steps(path.steps().get(..length)?);
            let plaintext = self.cipher.open(&sealed, &above.aad()).ok()?;
            Some(OpenedValue { plaintext, documents: None })
        })
    }

    /// Whether a MAC, as an item's own `sops` block states it, is the origin file's.
    #[must_use]
    pub fn states_mac(&self, mac: &str) -> bool {
        self.sealed.metadata().mac.as_ref().is_some_and(|own| own.to_text() == mac)
    }

    /// Whether sops would encrypt the value at this path. `None`: only comments can tell.
    #[must_use]
    pub fn covers(&self, path: &FieldPath) -> Option<bool> {
        self.sealed.metadata().selector.covers(path)
    }

    fn held(&self, file: &SealedFile, path: &FieldPath, text: &str) -> Option<OpenedValue> {
        let Revealed { plaintext, documents } = file.reveal(path, text, &self.cipher)?;
        Some(OpenedValue { plaintext, documents: Some(documents) })
    }

    /// Whether the file has a text there that only looks like a ciphertext: its selector leaves the place alone. Where comments
    /// select, only the MAC tells: with a right one, all that did not open was hashed as it stands.
    fn is_in_the_clear(&self, file: &SealedFile, path: &FieldPath, text: &str) -> bool {
        let is_left_alone = match self.covers(path) {
            Some(covered) => !covered,
            None => self.is_right,
        };
        is_left_alone && file.find(path, text).next().is_some()
    }

    fn by_key_alone(&self, path: &FieldPath, text: &str) -> Result<OpenedValue, Problem> {
        let sealed = EncryptedValue::parse(text).map_err(|problem| problem.at(path))?;
        let plaintext = self.cipher.open(&sealed, &path.aad()).map_err(|problem| problem.at(path))?;
        Ok(OpenedValue { plaintext, documents: None })
    }
}

impl Reveal for Opened {
    fn value(&self, path: &FieldPath, text: &str) -> Result<Plaintext, Problem> {
        Self::value(self, path, text).map(|value| value.plaintext)
    }

    fn comment(&self, path: &FieldPath, text: &str) -> Option<Plaintext> {
        Self::comment(self, path, text).map(|value| value.plaintext)
    }
}

/// A text that stands for itself. The documents that hold it say nothing: one may hold it as another does a ciphertext.
fn as_it_is(text: &str) -> OpenedValue {
    let plaintext = Plaintext::new(ValueType::Str, SecretBytes::new(text.as_bytes().to_vec()));
    OpenedValue { plaintext, documents: None }
}

/// Equal problems of many values as one.
fn together(problems: Vec<Problem>) -> Vec<Problem> {
    let mut merged: Vec<Problem> = Vec::new();
    for problem in problems {
        let same = |known: &&mut Problem| known.what == problem.what && known.causes == problem.causes;
        match (merged.iter_mut().find(same), problem.field.as_deref()) {
            (Some(known), Some(field)) => {
                let fields = known.field.get_or_insert_default();
                fields.push_str(", ");
                fields.push_str(field);
            }
            _ => merged.push(problem),
        }
    }
    merged
}
