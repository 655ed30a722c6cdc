//! Encrypted patches: each value is opened with the key of the file that holds it, and both files are verified.

use krm_sops::diagnostics::Code;

use crate::support::expect::said;
use crate::support::platform::DATABASE;
use crate::support::{EAST, Mode, Platform, WEST};

/// The Secret of the platform with an encrypted patch over it, listed with `patches:` where `patches` says.
fn patched(patch: &str, listed_in: &str) -> Platform {
    let mut platform = Platform::new();
    platform.repo.encrypt(&platform.lab, &format!("secrets/{WEST}/patch.yaml"), patch);
    let base = format!("secrets/{WEST}");
    let to_base = if listed_in == "base" { "patches:\n- path: patch.yaml\n" } else { "" };
    platform.repo.kustomization(&base, &format!("resources: [database.yaml]\n{to_base}"));
    if listed_in == "cluster" {
        // kustomize reads no file above a kustomization but by its directory.
        let nearer = format!("clusters/{WEST}/secrets/{WEST}/patch.yaml");
        platform.repo.encrypt(&platform.lab, &nearer, patch);
        platform.cluster(WEST, &format!("patches:\n- path: secrets/{WEST}/patch.yaml\n"));
    }
    platform
}

const PATCH: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: database
  labels:
    patched: 'yes'
stringData:
  password: canary-changed
  extra: canary-extra
";

#[test]
fn over_an_encrypted_base() {
    for listed_in in ["base", "cluster"] {
        let platform = patched(PATCH, listed_in);
        platform.assert_decrypts();
        let built = platform.lab.build(&platform.repo, &format!("clusters/{WEST}"), Mode::Plugin).ok();
        assert!(built.contains("password: canary-changed") && built.contains("username: canary-username"));
    }
}

#[test]
fn over_a_plain_base() {
    let mut platform = patched(PATCH, "base");
    let plain =
        DATABASE.replace("stringData:", "stringData:\n  host_unencrypted: db").replace("canary-", "known-");
    platform.repo.forget_encrypted(&format!("secrets/{WEST}/database.yaml"));
    platform.repo.write(&format!("secrets/{WEST}/database.yaml"), &plain);
    platform.assert_decrypts();
}

#[test]
fn as_a_strategic_merge_list_and_as_a_transformer_of_its_own() {
    let platform = patched(PATCH, "base");
    let base = format!("secrets/{WEST}");
    platform.repo.kustomization(&base, "resources: [database.yaml]\npatchesStrategicMerge: [patch.yaml]\n");
    platform.assert_decrypts();
    platform
        .repo
        .kustomization(&base, "resources: [database.yaml]\ntransformers: [conf/patch.yaml]\n")
        .write(
            &format!("{base}/conf/patch.yaml"),
            "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: patch.yaml\ntarget: {kind: Secret}\n",
        );
    platform.lab.assert_decrypts(&platform.repo, &format!("clusters/{WEST}"));
}

#[test]
fn two_patches_of_two_keys_and_a_plain_one() {
    let mut platform = patched(PATCH, "base");
    let second =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: database}\nstringData: {east: canary-east}\n";
    let path = format!("clusters/{WEST}/secrets/{EAST}/east.yaml");
    platform.repo.encrypt(&platform.lab, &path, second);
    platform.cluster(
        WEST,
        &format!(
            "patches:\n- path: secrets/{EAST}/east.yaml\n- target: {{kind: Secret}}\n  patch: |\n    - {{op: add, path: /stringData/plain, value: seen}}\n"
        ),
    );
    platform.assert_decrypts();
    let finished = platform.lab.build(&platform.repo, &format!("clusters/{WEST}"), Mode::Function);
    said(&finished, "info", Code::PlainValue, &["stringData.plain"]);
}

#[test]
fn a_tampered_patch_or_a_tampered_base_is_refused() {
    let cluster = format!("clusters/{WEST}");
    for (file, code) in [("database.yaml", "platform"), ("patch.yaml", "'yes'")] {
        let platform = patched(PATCH, "base");
        let path = format!("secrets/{WEST}/{file}");
        let before = platform.repo.read(&path);
        let quoted = code.replace('\'', "\"");
        let found = if before.contains(code) { code } else { quoted.as_str() };
        platform.repo.tamper(&path, |text| text.replace(found, "changed"));
        platform.assert_refused(&cluster, &[Code::MacMismatch], &[&path]);
    }
}

#[test]
fn a_patch_under_a_foreign_key_is_refused() {
    let mut platform = patched(PATCH, "base");
    let foreign = platform.lab.open_key("us-west-2");
    let path = format!("secrets/{WEST}/patch.yaml");
    platform.repo.forget_encrypted(&path);
    platform.repo.encrypt_with(
        &platform.lab,
        &path,
        PATCH,
        &["--kms", &foreign, "--encrypted-regex", "^(data|stringData)$"],
    );
    platform.assert_refused(&format!("clusters/{WEST}"), &[Code::KeyNotInRule], &["patch.yaml", &foreign]);
}

#[test]
fn a_patch_that_no_file_holds_is_refused_with_both_names() {
    let platform = patched(PATCH, "base");
    let patch = platform.repo.read(&format!("secrets/{WEST}/patch.yaml"));
    let inline = format!("      {}", patch.trim_end().replace('\n', "\n      "));
    platform.repo.kustomization(
        &format!("secrets/{WEST}"),
        &format!("resources: [database.yaml]\npatches:\n- patch: |-\n{inline}\n"),
    );
    platform.assert_refused(
        &format!("clusters/{WEST}"),
        &[Code::MixedDataKeys],
        &["Secret database", "database.yaml", "stringData.extra"],
    );
}
