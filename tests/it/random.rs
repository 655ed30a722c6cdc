//! Random trees, encrypted by the real sops, against the oracle. `KRM_SOPS_CASES` sets how many trees are tried.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use std::collections::BTreeMap;

use crate::support::build::kustomize;
use crate::support::run::run;
use crate::support::{EAST, Mode, Platform, Repo, WEST};

use serde::Deserialize as _;

/// Strings that some reader of YAML takes for something else, or that need care to be written.
const NASTY: &[&str] = &[
    "yes",
    "no",
    "on",
    "y",
    "null",
    "~",
    "true",
    "0777",
    "0o17",
    "1_000",
    "1e3",
    "0x1F",
    ".inf",
    ".nan",
    "2001-12-14",
    "12:30:45",
    "=",
    "<<",
    "-",
    "?",
    ":",
    "- a",
    "a: b",
    "a #b",
    "#c",
    "%d",
    "@e",
    "*f",
    "&g",
    "!h",
    "'",
    "\"",
    "{",
    "[a]",
    "a,b",
    " lead",
    "trail ",
    "tab\there",
    "two\nlines",
    "two\nlines\n",
    "\nlead",
    "  in\n dented\n",
    "many\n\n\n",
    "cr\rlf\r\n",
    "\\",
    "\\n",
    "nel\u{85}",
    "ls\u{2028}",
    "bom\u{feff}",
    "😀 astral",
    "é",
    "ENC[not really]",
    "|",
    ">",
    "---",
    "...",
    "\u{1}x",
    "`",
    "a\u{a0}b",
    "",
    "\tlead",
];

/// What strings of chance are made of: what some reader or writer of YAML takes for something special.
const ODD: &[&str] = &[
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "\r",
    "\r\n",
    "#",
    ":",
    ": ",
    "-",
    "- ",
    "|",
    ">",
    "?",
    "\"",
    "'",
    "\\",
    "{",
    "]",
    ",",
    "%",
    "~",
    "&",
    "*",
    "!",
    "@",
    "=",
    "<<",
    "a",
    "Z",
    "0",
    "1",
    "e",
    ".",
    "_",
    "x",
    "---",
    "...",
    "null",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{1}",
    "\u{1b}",
    "\u{ad}",
    "é",
    "😀",
    "\u{10ffff}",
    "\u{fffd}",
    "ENC[AES256_GCM,",
    "$(A)",
    "${A}",
];

/// The parts of a repository that have a rule each: a name and a selector. None encrypts a kind or a name: kustomize keeps
/// those in lists with commas, and panics at a ciphertext.
const PARTS: &[(&str, &str)] = &[
    (WEST, "encrypted_regex: \"^(data|stringData)$\""),
    (EAST, "encrypted_regex: \"^(data|stringData)$\""),
    ("all", "unencrypted_regex: ^(apiVersion|kind|metadata)$"),
    ("some", "encrypted_suffix: \".1\""),
    ("most", "unencrypted_regex: ^(apiVersion|kind|metadata|k1.*)$"),
    ("only", "encrypted_regex: ^data$\n    mac_only_encrypted: true"),
];

/// What is done to a tree on its way.
const CHANGES: &[&str] = &[
    "",
    "namePrefix: p-\nnameSuffix: -s\n",
    "namespace: team\n",
    "labels: [{pairs: {a: b}}]\n",
    "commonAnnotations: {one: 'no', two: '1'}\n",
    "patches: [{target: {kind: Secret}, patch: '- {op: add, path: /stringData/new, value: \"0777\"}'}]\n",
    "patches: [{target: {kind: ConfigMap}, patch: '- {op: remove, path: /data/key0}'}]\n",
    "patches: [{target: {kind: Thing}, patch: '- {op: replace, path: /data, value: {gone: true}}'}]\n",
];

