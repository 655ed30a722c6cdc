//! `explain`: why a file is, or is not, decrypted as it is. No keys, no network.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{print, refuse};
use crate::config::Config;
use crate::diagnostics::{Problem, escape_untrusted};
use crate::edge::{self, Disk};
use crate::locate::{Base, Locator, Ruled};
use crate::origin::Origin;
use crate::rule::Rule;

/// Explains files, in order.
#[must_use]
pub fn run(files: &[PathBuf]) -> ExitCode {
    let mut text = String::new();
    for file in files {
        match explain(file) {
            Ok(explained) => text.push_str(&explained),
            Err(problem) => return refuse(problem),
        }
    }
    print(&text)
}

fn explain(file: &Path) -> Result<String, Problem> {
    let file = edge::working_directory().join(file);
    let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let base = Base::Built { directory: directory.clone(), config_directory: directory };
    let mut locator = Locator::new(&Disk, &base, &Config::default(), [])?;
    let located = locator.origin_file(&Origin::Built(name))?;
    let Ruled { rules, path } = locator.rules_for(&located)?;
    let mut text = format!(
        "{}\n  rules:  {}\n  path:   {path} (what path_regex is matched against)\n",
        located.shown,
        rules.source()
    );
    let covering = rules.for_path(&path);
    for rule in
        rules.all().iter().take_while(|rule| covering.is_none_or(|found| found.position != rule.position))
    {
        let _ = writeln!(text, "  passed: rule {} does not match{}", rule.position, regex_of(rule));
    }
    match covering {
        Some(rule) => describe(rule, &mut text),
        None => text.push_str("  rule:   none; its Secrets would be refused with no-rule\n"),
    }
    Ok(text)
}

fn regex_of(rule: &Rule) -> String {
    rule.path_regex
        .as_ref()
        .map_or_else(String::new, |regex| format!(" (path_regex: {})", escape_untrusted(regex)))
}

fn describe(rule: &Rule, text: &mut String) {
    let _ = writeln!(text, "  rule:   {} is the first that matches{}", rule.position, regex_of(rule));
    for (index, group) in rule.groups.iter().enumerate() {
        for allowed in group {
            let _ = writeln!(
                text,
                "  key:    group {}: {} {}",
                index + 1,
                allowed.key.kind,
                escape_untrusted(&allowed.key.to_string())
            );
            if let Some(role) = &allowed.role {
                let _ = writeln!(text, "  role:   {}", escape_untrusted(role));
            }
        }
    }
    let _ = writeln!(text, "  values: {}", rule.selector);
}
