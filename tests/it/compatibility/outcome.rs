//! What a build came to, as a cell of the table says it.

use std::sync::OnceLock;

use krm_sops::diagnostics::Code;
use regex::Regex;

use super::Row;
use super::case::Case;
use crate::support::build::normalised;
use crate::support::{Finished, Mode, expect};

/// What has to come out.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    /// The oracle's build.
    Decrypted,
    /// Likewise, but a filter comes too late for the hashes in names.
    DecryptedAndHashed,
    /// Likewise, but kustomize fails with every function here, even one that changes nothing.
    DecryptedButByAFunction,
    /// A refusal with this code and no other, and not a byte on stdout.
    Refused(Code),
    /// A build that kustomize gives, with this encrypted.
    LeftEncrypted,
}

const LATE_HASH: &str = "decrypted, but names have the ciphertext's hash";

/// Builds a case in a mode.
pub(super) fn cell(row: &Row, case: &Case, mode: Mode) -> String {
    let built = case.lab.build(&case.repo, &case.directory, mode);
    let what = format!("{} ({mode:?})", row.feature);
    match row.expected {
        Expected::Refused(code) => {
            expect::refused(&case.lab, &case.repo, &built, &[code], &[]);
            assert!(built.stdout.is_empty(), "{what}: {built}");
            let codes = codes(&built, "error");
            assert_eq!(codes, [format!("`{code}`")], "{what}: {built}");
            format!("refused: {}", codes.concat())
        }
        Expected::LeftEncrypted => {
            assert!(built.code == Some(0) && built.stdout.contains("ENC["), "{what}: {built}");
            with_said("left encrypted", &built, mode)
        }
        Expected::DecryptedButByAFunction if mode == Mode::Function => {
            assert!(built.code == Some(1) && built.stderr.contains("wrong node kind"), "{what}: {built}");
            "refused by kustomize, with any function".to_owned()
        }
        Expected::Decrypted | Expected::DecryptedAndHashed | Expected::DecryptedButByAFunction => {
            assert!(built.code == Some(0), "{what}: {built}");
            let late = mode == Mode::Filter && matches!(row.expected, Expected::DecryptedAndHashed);
            let form: fn(&str) -> String = match mode {
                Mode::Plugin | Mode::Function => str::to_owned,
                Mode::Filter if late => |text| without_hashes(&normalised(text)),
                Mode::Filter => normalised,
            };
            let (got, expected) = (form(&built.stdout), form(case.expected()));
            assert!(got == expected, "{what}\n--- oracle ---\n{expected}\n--- built ---\n{got}");
            with_said(if late { LATE_HASH } else { "decrypted" }, &built, mode)
        }
    }
}

/// Has krm-sops decrypt a package as kpt does. `None`: the case is none, or is not there to be decrypted.
pub(super) fn package_cell(row: &Row, case: &Case) -> Option<String> {
    if !matches!(row.expected, Expected::Decrypted | Expected::DecryptedButByAFunction) {
        return None;
    }
    let (list, expected) = case.package()?;
    let decrypted = case.lab.function(&case.repo, ".", &list);
    assert!(decrypted.code == Some(0), "{} (kpt): {decrypted}", row.feature);
    // kustomize takes a list for what is in it, and kpt's annotations for nothing to print.
    let got = normalised(&decrypted.stdout);
    assert!(got == expected, "{} (kpt)\n--- sops -d ---\n{expected}\n--- ours ---\n{got}", row.feature);
    Some(with_said("decrypted", &decrypted, Mode::Filter))
}

/// The outcome, and the warnings and notes where a user sees them.
fn with_said(outcome: &str, built: &Finished, mode: Mode) -> String {
    let said = [codes(built, "warning"), codes(built, "info")].concat();
    if said.is_empty() || !mode.shows_warnings() {
        outcome.to_owned()
    } else {
        format!("{outcome} ({})", said.join(", "))
    }
}

/// The codes that a run said with this severity, each once.
pub(super) fn codes(built: &Finished, severity: &str) -> Vec<String> {
    let head = format!("{severity}[");
    let mut codes: Vec<String> = Vec::new();
    for line in built.stderr.lines() {
        // kustomize puts its own word before what an exec plugin says.
        let line = line.strip_prefix("Error: ").unwrap_or(line);
        let code = line.strip_prefix(&head).and_then(|rest| rest.split_once(']'));
        codes.extend(code.map(|(code, _)| format!("`{code}`")));
    }
    codes.dedup();
    codes
}

/// A stream whose names have lost the hashes that kustomize gave them.
fn without_hashes(stream: &str) -> String {
    static HASH: OnceLock<Regex> = OnceLock::new();
    let hash = HASH.get_or_init(|| Regex::new("(?m)^( +name: .*)-[bcdfghkmt2456789]{10}$").expect("a regex"));
    hash.replace_all(stream, "$1").into_owned()
}
