//! Random files that generators put into Secrets whole, byte for byte what `sops -d` prints. `KRM_SOPS_CASES` sets how many.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize as _;

use crate::random::{Dice, Oracle, cases, quoted};
use crate::support::{Lab, Mode, Repo};

/// Documents of a YAML file, or lines of a flat one.
const PARTS: usize = 12;

/// A text for a place where sops prints every string so that it can be read back: a block in a list, or in a mapping within
/// one, gets the wrong hint where it begins with a space or a newline.
fn text(dice: &mut Dice) -> String {
    loop {
        let text = dice.text();
        // A merge key gets a tag.
        if text != "<<" && !(text.contains('\n') && text.starts_with([' ', '\n'])) {
            return text;
        }
    }
}

fn value(dice: &mut Dice, depth: usize) -> String {
    match dice.roll(if depth > 3 { 7 } else { 9 }) {
        0..4 => quoted(&text(dice)),
        4 => ["true", "false", "null", "\"\"", "{}", "[]"][dice.roll(6)].to_owned(),
        5 => ["0.5", "-1.25", "1e21", "1e-7", "1e6", "123456789.125", "2.50"][dice.roll(7)].to_owned(),
        6 => ["0", "-7", "9223372036854775807", "-9223372036854775808", "1000000"][dice.roll(5)].to_owned(),
        7 => {
            let items: Vec<String> = (0..dice.roll(4)).map(|_| value(dice, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => mapping(dice, depth + 1),
    }
}

fn mapping(dice: &mut Dice, depth: usize) -> String {
    const KEYS: &[&str] = &["a", "on", "b.c", "d:e", "f/g", "h_unencrypted", "#i", "j k", "1", "~", "é"];
    let first = dice.roll(KEYS.len());
    let entries: Vec<String> = (0..dice.roll(6))
        .map(|number| format!("{}: {}", quoted(KEYS[(first + number) % KEYS.len()]), value(dice, depth)))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

/// A file in block style, with comments where sops can read them back: not in lists.
fn yaml(dice: &mut Dice) -> String {
    let mut text = String::new();
    for part in 0..PARTS {
        let separator = if part == 0 { "" } else { "---\n" };
        let _ = writeln!(text, "{separator}# head {part}");
        for number in 0..=dice.roll(5) {
            if dice.roll(3) == 0 {
                let _ = writeln!(text, "# before {number}\n#   and more");
            }
            let behind = ["", " # behind"][dice.roll(2)];
            let scalar = quoted(&self::text(dice));
            let _ = match dice.roll(4) {
                0 => writeln!(text, "k{number}: {}", value(dice, 0)),
                1 => writeln!(text, "k{number}:\n  # inside\n  x: {scalar}{behind}\n  y: {}", value(dice, 2)),
                2 => writeln!(text, "k{number}_unencrypted: {scalar}{behind}"),
                _ => writeln!(text, "k{number}: {scalar}{behind}"),
            };
        }
        if dice.roll(3) == 0 {
            text.push_str("# foot\n");
        }
    }
    text
}

fn dotenv(dice: &mut Dice) -> String {
    let mut lines = String::from("# first\n");
    for number in 0..PARTS {
        let text = dice.text().replace(['\n', '\r'], "\\n");
        let _ = writeln!(lines, "KEY{number}{}={text}", ["", "_unencrypted"][dice.roll(2)]);
        if dice.roll(3) == 0 {
            let _ = writeln!(lines, "\n#{text}");
        }
    }
    lines
}

fn ini(dice: &mut Dice) -> String {
    let mut lines = String::new();
    for section in 0..3 {
        if section > 0 || dice.roll(2) == 0 {
            let _ = writeln!(lines, "; section {section}\n[section {section}]");
        }
        for number in 0..dice.roll(PARTS) {
            // What ini.v1 itself reads back as it was.
            let text = dice.text().replace(['`', '"', '\r', '\u{feff}', '\u{1}'], "");
            let key = ["short", "somewhat.longer", "é", "with space"][dice.roll(4)];
            if dice.roll(3) == 0 {
                let _ = writeln!(lines, "# of {number}\n; more of it");
            }
            let _ = writeln!(lines, "{key}{number} = \"\"\"{text}\"\"\"");
        }
    }
    lines
}

/// The decoded values of the one Secret in a stream.
fn values(stream: &str) -> BTreeMap<String, String> {
    let document = serde_yaml::Value::deserialize(serde_yaml::Deserializer::from_str(stream));
    let document = document.unwrap_or_else(|error| panic!("{error}: {stream}"));
    let data: BTreeMap<String, String> = serde_yaml::from_value(document["data"].clone()).expect("strings");
    let decoded = |text: String| {
        let text: String = text.split_whitespace().collect();
        let bytes = base64_simd::STANDARD.decode_to_vec(text).expect("base64");
        String::from_utf8(bytes).expect("UTF-8")
    };
    data.into_iter().map(|(key, text)| (key, decoded(text))).collect()
}

#[test]
fn random_files_come_out_as_sops_prints_them() {
    let lab = Lab::new();
    let role = lab.role("flux-secrets");
    let key = lab.key("us-west-2", &role);
    let mut repo = Repo::new();
    repo.write(".sops.yaml", &format!("creation_rules:\n- kms: {key}+{role}\n"))
        .transformer("decrypt.yaml", "");
    let mut files = Vec::new();
    for case in 0..cases().div_ceil(4) {
        let mut dice = Dice::new(case, Oracle::Decrypted);
        for (extension, text) in [
            ("yaml", yaml(&mut dice)),
            ("json", mapping(&mut dice, 0)),
            ("env", dotenv(&mut dice)),
            ("ini", ini(&mut dice)),
        ] {
            let name = format!("case{case}.{extension}");
            repo.encrypt(&lab, &name, &text);
            files.push(name);
        }
    }
    let list = files.join(", ");
    repo.kustomization(
        ".",
        &format!("secretGenerator: [{{name: files, files: [{list}]}}]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n"),
    );
    let built = lab.build(&repo, ".", Mode::Plugin).ok();
    let expected = lab.oracle(&repo, ".");
    if built == expected {
        return;
    }
    let (built, expected) = (values(&built), values(&expected));
    for (name, expected) in &expected {
        let plain = &built[name];
        assert!(
            plain == expected,
            "{name}\n--- encrypted ---\n{}\n--- sops -d ---\n{expected}\n--- ours ---\n{plain}",
            repo.read(name)
        );
    }
    panic!("all files are the same, and the items differ");
}

/// Here the oracle is what was encrypted: sops prints some of these so that no reader gets them back.
#[test]
fn whatever_sops_prints_the_file_holds_what_went_in() {
    let lab = Lab::new();
    let role = lab.role("flux-secrets");
    let key = lab.key("us-west-2", &role);
    let mut repo = Repo::new();
    repo.write(".sops.yaml", &format!("creation_rules:\n- kms: {key}+{role}\n"))
        .transformer("decrypt.yaml", "");
    let mut dice = Dice::new(7, Oracle::Decrypted);
    let known: Vec<String> = (0..200).map(|_| dice.odd()).collect();
    let items: Vec<String> =
        known.iter().map(|text| format!("- a: {}\n- {}\n", quoted(text), quoted(text))).collect();
    repo.encrypt(&lab, "odd.yaml", &format!("list:\n{}", items.concat()));
    repo.kustomization(
        ".",
        "secretGenerator: [{name: odd, files: [odd.yaml]}]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n",
    );
    let built = values(&lab.build(&repo, ".", Mode::Plugin).ok());
    let read: serde_yaml::Value = serde_yaml::from_str(&built["odd.yaml"]).expect("YAML");
    for (number, text) in known.iter().enumerate() {
        assert_eq!(read["list"][2 * number]["a"].as_str(), Some(text.as_str()), "in a mapping");
        assert_eq!(read["list"][2 * number + 1].as_str(), Some(text.as_str()), "in a list");
    }
}
