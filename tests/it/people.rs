//! The commands that put krm-sops to work: install, schema, completions.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use krm_sops::config::Config;
use krm_sops::diagnostics::Code;
use serde_json::{Value, json};

use crate::support::build::kustomize;
use crate::support::run::{self, Finished, krm_sops, run};
use crate::support::{Platform, WEST};

const PLUGIN: &str = "krm-sops.dev/v1/sopsdecrypt/SopsDecrypt";

/// krm-sops with these arguments and nothing on stdin.
fn krm(arguments: &[&str]) -> Finished {
    run(run::command(krm_sops()).args(arguments), "")
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[track_caller]
fn assert_not_written(finished: &Finished, also: &str) {
    assert_eq!(finished.code, Some(1), "{finished}");
    assert!(finished.stdout.is_empty(), "{finished}");
    let head = format!("error[{}]", Code::NotWritten);
    assert!(finished.stderr.starts_with(&head) && finished.stderr.contains(also), "{finished}");
}

/// Asserts that an installed program is this one, and that nothing else was left beside it.
#[track_caller]
fn assert_installed(program: &Path) {
    let metadata = fs::symlink_metadata(program).expect("the program");
    assert!(metadata.is_file(), "a file of its own, and no link");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o755);
    assert!(fs::read(program).expect("a program") == fs::read(krm_sops()).expect("a program"));
    let beside = fs::read_dir(program.parent().expect("a directory")).expect("a directory").count();
    assert_eq!(beside, 1, "something was left behind");
    assert!(run(run::command(program).arg("--version"), "").ok().starts_with("krm-sops "));
}

#[test]
fn the_program_is_copied_and_replaces_what_was_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let target = directory.path().join("krm-sops");
    let said = krm(&["install", shown(directory.path())]).ok();
    assert_eq!(said, format!("installed krm-sops {} as {}\n", env!("CARGO_PKG_VERSION"), target.display()));
    assert_installed(&target);
    // An old one, one that runs at this moment, and a link to somewhere.
    fs::write(&target, "old").expect("a file");
    krm(&["install", shown(directory.path())]).ok();
    assert_installed(&target);
    run(run::command(&target).args(["install", shown(directory.path())]), "").ok();
    assert_installed(&target);
    let elsewhere = directory.path().with_extension("elsewhere");
    fs::write(&elsewhere, "another's").expect("a file");
    fs::remove_file(&target).expect("a file");
    symlink(&elsewhere, &target).expect("a link");
    krm(&["install", shown(directory.path())]).ok();
    assert_installed(&target);
    assert_eq!(fs::read_to_string(&elsewhere).expect("a file"), "another's");
    fs::remove_file(elsewhere).expect("a file");
}

#[test]
fn a_link_to_the_program_installs_the_program() {
    let from = tempfile::tempdir().expect("a directory");
    let to = tempfile::tempdir().expect("a directory");
    let link = from.path().join("linked");
    symlink(krm_sops(), &link).expect("a link");
    let mut command = run::command(&link);
    // A scratch image has no /tmp, and its user no umask to our liking.
    command.env("TMPDIR", "/nonexistent").args(["install", shown(to.path())]);
    run(&mut command, "").ok();
    assert_installed(&to.path().join("krm-sops"));
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing");
    assert_not_written(&krm(&["install", shown(&missing)]), "entity not found");
    assert!(!missing.exists(), "a misspelt directory is not made");
    // A directory in the place of the program.
    let taken = directory.path().join("taken");
    fs::create_dir_all(taken.join("krm-sops/full")).expect("a directory");
    assert_not_written(&krm(&["install", shown(&taken)]), "taken/krm-sops: ");
    assert_eq!(fs::read_dir(&taken).expect("a directory").count(), 1);
    // A file in the place of a directory.
    let file = directory.path().join("file");
    fs::write(&file, "").expect("a file");
    assert_not_written(&krm(&["install", "--plugin", shown(&file)]), "file/krm-sops.dev");
    let mut homeless = run::command(krm_sops());
    homeless.env_remove("HOME").args(["install", "--plugin"]);
    assert_not_written(&run(&mut homeless, ""), "krm-sops install --plugin DIR");
    fs::write(directory.path().join("decrypt.yaml"), "mine").expect("a file");
    assert_not_written(&krm(&["init", shown(directory.path())]), "already exists");
    assert_eq!(krm(&["install"]).code, Some(2), "a directory is needed");
}

#[test]
fn kustomize_finds_the_plugin_that_was_installed() {
    let platform = Platform::new();
    let directory = format!("clusters/{WEST}");
    let expected = platform.lab.oracle(&platform.repo, &directory);
    let scratch = tempfile::tempdir().expect("a directory");
    let at = |path: &str| shown(&scratch.path().join(path)).to_owned();
    // The variable that says where plugins are, and where the plugin then goes.
    for (variable, value, home) in [
        ("HOME", "home", "home/.config/kustomize/plugin"),
        ("XDG_CONFIG_HOME", "xdg", "xdg/kustomize/plugin"),
        ("KUSTOMIZE_PLUGIN_HOME", "named", "named"),
        ("KUSTOMIZE_PLUGIN_HOME", "given", "given"),
    ] {
        let mut install = run::command(krm_sops());
        install.args(["install", "--plugin"]).env(variable, at(value));
        if value == "given" {
            install.arg(at(value));
        }
        let said = run(&mut install, "").ok();
        assert!(said.contains(&at(home)) && said.contains("finds it there"), "{said}");
        assert_installed(&scratch.path().join(home).join(PLUGIN));
        let mut build = kustomize(&platform.repo, &["--enable-alpha-plugins", &directory]);
        build.env_remove("XDG_CONFIG_HOME").env(variable, at(value));
        assert_eq!(run(platform.lab.for_caller(&mut build), "").ok(), expected, "{home}");
    }
    let said = krm(&["install", "--plugin", &at("other")]).ok();
    assert!(
        said.contains(&format!("kustomize finds it with KUSTOMIZE_PLUGIN_HOME={}", at("other"))),
        "{said}"
    );
}

