//! Random trees, encrypted by the real sops, against the oracle. `KRM_SOPS_CASES` sets how many repositories are tried.

use std::fmt::Write as _;

use crate::support::{Platform, WEST};

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
];

/// A linear congruential generator (Knuth's MMIX): the same trees on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).expect("fewer than the sides")
    }

    /// None with a line break of Unicode: in longer texts sops prints those so that no reader gets them back, and
    /// then the oracle is wrong.
    fn nasty(&mut self) -> &'static str {
        let text = NASTY[self.roll(NASTY.len())];
        if text.contains(['\u{85}', '\u{2028}', '\u{feff}']) { "plain" } else { text }
    }

    fn text(&mut self) -> String {
        let mut text = self.nasty().to_owned();
        for _ in 0..self.roll(3) {
            let more = self.nasty();
            text.push_str(["", " ", "\n"][self.roll(3)]);
            text.push_str(more);
        }
        if self.roll(20) == 0 { text.repeat(200) } else { text }
    }

    /// A value of any type, in JSON.
    fn value(&mut self, depth: usize) -> String {
        match self.roll(if depth > 3 { 6 } else { 8 }) {
            0 => ["true", "false", "null"][self.roll(3)].to_owned(),
            1 => format!("{}", i64::try_from(self.roll(1 << 30)).expect("small") - (1 << 29)),
            2 => ["0.5", "-1.25", "1e21", "1e-7", "123456789.125"][self.roll(5)].to_owned(),
            3..6 => quoted(&self.text()),
            6 => {
                let items: Vec<String> = (0..self.roll(4)).map(|_| self.value(depth + 1)).collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.mapping(depth + 1),
        }
    }

    fn mapping(&mut self, depth: usize) -> String {
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

    /// A file of one to three resources.
    fn file(&mut self, name: &str) -> String {
        let mut text = String::new();
        for number in 0..=self.roll(3) {
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
}

/// A string in JSON, with an escape for what Go's reader of YAML does not take as it is.
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a string is JSON");
    json.chars().fold(String::new(), |mut all, c| {
        if c.is_control() || c == '\u{feff}' {
            let _ = write!(all, "\\u{:04x}", u32::from(c));
        } else {
            all.push(c);
        }
        all
    })
}

#[test]
fn random_repositories_are_built_as_the_oracle_builds_them() {
    let cases = std::env::var("KRM_SOPS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6);
    let mut compared = 0;
    for case in 0..cases {
        let mut dice = Dice(case);
        let mut platform = Platform::empty();
        for number in 0..8 {
            let name = format!("r{number}");
            let text = dice.file(&name);
            platform.secret(WEST, &format!("{name}.yaml"), &text);
        }
        let more = ["", "namePrefix: p-\n", "namespace: team\n", "labels: [{pairs: {a: b}}]\n"][dice.roll(4)];
        platform.cluster(WEST, more);
        // Of some block scalars, sops prints what kustomize cannot read.
        if platform.lab.ask_oracle(&platform.repo, &format!("clusters/{WEST}")).code == Some(0) {
            platform.assert_decrypts();
            compared += 1;
        }
    }
    assert!(compared * 2 > cases, "only {compared} of {cases} could be compared");
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
