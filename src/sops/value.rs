//! Single encrypted values: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.

use std::fmt;

use aes_gcm::aead::consts::{U12, U16, U32};
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut as _, AesGcm, KeyInit as _, Nonce, Tag};

use super::scalar::Scalar;
use crate::diagnostics::{Code, Problem};
use crate::secret::{DataKey, Plaintext, SecretBuffer, ValueType};

/// How a text begins that claims to be an encrypted value.
pub(super) const CLAIM: &str = "ENC[AES256_GCM,";
/// What every encrypted value starts with.
const PREFIX: &str = "ENC[AES256_GCM,data:";

/// The length of an authentication tag.
const TAG: usize = 16;

/// A well-formed encrypted value. It is held decoded: the decoder takes no base64 but what encoding yields, so two of them are
/// equal where their texts are, and the text can be had again.
#[derive(PartialEq, Eq)]
pub struct EncryptedValue {
    /// The ciphertext, the iv and the authentication tag, one behind the other: a file has thousands of values.
    bytes: Box<[u8]>,
    iv: IvLength,
    kind: ValueType,
}

/// What an encrypted value is told by at a glance: its authentication tag, as numbers. No two values that SOPS writes have the
/// same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark([u64; 2]);

impl Mark {
    fn of_tag(tag: &[u8]) -> Self {
        let mut halves = tag.as_chunks().0.iter().map(|half| u64::from_ne_bytes(*half));
        Self(std::array::from_fn(|_| halves.next().unwrap_or_default()))
    }
}

/// How long an initialisation vector is. SOPS writes 32 bytes; the other two lengths are what other implementations write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IvLength {
    Of12 = 12,
    Of16 = 16,
    Of32 = 32,
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
        let mut bytes = Vec::with_capacity([data, iv, tag].map(decoded_length).iter().sum());
        if data.is_empty() || !decode_onto(data, &mut bytes) {
            return Err(refuse("its data is no base64"));
        }
        let data = bytes.len();
        if !decode_onto(iv, &mut bytes) {
            return Err(refuse("its iv is no base64"));
        }
        let behind_iv = bytes.len();
        let iv = behind_iv - data;
        let iv = IvLength::new(iv)
            .ok_or_else(|| refuse(&format!("its iv is {iv} bytes long; 12, 16 and 32 are known")))?;
        if !decode_onto(tag, &mut bytes) {
            return Err(refuse("its tag is no base64"));
        }
        if bytes.len() - behind_iv != TAG {
            return Err(refuse("its tag is not 16 bytes long"));
        }
        let kind = type_of(kind).ok_or_else(|| refuse("its type is none that sops knows"))?;
        Ok(Self { bytes: bytes.into_boxed_slice(), iv, kind })
    }

    /// The text as it was read.
    #[must_use]
    pub fn to_text(&self) -> String {
        let [data, iv, tag] = self.parts().map(|part| base64_simd::STANDARD.encode_to_string(part));
        format!("{PREFIX}{data},iv:{iv},tag:{tag},type:{}]", name_of(self.kind))
    }

    /// What it is told by at a glance.
    pub(super) fn mark(&self) -> Mark {
        let [_, _, tag] = self.parts();
        Mark::of_tag(tag)
    }

    /// What a text is told by, if it is a well-formed value. Where it is none, there may be one, too.
    #[must_use]
    pub fn mark_of(text: &str) -> Option<Mark> {
        let (_, tag) = text.rsplit_once(",type:")?.0.rsplit_once(",tag:")?;
        let mut decoded = [0; TAG];
        let is_tag = decoded_length(tag) == TAG
            && base64_simd::STANDARD
                .decode(tag.as_bytes(), base64_simd::Out::from_slice(&mut decoded))
                .is_ok();
        is_tag.then(|| Mark::of_tag(&decoded))
    }

    /// How long its plaintext is.
    pub(super) fn length(&self) -> usize {
        let [data, _, _] = self.parts();
        data.len()
    }

    /// Ciphertext, iv and tag.
    fn parts(&self) -> [&[u8]; 3] {
        let (rest, tag) = self.bytes.split_at(self.bytes.len().saturating_sub(TAG));
        let (data, iv) = rest.split_at(rest.len().saturating_sub(self.iv as usize));
        [data, iv, tag]
    }

    /// The type that the value claims to have. Nothing authenticates it.
    #[must_use]
    pub fn kind(&self) -> ValueType {
        self.kind
    }
}

