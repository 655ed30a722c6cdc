//! The parts that a run is made of, each alone: `cargo bench --bench micro`.

#![allow(missing_docs, reason = "no part of the program")]

#[path = "src/sealer.rs"]
mod sealer;

use std::error::Error;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use krm_sops::krm::{Edits, Input};
use krm_sops::secret::{DataKey, SecretBytes};
use krm_sops::sops::{Cipher, EncryptedValue, Format, SealedFile};
use krm_sops::yaml;
use sealer::Secret;
use zeroize::Zeroizing;

type Failure = Box<dyn Error + Send + Sync>;

/// Secrets of one file. Few enough to be read by one thread.
const SECRETS: usize = 100;

fn main() {
    divan::main();
}

/// The file, and the input that kustomize makes of it.
fn sealed() -> (String, String) {
    let secrets: Vec<Secret> = (0..SECRETS)
        .map(|number| Secret {
            name: format!("secret-{number}"),
            values: vec![("password", "x".repeat(24)), ("bundle", "y".repeat(1_000))],
        })
        .collect();
    let made = sealer::seal(&secrets, 0).map(|(sealed, seal)| {
        let items: Vec<String> = sealed
            .iter()
            .map(|secret| {
                let mut text = String::new();
                sealer::item(secret, &seal, "secrets.yaml", &mut text);
                text
            })
            .collect();
        (sealer::file(&sealed, &seal), items.join("---\n"))
    });
    made.unwrap_or_default()
}

fn data_key() -> Option<DataKey> {
    DataKey::new(&SecretBytes::new(sealer::data_key(0).to_vec())).ok()
}

#[divan::bench]
fn parse_spans(bencher: Bencher<'_, '_>) {
    let (_, input) = sealed();
    bencher.counter(BytesCount::of_str(&input)).bench(|| yaml::parse(black_box(&input)).is_ok());
}

#[divan::bench]
fn parse_sealed_file(bencher: Bencher<'_, '_>) {
    let (file, _) = sealed();
    bencher
        .counter(BytesCount::of_str(&file))
        .bench(|| SealedFile::parse(black_box(&file), Format::Yaml).is_ok());
}

#[divan::bench]
fn decrypt_a_value(bencher: Bencher<'_, '_>) {
    let (file, _) = sealed();
    let text = file.split_once("bundle: ").and_then(|(_, rest)| rest.lines().next()).unwrap_or_default();
    let (Ok(value), Some(key)) = (EncryptedValue::parse(text), data_key()) else { return };
    let cipher = Cipher::new(&key);
    assert!(cipher.open(&value, "stringData:bundle:").is_ok(), "the sealer does not do what sops does");
    bencher
        .counter(BytesCount::of_str(text))
        .bench(|| cipher.open(black_box(&value), "stringData:bundle:").is_ok());
}

#[divan::bench]
fn decrypt_a_file_and_check_its_mac(bencher: Bencher<'_, '_>) {
    let (file, _) = sealed();
    let (Ok(sealed), Some(key)) = (SealedFile::parse(&file, Format::Yaml), data_key()) else { return };
    let cipher = Cipher::new(&key);
    assert!(sealed.open(&cipher).mac.is_ok(), "the sealer does not do what sops does");
    bencher.counter(BytesCount::of_str(&file)).bench(|| black_box(&sealed).open(&cipher).mac.is_ok());
}

#[divan::bench]
fn find_and_splice(bencher: Bencher<'_, '_>) {
    let (_, text) = sealed();
    let Ok(input) = Input::parse(&text) else { return };
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let mut edits = Edits::new();
        for item in &input.items {
            let item = item.item();
            for sealed in item.sealed() {
                edits.replace_scalar(&sealed, Zeroizing::new("plain".to_owned()));
            }
        }
        edits.apply(black_box(&text))
    });
}
