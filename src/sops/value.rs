//! Single encrypted values: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.

use std::fmt;
use std::ops::Range;

use aes_gcm::aead::consts::{U12, U16, U32};
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut as _, AesGcm, KeyInit as _, Nonce, Tag};
use zeroize::Zeroizing;

use super::scalar::Scalar;
use crate::diagnostics::{Code, Problem};
use crate::secret::{DataKey, Plaintext, SecretBytes, ValueType};

/// How a text begins that claims to be an encrypted value.
pub(super) const CLAIM: &str = "ENC[AES256_GCM,";
/// What every encrypted value starts with.
const PREFIX: &str = "ENC[AES256_GCM,data:";

/// A well-formed encrypted value.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedValue {
    text: String,
    /// Where the base64 of the ciphertext stands in `text`.
    data: Range<usize>,
    iv: Iv,
    tag: Tag,
    kind: ValueType,
}

/// An initialisation vector. SOPS writes 32 bytes; the other two lengths are what other implementations write.
#[derive(Clone, PartialEq, Eq)]
enum Iv {
    Of12(Nonce<U12>),
    Of16(Nonce<U16>),
    Of32(Nonce<U32>),
}

impl EncryptedValue {
    /// Whether a text claims to be an encrypted value. It may still be malformed.
    #[must_use]
    pub fn is_claimed_by(text: &str) -> bool {
        text.starts_with(CLAIM)
    }

    /// Reads the form `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`, to its last byte.
    ///
    /// # Errors
    /// `value-corrupt`: it has another form, a part is no base64, or the cipher cannot take a part. The text itself is
    /// in no error.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let refuse = |cause: &str| {
            Problem::new(Code::ValueCorrupt, "an encrypted value is malformed").because(cause.to_owned())
        };
        let [data, iv, tag, kind] =
            parts(text).ok_or_else(|| refuse("it is not ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]"))?;
        if data.is_empty() || base64_simd::STANDARD.check(data.as_bytes()).is_err() {
            return Err(refuse("its data is no base64"));
        }
        let iv = decode(iv).ok_or_else(|| refuse("its iv is no base64"))?;
        let iv = Iv::new(&iv)
            .ok_or_else(|| refuse(&format!("its iv is {} bytes long; 12, 16 and 32 are known", iv.len())))?;
        let tag = decode(tag).ok_or_else(|| refuse("its tag is no base64"))?;
        let tag = Tag::try_from(tag.as_slice()).map_err(|_| refuse("its tag is not 16 bytes long"))?;
        let kind = type_of(kind).ok_or_else(|| refuse("its type is none that sops knows"))?;
        let data = PREFIX.len()..PREFIX.len() + data.len();
        Ok(Self { text: text.to_owned(), data, iv, tag, kind })
    }

    /// The text as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The authentication tag. No two values that SOPS writes have the same one.
    pub(super) fn tag(&self) -> [u8; 16] {
        self.tag.into()
    }

    /// The authentication tag of a text, where that looks like an encrypted value.
    pub(super) fn tag_of(text: &str) -> Option<[u8; 16]> {
        let [_, _, tag, _] = parts(text)?;
        decode(tag)?.try_into().ok()
    }

    /// The type that the value claims to have. Nothing authenticates it.
    #[must_use]
    pub fn kind(&self) -> ValueType {
        self.kind
    }

    /// Decrypts this one value. For many values of one data key, see [`Cipher`].
    ///
    /// # Errors
    /// As [`Cipher::open`].
    pub fn decrypt(&self, key: &DataKey, aad: &str) -> Result<Plaintext, Problem> {
        Cipher::new(key).open(self, aad)
    }
}

// Long, and nobody can read it.
impl fmt::Debug for EncryptedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedValue({:?}, ..)", self.kind)
    }
}

impl Iv {
    fn new(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            12 => Nonce::try_from(bytes).ok().map(Self::Of12),
            16 => Nonce::try_from(bytes).ok().map(Self::Of16),
            32 => Nonce::try_from(bytes).ok().map(Self::Of32),
            _ => None,
        }
    }
}

fn parts(text: &str) -> Option<[&str; 4]> {
    let rest = text.strip_prefix(PREFIX)?.strip_suffix(']')?;
    let (data, rest) = rest.split_once(",iv:")?;
    let (iv, rest) = rest.split_once(",tag:")?;
    let (tag, kind) = rest.split_once(",type:")?;
    Some([data, iv, tag, kind])
}

fn decode(part: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(part).ok()
}

fn type_of(name: &str) -> Option<ValueType> {
    Some(match name {
        "str" => ValueType::Str,
        "int" => ValueType::Int,
        "float" => ValueType::Float,
        "bytes" => ValueType::Bytes,
        "bool" => ValueType::Bool,
        "time" => ValueType::Time,
        "comment" => ValueType::Comment,
        _ => return None,
    })
}

fn name_of(kind: ValueType) -> &'static str {
    match kind {
        ValueType::Str => "str",
        ValueType::Int => "int",
        ValueType::Float => "float",
        ValueType::Bytes => "bytes",
        ValueType::Bool => "bool",
        ValueType::Time => "time",
        ValueType::Comment => "comment",
    }
}

/// AES-256-GCM with one data key: its key schedule is made once. Wiped when dropped.
pub struct Cipher<'k> {
    key: &'k DataKey,
    /// For the values that SOPS itself writes.
    usual: AesGcm<Aes256, U32>,
}

impl<'k> Cipher<'k> {
    /// Takes the data key of a file.
    #[must_use]
    pub fn new(key: &'k DataKey) -> Self {
        Self { key, usual: AesGcm::new(key.expose().into()) }
    }

    /// Decrypts a value that is bound to `aad`: the [`aad`](crate::field_path::FieldPath::aad) of its path.
    ///
    /// # Errors
    /// `value-corrupt`: the value was changed or moved, belongs to another data key, or its content does not fit its
    /// type. The caller adds the path.
    pub fn open(&self, value: &EncryptedValue, aad: &str) -> Result<Plaintext, Problem> {
        let refuse = |cause: String| {
            Problem::new(Code::ValueCorrupt, "an encrypted value cannot be opened").because(cause)
        };
        // Ciphertext until the tag has been checked, plaintext in the same place afterwards.
        let mut buffer = Zeroizing::new(
            value.text.get(value.data.clone()).and_then(decode).ok_or_else(|| refuse("no base64".into()))?,
        );
        self.decrypt_in_place(value, aad.as_bytes(), &mut buffer).map_err(|_| {
            refuse("its authentication tag does not fit: wrong data key, another place, or changed".into())
        })?;
        let bytes = SecretBytes::new(std::mem::take(&mut *buffer));
        if Scalar::of_sealed(value.kind, bytes.expose()).is_none() {
            return Err(refuse(format!("its content does not fit its type, {}", name_of(value.kind))));
        }
        Ok(Plaintext::new(value.kind, bytes))
    }

    fn decrypt_in_place(
        &self,
        value: &EncryptedValue,
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<(), aes_gcm::Error> {
        let buffer = buffer.into();
        match &value.iv {
            Iv::Of32(iv) => self.usual.decrypt_inout_detached(iv, aad, buffer, &value.tag),
            Iv::Of16(iv) => AesGcm::<Aes256, U16>::new(self.key.expose().into())
                .decrypt_inout_detached(iv, aad, buffer, &value.tag),
            Iv::Of12(iv) => AesGcm::<Aes256, U12>::new(self.key.expose().into())
                .decrypt_inout_detached(iv, aad, buffer, &value.tag),
        }
    }
}

#[cfg(test)]
mod tests;
