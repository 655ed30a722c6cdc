//! Rules in all their forms, the config that stands above them, and the commands for people.

use std::fs;

use krm_sops::diagnostics::Code;

use crate::support::build::kustomize;
use crate::support::platform::DATABASE;
use crate::support::run::{self, Finished, krm_sops};
use crate::support::{EAST, Lab, Mode, Platform, Repo, WEST, expect};

const DIRECTORY: &str = "clusters/us-west-2-platform-engineering-sbx";

/// A repository with one Secret, these rules, and a transformer.
fn repository(lab: &Lab, rules: &str) -> Repo {
    let mut repo = Repo::new();
    repo.write(".sops.yaml", rules);
    repo.encrypt(lab, "secrets/a.yaml", DATABASE);
    repo.kustomization(
        ".",
        "resources: [secrets/a.yaml]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n",
    );
    repo.transformer("decrypt.yaml", "");
    repo
}

/// krm-sops with these arguments, in the root of a repository.
fn krm(lab: &Lab, repo: &Repo, arguments: &[&str], stdin: &str) -> Finished {
    let mut command = run::command(krm_sops());
    command.current_dir(repo.root()).args(arguments);
    run::run(lab.for_caller(&mut command), stdin)
}

/// What kustomize makes of a directory without krm-sops.
fn encrypted_build(platform: &Platform) -> String {
    let bare = platform.repo.copy();
    bare.tamper(&format!("{DIRECTORY}/kustomization.yaml"), |text| {
        text.replace("transformers: [decrypt.yaml]\n", "")
    });
    run::run(&mut kustomize(&bare, &[DIRECTORY]), "").ok()
}

#[test]
fn flat_keys_lists_roles_and_merged_groups() {
    let lab = Lab::new();
    let (role, open) = (lab.role("flux-secrets"), lab.open_key("us-west-2"));
    let (guarded, other) = (lab.key("us-east-1", &role), lab.open_key("us-east-1"));
    for rule in [
        format!("kms: '{open}'"),
        format!("kms: '{guarded}+{role}'"),
        format!("kms: ['{guarded} + {role}', '{open}']"),
        format!("kms: '{open}, {other},'"),
        format!("key_groups: [{{merge: [{{kms: [{{arn: '{open}'}}]}}], kms: [{{arn: '{other}'}}]}}]"),
    ] {
        let rules = format!(
            "creation_rules:\n- path_regex: ^secrets/\n  encrypted_regex: ^(data|stringData)$\n  {rule}\n"
        );
        lab.assert_decrypts(&repository(&lab, &rules), ".");
    }
}

#[test]
fn the_first_rule_of_the_nearest_file() {
    let lab = Lab::new();
    let key = lab.open_key("us-west-2");
    let rules = format!(
        "creation_rules:\n- {{path_regex: ^never$, kms: x}}\n- kms: '{key}'\n  encrypted_regex: ^(data|stringData)$\n"
    );
    let repo = repository(&lab, &rules);
    lab.assert_decrypts(&repo, ".");
    repo.write("secrets/.sops.yaml", &format!("creation_rules: [{{path_regex: ^a.yaml$, kms: '{key}'}}]\n"));
    repo.write(".sops.yaml", "creation_rules: []\n");
    assert!(lab.build(&repo, ".", Mode::Plugin).ok().contains("canary-password"));
    fs::remove_file(repo.path("secrets/.sops.yaml")).expect("a file");
    expect::refused(
        &lab,
        &repo,
        &lab.build(&repo, ".", Mode::Plugin),
        &[Code::NoRule],
        &["Secret database", "secrets/a.yaml"],
    );
    repo.transformer("decrypt.yaml", "onNoRule: metadata");
    assert!(lab.build(&repo, ".", Mode::Plugin).ok().contains("canary-password"));
    repo.write("rules.yaml", &format!("creation_rules: [{{kms: '{key}'}}]\n"))
        .transformer("decrypt.yaml", "sopsConfig: rules.yaml");
    assert!(lab.build(&repo, ".", Mode::Plugin).ok().contains("canary-password"));
    repo.transformer("decrypt.yaml", &format!("creationRules: [{{path_regex: ^secrets/, kms: '{key}'}}]"));
    assert!(lab.build(&repo, ".", Mode::Plugin).ok().contains("canary-password"));
}

