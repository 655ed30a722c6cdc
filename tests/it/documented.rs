//! Every code has its section in docs/errors.md, and a test of the whole binary that provokes it.

use std::collections::BTreeSet;
use std::fs;

use krm_sops::config::{API_VERSION, Config, KIND};
use krm_sops::diagnostics::Code;
use krm_sops::rule::Rules;

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
        "docs/recipes.md",
        "docs/container.md",
        "docs/security.md",
        "docs/troubleshooting.md",
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

/// The fenced blocks of a document in this language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(source(document)).expect("a document");
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

#[test]
fn what_the_readme_says_of_rules_and_config_is_what_is_read() {
    let mut read = 0;
    for block in blocks("README.md", "yaml").into_iter().chain(blocks("docs/config.md", "yaml")) {
        if block.starts_with("creation_rules:") {
            assert!(Rules::parse(&block, "README.md").is_ok_and(|rules| rules.all().len() == 1), "{block}");
        } else if block.starts_with("spec:") {
            let config = format!("apiVersion: {API_VERSION}\nkind: {KIND}\n{block}");
            assert!(Config::parse(&config).is_ok(), "{block}: {:?}", Config::parse(&config));
        } else if block.contains("kind:") {
            assert!(Config::parse(&block).is_ok(), "{block}: {:?}", Config::parse(&block));
        } else {
            continue;
        }
        read += 1;
    }
    assert_eq!(read, 6);
}

#[test]
fn every_make_target_that_documents_name_is_there() {
    let makefile = fs::read_to_string(source("Makefile")).expect("the Makefile");
    for document in ["README.md", "CONTRIBUTING.md", "examples/README.md"] {
        let text = fs::read_to_string(source(document)).expect("a document");
        for target in text
            .split("make ")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next())
        {
            let target = target.unwrap_or_default();
            let known = makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
            assert!(
                known || !["demo", "build", "test", "shell", "test-long"].contains(&target),
                "{document}: make {target}"
            );
        }
    }
}

#[test]
fn every_field_of_the_config_has_its_row() {
    let document = fs::read_to_string(source("docs/config.md")).expect("docs/config.md");
    let schema = krm_sops::config::schema();
    let spec = &schema["properties"]["spec"]["properties"];
    let names =
        |fields: &serde_json::Value| fields.as_object().expect("fields").keys().cloned().collect::<Vec<_>>();
    let inner = names(&spec["aws"]["properties"]).into_iter().map(|name| format!("aws.{name}"));
    for name in names(spec).into_iter().filter(|name| name != "aws").chain(inner) {
        assert!(document.contains(&format!("\n| `{name}:")), "docs/config.md has no row for {name}");
    }
}