// Long, and nobody can read it.
impl fmt::Debug for EncryptedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedValue({:?}, ..)", self.kind)
    }
}

impl IvLength {
    fn new(length: usize) -> Option<Self> {
        match length {
            12 => Some(Self::Of12),
            16 => Some(Self::Of16),
            32 => Some(Self::Of32),
            _ => None,
        }
    }
}

fn parts(text: &str) -> Option<[&str; 4]> {
    let rest = text.strip_prefix(PREFIX)?.strip_suffix(']')?;
    let (data, rest) = split_at_part(rest, "iv:")?;
    let (iv, rest) = split_at_part(rest, "tag:")?;
    let (tag, kind) = split_at_part(rest, "type:")?;
    Some([data, iv, tag, kind])
}

/// Splits at the first comma that this stands behind: base64 has none, so that is sooner found than the whole.
fn split_at_part<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    text.match_indices(',').find_map(|(comma, _)| {
        let rest = text.get(comma + 1..)?.strip_prefix(name)?;
        Some((text.get(..comma)?, rest))
    })
}

/// How many bytes a part decodes to; none where it is no base64.
fn decoded_length(part: &str) -> usize {
    base64_simd::STANDARD.decoded_length(part.as_bytes()).unwrap_or_default()
}

fn decode_onto(part: &str, bytes: &mut Vec<u8>) -> bool {
    base64_simd::STANDARD.decode_append(part, bytes).is_ok()
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
pub struct Cipher {
    /// For the values that SOPS itself writes.
    usual: AesGcm<Aes256, U32>,
    /// For others.
    block: Aes256,
}

impl Cipher {
    /// Takes the data key of a file.
    #[must_use]
    pub fn new(key: &DataKey) -> Self {
        let block = Aes256::new(key.expose().into());
        Self { usual: block.clone().into(), block }
    }

    /// Decrypts a value that is bound to `aad`: the [`aad`](crate::field_path::FieldPath::aad) of its path.
    ///
    /// # Errors
    /// `value-corrupt`: the value was changed or moved, belongs to another data key, or its content does not fit its
    /// type. The caller adds the path.
    pub fn open(&self, value: &EncryptedValue, aad: &str) -> Result<Plaintext, Problem> {
        let mut buffer = SecretBuffer::with_capacity(value.length());
        self.open_onto(value, aad, &mut buffer)?;
        Ok(Plaintext::new(value.kind, buffer.into()))
    }

    /// Likewise, behind what stands in a buffer already. Nothing is added where it is refused.
    ///
    /// # Errors
    /// As [`Cipher::open`].
    pub(super) fn open_onto(
        &self,
        value: &EncryptedValue,
        aad: &str,
        buffer: &mut SecretBuffer,
    ) -> Result<(), Problem> {
        let [data, iv, tag] = value.parts();
        let start = buffer.expose().len();
        // Ciphertext until the tag has been checked, plaintext in the same place afterwards.
        buffer.extend(data);
        let cause = match self.decrypt_in_place(iv, tag, aad.as_bytes(), buffer.behind(start)) {
            Ok(()) if Scalar::of_sealed(value.kind, buffer.behind(start)).is_some() => return Ok(()),
            Ok(()) => format!("its content does not fit its type, {}", name_of(value.kind)),
            Err(_) => {
                String::from("its authentication tag does not fit: wrong data key, another place, or changed")
            }
        };
        buffer.truncate(start);
        Err(Problem::new(Code::ValueCorrupt, "an encrypted value cannot be opened").because(cause))
    }

    fn decrypt_in_place(
        &self,
        iv: &[u8],
        tag: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<(), aes_gcm::Error> {
        let tag = &Tag::try_from(tag).map_err(|_| aes_gcm::Error)?;
        let buffer = buffer.into();
        if let Ok(iv) = <&Nonce<U32>>::try_from(iv) {
            return self.usual.decrypt_inout_detached(iv, aad, buffer, tag);
        }
        let block = self.block.clone();
        if let Ok(iv) = <&Nonce<U16>>::try_from(iv) {
            return AesGcm::<Aes256, U16>::from(block).decrypt_inout_detached(iv, aad, buffer, tag);
        }
        let iv = <&Nonce<U12>>::try_from(iv).map_err(|_| aes_gcm::Error)?;
        AesGcm::<Aes256, U12>::from(block).decrypt_inout_detached(iv, aad, buffer, tag)
    }
}

#[cfg(test)]
mod tests;