#[test]
fn a_missing_origin_may_be_let_pass() {
    let mut platform = Platform::new();
    platform.cluster(WEST, "");
    platform.repo.tamper(&format!("{DIRECTORY}/kustomization.yaml"), |text| {
        text.replace("buildMetadata: [originAnnotations]\n", "")
    });
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), "onMissingOrigin: metadata");
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Function);
    expect::said(&built, "warning", Code::Unverified, &["Secret database"]);
    assert!(built.stdout.contains("canary-password"));
}

#[test]
fn the_origin_file_is_not_there() {
    let platform = Platform::new();
    let built = encrypted_build(&platform);
    let moved = krm(&platform.lab, &platform.repo, &["decrypt", "-C", "."], &built);
    expect::refused(
        &platform.lab,
        &platform.repo,
        &moved,
        &[Code::OriginNotFound],
        &["Secret database", "tried"],
    );
}

#[test]
fn remote_bases() {
    let platform = Platform::new();
    let built = encrypted_build(&platform)
        .replace("path: ../../", "repo: https://git.example.com/x\n      ref: v1\n      path: ");
    let remote = |more: &[&str]| {
        krm(&platform.lab, &platform.repo, &[&["decrypt", "-C", DIRECTORY], more].concat(), &built)
    };
    expect::refused(
        &platform.lab,
        &platform.repo,
        &remote(&[]),
        &[Code::RemoteOrigin],
        &["Secret database", "https://git.example.com/x"],
    );
    let allowed = ["--set", "allowRemote=^https://git\\.example\\.com/"];
    expect::refused(&platform.lab, &platform.repo, &remote(&allowed), &[Code::NoRule], &["Secret database"]);
    let rules = format!(
        "creationRules=[{{path_regex: ^secrets/, key_groups: [{{kms: [{{arn: '{}', role: '{}'}}]}}]}}]",
        platform.west, platform.role
    );
    let decrypted = remote(&[&allowed[..], &["--set", &rules]].concat());
    expect::said(&decrypted, "warning", Code::Unverified, &["Secret database"]);
    assert!(decrypted.stdout.contains("canary-password"), "{decrypted}");
}

#[test]
fn configs_that_are_wrong() {
    let platform = Platform::new();
    for (spec, help) in
        [("integrty: skip", "did you mean spec.integrity?"), ("integrity: maybe", "verify, warn, skip")]
    {
        platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), spec);
        platform.assert_refused(DIRECTORY, &[Code::BadConfig], &[help]);
    }
}

#[test]
fn a_config_map_and_settings_say_the_same() {
    let platform = Platform::new();
    platform.repo.write(
        "config.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {kinds: ConfigMap}\n",
    );
    let built = encrypted_build(&platform);
    for more in [["--config", "config.yaml"], ["--set", "kinds=ConfigMap"]] {
        let left =
            krm(&platform.lab, &platform.repo, &[&["decrypt", "-C", DIRECTORY], &more[..]].concat(), &built);
        expect::said(&left, "warning", Code::LeftEncrypted, &["Secret database"]);
        assert_eq!(left.stdout, built, "every byte is as it came");
    }
}

#[test]
fn input_that_is_none() {
    let (lab, repo) = (Lab::new(), Repo::new());
    for text in ["a: [", "- a\n", "a: 1\na: 2\n", &format!("{}x", "[".repeat(100_000))] {
        expect::refused(&lab, &repo, &krm(&lab, &repo, &["decrypt"], text), &[Code::BadInput], &[]);
    }
    assert_eq!(lab.function(&repo, ".", "").ok(), "");
    assert!(lab.calls().is_empty());
}

#[test]
fn a_resource_list_that_is_refused_comes_back_as_it_came_with_results() {
    let platform = Platform::new();
    let secret = platform.repo.read(&format!("secrets/{WEST}/database.yaml")).replace('\n', "\n  ");
    let list =
        format!("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- {}\n", secret.trim_end());
    let refused = platform.lab.function(&platform.repo, DIRECTORY, &list);
    expect::refused(&platform.lab, &platform.repo, &refused, &[Code::MissingOrigin], &["Secret database"]);
    let results = refused.stdout.strip_prefix(&list).expect("the list as it came");
    assert!(results.starts_with("results:\n") && results.contains("code: missing-origin"), "{results}");
}

#[test]
fn the_gate() {
    let platform = Platform::new();
    let plain = "apiVersion: v1\nkind: ConfigMap # as it is\nmetadata: {name: a}\n";
    assert_eq!(krm(&platform.lab, &platform.repo, &["gate"], plain).ok(), plain);
    let built = encrypted_build(&platform);
    let refused = krm(&platform.lab, &platform.repo, &["gate"], &built);
    expect::refused(
        &platform.lab,
        &platform.repo,
        &refused,
        &[Code::LeftEncrypted],
        &["Secret database", "--enable-exec"],
    );
    assert!(refused.stdout.is_empty());
}

