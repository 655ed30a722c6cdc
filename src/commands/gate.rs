//! `gate`: nothing encrypted leaves a pipeline. kustomize skips an exec function silently where `--enable-exec` is
//! missing, and then prints ciphertext with exit status 0.

use std::process::ExitCode;

use super::{print, refuse, say, stdin_text};
use crate::diagnostics::{Code, Place, Problem, Report, Severity};
use crate::krm::{Input, Item};

/// Passes stdin through, if no item of it is encrypted.
#[must_use]
pub fn run() -> ExitCode {
    let text = match stdin_text() {
        Ok(text) => text,
        Err(problem) => return refuse(problem),
    };
    let input = match Input::parse(&text) {
        Ok(input) => input,
        Err(problem) => return refuse(problem),
    };
    let mut report = Report::default();
    for item in &input.items {
        if let Some(problem) = left_encrypted(item) {
            let place = Place { item: Some(item.name()), ..Place::default() };
            report.add(Severity::Error, problem, place);
        }
    }
    let refused = report.refuses();
    say(&report.into_diagnostics());
    if refused { ExitCode::FAILURE } else { print(&text) }
}

/// What shows that an item was not decrypted.
fn left_encrypted(item: &Item<'_>) -> Option<Problem> {
    let mut fields: Vec<String> = item.sealed().iter().map(|sealed| sealed.path.to_string()).collect();
    // kustomize scatters the metadata of an encrypted dotenv file over the keys.
    let data = ["data", "stringData"].into_iter().filter_map(|field| Some((field, item.node().find(field)?)));
    for (field, node) in data {
        let keys = node.entries().iter().filter_map(|entry| entry.key.text());
        fields.extend(keys.filter(|key| *key == "sops_mac").map(|key| format!("{field}.{key}")));
    }
    if item.sops().is_some() {
        fields.push(String::from("sops"));
    }
    let problem = Problem::new(Code::LeftEncrypted, "the manifest holds an item that was not decrypted")
        .because("the transformer did not run: kustomize skips an exec function without --enable-exec, and says nothing")
        .help("build with --enable-alpha-plugins and, for exec functions, --enable-exec");
    (!fields.is_empty()).then(|| problem.at(fields.join(", ")))
}
