use proptest::prelude::*;

use super::*;
use crate::secret::{DataKey, SecretBytes};
use crate::sops::{Rendered, shamir, yaml_of};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sops/", $name))
    };
}

const SECRET: &str = fixture!("secret.yaml");
const TYPES: &str = fixture!("types.yaml");
const JSON: &str = fixture!("types.json");
const MAC_ONLY_ENCRYPTED: &str = fixture!("mac_only_encrypted.yaml");
const COMMENTS: &str = fixture!("comments.yaml");
const GROUPS: &str = fixture!("groups.yaml");

fn yaml(text: &str) -> SealedFile {
    SealedFile::parse(text, Format::Yaml).unwrap()
}

/// The bytes that the fixtures' KMS "wrapped" by giving them back.
fn unwrapped(wrapped: &str) -> SecretBytes {
    SecretBytes::new(base64_simd::STANDARD.decode_to_vec(wrapped).unwrap())
}

fn cipher(file: &SealedFile) -> Cipher {
    Cipher::new(&DataKey::new(&unwrapped(&file.metadata.groups[0][0].wrapped)).unwrap())
}

fn open(file: &SealedFile) -> Unsealed {
    file.open(&cipher(file))
}

/// What each leaf is opened to.
fn values(file: &SealedFile, cipher: &Cipher) -> Vec<Option<Plaintext>> {
    let value = |leaf: &Leaf| match &leaf.content {
        LeafContent::Encrypted(sealed) => Some(file.reveal(&leaf.path, &sealed.to_text(), cipher)?.plaintext),
        LeafContent::Known(..) | LeafContent::Plain(_) => None,
    };
    file.leaves().map(value).collect()
}

/// Every leaf of a file that opens and whose MAC is right: path, `=` where it was encrypted, value.
fn leaves(file: &SealedFile) -> Vec<String> {
    let opened = open(file);
    assert_eq!((&opened.mac, opened.corrupt.as_slice()), (&Ok(()), [].as_slice()));
    let values = values(file, &cipher(file));
    let shown = file.leaves().zip(&values).map(|(leaf, value)| match (&leaf.content, value) {
        (LeafContent::Encrypted(_), Some(value)) => match yaml_of(value) {
            Rendered::Text(text) => format!("{} = {text:?}", leaf.path),
            Rendered::Plain(text) => format!("{} = {}", leaf.path, *text),
            Rendered::Binary(text) => format!("{} = !!binary {}", leaf.path, *text),
        },
        (LeafContent::Plain(Scalar::Time(time)), None) => format!("{} {}", leaf.path, *time.to_nanoseconds()),
        (LeafContent::Plain(scalar), None) => match scalar.as_str() {
            Some(text) => format!("{} {text:?}", leaf.path),
            None => format!("{} {scalar:?}", leaf.path),
        },
        (content, value) => format!("{} {content:?} {value:?}", leaf.path),
    });
    shown.collect()
}

fn codes(problems: &[Problem]) -> Vec<(Code, &str)> {
    problems.iter().map(|problem| (problem.code, problem.field.as_deref().unwrap_or_default())).collect()
}

/// What is found without a key.
fn structure(text: &str) -> Vec<Problem> {
    yaml(text).check_structure().err().unwrap_or_default()
}

/// What is found with the key: values first, then the MAC.
fn refusals(text: &str) -> Vec<Problem> {
    let opened = open(&yaml(text));
    opened.corrupt.into_iter().chain(opened.mac.err()).collect()
}

/// The one line of a text that starts so.
fn line<'t>(text: &'t str, start: &str) -> &'t str {
    let mut lines = text.lines().filter(|line| line.trim_start().starts_with(start));
    let line = lines.next().unwrap();
    assert_eq!(lines.next(), None, "{start}");
    line
}

/// A text without the lines that start so.
fn without(text: &str, start: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with(start)).collect()
}

