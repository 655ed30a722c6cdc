//! Every example is built the way that its kustomization says.

use std::fs;
use std::process::Command;

use crate::support::Lab;
use crate::support::build::plugin_home;
use crate::support::repo::copy_directory;
use crate::support::run::{Finished, krm_sops, run, source, tool};

/// How an example is built: its name, the directory below it that is built, and kustomize's flags.
const PLUGINS: &[(&str, &str, &[&str])] = &[
    ("inline-rules", ".", &["--enable-alpha-plugins"]),
    ("multi-document", ".", &["--enable-alpha-plugins"]),
    ("overlay", "overlays/staging", &["--enable-alpha-plugins"]),
    ("transformer-in-base", "overlay", &["--enable-alpha-plugins"]),
    ("krm-exec", ".", &["--enable-alpha-plugins", "--enable-exec"]),
];

/// A copy of the examples with a `.git`, as in the repository that they are in.
fn examples() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_directory(&source("examples"), &copy.path().join("examples"));
    fs::create_dir(copy.path().join(".git")).expect("a directory");
    fs::copy(source("kustomization.yaml"), copy.path().join("kustomization.yaml")).expect("a copy");
    if source(".sops.yaml").exists() {
        fs::copy(source(".sops.yaml"), copy.path().join(".sops.yaml")).expect("a copy");
    }
    copy
}

fn kustomize(lab: &Lab, directory: &std::path::Path, arguments: &[&str]) -> Finished {
    let mut command = crate::support::run::command(&tool("bin/kustomize"));
    let path = krm_sops().parent().expect("a directory").to_string_lossy().into_owned();
    let path = format!("{path}:{}", std::env::var("PATH").unwrap_or_default());
    command.current_dir(directory).env("XDG_CONFIG_HOME", plugin_home()).env("PATH", path);
    run(lab.for_caller(command.arg("build").args(arguments)), "")
}

#[test]
fn examples_inside_kustomize() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let copy = examples();
    for (name, built, flags) in PLUGINS {
        let directory = copy.path().join("examples").join(name);
        let arguments: Vec<&str> = flags.iter().copied().chain([*built]).collect();
        let output = kustomize(&lab, &directory, &arguments).ok();
        assert!(!output.contains("ENC[") && output.contains("kind: Secret"), "{name}: {output}");
    }
}

#[test]
fn the_filter_and_the_top_level() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let copy = examples();
    for directory in ["examples/filter", "."] {
        let built = kustomize(&lab, copy.path(), &[directory]).ok();
        assert!(built.contains("ENC["), "{built}");
        let mut filter: Command = crate::support::run::command(krm_sops());
        filter.current_dir(copy.path()).args(["decrypt", "-C", directory]);
        let output = run(lab.for_caller(&mut filter), &built).ok();
        assert!(!output.contains("ENC[") && output.contains("token: "), "{output}");
    }
}
