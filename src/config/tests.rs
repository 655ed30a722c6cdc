use super::*;

fn spec(text: &str) -> Result<Config, Problem> {
    Config::parse(&format!(
        "apiVersion: krm-sops.dev/v1\nkind: SopsDecrypt\nmetadata: {{name: decrypt}}\nspec: {text}\n"
    ))
}

fn refused(text: &str) -> Problem {
    let problem = spec(text).unwrap_err();
    assert_eq!(problem.code, Code::BadConfig, "{problem:?}");
    problem
}

#[test]
fn nothing_means_the_strictest() {
    let config = spec("").unwrap();
    assert_eq!(config.integrity, Integrity::Verify);
    assert_eq!(config.on_unencrypted, OnUnencrypted::Refuse);
    assert_eq!(config.on_missing_origin, Fallback::Refuse);
    assert_eq!(config.on_no_rule, Fallback::Refuse);
    assert_eq!(config.kinds, Kinds::All);
    assert_eq!(config.aws, Aws::default());
    assert!(config.creation_rules.is_none() && config.allow_remote.is_empty());
}

#[test]
fn every_field() {
    let config = spec(
        "{sopsConfig: ../.sops.yaml, creationRules: [{kms: a}], root: ../.., kinds: [Secret], onUnencrypted: warn, \
         onMissingOrigin: metadata, onNoRule: metadata, allowRemote: ['^https://x/'], integrity: skip, stripOrigin: all, \
         keyservices: ['unix:///run/sops.sock', 'tcp://127.0.0.1:5000'], aws: {assumeRole: never, profiles: true, maxConcurrency: 3, timeout: 1500ms}}",
    )
    .unwrap();
    assert_eq!(config.sops_config.as_deref(), Some("../.sops.yaml"));
    assert_eq!(config.creation_rules.unwrap().all().len(), 1);
    assert_eq!(config.root.as_deref(), Some("../.."));
    assert!(config.kinds.include("Secret") && !config.kinds.include("ConfigMap"));
    assert_eq!(config.on_unencrypted, OnUnencrypted::Warn);
    assert_eq!(config.on_missing_origin, Fallback::Metadata);
    assert_eq!(config.on_no_rule, Fallback::Metadata);
    assert!(config.allow_remote[0].is_match("https://x/y"));
    assert_eq!(config.integrity, Integrity::Skip);
    assert_eq!(config.strip_origin, StripOrigin::All);
    let services: Vec<String> = config.keyservices.iter().map(ToString::to_string).collect();
    assert_eq!(services, ["unix:///run/sops.sock", "tcp://127.0.0.1:5000"]);
    assert_eq!(config.aws.assume_role, RolePolicy::Never);
    assert!(config.aws.profiles);
    assert_eq!(config.aws.max_concurrency.get(), 3);
    assert_eq!(config.aws.timeout, Duration::from_millis(1500));
}

#[test]
fn a_config_map_says_the_same_with_dots() {
    let config = Config::parse(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {integrity: warn, kinds: 'Secret, ConfigMap', \
         aws.profiles: 'true', aws.maxConcurrency: '7', creationRules: '[{kms: a}, {kms: b}]'}\n",
    )
    .unwrap();
    assert_eq!(config.integrity, Integrity::Warn);
    assert_eq!(config.kinds, Kinds::Only(vec!["Secret".into(), "ConfigMap".into()]));
    assert!(config.aws.profiles);
    assert_eq!(config.aws.max_concurrency.get(), 7);
    assert_eq!(config.creation_rules.unwrap().all().len(), 2);
}

#[test]
fn unknown_fields_suggest_the_near_one() {
    let problem = refused("{integrty: skip}");
    assert_eq!(problem.field.as_deref(), Some("spec.integrty"));
    assert_eq!(problem.help.as_deref(), Some("did you mean spec.integrity?"));
    assert_eq!(
        refused("{aws: {maxconcurency: 1}}").help.as_deref(),
        Some("did you mean spec.aws.maxConcurrency?")
    );
    assert!(refused("{zzz: 1}").help.unwrap().starts_with("the fields here are files, sopsConfig"));
    let problem = Config::from_settings([("aws.timout", "1s")]).unwrap_err();
    assert_eq!(problem.field.as_deref(), Some("spec.aws.timout"));
}