/// A linear congruential generator (Knuth's MMIX): the same trees on every machine.
pub(crate) struct Dice {
    state: u64,
    /// What the oracle is.
    oracle: Oracle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oracle {
    /// What sops prints. It prints some strings so that no reader gets them back: none of those.
    Decrypted,
    /// What was encrypted. sops prints times in another form: none of those.
    Source,
}

impl Dice {
    pub(crate) fn new(state: u64, oracle: Oracle) -> Self {
        Self { state, oracle }
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.state >> 33) % sides as u64).expect("fewer than the sides")
    }

    /// None with a line break of Unicode or a tab in front where sops has to print it as a part of a longer text.
    fn nasty(&mut self) -> &'static str {
        let text = NASTY[self.roll(NASTY.len())];
        let unprintable = text.contains(['\u{85}', '\u{2028}', '\u{feff}']) || text.starts_with('\t');
        if unprintable && self.oracle == Oracle::Decrypted { "plain" } else { text }
    }

    /// A string of up to a dozen odd pieces.
    pub(crate) fn odd(&mut self) -> String {
        (0..self.roll(12)).map(|_| ODD[self.roll(ODD.len())]).collect()
    }

    /// A text of some pieces. None ends with a line break of Unicode: kustomize breaks no line of its own behind it, and puts
    /// the next document's `---` there, so that nobody reads back what it prints.
    pub(crate) fn text(&mut self) -> String {
        let mut text =
            if self.oracle == Oracle::Source && self.roll(2) == 0 { self.odd() } else { self.nasty_text() };
        if text.ends_with(['\u{85}', '\u{2028}', '\u{2029}']) {
            text.push('.');
        }
        text
    }

    fn nasty_text(&mut self) -> String {
        let mut text = self.nasty().to_owned();
        for _ in 0..self.roll(3) {
            let more = self.nasty();
            text.push_str(["", " ", "\n"][self.roll(3)]);
            text.push_str(more);
        }
        if self.roll(20) == 0 { text.repeat(200) } else { text }
    }

    /// A value of any type, in JSON.
    pub(crate) fn value(&mut self, depth: usize) -> String {
        match self.roll(if depth > 3 { 7 } else { 9 }) {
            0 => ["true", "false", "null"][self.roll(3)].to_owned(),
            1 => format!("{}", i64::try_from(self.roll(1 << 30)).expect("small") - (1 << 29)),
            2 => ["0.5", "-1.25", "1e21", "1e-7", "123456789.125"][self.roll(5)].to_owned(),
            3 if self.oracle == Oracle::Source => ["0o17", "0x1F", "1_000", "yes"][self.roll(4)].to_owned(),
            3 => ["0o17", "0x1F", "1_000", "2001-12-14", "2001-12-14T21:59:43.10-05:00", "yes"][self.roll(6)]
                .to_owned(),
            4..7 => quoted(&self.text()),
            7 => {
                let items: Vec<String> = (0..self.roll(4)).map(|_| self.value(depth + 1)).collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.mapping(depth + 1),
        }
    }

    pub(crate) fn mapping(&mut self, depth: usize) -> String {
        let entries: Vec<String> = (0..self.roll(5))
            .map(|number| format!("\"k{number}.{}\": {}", self.roll(9), self.value(depth)))
            .collect();
        format!("{{{}}}", entries.join(", "))
    }

    fn strings(&mut self) -> String {
        let entries: Vec<String> =
            (0..=self.roll(6)).map(|number| format!("\"key{number}\": {}", quoted(&self.text()))).collect();
        format!("{{{}}}", entries.join(", "))
    }

    /// A file of so many resources.
    fn file(&mut self, name: &str, resources: usize) -> String {
        let mut text = String::new();
        for number in 0..resources {
            let (head, body) = match self.roll(3) {
                0 => ("apiVersion: v1\nkind: Secret", format!("stringData: {}", self.strings())),
                1 => ("apiVersion: v1\nkind: ConfigMap", format!("data: {}", self.strings())),
                _ => ("apiVersion: example.com/v1\nkind: Thing", format!("data: {}", self.mapping(0))),
            };
            let separator = if number == 0 { "" } else { "---\n" };
            let _ = write!(
                text,
                "{separator}{head}\nmetadata: {{name: {name}-{number}, labels: {{n: '{number}'}}}}\n{body}\n"
            );
        }
        text
    }

    /// A file of one resource in JSON.
    fn json_file(&mut self, name: &str) -> String {
        let strings = self.strings();
        let (kind, field) = [("Secret", "stringData"), ("ConfigMap", "data")][self.roll(2)];
        format!(
            r#"{{"kind": "{kind}", "apiVersion": "v1", "{field}": {strings}, "metadata": {{"name": "{name}"}}}}"#
        )
    }
}

/// A string in JSON, with an escape for what Go's reader of YAML does not take as it is.
pub(crate) fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a string is JSON");
    json.chars().fold(String::new(), |mut all, c| {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
            let _ = write!(all, "\\u{:04x}", u32::from(c));
        } else {
            all.push(c);
        }
        all
    })
}