#[test]
fn a_secret_among_other_documents() {
    let file = yaml(SECRET);
    assert_eq!(file.check_structure(), Ok(()));
    let documents: Vec<usize> = file.leaves().map(|leaf| leaf.document).collect();
    assert_eq!(documents, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
    let encrypted: Vec<String> = leaves(&file).into_iter().filter(|leaf| leaf.contains(" = ")).collect();
    assert_eq!(
        encrypted,
        [
            "stringData.user = \"admin\"",
            "stringData.password = \"correct horse\\nbattery staple\"",
            "data.since = 2024-01-02T00:00:00Z"
        ]
    );
}

#[test]
fn every_type_in_yaml() {
    let file = yaml(TYPES);
    assert_eq!(file.check_structure(), Ok(()));
    assert_eq!(
        leaves(&file),
        [
            r#"text = "two\nlines\n""#,
            r#"quoted: key = "yes""#,
            r#"empty """#,
            "integer = -31",
            "float = 1.5",
            "large = 1e+21",
            "truth = true",
            "moment = 2024-01-02T03:04:05.6+02:00",
            "binary = !!binary /w==",
            "list[0][0] = 1",
            r#"list[0][1] = "two""#,
            "list[0][2].three = 3",
            "plain_unencrypted[0] Int(511)",
            "plain_unencrypted[1] Float(1000.5)",
            "plain_unencrypted[2] 2024-01-02T03:04:05Z",
            "plain_unencrypted[3] Bool(false)",
            "plain_unencrypted[4] Text([255])",
        ]
    );
}

#[test]
fn every_type_in_json() {
    let file = SealedFile::parse(JSON, Format::of_path("secrets/types.json")).unwrap();
    assert_eq!(file.check_structure(), Ok(()));
    assert_eq!(
        leaves(&file),
        [
            "z = 9223372036854775807",
            "a[0] = 9.223372036854776e+18",
            "a[1] = 1e-07",
            "a[2] = -1.5e+300",
            "a[3] = 0.1",
            "a[4] = true",
            r#"a[6] """#,
            r#"text = "<é😀\u{2028}>""#,
            "plain_unencrypted.big Float(1.2345678901234568e29)",
            "plain_unencrypted.n Int(100)",
        ]
    );
}

/// The MAC covers what a value is, not how it is written.
#[test]
fn plain_values_may_be_written_in_other_ways() {
    let rewritten = TYPES
        .replace("    - 511\n", "    - 0x1FF\n")
        .replace("    - 1000.5\n", "    - 1_000.50\n")
        .replace("2024-01-02T00:00:00Z", "2024-1-2")
        .replace("    - false\n", "    - !!bool FALSE\n");
    assert_ne!(rewritten, TYPES);
    assert_eq!(open(&yaml(&rewritten)).mac, Ok(()));
    let retyped = TYPES.replace("    - false\n", "    - 'false'\n");
    assert_eq!(codes(&refusals(&retyped)), [(Code::MacMismatch, "sops.mac")]);
}

#[test]
fn a_share_of_the_key_from_each_of_two_groups() {
    let file = yaml(GROUPS);
    assert_eq!(file.metadata.threshold, Some(2));
    let shares: Vec<Vec<SecretBytes>> = file
        .metadata
        .groups
        .iter()
        .map(|group| {
            group
                .iter()
                .filter(|key| key.key.kind == crate::master_key::KeyKind::AwsKms)
                .map(|key| unwrapped(&key.wrapped))
                .collect()
        })
        .collect();
    assert_eq!(shares[1][0].expose(), shares[1][1].expose(), "each key of a group holds the same share");
    for chosen in [vec![0, 1], vec![2, 0], vec![1, 2], vec![0, 1, 2]] {
        let shares: Vec<&SecretBytes> = chosen.iter().map(|group| &shares[*group][0]).collect();
        let key = DataKey::new(&shamir::combine(&shares).unwrap()).unwrap();
        let cipher = Cipher::new(&key);
        let opened = file.open(&cipher);
        assert_eq!((opened.mac, opened.corrupt), (Ok(()), Vec::new()), "{chosen:?}");
        assert_eq!(values(&file, &cipher)[0].as_ref().unwrap().expose(), b"hunter2");
    }
}

#[test]
fn a_file_that_was_changed_without_sops_does_not_fit_its_mac() {
    let user = line(SECRET, "user:");
    for changed in [
        SECRET.replace("name: db", "name: other"),
        SECRET.replace("port: 8080", "port: '8080x'"),
        SECRET.replace(&format!("{user}\n"), ""),
        SECRET.replace(user, "    user: ''"),
        SECRET.replace("kind: ConfigMap", "kind: Secret"),
        SECRET.replacen("kind: Secret", "added: x\nkind: Secret", 1),
    ] {
        assert_ne!(changed, SECRET);
        assert_eq!(structure(&changed), []);
        assert_eq!(codes(&refusals(&changed)), [(Code::MacMismatch, "sops.mac")], "{changed}");
    }
}

#[test]
fn a_mac_that_is_missing_empty_or_of_another_time() {
    for changed in [without(SECRET, "mac:"), SECRET.replace(line_of_first_mac(), "    mac: ''")] {
        assert_eq!(codes(&structure(&changed)), [(Code::MacMissing, "sops.mac")]);
        assert_eq!(codes(&refusals(&changed)), [(Code::MacMissing, "sops.mac")]);
    }
    let lastmodified = SECRET.lines().find(|line| line.contains("lastmodified")).unwrap();
    let changed = SECRET.replace(lastmodified, "    lastmodified: '2024-01-02T03:04:05Z'");
    let problems = refusals(&changed);
    assert_eq!(codes(&problems), [(Code::MacMismatch, "sops.mac")]);
    assert_eq!(problems[0].causes, ["the MAC cannot be opened: it or sops.lastmodified was changed"]);
}

fn line_of_first_mac() -> &'static str {
    SECRET.lines().find(|line| line.starts_with("    mac:")).unwrap()
}

