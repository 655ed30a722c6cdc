//! examples/kpt: krm-sops gets the package as kpt would give it. kpt itself is not among the tools of the tests; what it writes
//! was recorded from a real one (src/krm/testdata/kpt-exec.yaml).

use std::fs;

use serde_yaml::{Mapping, Value};

use super::{assert_failed, documents, list, strings, tamper};
use crate::support::run::source;
use crate::support::{Lab, Repo};

const PACKAGE: &str = "examples/kpt/app";

/// A package as a resource list, with the annotations of the recording.
fn resource_list(repo: &Repo) -> String {
    let recording = fs::read_to_string(source("src/krm/testdata/kpt-exec.yaml")).expect("the recording");
    let recording: Value = serde_yaml::from_str(&recording).expect("YAML");
    let recorded = strings(&list(&recording["items"])[1]["metadata"]["annotations"]);
    assert!(recorded.iter().any(|(name, _)| name == "internal.config.kubernetes.io/path"), "{recorded:?}");
    let items = ["Kptfile", "secret.yaml"].map(|file| {
        let mut item: Value = serde_yaml::from_str(&repo.read(&format!("{PACKAGE}/{file}"))).expect("YAML");
        let annotations = &mut item["metadata"]["annotations"];
        if annotations.is_null() {
            *annotations = Value::Mapping(Mapping::new());
        }
        for (name, value) in &recorded {
            let value = if name.ends_with("/path") { file } else { value };
            annotations[name.as_str()] = Value::from(value);
        }
        item
    });
    let mut resources = Mapping::new();
    resources.insert("apiVersion".into(), "config.kubernetes.io/v1".into());
    resources.insert("kind".into(), "ResourceList".into());
    resources.insert("items".into(), Value::Sequence(items.into()));
    serde_yaml::to_string(&resources).expect("YAML")
}

#[test]
fn the_package_is_decrypted_where_it_stands() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let repo = Repo::with_copy_of("examples/kpt");
    let package: Value = serde_yaml::from_str(&repo.read(&format!("{PACKAGE}/Kptfile"))).expect("YAML");
    assert_eq!(package["pipeline"]["mutators"][0]["exec"], "krm-sops");
    assert!(
        !repo.path(&format!("{PACKAGE}/.sops.yaml")).exists(),
        "kpt refuses a package with one: it is no resource"
    );

    let input = resource_list(&repo);
    let output = lab.function(&repo, PACKAGE, &input).ok();
    let output: Value = serde_yaml::from_str(&output).expect("YAML");
    let [kptfile, secret] = list(&output["items"]) else { panic!("two items come back: {output:?}") };
    assert_eq!(kptfile["kind"], "Kptfile");
    let decrypted = repo.sops(&lab, &["decrypt", &format!("{PACKAGE}/secret.yaml")]);
    assert_eq!(secret["stringData"], documents(&decrypted)[0]["stringData"]);
    assert!(secret.get("sops").is_none());

    // kpt starts a function where it was started itself, and so does who forgets the `cd`.
    let elsewhere = lab.function(&repo, "examples/kpt", &input);
    assert_failed(&elsewhere, "origin-not-found");
    tamper(&repo, &format!("{PACKAGE}/secret.yaml"));
    assert_failed(&lab.function(&repo, PACKAGE, &resource_list(&repo)), "mac-mismatch");
}