#[test]
fn the_schema_takes_what_the_parser_takes() {
    let schema: Value = serde_json::from_str(&krm(&["schema"]).ok()).expect("JSON");
    let config = |spec: Value| json!({"apiVersion": "krm-sops.dev/v1", "kind": "SopsDecrypt", "spec": spec});
    let mut configs = vec![
        json!({"apiVersion": "krm-sops.dev/v1", "kind": "SopsDecrypt", "metadata": {"name": "a", "annotations": {}}}),
        json!({"apiVersion": "krm-sops.dev/v2", "kind": "SopsDecrypt"}),
        json!({"apiVersion": "krm-sops.dev/v1", "kind": "SopsDecrypt", "specs": {}}),
        json!({"kind": "SopsDecrypt"}),
        config(json!({"aws": []})),
    ];
    for (name, values) in [
        ("kinds", json!([["Secret"], "Secret,ConfigMap", 5, [5], {}])),
        ("creationRules", json!([[], [{"kms": "arn:aws:kms:us-west-2:123456789012:key/a"}], "a"])),
        ("allowRemote", json!([["^https://a/"], 1])),
        ("integrity", json!(["verify", "warn", "skip", "no", true])),
        ("root", json!(["..", 1])),
        ("sopsConfig", json!([".sops.yaml", []])),
        ("onNoRule", json!(["refuse", "metadata", "warn"])),
        ("integrty", json!(["verify"])),
    ] {
        configs.extend(values.as_array().expect("a list").iter().map(|value| config(json!({name: value}))));
    }
    for (name, values) in [
        ("profiles", json!([true, false, 1])),
        ("maxConcurrency", json!([1, 64, 0, -1, 1.5])),
        ("timeout", json!(["1s", "0s", 1])),
        ("assumeRole", json!(["never", "arn:aws:iam::123456789012:role/a", "always"])),
        ("timout", json!(["1s"])),
    ] {
        configs.extend(
            values.as_array().expect("a list").iter().map(|value| config(json!({"aws": {name: value}}))),
        );
    }
    for config in configs {
        let taken = Config::parse(&config.to_string()).is_ok();
        assert_eq!(fits(&schema, &config), taken, "{config}");
    }
}

/// Whether a value fits a schema, by the keywords that ours uses.
fn fits(schema: &Value, value: &Value) -> bool {
    let known = |key: &str| schema["properties"].get(key);
    schema.as_object().expect("a schema").iter().all(|(keyword, rule)| match keyword.as_str() {
        "type" => match rule.as_str().expect("a type") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            other => panic!("{other} is a type that this test does not know"),
        },
        "enum" => rule.as_array().expect("a list").contains(value),
        "pattern" => {
            let pattern = regex::Regex::new(rule.as_str().expect("a pattern")).expect("a pattern");
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
        "anyOf" => rule.as_array().expect("a list").iter().any(|schema| fits(schema, value)),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(rule, item))),
        "required" => rule
            .as_array()
            .expect("a list")
            .iter()
            .all(|name| value.get(name.as_str().expect("a name")).is_some()),
        "properties" => value.as_object().is_none_or(|fields| {
            fields.iter().all(|(name, field)| known(name).is_none_or(|rule| fits(rule, field)))
        }),
        "additionalProperties" => {
            assert_eq!(*rule, json!(false));
            value.as_object().is_none_or(|fields| fields.keys().all(|name| known(name).is_some()))
        }
        "$schema" | "title" | "description" | "default" | "x-kubernetes-group-version-kind" => true,
        other => panic!("{other} is a keyword that this test does not know"),
    })
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = krm(&["completions", shell]).ok();
        for command in ["decrypt", "explain", "check", "init", "gate", "install", "schema", "completions"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let bash = format!(
        "{}\nCOMP_WORDS=(krm-sops inst); COMP_CWORD=1; _krm__sops krm-sops inst krm-sops; echo \"${{COMPREPLY[@]}}\"",
        krm(&["completions", "bash"]).ok()
    );
    assert_eq!(run(run::command(Path::new("bash")).arg("-c").arg(bash), "").ok(), "install\n");
    assert_eq!(krm(&["completions", "tcsh"]).code, Some(2));
}

#[test]
fn a_built_directory_that_is_not_there() {
    let finished = krm(&["decrypt", "-C", "clusters/nowhere/../.."]);
    assert_eq!(finished.code, Some(1), "{finished}");
    assert!(
        finished.stderr.starts_with("error[bad-config]: the directory that was built is not there"),
        "{finished}"
    );
}