#[test]
fn values_that_are_swapped_or_foreign_are_corrupt() {
    let (user, password) = (line(SECRET, "user:"), line(SECRET, "password:"));
    let swapped = SECRET
        .replace(user, &format!("    #{}", user.trim_start()))
        .replace(password, &user.replace("user:", "password:"))
        .replace(&format!("    #{}", user.trim_start()), &password.replace("password:", "user:"));
    let corrupt = [
        (Code::ValueCorrupt, "stringData.user"),
        (Code::ValueCorrupt, "stringData.password"),
        (Code::MacMismatch, "sops.mac"),
    ];
    assert_eq!(structure(&swapped), []);
    assert_eq!(codes(&refusals(&swapped)), corrupt);

    let foreign = line(TYPES, "text:").replace("text:", "    user:");
    let mixed = SECRET.replace(user, &foreign);
    assert_eq!(codes(&refusals(&mixed)), [corrupt[0], corrupt[2]]);
}

#[test]
fn what_the_selector_covers_must_be_encrypted() {
    let plain = SECRET
        .replace(line(SECRET, "user:"), "    user: [hunter2, 7, null, '']")
        .replace(line(SECRET, "password:"), "    password: ENC[AES256_GCM,data:hunter2]");
    let problems = structure(&plain);
    assert_eq!(
        codes(&problems),
        [
            (Code::ValueCorrupt, "stringData.password"),
            (Code::ValueNotEncrypted, "stringData.user[0], stringData.user[1]")
        ]
    );
    assert!(!format!("{problems:?}").contains("hunter2"));
}

#[test]
fn many_places_are_counted() {
    let list = format!("    user: [{}]", vec!["x"; 25].join(", "));
    let problems = structure(&SECRET.replace(line(SECRET, "user:"), &list));
    assert!(problems[0].field.as_ref().unwrap().ends_with("stringData.user[19], and 5 more"), "{problems:?}");
}

#[test]
fn what_the_selector_does_not_cover_is_plain_whatever_it_looks_like() {
    let password = line(SECRET, "password:").trim_start().strip_prefix("password: ").unwrap();
    let file = yaml(&SECRET.replace("name: db", &format!("name: {password}")));
    let name = file.leaves().find(|leaf| *leaf.path == FieldPath::from(["metadata", "name"])).unwrap();
    assert!(matches!(name.content, LeafContent::Plain(_)));
}

#[test]
fn a_mac_over_encrypted_values_only() {
    assert_eq!(
        leaves(&yaml(MAC_ONLY_ENCRYPTED)),
        ["password_enc = \"hunter2\"", "pin_enc = 1234", "motd \"welcome\""]
    );
    assert_eq!(refusals(&MAC_ONLY_ENCRYPTED.replace("welcome", "changed")), []);
    let dropped = without(MAC_ONLY_ENCRYPTED, "pin_enc:");
    assert_eq!(codes(&refusals(&dropped)), [(Code::MacMismatch, "sops.mac")]);
    let flipped = without(MAC_ONLY_ENCRYPTED, "mac_only_encrypted:");
    assert_eq!(codes(&refusals(&flipped)), [(Code::MacMismatch, "sops.mac")]);
}

