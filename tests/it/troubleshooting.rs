//! docs/troubleshooting.md quotes what people see. Each text is provoked here, by the real tools, and must be in the document.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use krm_sops::diagnostics::Code;

use crate::support::build::kustomize;
use crate::support::run::{self, Finished, krm_sops, run, source};
use crate::support::{Lab, Mode, Platform, Repo, WEST, expect};

const DIRECTORY: &str = "clusters/us-west-2-platform-engineering-sbx";

/// Asserts that the document quotes a text, and that it was said.
#[track_caller]
fn quoted(finished: &Finished, text: &str) {
    let document = fs::read_to_string(source("docs/troubleshooting.md")).expect("docs/troubleshooting.md");
    assert!(document.contains(text), "the document does not have {text:?}");
    assert!(finished.code.is_some_and(|code| code != 0), "it should have failed: {finished}");
    assert!(finished.stderr.contains(text), "it did not say {text:?}: {finished}");
}

/// A build of the platform with the exec plugin in this place.
fn with_plugins(platform: &Platform, variable: &str, home: &Path) -> Finished {
    let mut build = kustomize(&platform.repo, &["--enable-alpha-plugins", DIRECTORY]);
    build.env_remove("XDG_CONFIG_HOME").env(variable, home);
    run(platform.lab.for_caller(&mut build), "")
}

#[test]
fn plugins_that_kustomize_does_not_find_or_start() {
    let platform = Platform::new();
    let place = tempfile::tempdir().expect("a directory");
    let home = place.path().join("plugins");
    run(run::command(krm_sops()).args(["install", "--plugin"]).arg(&home), "").ok();
    let disabled = run(&mut kustomize(&platform.repo, &[DIRECTORY]), "");
    quoted(&disabled, "external plugins disabled; unable to load external plugin 'SopsDecrypt'");
    quoted(&with_plugins(&platform, "HOME", &place.path().join("nobody")), "unable to find plugin root");
    let missing = "krm-sops.dev/v1/sopsdecrypt/SopsDecrypt.so";
    for (variable, wrong) in
        [("KUSTOMIZE_PLUGIN_HOME", "plugins/krm-sops.dev"), ("XDG_CONFIG_HOME", "config")]
    {
        fs::create_dir_all(place.path().join("config/kustomize/plugin")).expect("a directory");
        let finished = with_plugins(&platform, variable, &place.path().join(wrong));
        quoted(&finished, "expected file with Go object code at: ");
        quoted(&finished, missing);
    }
    let program = home.join("krm-sops.dev/v1/sopsdecrypt/SopsDecrypt");
    fs::write(&program, "\x7fELF of another machine").expect("a file");
    quoted(&with_plugins(&platform, "KUSTOMIZE_PLUGIN_HOME", &home), "exec format error");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).expect("a file");
    quoted(&with_plugins(&platform, "KUSTOMIZE_PLUGIN_HOME", &home), "unexecutable plugin at: ");
    // What helps, by the document.
    let install = ["install", "--plugin"];
    run(run::command(krm_sops()).args(install).env("KUSTOMIZE_PLUGIN_HOME", &home), "").ok();
    with_plugins(&platform, "KUSTOMIZE_PLUGIN_HOME", &home).ok();
}

#[test]
fn functions_that_are_skipped_or_not_there() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let repo = Repo::with_copy_of("examples");
    let skipped = run(&mut kustomize(&repo, &["--enable-alpha-plugins", "examples/krm-exec"]), "").ok();
    assert!(skipped.contains("ENC["), "kustomize says nothing: {skipped}");
    let gate = run(run::command(krm_sops()).arg("gate"), &skipped);
    for line in gate.stderr.lines() {
        quoted(&gate, line);
    }
    let mut build = kustomize(&repo, &["--enable-alpha-plugins", "--enable-exec", "examples/krm-exec"]);
    quoted(&run(&mut build, ""), r#"exec: "krm-sops": executable file not found in $PATH"#);

    let pipe = |options: &str| {
        let mut bash = Command::new("bash");
        bash.env("PATH", format!("{}:/usr/bin:/bin", run::tool("bin").display()));
        let line =
            format!("{options} kustomize build examples/filter | krm-sops decrypt -C examples/filter | cat");
        run(bash.current_dir(repo.root()).args(["-c", &line]), "")
    };
    assert_eq!(pipe("").code, Some(0), "which is the trap");
    quoted(&pipe("set -o pipefail;"), "krm-sops: command not found");
}

#[test]
fn what_aws_says() {
    let platform = Platform::new();
    let build = |adjust: &dyn Fn(&mut Command)| {
        let finished = platform.lab.build_with(&platform.repo, DIRECTORY, Mode::Function, adjust);
        expect::refused(
            &platform.lab,
            &platform.repo,
            &finished,
            &[Code::KmsDenied, Code::KmsUnreachable],
            &[],
        );
        finished
    };
    let none = build(&|command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    });
    quoted(&none, "no AWS credentials were found");
    let nowhere = build(&|command| {
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    });
    quoted(&nowhere, "cannot be reached");
    platform.repo.tamper(".sops.yaml", |rules| {
        rules.replace(&platform.role, "arn:aws:iam::123456789012:role/missing")
    });
    let denied = platform.lab.build(&platform.repo, DIRECTORY, Mode::Function);
    quoted(&denied, "refused to let the caller assume ");
    quoted(&denied, "cause: the caller may not assume the role");
    quoted(&denied, "cause: the caller is arn:aws:");
}

#[test]
fn files_that_are_not_found() {
    let platform = Platform::new();
    platform.repo.tamper(&format!("{DIRECTORY}/kustomization.yaml"), |text| {
        text.replace("buildMetadata: [originAnnotations]\n", "")
    });
    // In a base it does nothing.
    let base = format!("secrets/{WEST}/kustomization.yaml");
    platform.repo.tamper(&base, |text| text.to_owned() + "buildMetadata: [originAnnotations]\n");
    let refused = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin);
    quoted(&refused, "nothing tells which file the item comes from");

    let lab = &platform.lab;
    lab.make_demonstration_keys();
    let repo = Repo::with_copy_of("examples");
    let built = run(&mut kustomize(&repo, &["examples/filter"]), "").ok();
    let filter = |arguments: &[&str]| {
        let mut filter = run::command(krm_sops());
        filter.current_dir(repo.root()).arg("decrypt").args(arguments);
        run(lab.for_caller(&mut filter), &built)
    };
    quoted(&filter(&[]), "the origin file ");
    quoted(&filter(&[]), " is not there");
    fs::remove_file(repo.path("examples/filter/.sops.yaml")).expect("a file");
    quoted(&filter(&["-C", "examples/filter"]), "there is no .sops.yaml above the origin file");
}
