//! docs/architecture.md as a test: which module may know which, and who touches the world.

use std::collections::{BTreeMap, BTreeSet};
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
    ("service_address", &[]),
    ("parallel", &[]),
    ("re2", &[]),
    ("selector", &["re2"]),
    ("yaml", &["parallel"]),
    ("krm", &["parallel", "yaml"]),
    ("origin", &["yaml"]),
    ("rule", &["yaml", "re2", "selector"]),
    ("config", &["yaml", "re2", "rule"]),
    ("locate", &["config", "origin", "rule"]),
    ("sops", &["yaml", "selector", "parallel"]),
    ("policy", &["config", "rule", "sops"]),
    ("keys", &[]),
    ("recover", &["keys", "policy", "sops"]),
    ("open", &["policy", "sops"]),
    ("kustomization", &["yaml"]),
    ("source", &["config", "krm", "kustomization", "locate", "origin", "parallel", "policy", "rule", "sops"]),
    ("listed", &["config", "krm", "locate", "source", "yaml"]),
    ("unpack", &["krm", "open", "sops", "yaml"]),
    ("write", &["config", "krm", "open", "origin", "sops", "source", "unpack", "yaml"]),
    (
        "run",
        &[
            "config", "keys", "krm", "listed", "locate", "open", "origin", "parallel", "policy", "recover",
            "source", "write",
        ],
    ),
    ("edge", &[]),
    (
        "commands",
        &[
            "config", "edge", "keys", "krm", "locate", "origin", "policy", "rule", "run", "sops", "source",
            "yaml",
        ],
    ),
    ("cli", &["commands", "config", "edge", "locate"]),
];
const VOCABULARY: &[&str] =
    &["diagnostics", "field_path", "files", "master_key", "secret", "service_address"];

/// Every `.rs` file below a directory of this project.
fn rust_files(directory: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut left = vec![source(directory)];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The program's sources, without its unit tests.
fn sources() -> Vec<PathBuf> {
    let is_test = |path: &PathBuf| {
        path.iter().any(|part| part == "tests") || path.ends_with("tests.rs") || path.ends_with("property.rs")
    };
    let inside = |path: &PathBuf| path.strip_prefix(source("src")).expect("inside src").to_owned();
    rust_files("src").into_iter().filter(|path| !is_test(&inside(path))).collect()
}

/// A source without its comments, and without what is at its outermost level for tests only, wherever that stands.
fn text(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source");
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            let opens = lines.next().is_some_and(|item| item.ends_with('{'));
            let _end = opens.then(|| lines.find(|line| *line == "}"));
        } else if !line.trim_start().starts_with("//") {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// The top-level module of a source.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(source("src")).expect("inside src");
    let first = inside.iter().next().expect("a name").to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a source names after `crate::`.
fn used_by(path: &Path) -> BTreeSet<String> {
    let text = text(path);
    // What these hide, the check below would not see.
    assert!(!text.contains("crate::{"), "{}: one `use crate::` for each module", path.display());
    let in_root = path.parent() == Some(&source("src"));
    assert!(!in_root || !text.contains("super::"), "{}: `crate::`, not `super::`", path.display());
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    text.split("crate::").skip(1).map(name).filter(|used: &String| is_module(used)).collect()
}

fn is_module(name: &str) -> bool {
    MAY_USE.iter().any(|(module, _)| *module == name)
}

#[test]
fn data_flows_one_way() {
    let mut used_by_module: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources() {
        let module = module(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
            panic!("{module} has no line in the table: add it here and in docs/architecture.md");
        });
        let upwards = VOCABULARY.contains(&module.as_str());
        for used in used_by(&path) {
            let vocabulary = VOCABULARY.contains(&used.as_str());
            let fine = used == module || vocabulary || allowed.contains(&used.as_str());
            assert!(fine, "{} uses {used}, which {module} must not know", path.display());
            assert!(!upwards || vocabulary, "{} uses {used}, above the vocabulary", path.display());
            used_by_module.entry(module.clone()).or_default().insert(used);
        }
    }
    // A permission that nobody needs is a hole in the table.
    for (module, allowed) in MAY_USE {
        for other in *allowed {
            let needed = used_by_module.get(*module).is_some_and(|used| used.contains(*other));
            assert!(needed, "{module} may use {other}, and does not: take it out of the table");
        }
    }
}

#[test]
fn the_document_has_the_same_table() {
    let document = fs::read_to_string(source("docs/architecture.md")).expect("docs/architecture.md");
    let mut documented = BTreeMap::new();
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let used: BTreeSet<&str> = quoted(cells[3]).filter(|name| is_module(name)).collect();
        for module in quoted(cells[1]).filter(|name| *name != "main") {
            assert!(documented.insert(module, used.clone()).is_none(), "{module} has two lines");
        }
    }
    let table: BTreeMap<&str, BTreeSet<&str>> =
        MAY_USE.iter().map(|(module, used)| (*module, used.iter().copied().collect())).collect();
    assert_eq!(documented, table);
}

/// What stands between backticks, without what follows `::`.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2).filter_map(|name| name.split("::").next())
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
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        let lines = fs::read_to_string(&path).expect("a source").lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}

#[test]
fn there_is_no_unsafe_code() {
    assert!(text(&source("src/lib.rs")).contains("#![forbid(unsafe_code)]"));
}