/// A repository with a rule for each part.
fn parts() -> Platform {
    let platform = Platform::empty();
    let mut rules = String::from("creation_rules:\n");
    for (number, (part, selector)) in PARTS.iter().enumerate() {
        let key = [&platform.west, &platform.east][number % 2];
        let role = &platform.role;
        let _ = write!(
            rules,
            "  - path_regex: secrets/{part}/\n    {selector}\n    key_groups: [{{kms: [{{arn: '{key}', role: '{role}'}}]}}]\n"
        );
    }
    platform.repo.write(".sops.yaml", &rules);
    platform
}

/// Such a repository, with some files in some of its parts; built as `top`.
fn tree(dice: &mut Dice) -> Platform {
    let mut platform = parts();
    let mut resources = Vec::new();
    for number in 0..=dice.roll(3) {
        let (part, _) = PARTS[dice.roll(PARTS.len())];
        let name = format!("r{number}");
        let (extension, text) = match dice.roll(4) {
            0 => ("json", dice.json_file(&name)),
            extension => {
                let documents = 1 + dice.roll(3);
                (["yml", "yaml", "yaml"][extension - 1], dice.file(&name, documents))
            }
        };
        let directory = format!("secrets/{part}/{name}");
        platform.repo.encrypt(&platform.lab, &format!("{directory}/{name}.{extension}"), &text);
        platform.repo.kustomization(&directory, &format!("resources: [{name}.{extension}]\n"));
        resources.push(format!("../{directory}"));
    }
    kustomizations(&platform.repo, &resources, dice);
    platform
}

/// Lists resources in `base`, builds that as `top`, and changes something in each.
fn kustomizations(repo: &Repo, resources: &[String], dice: &mut Dice) {
    let list = resources.join(", ");
    let [inner, outer] = [CHANGES[dice.roll(CHANGES.len())], CHANGES[dice.roll(CHANGES.len())]];
    repo.kustomization("base", &format!("resources: [{list}]\n{inner}"));
    let head = "resources: [../base]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n";
    repo.kustomization("top", &format!("{head}{outer}")).transformer("top/decrypt.yaml", "");
}

pub(crate) fn cases() -> u64 {
    std::env::var("KRM_SOPS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

/// Whether a tree could be compared.
fn compare(case: u64) -> bool {
    let platform = tree(&mut Dice::new(case, Oracle::Decrypted));
    // Of some block scalars, sops prints what kustomize cannot read; and not every patch fits every tree.
    let expected = platform.lab.ask_oracle(&platform.repo, "top");
    if expected.code != Some(0) {
        return false;
    }
    let built = AssertUnwindSafe(|| platform.lab.assert_builds(&platform.repo, "top", &expected.stdout));
    catch_unwind(built).unwrap_or_else(|_| panic!("this was case {case}"));
    true
}

#[test]
fn random_repositories_are_built_as_the_oracle_builds_them() {
    let cases = cases();
    let compared = in_two_threads(cases, compare);
    assert!(compared as u64 * 2 > cases, "only {compared} of {cases} could be compared");
}

/// For how many numbers below this a comparison could be made.
fn in_two_threads(numbers: u64, compare: fn(u64) -> bool) -> usize {
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|first| {
            scope.spawn(move || (first..numbers).step_by(2).filter(|number| compare(*number)).count())
        });
        halves
            .map(|half| half.join().expect("a tree differs from the oracle; what differs is above"))
            .iter()
            .sum()
    })
}

/// How many resources are in a file of a batch.
const IN_A_FILE: usize = 20;

/// How many of [`PARTS`], from the first, leave no value of chance in the clear. sops itself gets some such strings wrong:
/// what it writes is not what it has hashed, and it refuses its own file.
const WHOLE_PARTS: usize = 3;

/// Starting sops is what takes time, so a batch is some files of many resources, each of which is a case. The oracle is
/// what was encrypted.
fn compare_batch(batch: u64) -> bool {
    let mut dice = Dice::new(batch, Oracle::Source);
    let mut platform = parts();
    let mut resources = Vec::new();
    let mut plain = Vec::new();
    for (number, (part, _)) in PARTS.iter().take(WHOLE_PARTS).enumerate() {
        let directory = format!("secrets/{part}/r{number}");
        let text = dice.file(&format!("r{number}"), IN_A_FILE);
        platform.repo.encrypt(&platform.lab, &format!("{directory}/all.yaml"), &text);
        platform.repo.kustomization(&directory, "resources: [all.yaml]\n");
        plain.push((format!("{directory}/all.yaml"), text));
        resources.push(format!("../{directory}"));
    }
    kustomizations(&platform.repo, &resources, &mut dice);
    let source = platform.repo.copy();
    for (path, text) in &plain {
        source.write(path, text);
    }
    source.tamper("top/kustomization.yaml", |text| text.replace("transformers: [decrypt.yaml]\n", ""));
    let expected = run(&mut kustomize(&source, &["top"]), "");
    // Not every patch fits every tree.
    if expected.code != Some(0) {
        return false;
    }
    let built = AssertUnwindSafe(|| platform.lab.assert_builds(&platform.repo, "top", &expected.stdout));
    catch_unwind(built).unwrap_or_else(|_| panic!("this was batch {batch}"));
    let listed: Vec<&str> = plain.iter().map(|(path, _)| path.as_str()).collect();
    assert_generates(&platform, &source, &listed, &resources, batch);
    true
}

