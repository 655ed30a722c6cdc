//! Secrets as sops writes them. Ten thousand calls of sops itself take half an hour; `make bench` has sops decrypt what this made,
//! so it cannot drift from what sops does.

use std::fmt::Write as _;

use aes_gcm::aead::consts::U32;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut as _, AesGcm, KeyInit as _, Nonce};
use sha2::{Digest as _, Sha256, Sha512};

use crate::Failure;

/// How a wrapped data key of the stand-in begins.
pub(crate) const MAGIC: &[u8] = b"krm-sops stand-in\0";
/// As long as what KMS makes of a data key of 32 bytes.
const WRAPPED_LENGTH: usize = 184;

/// The one key, and the role that may use it.
pub(crate) const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/0d1c2b3a-4f5e-4a6b-8c7d-9e8f7a6b5c4d";
pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/flux-secrets";
/// Which values are encrypted.
pub(crate) const SELECTOR: &str = "^(data|stringData)$";
const TIME: &str = "2026-11-24T12:00:00Z";
const VERSION: &str = "3.13.2";

/// A Secret in the clear.
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) values: Vec<(&'static str, String)>,
}

/// A Secret that is sealed.
pub(crate) struct Sealed {
    pub(crate) name: String,
    values: Vec<(&'static str, String)>,
}

/// A file's data key, and what says that the file is whole.
pub(crate) struct Seal {
    wrapped: String,
    mac: String,
}

/// A data key as the stand-in wraps it, in base64.
pub(crate) fn wrap(arn: &str, data_key: &[u8]) -> String {
    let mut blob = MAGIC.to_vec();
    blob.extend_from_slice(arn.as_bytes());
    blob.push(0);
    blob.extend(data_key.iter().map(|byte| !byte));
    // A data key is what stands behind the ARN; the rest makes it as long as a real one.
    blob.resize(blob.len().max(WRAPPED_LENGTH), 0xa5);
    base64_simd::STANDARD.encode_to_string(blob)
}

/// The data key of a file.
pub(crate) fn data_key(number: usize) -> [u8; 32] {
    Sha256::digest(format!("data key {number}")).into()
}

/// Seals the Secrets of one file. The same number gives the same file.
pub(crate) fn seal(secrets: &[Secret], number: usize) -> Result<(Vec<Sealed>, Seal), Failure> {
    let data_key = data_key(number);
    let mut sealer = Sealer { cipher: AesGcm::new(&data_key.into()), number, sealed: 0 };
    let mut mac = Sha512::new();
    let mut all = Vec::with_capacity(secrets.len());
    for secret in secrets {
        for plain in ["v1", "Secret", &secret.name, "apps", "Opaque"] {
            mac.update(plain);
        }
        let mut values = Vec::with_capacity(secret.values.len());
        for (key, value) in &secret.values {
            mac.update(value);
            values.push((*key, sealer.seal(value, &format!("stringData:{key}:"))?));
        }
        all.push(Sealed { name: secret.name.clone(), values });
    }
    let mac = mac.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    });
    Ok((all, Seal { wrapped: wrap(KEY, &data_key), mac: sealer.seal(&mac, TIME)? }))
}

struct Sealer {
    cipher: AesGcm<Aes256, U32>,
    number: usize,
    sealed: usize,
}

impl Sealer {
    fn seal(&mut self, plain: &str, aad: &str) -> Result<String, Failure> {
        self.sealed += 1;
        let iv = Sha256::digest(format!("iv {} {}", self.number, self.sealed));
        let iv = Nonce::<U32>::try_from(iv.as_slice())?;
        let mut data = plain.as_bytes().to_vec();
        let tag = self
            .cipher
            .encrypt_inout_detached(&iv, aad.as_bytes(), data.as_mut_slice().into())
            .map_err(|_| "a value cannot be sealed")?;
        let base64 = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
        Ok(format!("ENC[AES256_GCM,data:{},iv:{},tag:{},type:str]", base64(&data), base64(&iv), base64(&tag)))
    }
}

/// The file, as sops writes it.
pub(crate) fn file(secrets: &[Sealed], seal: &Seal) -> String {
    let mut text = String::new();
    for (index, Sealed { name, values }) in secrets.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        let _ = write!(
            text,
            "apiVersion: v1\nkind: Secret\nmetadata:\n    name: {name}\n    namespace: apps\ntype: Opaque\nstringData:\n"
        );
        for (key, value) in values {
            let _ = writeln!(text, "    {key}: {value}");
        }
        let Seal { wrapped, mac } = seal;
        let _ = write!(
            text,
            "sops:\n    kms:\n        - arn: {KEY}\n          role: {ROLE}\n          created_at: \"{TIME}\"\n          enc: {wrapped}\n          \
             aws_profile: \"\"\n    lastmodified: \"{TIME}\"\n    mac: {mac}\n    encrypted_regex: {SELECTOR}\n    version: {VERSION}\n"
        );
    }
    text
}

/// A resource, as kustomize hands it to a transformer: with its origin, keys sorted.
pub(crate) fn item(secret: &Sealed, seal: &Seal, path: &str, text: &mut String) {
    let Sealed { name, values } = secret;
    let Seal { wrapped, mac } = seal;
    let _ = write!(
        text,
        "apiVersion: v1\nkind: Secret\nmetadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: {path}\n  name: {name}\n  \
         namespace: apps\nsops:\n  encrypted_regex: {SELECTOR}\n  kms:\n  - arn: {KEY}\n    aws_profile: \"\"\n    created_at: \"{TIME}\"\n    \
         enc: {wrapped}\n    role: {ROLE}\n  lastmodified: \"{TIME}\"\n  mac: {mac}\n  version: {VERSION}\nstringData:\n"
    );
    for (key, value) in values {
        let _ = writeln!(text, "  {key}: {value}");
    }
    text.push_str("type: Opaque\n");
}
