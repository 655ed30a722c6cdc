//! Every example is built by the command that examples/README.md has for it, and gives what sops and kustomize give.

use std::collections::BTreeSet;
use std::fs;

use crate::support::build::{kustomize, normalised};
use crate::support::run::{self, krm_sops, run, source};
use crate::support::{Keyservice, Lab, Repo};

/// An example: the directory that is built, and kustomize's flags. Without flags, krm-sops is a filter after the build.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("examples/quickstart/clusters/us-west-2-platform-engineering-sbx", PLUGIN),
    ("examples/quickstart/clusters/us-east-1-platform-engineering-prd", PLUGIN),
    ("examples/krm-exec", &["--enable-alpha-plugins", "--enable-exec"]),
    ("examples/filter", &[]),
    ("examples/overlay/overlays/staging", PLUGIN),
    ("examples/transformer-in-base/overlay", PLUGIN),
    ("examples/multi-document", PLUGIN),
    ("examples/inline-rules", PLUGIN),
    ("examples/keyservice", PLUGIN),
];
const PLUGIN: &[&str] = &["--enable-alpha-plugins"];

/// The examples where the repository has them, and the kustomization in its root.
fn examples() -> Repo {
    let repo = Repo::with_copy_of("examples");
    let top = fs::read_to_string(source("kustomization.yaml")).expect("the kustomization");
    repo.write("kustomization.yaml", &top);
    repo
}

/// `kustomize build`, with krm-sops on the `PATH` as well as in its place as a plugin.
fn build(lab: &Lab, repo: &Repo, directory: &str, flags: &[&str]) -> String {
    let arguments: Vec<&str> = flags.iter().copied().chain([directory]).collect();
    let mut command = kustomize(repo, &arguments);
    let beside = krm_sops().parent().expect("a directory").display().to_string();
    command.env("PATH", format!("{beside}:{}", std::env::var("PATH").unwrap_or_default()));
    run(lab.for_caller(&mut command), "").ok()
}

/// `krm-sops decrypt -C DIRECTORY` for what was built from it.
fn decrypt(lab: &Lab, repo: &Repo, directory: &str, built: &str) -> String {
    let mut filter = run::command(krm_sops());
    filter.current_dir(repo.root()).args(["decrypt", "-C", directory]);
    run(lab.for_caller(&mut filter), built).ok()
}

#[test]
fn every_example_gives_the_decrypted_tree() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let repo = examples();
    // Its socket has a fixed place, where two runs of this test would meet.
    let service = Keyservice::on_socket(&lab);
    repo.tamper("examples/keyservice/decrypt.yaml", |text| {
        text.replace("unix:///tmp/krm-sops-example.sock", &service.url)
    });
    for (directory, flags) in EXAMPLES {
        let mut output = build(&lab, &repo, directory, flags);
        if flags.is_empty() {
            assert!(output.contains("ENC["), "{directory} is decrypted before the filter");
            output = decrypt(&lab, &repo, directory, &output);
        }
        let expected = lab.oracle(&repo, directory);
        assert!(expected.contains("kind: Secret") && !expected.contains("ENC["), "{directory}: {expected}");
        assert_eq!(normalised(&output), normalised(&expected), "{directory}");
    }
}

#[test]
fn the_top_level_needs_nothing_but_kustomize() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let repo = examples();
    let built = run(&mut kustomize(&repo, &["."]), "").ok();
    assert!(built.contains("ENC["), "{built}");
    let output = decrypt(&lab, &repo, ".", &built);
    assert_eq!(normalised(&output), normalised(&lab.oracle(&repo, ".")));
}

#[test]
fn every_directory_is_an_example_with_its_command() {
    let there: BTreeSet<String> = fs::read_dir(source("examples"))
        .expect("the examples")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("a name in UTF-8"))
        .collect();
    let example = |directory: &&str| directory.split('/').nth(1).expect("a name").to_owned();
    let tested: BTreeSet<String> = EXAMPLES.iter().map(|(directory, _)| example(directory)).collect();
    assert_eq!(there, tested);

    let readme = fs::read_to_string(source("examples/README.md")).expect("examples/README.md");
    for name in &there {
        let told =
            EXAMPLES.iter().filter(|(directory, _)| example(directory) == *name).any(|(directory, flags)| {
                let command: Vec<&str> = ["kustomize", "build"].iter().chain(*flags).copied().collect();
                let filter = if flags.is_empty() { r" \| krm-sops decrypt -C " } else { "`" };
                readme.contains(&format!("`{} {directory}{filter}", command.join(" ")))
            });
        assert!(told, "examples/README.md has no command for {name}");
    }
}
