//! docs/architecture.md as a test: which module may know which, and who touches the world.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::run::source;

/// What each module may use of the crate. The vocabulary is everyone's and uses only itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("diagnostics", &[]),
    ("field_path", &[]),
    ("files", &[]),
    ("master_key", &[]),
    ("secret", &[]),
    ("re2", &[]),
    ("selector", &["re2"]),
    ("yaml", &[]),
    ("krm", &["yaml"]),
    ("origin", &["yaml"]),
    ("rule", &["yaml", "re2", "selector"]),
    ("config", &["yaml", "re2", "rule"]),
    ("locate", &["config", "origin", "rule"]),
    ("sops", &["yaml", "selector"]),
    ("policy", &["config", "rule", "sops"]),
    ("keys", &[]),
    ("recover", &["keys", "policy", "sops"]),
    ("open", &["policy", "sops"]),
    ("source", &["config", "krm", "locate", "origin", "policy", "rule", "sops"]),
    ("write", &["config", "krm", "open", "sops", "yaml"]),
    ("run", &["config", "keys", "krm", "locate", "open", "origin", "policy", "recover", "source", "write"]),
    ("edge", &[]),
    (
        "commands",
        &["config", "edge", "keys", "krm", "locate", "origin", "policy", "rule", "run", "sops", "source"],
    ),
    ("cli", &["commands", "config", "edge", "locate"]),
];
const VOCABULARY: &[&str] = &["diagnostics", "field_path", "files", "master_key", "secret"];

/// The program's sources, without its unit tests.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut left = vec![source("src")];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("tests") {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
                && !path.ends_with("property.rs")
            {
                files.push(path);
            }
        }
    }
    files
}

/// A source without its inline tests and comments.
fn text(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source");
    let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    program.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The top-level module of a source.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(source("src")).expect("inside src");
    let first = inside.iter().next().expect("a name").to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn data_flows_one_way() {
    for path in sources() {
        let module = module(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
            panic!("{module} has no line in the table: add it here and in docs/architecture.md");
        });
        for used in text(&path).split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let known = MAY_USE.iter().any(|(name, _)| *name == used);
            let fine =
                used == module || VOCABULARY.contains(&used.as_str()) || allowed.contains(&used.as_str());
            assert!(!known || fine, "{} uses {used}, which {module} must not know", path.display());
        }
    }
}

#[test]
fn only_the_edge_touches_the_world() {
    for path in sources() {
        let text = text(&path);
        for call in
            ["std::fs", "std::env", "io::stdin", "io::stdout", "io::stderr", "println!", "process::exit"]
        {
            let edge = module(&path) == "edge";
            assert!(edge || !text.contains(call), "{} has {call}", path.display());
        }
    }
}

#[test]
fn no_source_needs_scrolling_for_long() {
    for path in sources() {
        let lines = fs::read_to_string(&path).expect("a source").lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
    assert!(text(&source("src/lib.rs")).contains("#![forbid(unsafe_code)]"));
}