/// Only the ciphertext can tell which values a comment covers.
#[test]
fn values_that_comments_cover() {
    let file = yaml(COMMENTS);
    assert_eq!(file.check_structure(), Ok(()));
    let opened = open(&file);
    assert_eq!((&opened.mac, opened.corrupt.len()), (&Ok(()), 0));
    let values = values(&file, &cipher(&file));
    let values: Vec<_> = values.iter().map(|value| value.as_ref().and_then(Plaintext::expose_str)).collect();
    assert_eq!(values, [None, Some("hunter2"), Some("1234"), Some("5678"), None]);

    let password = line(COMMENTS, "password:");
    let plain = COMMENTS.replace(password, "password: hunter3");
    let doubtful = (Code::ValueCorrupt, "lookalike");
    assert_eq!(codes(&refusals(&plain)), [doubtful, (Code::MacMismatch, "sops.mac")]);
    let moved = COMMENTS.replace(password, &password.replace("password:", "moved:"));
    assert_eq!(
        codes(&refusals(&moved)),
        [(Code::ValueCorrupt, "moved"), doubtful, (Code::MacMismatch, "sops.mac")]
    );
    // As text the password is what the author wrote, so the MAC fits: nothing was hidden from it.
    assert_eq!(refusals(&COMMENTS.replace(password, "password: hunter2")), []);
}

/// sops encrypts a comment in a list to an item, and then fails on its own file.
#[test]
fn an_encrypted_comment_is_no_value() {
    let comment =
        SECRET.lines().find(|line| line.contains("type:comment")).unwrap().trim().replace('#', "x: ");
    let changed = SECRET.replace(line(SECRET, "user:"), &format!("    {comment}"));
    let problems = refusals(&changed);
    assert_eq!(problems[0].what, "an encrypted value cannot be opened");
    let file = yaml(SECRET);
    let aad = FieldPath::from(["stringData"]).aad();
    let text = comment.strip_prefix("x: ").unwrap();
    let sealed = EncryptedValue::parse(text).unwrap();
    assert_eq!(cipher(&file).open(&sealed, &aad).unwrap().expose(), b" who");
    let in_list = SECRET.replace("stringData:\n", &format!("stringData:\n    - {text}\nrest:\n"));
    let problems = refusals(&in_list);
    assert_eq!(problems[0].what, "an encrypted comment stands in the place of a value");
    assert_eq!(problems[0].field.as_deref(), Some("stringData[0]"));
}

#[test]
fn leaves_are_found_by_path_and_text() {
    let password = line(SECRET, "password:").trim_start().strip_prefix("password: ").unwrap();
    let path = FieldPath::from(["stringData", "password"]);
    let cipher = cipher(&yaml(SECRET));
    assert_eq!(yaml(SECRET).find(&path, password).next(), Some(5));
    // Whether its ciphertexts are kept makes no difference to what is revealed.
    for file in [yaml(SECRET), yaml(SECRET).without_ciphertexts()] {
        let revealed = file.reveal(&path, password, &cipher).unwrap();
        assert_eq!(revealed.plaintext.expose(), b"correct horse\nbattery staple");
        assert!(revealed.documents.into_iter().eq([0]));
        let elsewhere = FieldPath::from(["stringData", "user"]);
        assert_eq!(file.find(&elsewhere, password).next(), None);
        assert!(file.reveal(&elsewhere, password, &cipher).is_none());
        assert_eq!(file.find(&path, "ENC[AES256_GCM,data:zzzz]").next(), None);
        assert_eq!(file.find(&path, "").next(), None);
    }
}

#[test]
fn what_is_let_go_is_told_from_all_else() {
    let password = line(SECRET, "password:").trim_start().strip_prefix("password: ").unwrap();
    let path = FieldPath::from(["stringData", "password"]);
    let file = yaml(SECRET);
    let cipher = cipher(&file);
    let file = file.without_ciphertexts();
    assert!(file.leaves().all(|leaf| !matches!(leaf.content, LeafContent::Encrypted(_))));
    assert!(file.open(&cipher).mac.is_err(), "the MAC is not checked over what is not there");
    let [data, iv] = ["data:", "iv:"].map(|part| password.find(part).unwrap() + part.len());
    let flipped = |at: usize| {
        let instead = if password.as_bytes()[at] == b'A' { "B" } else { "A" };
        [&password[..at], instead, &password[at + 1..]].concat()
    };
    let moved = |kind| password.replace("type:str", kind);
    for other in [flipped(data), flipped(iv), moved("type:bytes"), moved("type:comment")] {
        assert!(EncryptedValue::parse(&other).is_ok(), "{other}");
        assert_eq!(EncryptedValue::mark_of(&other), EncryptedValue::mark_of(password));
        assert!(file.find(&path, &other).next().is_none() && file.reveal(&path, &other, &cipher).is_none());
    }
}