/// Asserts that a generator of these files gives what comes of the plain `source`, where they are resources.
fn assert_generates(platform: &Platform, source: &Repo, listed: &[&str], resources: &[String], batch: u64) {
    source.kustomization("listed", &format!("resources: [{}]\n", resources.join(", ")));
    let expected = run(&mut kustomize(source, &["listed"]), "").ok();
    platform.repo.kustomization("listed", "generators: [secrets.yaml]\n");
    let files: Vec<String> = listed.iter().map(|path| format!("../{path}")).collect();
    platform.repo.transformer("listed/secrets.yaml", &format!("files: [{}]\n", files.join(", ")));
    for mode in [Mode::Plugin, Mode::Function] {
        let built = platform.lab.build(&platform.repo, "listed", mode).ok();
        assert!(
            built == expected,
            "batch {batch}, {mode:?}\n--- plain ---\n{expected}\n--- built ---\n{built}"
        );
    }
}

#[test]
fn resources_of_many_come_out_as_they_went_in() {
    let batches = cases().div_ceil(5);
    let compared = in_two_threads(batches, compare_batch);
    assert!(compared as u64 * 2 > batches, "only {compared} of {batches} could be compared");
}

/// The strings below `stringData` of the Secret that is alone in a stream.
fn strings(stream: &str) -> BTreeMap<String, String> {
    let document = serde_yaml::Value::deserialize(serde_yaml::Deserializer::from_str(stream));
    let document = document.unwrap_or_else(|error| panic!("{error}: {stream}"));
    serde_yaml::from_value(document["stringData"].clone()).unwrap_or_else(|error| panic!("{error}: {stream}"))
}

/// Here the oracle is what was encrypted: sops prints some of these so that no reader gets them back.
#[test]
fn odd_strings_come_out_as_they_went_in() {
    for case in 0..cases().div_ceil(20) {
        let mut dice = Dice::new(case, Oracle::Source);
        let known: BTreeMap<String, String> =
            (0..300).map(|number| (format!("k{number}"), dice.odd())).collect();
        let entries: Vec<String> =
            known.iter().map(|(key, text)| format!("  {key}: {}\n", quoted(text))).collect();
        let entries = entries.concat();
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: odd}}\nstringData:\n{entries}");
        let mut platform = Platform::empty();
        platform.secret(WEST, "odd.yaml", &text);
        platform.cluster(WEST, "");
        let directory = format!("clusters/{WEST}");
        let filtered = platform.lab.build(&platform.repo, &directory, Mode::Filter).ok();
        for (key, text) in strings(&filtered) {
            assert_eq!(known[&key], text, "case {case}, {key}");
        }
        assert_eq!(strings(&filtered).len(), known.len());
        let plain = Repo::new();
        plain
            .write(&format!("secrets/{WEST}/odd.yaml"), &text)
            .kustomization(&format!("secrets/{WEST}"), "resources: [odd.yaml]\n")
            .kustomization(
                &directory,
                &format!("buildMetadata: [originAnnotations]\nresources: [../../secrets/{WEST}]\n"),
            );
        let expected = run(&mut kustomize(&plain, &[&directory]), "").ok();
        for mode in [Mode::Plugin, Mode::Function] {
            let built = platform.lab.build(&platform.repo, &directory, mode).ok();
            assert!(
                built == expected,
                "case {case}, {mode:?}\n--- plain ---\n{expected}\n--- built ---\n{built}"
            );
        }
    }
}

#[test]
fn every_nasty_string_comes_out_as_it_went_in() {
    let mut platform = Platform::empty();
    let entries: Vec<String> =
        NASTY.iter().enumerate().map(|(number, text)| format!("  k{number}: {}\n", quoted(text))).collect();
    let text =
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: nasty}}\nstringData:\n{}", entries.concat());
    platform.secret(WEST, "nasty.yaml", &text);
    platform.cluster(WEST, "");
    platform.assert_decrypts();
}
