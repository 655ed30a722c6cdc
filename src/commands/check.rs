//! `check`: what a build would refuse, found in a tree without keys or network. For a pre-commit hook and for CI.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{print, refuse, say};
use crate::config::{Config, RolePolicy};
use crate::diagnostics::{Code, Place, Problem, Report, Severity};
use crate::edge::{self, Disk};
use crate::files::Files;
use crate::keys::Keys;
use crate::krm::Input;
use crate::locate::{Base, Located, Locator, Ruled};
use crate::master_key::KeyKind;
use crate::origin::Origin;
use crate::policy::{Authority, Sealed, Terms, authorise};
use crate::rule::Rule;
use crate::sops::{Format, SealedFile};
use crate::source::wants_encrypted;

/// Checks every file below a directory: those that are encrypted, in whatever format, and resources that should be.
#[must_use]
pub fn run(directory: &Path) -> ExitCode {
    let directory = edge::working_directory().join(directory);
    let files = match edge::walk(&directory) {
        Ok(files) => files,
        Err((path, error)) => {
            let problem = Problem::new(Code::BadInput, "a directory cannot be listed");
            return refuse(problem.because(format!("{}: {error}", path.display())));
        }
    };
    let base = Base::Built { directory: directory.clone(), config_directory: directory };
    let mut locator = match Locator::new(&Disk, &base, &Config::default(), []) {
        Ok(locator) => locator,
        Err(problem) => return refuse(problem),
    };
    let mut report = Report::default();
    let mut encrypted = 0;
    for file in files.iter().map(PathBuf::as_path).filter(|file| !is_hidden(file)) {
        encrypted += usize::from(check(file, &mut locator, &mut report));
    }
    let refused = report.refuses();
    say(&report.into_diagnostics());
    if refused {
        ExitCode::FAILURE
    } else {
        print(&format!("{encrypted} encrypted files, nothing to refuse\n"))
    }
}

fn is_hidden(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_manifest(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
}

/// Whether the file is encrypted.
fn check(file: &Path, locator: &mut Locator<'_>, report: &mut Report) -> bool {
    // What is no text or no resources is not ours to judge.
    let Some(text) = Disk.read(file).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return false;
    };
    let Ok(located) = locator.origin_file(&Origin::Built(file.to_string_lossy().into_owned())) else {
        return false;
    };
    let format = match Format::of_content(text.as_bytes()) {
        Some(format) => format,
        None if is_manifest(file) => Format::of_path(&located.shown),
        None => return false,
    };
    match SealedFile::parse(&text, format) {
        Ok(sealed) => {
            check_sealed(sealed, &located, locator, report);
            true
        }
        Err(problem) if problem.code == Code::NotEncrypted => {
            check_plain(&text, &located, locator, report);
            false
        }
        // Only a file that claims to be encrypted can be wrong as one.
        Err(problem) => {
            let claims = text.contains("ENC[AES256_GCM,");
            if claims {
                report.add(
                    Severity::Error,
                    problem,
                    Place { origin: Some(&located.shown), ..Place::default() },
                );
            }
            claims
        }
    }
}

fn check_sealed(sealed: SealedFile, located: &Located, locator: &mut Locator<'_>, report: &mut Report) {
    let place = Place { origin: Some(&located.shown), ..Place::default() };
    let structure = sealed.check_structure().err().unwrap_or_default();
    let ruled = locator.rules_for(located);
    let found = ruled.and_then(|Ruled { rules, path }| match rules.for_path(&path) {
        Some(rule) => Ok((rule.to_string(), check_against(sealed, rule))),
        None => {
            Err(Problem::new(Code::NoRule, format!("no creation rule of {} covers the file", rules.source())))
        }
    });
    match found {
        Ok((rule, drifted)) => {
            let place = Place { rule: Some(&rule), ..place };
            for problem in structure.into_iter().chain(drifted) {
                report.add(Severity::Error, problem, place);
            }
        }
        Err(problem) => report.add(Severity::Error, problem, place),
    }
}

/// How a file has drifted from its rule: in its keys, which a build refuses.
fn check_against(sealed: SealedFile, rule: &Rule) -> Option<Problem> {
    let usable = KeyKind::ALL.iter().copied().filter(|kind| Keys::supports(*kind)).collect();
    let terms = Terms { role: RolePolicy::AsRuled, profiles: false, usable };
    authorise(Sealed::File(sealed), Authority::Rule(rule), &terms).err()
}

fn check_plain(text: &str, located: &Located, locator: &mut Locator<'_>, report: &mut Report) {
    let Ok(input) = Input::parse(text) else { return };
    for item in input.items.iter().filter(|item| item.is_kind("Secret") && item.api_version() == "v1") {
        let Ok(Ruled { rules, path }) = locator.rules_for(located) else { return };
        if let Some(rule) = rules.for_path(&path).filter(|rule| wants_encrypted(rule, item)) {
            let rule = rule.to_string();
            let place = Place { item: Some(item.name()), origin: Some(&located.shown), rule: Some(&rule) };
            let what = "a Secret that a creation rule covers is not encrypted";
            report.add(Severity::Error, Problem::new(Code::NotEncrypted, what), place);
        }
    }
}