#[test]
fn marks_are_found_wherever_they_are() {
    let file = yaml(SECRET);
    let texts = file.leaves().filter_map(|leaf| match &leaf.content {
        LeafContent::Encrypted(sealed) => Some(sealed.to_text()),
        _ => None,
    });
    let mut marks: Vec<Mark> = texts.map(|text| EncryptedValue::mark_of(&text).unwrap()).collect();
    assert!(marks.len() > 2 && file.holds_marks(&marks) && file.holds_marks(&[]));
    let tag = base64_simd::STANDARD.encode_to_string([7; 16]);
    marks.extend(EncryptedValue::mark_of(&format!("ENC[AES256_GCM,data:a,iv:b,tag:{tag},type:str]")));
    assert!(!file.holds_marks(&marks));
    for none in ["", "ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]", "tag:,type:", ",tag:%,type:a"] {
        assert_eq!(EncryptedValue::mark_of(none), None, "{none}");
    }
}

/// Parts of a large file are read side by side.
#[test]
fn leaves_of_a_large_file_are_found_by_path_and_text() {
    let value = |number: u32| {
        let tag = [number.to_be_bytes(); 4].concat();
        let [iv, tag] = [&[1; 32][..], &tag].map(|bytes| base64_simd::STANDARD.encode_to_string(bytes));
        format!("ENC[AES256_GCM,data:{},iv:{iv},tag:{tag},type:str]", "AAAA".repeat(100))
    };
    let (block, number) = (SECRET.split_once("sops:").unwrap().1.split_once("---").unwrap().0, 3_000);
    let documents = (0..number).map(|number| {
        let is_first = if number == 0 { format!("sops:{block}") } else { String::new() };
        format!("name: a{number}\nstringData:\n    password: {}\n{is_first}", value(number))
    });
    let file = yaml(&documents.collect::<Vec<_>>().join("---\n"));
    let path = FieldPath::from(["stringData", "password"]);
    assert_eq!(file.leaves().count(), 2 * number as usize);
    assert!(file.leaves().enumerate().all(|(at, leaf)| leaf.document == at / 2));
    for number in 0..number {
        let at = 2 * number as usize + 1;
        assert!(file.find(&path, &value(number)).eq([at]), "{number}");
        assert_eq!(file.leaf(at).map(|leaf| leaf.document), Some(number as usize));
    }
    assert!(file.leaf(2 * number as usize).is_none() && file.find(&path, &value(number)).next().is_none());
}

#[test]
fn only_the_block_of_the_first_document_counts() {
    let (first, second) = SECRET.split_once("---\n").unwrap();
    let without_second_block = format!("{first}---\n{}", second.split_once("sops:").unwrap().0);
    assert_eq!(leaves(&yaml(&without_second_block)), leaves(&yaml(SECRET)));
    let wrong_second_block = format!("{without_second_block}sops: 1\n");
    assert_eq!(leaves(&yaml(&wrong_second_block)), leaves(&yaml(SECRET)));
    let without_first_block = format!("{}---\n{second}", first.split_once("sops:").unwrap().0);
    let problem = SealedFile::parse(&without_first_block, Format::Yaml).unwrap_err();
    assert_eq!(problem.code, Code::NotEncrypted);
}

#[test]
fn what_is_no_file_of_sops_is_refused() {
    for (text, format, code) in [
        ("", Format::Yaml, Code::NotEncrypted),
        ("# nothing\n", Format::Yaml, Code::NotEncrypted),
        ("---\n---\nsops: {}\n", Format::Yaml, Code::NotEncrypted),
        ("a: 1\n", Format::Yaml, Code::NotEncrypted),
        ("{}", Format::Json, Code::NotEncrypted),
        ("sops: 1\n", Format::Yaml, Code::BadMetadata),
        ("sops: {}\n", Format::Yaml, Code::BadMetadata),
        ("[a]\n", Format::Yaml, Code::BadMetadata),
        ("text\n", Format::Yaml, Code::BadMetadata),
        ("a: [\n", Format::Yaml, Code::BadMetadata),
        ("1: x\n", Format::Yaml, Code::BadMetadata),
        ("[]", Format::Json, Code::BadMetadata),
        ("a: 1", Format::Json, Code::BadMetadata),
        ("{\"sops\": {}, \"sops\": {}}", Format::Json, Code::BadMetadata),
    ] {
        let problem = SealedFile::parse(text, format).unwrap_err();
        assert_eq!(problem.code, code, "{text}");
    }
}

#[test]
fn the_format_follows_the_name() {
    assert_eq!(Format::of_path("a/b.json"), Format::Json);
    for path in ["a.yaml", "a.yml", "a.enc", "json", "a.json/b"] {
        assert_eq!(Format::of_path(path), Format::Yaml, "{path}");
    }
}

