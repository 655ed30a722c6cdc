//! That plaintext is gone when it has been written: looked for in the memory of this very process.

#![expect(clippy::disallowed_types, reason = "memory is read like a file")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::aead::consts::U32;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut as _, AesGcm, KeyInit as _};
use krm_sops::krm::{Edits, Input};
use krm_sops::secret::{DataKey, SecretBytes};
use krm_sops::sops::{Cipher, Format, LeafContent, Revealed, SealedFile};
use krm_sops::yaml::emit;
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

const KEY: [u8; 32] = [7; 32];
const VALUES: usize = 3_000;
/// The one that is looked for.
const CHOSEN: usize = 1_234;
const TIME: &str = "2026-11-24T12:00:00Z";

/// 64 characters that stand nowhere in the program.
fn plaintext(number: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in Zeroizing::new(<[u8; 32]>::from(Sha256::digest(format!("value {number}")))).iter() {
        let _ = write!(text, "{:x}{:x}", byte >> 4, byte & 15);
    }
    text
}

fn seal(plain: &str, aad: &str) -> String {
    let iv: [u8; 32] = Sha256::digest(format!("iv of {aad}")).into();
    let mut data = plain.as_bytes().to_vec();
    let tag = AesGcm::<Aes256, U32>::new(&KEY.into())
        .encrypt_inout_detached(&iv.into(), aad.as_bytes(), data.as_mut_slice().into())
        .expect("it can be sealed");
    let [data, iv, tag] = [&data[..], &iv, &tag].map(|bytes| base64_simd::STANDARD.encode_to_string(bytes));
    format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:str]")
}

/// A file as sops writes it.
fn sealed_file() -> String {
    let mut mac = Sha512::new();
    let mut text = String::new();
    for number in 0..VALUES {
        let plain = plaintext(number);
        mac.update(plain.as_bytes());
        let _ = writeln!(text, "v{number}: {}", seal(&plain, &format!("v{number}:")));
    }
    let mac = mac.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02X}"));
    let wrapped = "    kms:\n        - arn: arn:aws:kms:us-west-2:123456789012:key/a\n          enc: AA==\n          created_at: \"2026-11-24T12:00:00Z\"\n";
    let _ = write!(
        text,
        "sops:\n{wrapped}    lastmodified: \"{TIME}\"\n    mac: {}\n    version: 3.13.2\n",
        seal(&mac, TIME)
    );
    text
}

/// A part of a plaintext, by its complement, so that it is not found where it is looked for.
struct Sought([u64; 8]);

impl Sought {
    fn of(plain: &str) -> Self {
        let eight =
            |start: usize| <[u8; 8]>::try_from(&plain.as_bytes()[start..start + 8]).expect("eight bytes");
        // Wherever a copy stands, one of these is aligned.
        Self(std::array::from_fn(|start| !u64::from_ne_bytes(eight(20 + start))))
    }

    /// In how many places of this process' memory it stands.
    fn places(&self) -> usize {
        self.places_read_into(&mut vec![0; 1 << 16])
    }

    /// Likewise. The page is left out, since what is read into it stands there, too, and would be read again from there.
    fn places_read_into(&self, page: &mut [u8]) -> usize {
        // Nor may one test find what another is just reading.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
        let mut memory = File::open("/proc/self/mem").expect("Linux has it");
        let own = page.as_ptr_range();
        let own = own.start.addr() as u64..own.end.addr() as u64;
        let mut found = 0;
        for line in
            maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw")))
        {
            let (range, _) = line.split_once(' ').expect("a range");
            let (start, end) = range.split_once('-').expect("two ends");
            let [mut at, end] = [start, end].map(|place| u64::from_str_radix(place, 16).expect("a number"));
            while at < end {
                if own.contains(&at) {
                    at = own.end;
                    continue;
                }
                let stop = if at < own.start { end.min(own.start) } else { end };
                let length = page.len().min(usize::try_from(stop - at).expect("it fits"));
                // What another thread has unmapped meanwhile cannot be read.
                let read = memory
                    .seek(SeekFrom::Start(at))
                    .and_then(|_| memory.read(&mut page[..length]))
                    .unwrap_or(0);
                let words = page[..read].as_chunks::<8>().0;
                found += words.iter().filter(|word| self.0.contains(&!u64::from_ne_bytes(**word))).count();
                page[..read].zeroize();
                at += length as u64;
            }
        }
        found
    }
}

/// What stands right before the page is in the same piece of memory, and is found once.
#[test]
fn what_looks_for_plaintext_does_not_find_itself() {
    let plain = plaintext(VALUES);
    let sought = Sought::of(&plain);
    let mut memory = Zeroizing::new(vec![0; (1 << 17) + 1000]);
    let (before, page) = memory.split_at_mut((1 << 16) + 1000);
    let place = before.len() - 200;
    before[place..place + plain.len()].copy_from_slice(plain.as_bytes());
    drop(plain);
    assert_eq!(sought.places_read_into(page), 1);
}

#[test]
fn plaintext_is_nowhere_but_where_it_is_written() {
    let sought = Sought::of(&plaintext(CHOSEN));
    let text = sealed_file();
    let file = SealedFile::parse(&text, Format::Yaml).expect("sops could have written it");
    let cipher = Cipher::new(&DataKey::new(&SecretBytes::new(KEY.to_vec())).expect("a key"));
    assert_eq!(sought.places(), 0, "before anything is decrypted");

    let opened = file.open(&cipher);
    assert!(opened.mac.is_ok() && opened.corrupt.is_empty());
    assert_eq!(sought.places(), 0, "once the MAC is computed");
    let leaf = file.leaf(CHOSEN).expect("a leaf");
    let LeafContent::Encrypted(sealed) = &leaf.content else { panic!("it is encrypted") };
    let (path, ciphertext) = (Arc::clone(&leaf.path), sealed.to_text());
    let file = file.without_ciphertexts();

    let item = format!("kind: A\nv: {}\nsops: {{}}\n", seal("", ""));
    let input = Input::parse(&item).expect("an item");
    let mut edits = Edits::new();
    let resource = input.items[0].item();
    for sealed in resource.sealed() {
        let Revealed { plaintext, .. } = file.reveal(&path, &ciphertext, &cipher).expect("it opens");
        assert_eq!(sought.places(), 1, "when it is to be written");
        edits.replace_scalar(&sealed, emit::string(plaintext.expose_str().expect("text"), &sealed.place));
    }
    assert_eq!(sought.places(), 1, "when it is to be changed in the item");
    let edits = edits.settled(&resource);
    assert_eq!(sought.places(), 1, "in the item");
    let output = edits.splice(&item);
    assert!(output.pieces().any(|piece| piece.len() >= 64));
    assert_eq!(sought.places(), 1, "in the output");
    drop(output);
    assert_eq!(sought.places(), 0, "in the end");
}
