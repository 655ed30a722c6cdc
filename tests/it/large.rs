//! An origin file that is larger than what is held of one at a time: it is read in windows, and must come out, or be refused, as
//! any other.

use std::fmt::Write as _;

use krm_sops::diagnostics::Code;
use krm_sops::sops::SealedFile;

use crate::support::expect::refused;
use crate::support::platform::one_rule;
use crate::support::run::Finished;
use crate::support::{Lab, Repo};

const SECRETS: usize = 2_000;
const FILE: &str = "secrets/a/many.yaml";

/// A repository with the file, and what kustomize would send of it.
struct Large {
    lab: Lab,
    repo: Repo,
    plain: String,
    input: String,
}

impl Large {
    fn new() -> Self {
        let (lab, mut repo, _) = one_rule("a");
        let plain = plain();
        repo.encrypt(&lab, FILE, &plain);
        let text = repo.read(FILE);
        assert!(text.len() as u64 > 2 * SealedFile::WINDOW, "{}", text.len());
        let origin = format!(
            "metadata:\n    annotations:\n        config.kubernetes.io/origin: |\n            path: {FILE}\n"
        );
        let input = text.replace("metadata:\n", &origin);
        Self { lab, repo, plain, input }
    }

    fn decrypt(&self) -> Finished {
        self.lab.decrypt(&self.repo, &["-C", ".", "--set", "stripOrigin=all"], &self.input)
    }
}

/// Secrets of two values each; every tenth document is something else, and in the clear but for its `sops` block.
fn plain() -> String {
    let mut text = String::new();
    for number in 0..SECRETS {
        let separator = if number == 0 { "" } else { "---\n" };
        let (kind, field) =
            if number % 10 == 9 { ("ConfigMap", "settings") } else { ("Secret", "stringData") };
        let long = format!("v{number:06} ").repeat(140);
        let _ = write!(
            text,
            "{separator}apiVersion: v1\nkind: {kind}\nmetadata:\n    name: number-{number}\n{field}:\n    long: {}\n    short: known-{number}\n",
            long.trim_end()
        );
    }
    text
}

#[test]
fn what_comes_out_is_what_went_in() {
    let large = Large::new();
    let decrypted = large.decrypt().ok();
    assert!(decrypted == large.plain, "it differs from what was encrypted");
    assert_eq!(large.lab.calls().iter().filter(|call| call.action == "Decrypt").count(), 1);
}

#[test]
fn a_change_anywhere_is_noticed() {
    let large = Large::new();
    let original = large.repo.read(FILE);
    let last = format!("name: number-{}", SECRETS - 1);
    let broken = original.replace(&last, "name: [");
    let line = original.lines().take_while(|line| !line.contains(&last)).count() + 3;
    for (changed, code, also) in [
        (original.replace(&last, "name: number-x"), Code::MacMismatch, String::new()),
        // A document is taken out of the middle.
        (without(&original, "name: number-700\n"), Code::MacMismatch, String::new()),
        (
            original.replace("name: number-1999\n", "name: number-1999\n    name: x\n"),
            Code::BadMetadata,
            String::from("the same key twice"),
        ),
        (broken, Code::BadMetadata, format!("line {line}")),
        (original.replacen("\nsops:", "\nspos:", 1), Code::NotInOrigin, String::new()),
    ] {
        assert_ne!(changed, original);
        large.repo.write(FILE, &changed);
        refused(&large.lab, &large.repo, &large.decrypt(), &[code], &[FILE, &also]);
    }
    large.repo.write(FILE, &original);
    large.decrypt().ok();
}

/// The text without the document that holds this line.
fn without(text: &str, line: &str) -> String {
    text.split("---\n").filter(|document| !document.contains(line)).collect::<Vec<_>>().join("---\n")
}
