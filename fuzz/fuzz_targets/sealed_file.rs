//! Encrypted files: read, checked and opened with a key that is not theirs, which must never end in a right MAC.
#![no_main]

use krm_sops::secret::{DataKey, SecretBytes};
use krm_sops::sops::{Cipher, Format, SealedFile, detect};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let key = DataKey::new(&SecretBytes::new(vec![7; DataKey::LENGTH])).expect("32 bytes");
    let _ = detect(text.as_bytes());
    for format in [Format::Yaml, Format::Json] {
        if let Ok(file) = SealedFile::parse(text, format) {
            let _ = file.check_structure();
            assert!(file.open(&Cipher::new(&key)).mac.is_err());
        }
    }
});
