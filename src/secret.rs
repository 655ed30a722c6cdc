//! Types whose content is secret: wiped when dropped, not `Clone`, and with a `Debug` that shows nothing.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroizing;

/// The symmetric key that encrypts the values of one SOPS file: 32 bytes, AES-256.
pub struct DataKey(Zeroizing<[u8; DataKey::LENGTH]>);

impl DataKey {
    /// The length of a data key in bytes.
    pub const LENGTH: usize = 32;

    /// Takes an unwrapped data key.
    ///
    /// # Errors
    /// The length that was found, where it is not [`DataKey::LENGTH`].
    pub fn new(bytes: &SecretBytes) -> Result<Self, usize> {
        match <[u8; Self::LENGTH]>::try_from(bytes.expose()) {
            Ok(array) => Ok(Self(Zeroizing::new(array))),
            Err(_) => Err(bytes.expose().len()),
        }
    }

    /// The key itself, for the cipher.
    pub(crate) fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// Secret bytes without a meaning yet: what a master key unwrapped (a data key or a Shamir share of one), or plaintext.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership, so that no other copy is left behind.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// The type that SOPS recorded with a value: `type:` in `ENC[…]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A string.
    Str,
    /// A signed 64-bit integer, in decimal.
    Int,
    /// A 64-bit float.
    Float,
    /// Bytes; only files of the Python version of sops hold it.
    Bytes,
    /// `True` or `False`.
    Bool,
    /// A time in RFC 3339.
    Time,
    /// A comment, without its `#`.
    Comment,
}

/// A decrypted value: its bytes as SOPS sealed them, and their type.
pub struct Plaintext {
    kind: ValueType,
    bytes: SecretBytes,
}

impl Plaintext {
    /// A value that has just been decrypted.
    #[must_use]
    pub fn new(kind: ValueType, bytes: SecretBytes) -> Self {
        Self { kind, bytes }
    }

    /// What SOPS says it is.
    #[must_use]
    pub fn kind(&self) -> ValueType {
        self.kind
    }

    /// The bytes as SOPS sealed them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// The value as text, where it is UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.expose()).ok()
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({:?}, ..)", self.kind)
    }
}

/// A decrypted value that somebody else keeps, or that nobody does.
#[derive(Debug)]
pub enum Held<'p> {
    /// Kept elsewhere.
    Borrowed(&'p Plaintext),
    /// Kept here alone.
    Owned(Plaintext),
}

impl Deref for Held<'_> {
    type Target = Plaintext;

    fn deref(&self) -> &Plaintext {
        match self {
            Self::Borrowed(plaintext) => plaintext,
            Self::Owned(plaintext) => plaintext,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_content() {
        let text = format!(
            "{:?} {:?} {:?}",
            DataKey::new(&SecretBytes::new(vec![7; 32])).unwrap(),
            SecretBytes::new(b"hunter2".to_vec()),
            Plaintext::new(ValueType::Str, SecretBytes::new(b"hunter2".to_vec())),
        );
        assert!(!text.contains("hunter2") && !text.contains('7'), "{text}");
    }

    #[test]
    fn a_data_key_of_another_length_is_not_one() {
        assert_eq!(DataKey::new(&SecretBytes::new(vec![7; 16])).unwrap_err(), 16);
    }
}
