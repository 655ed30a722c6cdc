//! Types whose content is secret: wiped when dropped, not `Clone`, and with a `Debug` that shows nothing.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

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

/// Secret bytes that are put together one after the other. What they have outgrown is wiped.
#[derive(Default)]
pub struct SecretBuffer(Zeroizing<Vec<u8>>);

impl SecretBuffer {
    /// Empty, with room for this many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// Adds bytes. A vector that grows would leave a copy of itself behind; this does not.
    pub fn extend(&mut self, bytes: &[u8]) {
        let length = self.0.len() + bytes.len();
        if length > self.0.capacity() {
            let mut larger = Self::with_capacity(length.max(2 * self.0.capacity()));
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes from a place on, to be changed.
    pub fn behind(&mut self, place: usize) -> &mut [u8] {
        self.0.get_mut(place..).unwrap_or_default()
    }

    /// Wipes and takes away the bytes from a place on.
    pub fn truncate(&mut self, place: usize) {
        self.behind(place).zeroize();
        self.0.truncate(place);
    }
}

impl From<SecretBuffer> for SecretBytes {
    fn from(buffer: SecretBuffer) -> Self {
        Self(buffer.0)
    }
}

impl fmt::Debug for SecretBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBuffer(..)")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_content() {
        let mut buffer = SecretBuffer::default();
        buffer.extend(b"hunter2");
        let text = format!(
            "{:?} {:?} {:?} {:?}",
            buffer,
            DataKey::new(&SecretBytes::new(vec![7; 32])).unwrap(),
            SecretBytes::new(b"hunter2".to_vec()),
            Plaintext::new(ValueType::Str, SecretBytes::new(b"hunter2".to_vec())),
        );
        assert!(!text.contains("hunter2") && !text.contains('7'), "{text}");
    }

    #[test]
    fn a_buffer_grows_and_shrinks() {
        let mut buffer = SecretBuffer::with_capacity(3);
        for piece in [b"ab".as_slice(), b"", b"cdef", b"ghijklmnopqrstuvwxyz"] {
            buffer.extend(piece);
        }
        assert_eq!(buffer.expose(), b"abcdefghijklmnopqrstuvwxyz");
        buffer.behind(2).fill(b'-');
        buffer.truncate(5);
        assert!(buffer.behind(6).is_empty());
        buffer.truncate(9);
        assert_eq!(SecretBytes::from(buffer).expose(), b"ab---");
    }

    #[test]
    fn a_data_key_of_another_length_is_not_one() {
        assert_eq!(DataKey::new(&SecretBytes::new(vec![7; 16])).unwrap_err(), 16);
    }
}
