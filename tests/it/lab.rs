//! Tests of what the other tests stand on: a lab that forgives everything would let every test pass.

use std::time::Duration;

use crate::support::build::kustomize;
use crate::support::canary;
use crate::support::platform::DATABASE;
use crate::support::run::{self, run};
use crate::support::{Fault, Finished, Lab, Platform, Repo, WEST};

/// What `sops decrypt` says as the caller whose calls are recorded.
fn decrypt(lab: &Lab, repo: &Repo, path: &str) -> Finished {
    let mut command = run::command(&run::tool("bin/sops"));
    command.current_dir(repo.root()).args(["decrypt", path]);
    run(lab.for_caller(&mut command), "")
}

const FILE: &str = "secrets/us-west-2-platform-engineering-sbx/database.yaml";

#[test]
fn sops_encrypts_by_the_rule_and_what_it_encrypts_is_not_in_the_file() {
    let platform = Platform::new();
    let sealed = platform.repo.read(FILE);
    assert!(
        !sealed.contains("canary") && sealed.contains(&platform.west) && sealed.contains(&platform.role),
        "{sealed}"
    );
    assert_eq!(decrypt(&platform.lab, &platform.repo, FILE).ok().replace("    ", "  "), DATABASE);
}

#[test]
fn the_log_tells_who_asked_for_what() {
    let platform = Platform::new();
    decrypt(&platform.lab, &platform.repo, FILE).ok();
    let calls = platform.lab.calls();
    let seen: Vec<_> =
        calls.iter().map(|call| (call.action.as_str(), call.region.as_str(), call.role.as_deref())).collect();
    assert_eq!(
        seen,
        [("AssumeRole", "us-west-2", None), ("Decrypt", "us-west-2", Some(platform.role.as_str()))],
        "{calls:?}"
    );
    assert_eq!(calls[1].target.as_deref(), Some(platform.west.as_str()));
    assert_eq!(calls[1].session, calls[0].session_name);
}

#[test]
fn a_key_is_only_for_its_role() {
    let platform = Platform::new();
    let other = platform.lab.role("other");
    platform.repo.tamper(FILE, |text| text.replace(&platform.role, &other));
    let refused = decrypt(&platform.lab, &platform.repo, FILE);
    assert!(refused.stderr.contains("AccessDenied"), "{refused}");
    platform.repo.tamper(FILE, |text| text.replace(&other, "arn:aws:iam::123456789012:role/never-made"));
    let refused = decrypt(&platform.lab, &platform.repo, FILE);
    assert!(refused.stderr.contains("AssumeRole"), "{refused}");
}

#[test]
fn faults_come_as_often_as_they_are_asked_for() {
    let platform = Platform::new();
    platform.lab.fault(
        Fault::on("sts", "AssumeRole").target(&platform.role).times(1).error("Throttling").status(400),
    );
    platform
        .lab
        .fault(Fault::on("kms", "Decrypt").target(&platform.west).error("AccessDeniedException").delay(50));
    let refused = decrypt(&platform.lab, &platform.repo, FILE);
    assert!(refused.stderr.contains("AccessDenied") && refused.took > Duration::from_millis(50), "{refused}");
    let errors: Vec<_> =
        platform.lab.calls().into_iter().map(|call| call.error.unwrap_or_default()).collect();
    assert_eq!(errors, ["Throttling", "", "AccessDeniedException"]);
}

#[test]
fn tests_do_not_meet_in_the_log() {
    let lab = Lab::new();
    assert!(lab.calls().is_empty() && lab.data_keys().is_empty());
}

#[test]
fn the_oracle_is_what_kustomize_makes_of_the_decrypted_tree() {
    let platform = Platform::new();
    let built = platform.lab.oracle(&platform.repo, &format!("clusters/{WEST}"));
    assert!(built.contains("  password: canary-password\n") && !built.contains("sops:"), "{built}");
    assert!(built.contains(&format!("path: ../../secrets/{WEST}/database.yaml")), "{built}");
}

#[test]
fn without_us_the_build_is_encrypted() {
    let platform = Platform::new();
    let bare = platform.repo.copy();
    bare.kustomization("bare", &format!("resources: [../secrets/{WEST}]\n"));
    let built = run(&mut kustomize(&bare, &["bare"]), "").ok();
    assert!(built.contains("ENC[AES256_GCM") && !built.contains("canary"), "{built}");
}

#[test]
fn the_canary_sees_plaintexts_data_keys_and_macs() {
    let platform = Platform::new();
    let secrets = canary::secrets(&platform.lab, &platform.repo);
    let names: Vec<_> = secrets.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        names.contains(&"a data key in base64") && names.iter().any(|name| name.starts_with("the MAC of")),
        "{names:?}"
    );
    let mac = &secrets.last().expect("a MAC").1;
    assert!(mac.len() == 128 && mac.chars().all(|c| c.is_ascii_hexdigit()), "{mac}");
    // sops itself says the MAC when it does not fit: what we never may.
    platform.repo.tamper(FILE, |text| text.replace("name: database", "name: another"));
    let leak = decrypt(&platform.lab, &platform.repo, FILE);
    let found = std::panic::catch_unwind(|| canary::assert_silent(&leak, &secrets));
    assert!(found.is_err(), "the canary is blind: {leak}");
}
