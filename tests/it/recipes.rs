//! The recipes of docs/recipes.md: their files are read as the orchestrator would read them, and what they say is done here.

mod argocd;
mod ci;
mod flux;
mod kpt;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_yaml::Value;

use crate::support::run::{self, Finished, krm_sops, run, source};
use crate::support::{Lab, Repo};

/// The directories below examples/ that are recipes. They are not built by one command, but by what the recipe says.
pub(crate) const RECIPES: &[&str] = &["argocd", "ci", "kpt"];

/// The documents of a YAML stream.
fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_yaml::from_str(document).expect("YAML")).collect()
}

/// The text of a scalar.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no string")).to_owned()
}

/// The items of a list; none where there is no list.
fn list(value: &Value) -> &[Value] {
    value.as_sequence().map_or(&[], Vec::as_slice)
}

/// The entries of a mapping of strings; none where there is none.
fn strings(value: &Value) -> Vec<(String, String)> {
    let entries = value.as_mapping().into_iter().flatten();
    entries.map(|(name, value)| (text(name), text(value))).collect()
}

/// Someone changes an encrypted file without sops.
fn tamper(repo: &Repo, file: &str) {
    repo.tamper(file, |text| text.replacen("metadata:\n    name: ", "metadata:\n    name: x", 1));
}

/// A program in a lab, with these directories before those of the tester's `PATH`.
fn program(lab: &Lab, name: &str, directories: &[&Path]) -> Command {
    let mut command = run::command(Path::new(name));
    let path: Vec<String> = directories.iter().map(|directory| directory.display().to_string()).collect();
    let rest = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{}:{rest}", path.join(":"), run::tool("bin").display()));
    lab.for_caller(&mut command);
    command
}

#[test]
fn the_page_has_every_recipe_and_only_commands_that_there_are() {
    let page = fs::read_to_string(source("docs/recipes.md")).expect("docs/recipes.md");
    for recipe in RECIPES {
        assert!(
            page.contains(&format!("](../examples/{recipe}")),
            "docs/recipes.md does not lead to {recipe}"
        );
    }
    let help = run(run::command(krm_sops()).arg("--help"), "").ok();
    let documents = ["docs/recipes.md", "docs/troubleshooting.md", "README.md"];
    let texts = documents.map(|document| fs::read_to_string(source(document)).expect("a document"));
    let mut named = 0;
    for used in texts.iter().flat_map(|text| text.split("krm-sops ").skip(1)) {
        // What follows the name in code is a command; in prose it is prose, and begins with none of these letters.
        let word: String = used.chars().take_while(char::is_ascii_alphanumeric).collect();
        if ["decrypt", "explain", "check", "init", "gate", "install", "schema", "completions"]
            .contains(&word.as_str())
        {
            assert!(help.contains(&format!("\n  {word}")), "{word}");
            named += 1;
        }
    }
    assert!(named > 10);
}

/// Asserts that a pipeline failed, and gave away nothing of what the examples encrypt.
#[track_caller]
fn assert_failed(finished: &Finished, code: &str) {
    assert!(finished.code.is_some_and(|code| code != 0), "it should have failed: {finished}");
    assert!(finished.stderr.contains(code), "{finished}");
    assert!(!finished.stdout.contains("demo-") && !finished.stderr.contains("demo-"), "{finished}");
}
