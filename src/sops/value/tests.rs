use proptest::prelude::*;

use super::*;
use crate::secret::SecretBytes;

const AAD: &str = "data:password:";

fn key(byte: u8) -> DataKey {
    DataKey::new(&SecretBytes::new(vec![byte; 32])).unwrap()
}

fn open(value: &EncryptedValue, by: u8, aad: &str) -> Result<Plaintext, Problem> {
    Cipher::new(&key(by)).open(value, aad)
}

/// Seals as SOPS does, with an iv of 12, 16 or 32 bytes.
fn seal(plaintext: &[u8], iv: &[u8], aad: &str, kind: &str) -> String {
    let key = key(7);
    let mut buffer = plaintext.to_vec();
    let aad = aad.as_bytes();
    let bytes = buffer.as_mut_slice().into();
    let tag = match iv.len() {
        12 => AesGcm::<Aes256, U12>::new(key.expose().into()).encrypt_inout_detached(
            iv.try_into().unwrap(),
            aad,
            bytes,
        ),
        16 => AesGcm::<Aes256, U16>::new(key.expose().into()).encrypt_inout_detached(
            iv.try_into().unwrap(),
            aad,
            bytes,
        ),
        _ => AesGcm::<Aes256, U32>::new(key.expose().into()).encrypt_inout_detached(
            iv.try_into().unwrap(),
            aad,
            bytes,
        ),
    }
    .unwrap();
    let encode = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
    format!("ENC[AES256_GCM,data:{},iv:{},tag:{},type:{kind}]", encode(&buffer), encode(iv), encode(&tag))
}

fn cause(result: Result<impl fmt::Debug, Problem>) -> String {
    let problem = result.unwrap_err();
    assert_eq!(problem.code, Code::ValueCorrupt);
    problem.causes.join(" ")
}

#[test]
fn the_three_lengths_of_iv() {
    for length in [12, 16, 32] {
        let value = EncryptedValue::parse(&seal(b"hunter2", &vec![3; length], AAD, "str")).unwrap();
        let plaintext = open(&value, 7, AAD).unwrap();
        assert_eq!((plaintext.kind(), plaintext.expose()), (ValueType::Str, b"hunter2".as_slice()));
    }
}

#[test]
fn another_key_another_place_and_another_text_are_refused() {
    let text = seal(b"hunter2", &[3; 32], AAD, "str");
    let value = EncryptedValue::parse(&text).unwrap();
    for result in [
        open(&value, 8, AAD),
        open(&value, 7, "data:user:"),
        open(&EncryptedValue::parse(&text.replace("iv:A", "iv:B")).unwrap(), 7, AAD),
    ] {
        assert!(cause(result).starts_with("its authentication tag does not fit"));
    }
}

/// Values are compared as they are held, which must be as good as to compare their texts.
#[test]
fn what_is_held_says_the_whole_text() {
    let text = seal(b"hunter2", &[3; 32], AAD, "str");
    let value = EncryptedValue::parse(&text).unwrap();
    assert_eq!(value.to_text(), text);
    for (from, to) in [("data:", "data:AAAA"), ("iv:Aw", "iv:Bw"), ("type:str", "type:bytes")] {
        assert!(EncryptedValue::parse(&text.replace(from, to)).unwrap() != value, "{to}");
    }
    // The last digit before `=` holds bits that stand for nothing: only zeros are taken.
    let (before, after) = text.split_once("==,type").unwrap();
    let (before, digit) = before.split_at(before.len() - 1);
    let other = char::from(digit.as_bytes()[0] + 1);
    assert_eq!(
        cause(EncryptedValue::parse(&format!("{before}{other}==,type{after}"))),
        "its tag is no base64"
    );
}

#[test]
fn refused_values_leave_nothing_in_a_buffer() {
    let value = EncryptedValue::parse(&seal(b"12a", &[3; 32], AAD, "int")).unwrap();
    let mut buffer = SecretBuffer::default();
    buffer.extend(b"before");
    for by in [7, 8] {
        assert!(Cipher::new(&key(by)).open_onto(&value, AAD, &mut buffer).is_err());
        assert_eq!(buffer.expose(), b"before");
    }
}