#[test]
fn debug_shows_no_content() {
    let file = yaml(MAC_ONLY_ENCRYPTED);
    let shown = format!("{file:?} {:?}", open(&file));
    assert!(!["hunter2", "1234", "welcome", "ENC["].iter().any(|secret| shown.contains(secret)), "{shown}");
}

/// All that a file is told by.
fn parts_of(file: &SealedFile) -> impl Iterator<Item = (usize, &FieldPath, Option<bool>, bool, String)> {
    file.leaves().map(|leaf| {
        let content = match &leaf.content {
            LeafContent::Encrypted(sealed) => sealed.to_text(),
            LeafContent::Known(..) => panic!("nothing was let go"),
            LeafContent::Plain(scalar) => format!("{scalar:?}"),
        };
        (leaf.document, leaf.path.as_ref(), leaf.covered, leaf.merged, content)
    })
}

/// What is read in windows is what is read as a whole, or has to be read as a whole.
fn in_windows(text: &str, size: u64) -> Option<SealedFile> {
    let file = SealedFile::by_windows(Windows::new(text.as_bytes(), size))?;
    let whole =
        SealedFile::parse(text, Format::Yaml).unwrap_or_else(|problem| panic!("{problem:?} of {text}"));
    assert_eq!(file.metadata.mac, whole.metadata.mac);
    assert!(parts_of(&file).eq(parts_of(&whole)), "{text}");
    assert_eq!((&file.by_mark, &file.claims), (&whole.by_mark, &whole.claims));
    Some(file)
}

#[test]
fn a_file_is_the_same_in_windows() {
    let plain = "kind: ConfigMap\ndata:\n  a: ENC[AES256_GCM,\n  b: [1, true]\n";
    let text = format!("{SECRET}---\n{plain}---\n{}", SECRET.replace("data:", "more:"));
    for size in [1, 100, 1_000, 3_000, text.len() as u64, text.len() as u64 + 1] {
        let file = in_windows(&text, size).unwrap();
        assert_eq!(file.leaves().map(|leaf| leaf.document).max(), Some(4));
    }
    let file = in_windows(SECRET, 1).unwrap();
    assert_eq!(leaves(&file), leaves(&yaml(SECRET)));
}

#[test]
fn what_only_the_whole_tells_is_read_whole() {
    let merges = format!("{SECRET}---\na: &a {{k: v}}\nb:\n  !!merge <<: *a\n");
    let no_block = format!("a: 1\n---\n{SECRET}");
    let broken = format!("{SECRET}---\na: [\n");
    for text in [merges.as_str(), &no_block, &broken, "a: 1\n", ""] {
        assert!(in_windows(text, 100).is_none(), "{text}");
    }
}

proptest! {
    #[test]
    fn windows_do_not_change_what_is_read(
        position in 0..SECRET.len(), byte in prop::option::of(0x09_u8..0x7f), size in 1..SECRET.len() as u64 + 2
    ) {
        let mut changed = SECRET.as_bytes().to_vec();
        changed[position] = byte.unwrap_or(changed[position]);
        in_windows(&String::from_utf8(changed).unwrap(), size);
    }

    /// Whatever byte is changed, nothing panics, and where the MAC still fits, the decrypted values are the same.
    #[test]
    fn no_changed_byte_goes_unnoticed(position in 0..SECRET.len(), byte in 0x09_u8..0x7f) {
        let mut changed = SECRET.as_bytes().to_vec();
        changed[position] = byte;
        let changed = String::from_utf8(changed).unwrap();
        let plaintexts = |file: &SealedFile, cipher: &Cipher| -> Vec<Vec<u8>> {
            values(file, cipher).iter().flatten().map(|value| value.expose().to_vec()).collect()
        };
        if let Ok(file) = SealedFile::parse(&changed, Format::Yaml)
            && let Ok(bytes) = base64_simd::STANDARD.decode_to_vec(&file.metadata.groups[0][0].wrapped)
            && let Ok(key) = DataKey::new(&SecretBytes::new(bytes))
        {
            let by_key = Cipher::new(&key);
            let opened = file.open(&by_key);
            if opened.mac.is_ok() && opened.corrupt.is_empty() {
                let unchanged = yaml(SECRET);
                prop_assert_eq!(plaintexts(&file, &by_key), plaintexts(&unchanged, &cipher(&unchanged)));
            }
        }
    }
}
