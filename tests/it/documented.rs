//! Every code has its section in docs/errors.md, and a test of the whole binary that provokes it.

use std::collections::BTreeSet;
use std::fs;

use krm_sops::diagnostics::Code;

use crate::support::run::source;

#[test]
fn every_code_has_its_section_and_no_section_is_without_a_code() {
    let text = fs::read_to_string(source("docs/errors.md")).expect("docs/errors.md");
    let sections: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(sections, codes);
}

#[test]
fn every_code_is_provoked() {
    let mut tests = String::new();
    for file in fs::read_dir(source("tests/it")).expect("tests/it") {
        let file = file.expect("an entry").path();
        if file.is_file() && !file.ends_with("documented.rs") {
            tests.push_str(&fs::read_to_string(file).expect("a test"));
        }
    }
    let missing: Vec<String> =
        Code::ALL.iter().map(|code| format!("Code::{code:?}")).filter(|name| !tests.contains(name)).collect();
    assert_eq!(missing, Vec::<String>::new(), "no test of the whole binary provokes these");
}

#[test]
fn files_that_documents_refer_to_are_there() {
    for document in [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/errors.md",
        "docs/security.md",
        "examples/README.md",
    ] {
        let text = fs::read_to_string(source(document)).expect("a document");
        let directory = source(document).parent().expect("a directory").to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.starts_with("http") {
                assert!(directory.join(target).exists(), "{document} refers to {target}");
            }
        }
    }
}