#[test]
fn explain_check_and_init() {
    let platform = Platform::new();
    let file = format!("secrets/{WEST}/database.yaml");
    let explained = krm(&platform.lab, &platform.repo, &["explain", &file], "").ok();
    for text in [&platform.west, &platform.role, &format!("(path_regex: secrets/{WEST})")] {
        assert!(explained.contains(text.as_str()), "{explained}");
    }
    let checked = krm(&platform.lab, &platform.repo, &["check"], "").ok();
    assert_eq!(checked, "1 encrypted files, nothing to refuse\n");
    // In the wrong cluster's directory, and in the clear.
    platform.repo.write(&format!("secrets/{EAST}/copied.yaml"), &platform.repo.read(&file));
    platform.repo.write(&format!("secrets/{EAST}/clear.yaml"), DATABASE);
    platform.repo.tamper(&file, |text| {
        text.lines().filter(|line| !line.contains("mac:")).fold(String::new(), |all, line| all + line + "\n")
    });
    let checked = krm(&platform.lab, &platform.repo, &["check", "."], "");
    expect::refused(
        &platform.lab,
        &platform.repo,
        &checked,
        &[Code::KeyNotInRule],
        &["copied.yaml", "error[not-encrypted]", "clear.yaml", "error[mac-missing]"],
    );
    assert!(krm(&platform.lab, &platform.repo, &["init"], "").ok().contains("transformers: [decrypt.yaml]"));
    assert!(
        krm(&platform.lab, &platform.repo, &["init"], "").code == Some(1),
        "what is there is not overwritten"
    );
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn settings_with_dotted_names() {
    let lab = Lab::new();
    let (role, key) = (lab.role("flux-secrets"), lab.open_key("us-west-2"));
    let mut repo = Repo::new();
    repo.write(
        ".sops.yaml",
        &format!("creation_rules:\n- encrypted_regex: ^(data|stringData)$\n  kms: '{key}+{role}'\n"),
    );
    repo.encrypt(&lab, "a.yaml", DATABASE)
        .kustomization(".", "resources: [a.yaml]\nbuildMetadata: [originAnnotations]\n");
    repo.write(
        "conf/config.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {aws.assumeRole: never, aws.timeout: 10s}\n",
    );
    let built = run::run(&mut kustomize(&repo, &["."]), "").ok();
    for more in [["--config", "conf/config.yaml"], ["--set", "aws.assumeRole=never"]] {
        let decrypted = krm(&lab, &repo, &[&["decrypt"], &more[..]].concat(), &built).ok();
        assert!(decrypted.contains("canary-password"), "{more:?}: {decrypted}");
        assert!(lab.calls().iter().all(|call| call.action == "Decrypt"), "{more:?}: {:?}", lab.calls());
    }
    assert_eq!(lab.calls().len(), 2);
    krm(&lab, &repo, &["decrypt"], &built).ok();
    assert!(
        lab.calls().iter().any(|call| call.action == "AssumeRole"),
        "without the setting, the rule's role"
    );
}

#[test]
fn settings_that_are_wrong() {
    let (lab, repo) = (Lab::new(), Repo::new());
    for (setting, said) in [
        ("aws.timout=2s", "did you mean spec.aws.timeout?"),
        ("aws.timeout=2", "30s, 500ms or 2m"),
        ("integrty=skip", "did you mean spec.integrity?"),
        ("aws.maxConcurrency=0", "a whole number from 1"),
        ("allowRemote=(", "spec.allowRemote"),
        ("integrity", "--set needs FIELD=VALUE"),
    ] {
        let refused = krm(&lab, &repo, &["decrypt", "--set", setting], "");
        expect::refused(&lab, &repo, &refused, &[Code::BadConfig], &[said]);
    }
    let missing = krm(&lab, &repo, &["decrypt", "--config", "nowhere.yaml"], "");
    expect::refused(&lab, &repo, &missing, &[Code::BadConfig], &["nowhere.yaml"]);
}

#[test]
fn broken_input_is_said_with_its_place() {
    let (lab, repo) = (Lab::new(), Repo::new());
    for (text, place) in [("a: [", "line 1, column 4"), ("a: 1\nb: 2\na: 3\n", "line 3, column 1")] {
        let refused = krm(&lab, &repo, &["decrypt"], text);
        expect::refused(&lab, &repo, &refused, &[Code::BadInput], &[place]);
        assert!(refused.stdout.is_empty(), "{refused}");
    }
}

/// A resource list as kpt makes it: the item's path is relative to the package, the config is a `ConfigMap`.
fn kpt_list(platform: &Platform, config: &str) -> String {
    let path = format!("secrets/{WEST}/database.yaml");
    let item = platform.repo.read(&path).replacen(
        "metadata:\n",
        &format!("metadata:\n    annotations: {{internal.config.kubernetes.io/path: {path}}}\n"),
        1,
    );
    format!(
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nfunctionConfig:\n  apiVersion: v1\n  kind: ConfigMap\n  \
         metadata: {{name: x}}\n  data: {{{config}}}\nitems:\n- {}\n",
        item.trim_end().replace('\n', "\n  ")
    )
}

#[test]
fn a_resource_list_of_kpt() {
    let platform = Platform::new();
    let decrypted = platform.lab.function(&platform.repo, ".", &kpt_list(&platform, "aws.timeout: 10s"));
    assert!(decrypted.code == Some(0) && decrypted.stdout.contains("canary-password"), "{decrypted}");
    assert!(!decrypted.stdout.contains("sops:"), "{decrypted}");
    let wrong = platform.lab.function(&platform.repo, ".", &kpt_list(&platform, "aws.timout: 10s"));
    let also = ["did you mean spec.aws.timeout?"];
    expect::refused(&platform.lab, &platform.repo, &wrong, &[Code::BadConfig], &also);
}

#[test]
fn remote_bases_that_another_pattern_allows() {
    let platform = Platform::new();
    let built = encrypted_build(&platform)
        .replace("path: ../../", "repo: https://git.example.com.evil.test/x\n      ref: v1\n      path: ");
    let pattern = "allowRemote=^https://git\\.example\\.com/";
    let refused = krm(&platform.lab, &platform.repo, &["decrypt", "-C", DIRECTORY, "--set", pattern], &built);
    let also = ["Secret database", "git.example.com.evil.test"];
    expect::refused(&platform.lab, &platform.repo, &refused, &[Code::RemoteOrigin], &also);
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn the_gate_lets_no_byte_change_and_finds_what_has_no_block() {
    let platform = Platform::new();
    let gate = |text: &str| krm(&platform.lab, &platform.repo, &["gate"], text);
    let crlf = "# first\r\napiVersion: v1\r\nkind:   Secret\r\nmetadata: {name: \"a\"}\r\nstringData: {a: 'b \\u00e4 😀'}";
    let block = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  t: |+\n    kept\n\n";
    for text in [crlf, block] {
        assert_eq!(gate(text).ok(), text);
    }
    // As kustomize leaves an encrypted list: values without their block.
    let mut in_block = false;
    let orphan: String = encrypted_build(&platform)
        .split_inclusive('\n')
        .filter(|line| {
            in_block = line.starts_with("sops:") || in_block && line.starts_with(' ');
            !in_block
        })
        .collect();
    let refused = gate(&format!("{block}---\n{orphan}"));
    let also = ["Secret database", "stringData.password"];
    expect::refused(&platform.lab, &platform.repo, &refused, &[Code::LeftEncrypted], &also);
    assert!(refused.stdout.is_empty() && !refused.stderr.contains("ConfigMap c"), "{refused}");
    let decrypted = platform.lab.build(&platform.repo, DIRECTORY, Mode::Plugin).ok();
    assert_eq!(gate(&decrypted).ok(), decrypted);
}

#[test]
fn explain_names_the_rules_that_were_passed_over() {
    let mut platform = Platform::empty();
    platform.secret(EAST, "east.yaml", DATABASE);
    platform.repo.write("elsewhere/a.yaml", DATABASE);
    let explain = |file: &str| krm(&platform.lab, &platform.repo, &["explain", file], "");
    let east = explain(&format!("secrets/{EAST}/east.yaml")).ok();
    for text in ["passed: rule 1 does not match", "rule:   2 is the first that matches", &platform.east] {
        assert!(east.contains(text), "{text}: {east}");
    }
    assert!(!east.contains(&platform.west) && !east.contains("canary"), "{east}");
    let none = explain("elsewhere/a.yaml").ok();
    assert!(none.contains("rule 2 does not match") && none.contains("no-rule"), "{none}");
    let missing = explain("secrets/nowhere.yaml");
    expect::refused(
        &platform.lab,
        &platform.repo,
        &missing,
        &[Code::OriginNotFound],
        &["secrets/nowhere.yaml"],
    );
    assert!(platform.lab.calls().is_empty());
}
