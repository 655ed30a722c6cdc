//! Looks for secrets where none may be.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce};
use base64_simd::STANDARD as BASE64;

use super::aws::Lab;
use super::repo::Repo;
use super::run::Finished;

/// What each plaintext of a test begins with, as it is and as base64 has it: by it the tests tell that one got out.
const PLAINTEXTS: [&str; 2] = ["canary", "Y2FuYXJ5"];

/// Every secret of a lab and its repository, with a name to report it by.
pub(crate) fn secrets(lab: &Lab, repo: &Repo) -> Vec<(String, String)> {
    let mut secrets: Vec<(String, String)> =
        PLAINTEXTS.iter().map(|text| (format!("the plaintext {text}…"), (*text).to_owned())).collect();
    let keys: Vec<Vec<u8>> =
        lab.data_keys().iter().map(|key| BASE64.decode_to_vec(key).expect("a data key in base64")).collect();
    for key in &keys {
        let hex = key.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        secrets
            .push(("a data key in base64".into(), BASE64.encode_to_string(key).trim_end_matches('=').into()));
        secrets.push(("a data key in hex".into(), hex.to_uppercase()));
        secrets.push(("a data key in hex".into(), hex));
    }
    for path in repo.encrypted() {
        // Tampered files may have no MAC left, or none that opens.
        let text = std::fs::read_to_string(repo.path(path)).unwrap_or_default();
        if let Some(mac) = keys.iter().find_map(|key| mac(&text, key)) {
            secrets.push((format!("the MAC of {path}"), mac));
        }
    }
    secrets
}

/// Asserts that neither stream holds any of these.
#[track_caller]
pub(crate) fn assert_silent(finished: &Finished, secrets: &[(String, String)]) {
    for (name, secret) in secrets {
        for (stream, text) in [("stdout", &finished.stdout), ("stderr", &finished.stderr)] {
            assert!(!text.contains(secret.as_str()), "{name} is on {stream}: {finished}");
        }
    }
}

/// Decrypts the MAC of an encrypted file.
pub(crate) fn mac(text: &str, key: &[u8]) -> Option<String> {
    let sealed = field(text, "mac")?;
    let part = |name: &str| {
        let from = sealed.split_once(name)?.1;
        BASE64.decode_to_vec(from.split([',', ']']).next()?).ok()
    };
    let [mut sealed_bytes, nonce, tag] = [part("data:")?, part("iv:")?, part("tag:")?];
    sealed_bytes.extend(tag);
    let modified = field(text, "lastmodified")?;
    let cipher = AesGcm::<Aes256, U32>::new_from_slice(key).ok()?;
    let payload = Payload { msg: &sealed_bytes, aad: modified.as_bytes() };
    let opened = cipher.decrypt(&Nonce::<U32>::try_from(nonce.as_slice()).ok()?, payload).ok()?;
    String::from_utf8(opened).ok()
}

/// The value of a scalar field of the `sops` block, in YAML or JSON.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let line = line.trim().trim_end_matches(',');
        let value = line.trim_start_matches('"').strip_prefix(name)?;
        Some(value.trim_start_matches('"').strip_prefix(':')?.trim().trim_matches('"'))
    })
}
