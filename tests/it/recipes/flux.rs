//! What docs/recipes.md says to do beside Flux: its kustomization and its commands, taken from the page.

use std::fs;
use std::path::Path;

use super::{assert_failed, program, tamper};
use crate::support::run::{krm_sops, run, source};
use crate::support::{Lab, Repo};

const CLUSTER: &str = "examples/quickstart/clusters/us-west-2-platform-engineering-sbx/kustomization.yaml";
const SECRET: &str = "examples/quickstart/secrets/us-west-2-platform-engineering-sbx/database.yaml";

/// The first fenced block of this language in the page's section about Flux.
fn block(language: &str) -> String {
    let page = fs::read_to_string(source("docs/recipes.md")).expect("docs/recipes.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Flux\n")).expect("a section");
    let (_, rest) = section.split_once(&format!("```{language}\n")).expect("a block");
    rest.split_once("```").expect("the end of the block").0.to_owned()
}

#[test]
fn the_tree_that_flux_builds_is_checked_without_a_change_to_it() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let repo = Repo::with_copy_of("examples/quickstart");
    // As Flux knows it: no transformer, no metadata.
    repo.tamper(CLUSTER, |text| {
        let kept = text
            .lines()
            .filter(|line| !line.starts_with("transformers:") && !line.starts_with("buildMetadata:"));
        kept.collect::<Vec<_>>().join("\n")
    });
    repo.write("examples/quickstart/ci/kustomization.yaml", &block("yaml"));
    let commands = block("sh");
    let check = || {
        let beside = krm_sops().parent().expect("a directory");
        let mut bash = program(&lab, "bash", &[beside as &Path]);
        run(bash.args(["-c", &commands]).current_dir(repo.path("examples/quickstart")), "")
    };
    assert_eq!(check().ok(), "");
    assert!(lab.calls().iter().any(|call| call.action == "Decrypt"), "it decrypted for real");

    // Flux would leave an encrypted ConfigMap as it is.
    let secret = repo.read(SECRET);
    repo.tamper(SECRET, |text| text.replacen("kind: Secret", "kind: ConfigMap", 1));
    assert_failed(&check(), "left-encrypted");
    repo.write(SECRET, &secret);
    tamper(&repo, SECRET);
    assert_failed(&check(), "mac-mismatch");
}