#[test]
fn content_must_fit_its_type() {
    for (content, kind) in [("12a", "int"), ("maybe", "bool"), ("one", "float"), ("today", "time")] {
        let value = EncryptedValue::parse(&seal(content.as_bytes(), &[3; 32], AAD, kind)).unwrap();
        let cause = cause(open(&value, 7, AAD));
        assert_eq!(cause, format!("its content does not fit its type, {kind}"));
    }
}

#[test]
fn every_type_has_its_name() {
    for name in ["str", "int", "float", "bytes", "bool", "time", "comment"] {
        assert_eq!(type_of(name).map(name_of), Some(name));
    }
}

#[test]
fn malformed_values_are_refused_by_what_is_wrong_with_them() {
    let iv = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let tag = "AAAAAAAAAAAAAAAAAAAAAA==";
    let form = "it is not ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]";
    for (text, expected) in [
        (String::new(), form),
        ("ENC[AES256_GCM,data:AA==]".into(), form),
        (format!("ENC[AES256_GCM,data:AA==,iv:{iv},tag:{tag},type:str"), form),
        (format!("ENC[AES256_GCM,data:AA==,iv:{iv},tag:{tag},type:str]\n"), form),
        (format!(" ENC[AES256_GCM,data:AA==,iv:{iv},tag:{tag},type:str]"), form),
        (format!("ENC[AES256_GCM,iv:{iv},data:AA==,tag:{tag},type:str]"), form),
        (format!("ENC[AES256_GCM,data:,iv:{iv},tag:{tag},type:str]"), "its data is no base64"),
        (format!("ENC[AES256_GCM,data:AA,iv:{iv},tag:{tag},type:str]"), "its data is no base64"),
        (format!("ENC[AES256_GCM,data:A A=,iv:{iv},tag:{tag},type:str]"), "its data is no base64"),
        (format!("ENC[AES256_GCM,data:AA,A=,iv:{iv},tag:{tag},type:str]"), "its data is no base64"),
        (format!("ENC[AES256_GCM,data:AA==,iv:-,tag:{tag},type:str]"), "its iv is no base64"),
        (
            format!("ENC[AES256_GCM,data:AA==,iv:,tag:{tag},type:str]"),
            "its iv is 0 bytes long; 12, 16 and 32 are known",
        ),
        (
            format!("ENC[AES256_GCM,data:AA==,iv:AAAA,tag:{tag},type:str]"),
            "its iv is 3 bytes long; 12, 16 and 32 are known",
        ),
        (format!("ENC[AES256_GCM,data:AA==,iv:{iv},tag:-,type:str]"), "its tag is no base64"),
        (format!("ENC[AES256_GCM,data:AA==,iv:{iv},tag:AAAA,type:str]"), "its tag is not 16 bytes long"),
        (
            format!("ENC[AES256_GCM,data:AA==,iv:{iv},tag:{tag},type:string]"),
            "its type is none that sops knows",
        ),
    ] {
        assert_eq!(cause(EncryptedValue::parse(&text)), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened(
        plaintext in prop::collection::vec(any::<u8>(), 1..300),
        iv in prop::collection::vec(any::<u8>(), 32),
        aad in ".{0,40}",
    ) {
        let text = seal(&plaintext, &iv, &aad, "str");
        let value = EncryptedValue::parse(&text).unwrap();
        prop_assert_eq!(value.to_text(), text.as_str());
        let opened = open(&value, 7, &aad).unwrap();
        prop_assert_eq!(opened.expose(), plaintext.as_slice());
    }

    /// Whatever is changed in a sealed value, nothing comes out but the same bytes (under another type) or an error.
    #[test]
    fn a_changed_value_is_never_opened_to_something_else(position in 0_usize..200, byte in 0x20_u8..0x7f) {
        let text = seal(b"hunter2", &[3; 32], AAD, "str");
        let mut changed = text.into_bytes();
        let position = position % changed.len();
        changed[position] = byte;
        let changed = String::from_utf8(changed).unwrap();
        if let Ok(opened) = EncryptedValue::parse(&changed).and_then(|value| open(&value, 7, AAD)) {
            prop_assert_eq!(opened.expose(), b"hunter2".as_slice());
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(ENC\\[AES256_GCM,)?(data:|,iv:|,tag:|,type:|[A-Za-z0-9+/=]{0,8}|.){0,12}\\]?") {
        if let Ok(value) = EncryptedValue::parse(&text) {
            prop_assert_eq!(value.to_text(), text.as_str());
        }
    }
}