#[test]
fn wrong_values_name_the_right_ones() {
    let problem = refused("{integrity: maybe}");
    assert_eq!(problem.causes, ["one of verify, warn, skip is expected"]);
    for (text, field) in [
        ("{kinds: 5}", "spec.kinds"),
        ("{allowRemote: ['(']}", "spec.allowRemote"),
        ("{aws: {timeout: 0s}}", "spec.aws.timeout"),
        ("{aws: {timeout: 5 parsecs}}", "spec.aws.timeout"),
        ("{aws: {maxConcurrency: 0}}", "spec.aws.maxConcurrency"),
        ("{aws: {assumeRole: admin}}", "spec.aws.assumeRole"),
        ("{aws: 5}", "spec.aws"),
        ("5", "spec"),
    ] {
        assert_eq!(refused(text).field.as_deref(), Some(field), "{text}");
    }
}

#[test]
fn another_kind_is_no_config() {
    let problem = Config::parse("apiVersion: v1\nkind: Secret\n").unwrap_err();
    assert_eq!(problem.code, Code::BadConfig);
    assert_eq!(problem.causes, ["it is v1 Secret"]);
}

#[test]
fn annotations_say_where_the_config_stands() {
    let config = Config::parse(
        "apiVersion: krm-sops.dev/v1\nkind: SopsDecrypt\nmetadata:\n  name: x\n  annotations:\n    \
         config.kubernetes.io/origin: |\n      path: a/decrypt.yaml\n",
    )
    .unwrap();
    assert_eq!(config.identity.origin.as_deref(), Some("path: a/decrypt.yaml\n"));
}

#[test]
fn what_is_wrong_in_inline_rules_is_a_bad_rule() {
    assert_eq!(spec("{creationRules: [{path_regex: '('}]}").unwrap_err().code, Code::BadRule);
}

#[test]
fn the_annotation_of_a_container_says_what_is_mounted() {
    let container = |function: &str| {
        let config = Config::parse(&format!(
            "{{apiVersion: krm-sops.dev/v1, kind: SopsDecrypt, metadata: {{annotations: {{config.kubernetes.io/function: {function:?}}}}}}}"
        ));
        config.map(|config| config.identity.container)
    };
    let mount = |source: &str| Mount { source: source.into(), target: "/repo".into() };
    for (function, mounts) in [
        ("exec: {path: ./krm-sops}", None),
        ("container: {image: '', mounts: [{src: ., dst: /repo}]}\nexec: {path: x}", None),
        ("container: {image: i}", Some(Vec::new())),
        ("container: {image: i, mounts: [{type: bind, src: ., dst: /repo}]}", Some(vec![mount(".")])),
        (
            "container: {image: i, mounts: [{type: volume, src: v, dst: /v}, {dst: /x}, {src: a, dst: /repo}]}",
            Some(vec![mount("a")]),
        ),
    ] {
        assert_eq!(container(function), Ok(mounts), "{function}");
    }
    for function in ["container: [", "container: {image: i, mounts: 5}"] {
        assert_eq!(container(function).unwrap_err().code, Code::BadConfig, "{function}");
    }
}

#[test]
fn keyservices_are_addresses_also_as_settings() {
    let config = Config::from_settings([("keyservices", "unix:///a.sock, tcp://h:1")]).unwrap();
    assert_eq!(config.keyservices.len(), 2);
    assert!(spec("{keyservices: []}").unwrap().keyservices.is_empty());
    let problem = refused("{keyservices: ['unix:/run/sops.sock']}");
    assert_eq!(problem.field.as_deref(), Some("spec.keyservices"));
    assert_eq!(problem.help.as_deref(), Some("did you mean unix:///run/sops.sock?"));
    refused("{keyservices: [{unix: /run/sops.sock}]}");
    refused("{keyservices: 'local'}");
}
