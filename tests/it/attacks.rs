//! What someone who can commit may try. Each attack is refused in every mode: with its code, the item and the origin
//! file on stderr, and no secret on either stream.

use std::fs;

use krm_sops::diagnostics::Code;

use crate::support::build::kustomize;
use crate::support::expect::refused;
use crate::support::platform::{DATABASE, rule};
use crate::support::run::{command, krm_sops, run};
use crate::support::{Mode, Platform, WEST};

const FILE: &str = "secrets/us-west-2-platform-engineering-sbx/database.yaml";
const DIRECTORY: &str = "clusters/us-west-2-platform-engineering-sbx";

/// The line of the file that holds this key, without indentation.
fn line<'t>(text: &'t str, key: &str) -> &'t str {
    text.lines().map(str::trim).find(|line| line.starts_with(&format!("{key}:"))).expect("a line of the file")
}

/// The encrypted value of a key.
fn value<'t>(text: &'t str, key: &str) -> &'t str {
    line(text, key).split_once(": ").expect("a key and a value").1
}

/// The text without the line of this key.
fn without(text: &str, key: &str) -> String {
    let mark = format!("{key}:");
    text.split_inclusive('\n').filter(|line| !line.trim().starts_with(&mark)).collect()
}

/// The file was changed like this; the build must be refused with this code, for this item and file.
#[track_caller]
fn assert_tampering_refused(codes: &[Code], change: impl FnOnce(&str) -> String) -> Platform {
    let platform = Platform::new();
    platform.repo.tamper(FILE, change);
    platform.assert_refused(DIRECTORY, codes, &["Secret database", FILE]);
    platform
}

#[test]
fn an_old_value_is_put_back() {
    let platform = Platform::new();
    let before = platform.repo.read(FILE);
    platform.repo.sops(&platform.lab, &["set", FILE, "[\"stringData\"][\"password\"]", "\"canary-rotated\""]);
    platform.assert_decrypts();
    platform.repo.tamper(FILE, |now| now.replace(value(now, "password"), value(&before, "password")));
    platform.assert_refused(DIRECTORY, &[Code::MacMismatch], &["Secret database", FILE]);
}

#[test]
fn a_key_is_dropped() {
    assert_tampering_refused(&[Code::MacMismatch], |text| without(text, "password"));
}

#[test]
fn a_clear_field_is_edited() {
    assert_tampering_refused(&[Code::MacMismatch], |text| text.replace("team: platform", "team: another"));
}

#[test]
fn a_clear_field_is_added() {
    assert_tampering_refused(&[Code::MacMismatch], |text| {
        text.replace("type: Opaque", "type: Opaque\nimmutable: true")
    });
}

#[test]
fn two_values_are_swapped() {
    assert_tampering_refused(&[Code::ValueCorrupt], |text| {
        let (username, password) = (value(text, "username"), value(text, "password"));
        text.replace(username, "SWAP").replace(password, username).replace("SWAP", password)
    });
}

#[test]
fn two_values_of_one_list_are_swapped() {
    // List indices are no part of what a value is bound to: only the MAC knows the order.
    let mut platform = Platform::new();
    let users = "apiVersion: example.com/v1\nkind: Users\nmetadata: {name: users}\ndata:\n- canary-one\n- canary-two\n";
    platform.secret(WEST, "users.yaml", users);
    platform.repo.tamper(&format!("secrets/{WEST}/users.yaml"), |text| {
        let mut lines: Vec<&str> = text.lines().collect();
        let first = lines.iter().position(|line| line.trim().starts_with("- ENC[")).expect("a value");
        lines.swap(first, first + 1);
        lines.join("\n")
    });
    platform.assert_refused(DIRECTORY, &[Code::MacMismatch], &["Users users", "users.yaml"]);
}

#[test]
fn a_value_is_damaged() {
    assert_tampering_refused(&[Code::ValueCorrupt], |text| {
        let password = value(text, "password");
        let damaged = if password.contains("data:A") {
            password.replace("data:A", "data:B")
        } else {
            let at = password.find("data:").expect("data") + 5;
            format!("{}A{}", &password[..at], &password[at + 1..])
        };
        text.replace(password, &damaged)
    });
}

#[test]
fn a_value_of_another_file_is_put_in() {
    let mut platform = Platform::new();
    platform.secret(WEST, "other.yaml", &DATABASE.replace("name: database", "name: other"));
    let other = platform.repo.read(&format!("secrets/{WEST}/other.yaml"));
    platform.repo.tamper(FILE, |text| text.replace(value(text, "password"), value(&other, "password")));
    platform.assert_refused(
        DIRECTORY,
        &[Code::ValueCorrupt],
        &["Secret database", FILE, "stringData.password"],
    );
}

#[test]
fn the_mac_is_removed() {
    assert_tampering_refused(&[Code::MacMissing], |text| without(text, "mac"));
}

#[test]
fn the_mac_is_emptied() {
    assert_tampering_refused(&[Code::MacMissing], |text| text.replace(value(text, "mac"), "\"\""));
}

#[test]
fn the_mac_of_another_file_is_put_in() {
    let mut platform = Platform::new();
    platform.secret(WEST, "other.yaml", &DATABASE.replace("name: database", "name: other"));
    let other = platform.repo.read(&format!("secrets/{WEST}/other.yaml"));
    platform.repo.tamper(FILE, |text| text.replace(value(text, "mac"), value(&other, "mac")));
    platform.assert_refused(DIRECTORY, &[Code::MacMismatch, Code::ValueCorrupt], &["Secret database", FILE]);
}

#[test]
fn a_value_is_replaced_by_a_plain_one() {
    let platform = assert_tampering_refused(&[Code::ValueNotEncrypted], |text| {
        text.replace(value(text, "password"), "canary-attacker")
    });
    platform.assert_refused(DIRECTORY, &[Code::ValueNotEncrypted], &["stringData.password"]);
    assert!(platform.lab.calls().is_empty(), "the structure of a file is judged without AWS");
}

#[test]
fn the_selector_is_narrowed() {
    assert_tampering_refused(&[Code::MacMismatch, Code::ValueCorrupt, Code::ValueNotEncrypted], |text| {
        text.replace("encrypted_regex: ^(data|stringData)$", "encrypted_regex: ^data$")
    });
}

#[test]
fn the_selector_is_narrowed_to_make_room_for_a_plain_value() {
    assert_tampering_refused(&[Code::MacMismatch, Code::ValueCorrupt, Code::ValueNotEncrypted], |text| {
        text.replace(value(text, "password"), "canary-attacker")
            .replace("encrypted_regex: ^(data|stringData)$", "encrypted_regex: ^data$")
    });
}

#[test]
fn the_mac_is_told_to_look_at_encrypted_values_only() {
    assert_tampering_refused(&[Code::MacMismatch], |text| {
        text.replace("team: platform", "team: another")
            .replace("sops:\n", "sops:\n    mac_only_encrypted: true\n")
    });
}

/// `mac_only_encrypted` vouches for no clear value. One that is a ciphertext is a text to sops, and must not be opened here.
#[test]
fn a_ciphertext_is_copied_to_a_clear_place() {
    let mut platform = Platform::empty();
    platform.repo.tamper(".sops.yaml", |text| {
        text.replace("    shamir_threshold", "    mac_only_encrypted: true\n    shamir_threshold")
    });
    platform.secret(WEST, "database.yaml", DATABASE).cluster(WEST, "");
    let sealed = platform.repo.read(FILE);
    let password = value(&sealed, "password");
    platform.repo.tamper(FILE, |text| text.replace("team: platform", &format!("team: {password}")));
    platform.assert_decrypts();
    let built = platform.lab.build(&platform.repo, DIRECTORY, Mode::Filter).ok();
    assert!(built.contains(password), "{built}");
    assert_eq!(built.matches("canary-password").count(), 1, "{built}");
}

#[test]
fn the_metadata_is_broken() {
    assert_tampering_refused(&[Code::BadMetadata], |text| {
        text.replace("arn: arn:aws:kms:", "arn: not-an-arn:")
    });
}

#[test]
fn the_file_is_encrypted_with_a_key_outside_the_rule() {
    let mut platform = Platform::empty();
    let foreign = platform.lab.open_key("us-west-2");
    let arguments = ["--encrypted-regex", "^(data|stringData)$", "--kms", &foreign];
    platform.repo.encrypt_with(&platform.lab, FILE, DATABASE, &arguments);
    platform.repo.kustomization(&format!("secrets/{WEST}"), "resources: [database.yaml]\n");
    platform.cluster(WEST, "");
    platform.assert_refused(
        DIRECTORY,
        &[Code::KeyNotInRule],
        &["Secret database", FILE, &foreign, "creation rule 1"],
    );
    assert!(
        platform.lab.calls().is_empty(),
        "AWS must not be asked for a foreign key: {:?}",
        platform.lab.calls()
    );
}

#[test]
fn a_foreign_key_is_added_beside_the_rule_s() {
    let platform = Platform::new();
    let foreign = platform.lab.open_key("us-west-2");
    platform.repo.sops(&platform.lab, &["rotate", "-i", "--add-kms", &foreign, FILE]);
    platform.assert_refused(DIRECTORY, &[Code::KeyNotInRule], &["Secret database", FILE, &foreign]);
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn the_role_in_the_metadata_is_never_assumed() {
    let platform = Platform::new();
    let attacker = platform.lab.role("attacker");
    platform.repo.tamper(FILE, |text| text.replace(&platform.role, &attacker));
    let built = platform.lab.build(&platform.repo, DIRECTORY, crate::support::Mode::Plugin);
    // The block's role is a claim that nobody reads: the rule's role opens the file.
    assert!(built.ok().contains("canary-password"));
    let calls = platform.lab.calls();
    assert!(!calls.is_empty());
    assert!(
        calls
            .iter()
            .all(|call| call.target.as_deref() != Some(&attacker) && call.role.as_deref() != Some(&attacker))
    );
}

#[test]
fn a_file_of_another_cluster_is_copied_here() {
    let mut platform = Platform::new();
    let east = crate::support::EAST;
    platform.secret(east, "database.yaml", DATABASE);
    let sealed = platform.repo.read(&format!("secrets/{east}/database.yaml"));
    platform.repo.write(FILE, &sealed);
    platform.assert_refused(DIRECTORY, &[Code::KeyNotInRule], &["Secret database", FILE]);
}

#[test]
fn a_symbolic_link_leads_out_of_the_repository() {
    let platform = Platform::new();
    let sealed = platform.repo.read(FILE);
    platform.repo.write(&format!("../outside/secrets/{WEST}/database.yaml"), &sealed);
    platform.repo.write("../outside/.sops.yaml", &platform.repo.read(".sops.yaml"));
    platform.repo.kustomization(&format!("../outside/secrets/{WEST}"), "resources: [database.yaml]\n");
    fs::remove_dir_all(platform.repo.path("secrets")).expect("secrets can be removed");
    std::os::unix::fs::symlink("../outside/secrets", platform.repo.path("secrets")).expect("a link");
    platform.assert_refused(DIRECTORY, &[Code::OriginOutsideRoot], &["Secret database", "database.yaml"]);
}

#[test]
fn the_root_is_narrower_than_the_build() {
    let platform = Platform::new();
    platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), "root: .");
    platform.assert_refused(DIRECTORY, &[Code::OriginOutsideRoot], &["Secret database", FILE]);
}

#[test]
fn a_patch_points_the_origin_elsewhere() {
    let mut platform = Platform::new();
    platform.secret(WEST, "other.yaml", &DATABASE.replace("name: database", "name: other"));
    platform.cluster(
        WEST,
        "patches:
- target: {kind: Secret, name: database}
  patch: |
    apiVersion: v1
    kind: Secret
    metadata:
      name: database
      annotations:
        config.kubernetes.io/origin: |
          path: ../../secrets/us-west-2-platform-engineering-sbx/other.yaml
",
    );
    let codes = [Code::NotInOrigin, Code::MixedDataKeys];
    platform.assert_refused(DIRECTORY, &codes, &["Secret database"]);
}

#[test]
fn a_patch_smuggles_a_ciphertext_in() {
    let mut platform = Platform::new();
    let stolen = value(&platform.repo.read(FILE), "password").to_owned();
    platform.cluster(WEST, &patch(&format!("stringData: {{username: \"{stolen}\"}}")));
    platform.assert_refused(
        DIRECTORY,
        &[Code::NotInOrigin],
        &["Secret database", FILE, "stringData.username"],
    );
    platform.cluster(
        WEST,
        &patch(&format!("metadata: {{name: database, annotations: {{shown: \"{stolen}\"}}}}")),
    );
    platform.assert_refused(
        DIRECTORY,
        &[Code::NotInOrigin],
        &["Secret database", FILE, "metadata.annotations.shown"],
    );
}

/// A strategic-merge patch of the Secret `database` in a kustomization.
fn patch(fields: &str) -> String {
    let name = if fields.starts_with("metadata:") { "" } else { "    metadata: {name: database}\n" };
    format!("patches:\n- patch: |\n    apiVersion: v1\n    kind: Secret\n{name}    {fields}\n")
        .replace("- patch:", "- target: {kind: Secret, name: database}\n  patch:")
}

#[test]
fn an_encrypted_list_loses_its_block() {
    let mut platform = Platform::empty();
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: listed}\n  \
                stringData: {password: canary-listed}\n";
    platform.secret(WEST, "list.yaml", list);
    platform.cluster(WEST, "");
    platform.assert_refused(
        DIRECTORY,
        &[Code::OrphanCiphertext],
        &["Secret listed", "origin: secrets/us-west-2-platform-engineering-sbx/list.yaml"],
    );
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn an_unencrypted_secret_under_a_rule() {
    let mut platform = Platform::new();
    platform.repo.kustomization(&format!("secrets/{WEST}"), "resources: [database.yaml, forgotten.yaml]\n");
    // What was never encrypted is a secret all the same: nobody should read it in a log.
    let canary = DATABASE.replace("name: database", "name: forgotten");
    platform.repo.write(&format!("secrets/{WEST}/forgotten.yaml"), &canary);
    platform.assert_refused(DIRECTORY, &[Code::NotEncrypted], &["Secret forgotten", "forgotten.yaml"]);
    platform.cluster(WEST, "");
    for policy in ["warn", "ignore"] {
        platform.repo.transformer(&format!("{DIRECTORY}/decrypt.yaml"), &format!("onUnencrypted: {policy}"));
        let built = platform.lab.build(&platform.repo, DIRECTORY, crate::support::Mode::Function);
        assert_eq!(built.stderr.contains("warning[not-encrypted]"), policy == "warn", "{built}");
        assert_eq!(built.stdout.matches("canary-password").count(), 2, "{built}");
    }
}

#[test]
fn the_origin_annotation_is_missing() {
    let mut platform = Platform::new();
    platform.cluster(WEST, "");
    platform.repo.tamper(&format!("{DIRECTORY}/kustomization.yaml"), |text| {
        text.replace("buildMetadata: [originAnnotations]\n", "")
    });
    platform.assert_refused(
        DIRECTORY,
        &[Code::MissingOrigin],
        &["Secret database", "buildMetadata: [originAnnotations]"],
    );
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn the_rules_are_in_a_file_that_sops_does_not_read() {
    let platform = Platform::new();
    fs::rename(platform.repo.path(".sops.yaml"), platform.repo.path(".sops.yml")).expect("a rename");
    platform.assert_refused(DIRECTORY, &[Code::NoRule], &["Secret database", FILE, ".sops.yml"]);
}

#[test]
fn no_rule_covers_the_file() {
    let platform = Platform::new();
    platform.repo.tamper(".sops.yaml", |text| text.replace(WEST, "elsewhere"));
    platform.assert_refused(DIRECTORY, &[Code::NoRule], &["Secret database", FILE]);
}

#[test]
fn a_rule_has_a_bad_regex() {
    let platform = Platform::new();
    // Broken in a rule that is never reached: skipping it would hand its files to the next one.
    platform.repo.tamper(".sops.yaml", |text| format!("{text}{}", rule("(", &platform.west, &platform.role)));
    platform.assert_refused(DIRECTORY, &[Code::BadRule], &["Secret database", FILE, "creation rule 3"]);
}

#[test]
fn all_refused_items_are_said_at_once() {
    let mut platform = Platform::new();
    platform.secret(WEST, "other.yaml", &DATABASE.replace("name: database", "name: other"));
    platform.repo.tamper(FILE, |text| without(text, "mac"));
    platform.repo.tamper(&format!("secrets/{WEST}/other.yaml"), |text| without(text, "password"));
    platform.assert_refused(
        DIRECTORY,
        &[Code::MacMissing],
        &["Secret database", FILE, "error[mac-mismatch]", "Secret other", "other.yaml"],
    );
}

#[test]
fn lines_that_end_with_a_carriage_return_alone() {
    let platform = Platform::new();
    let body = format!("buildMetadata: [originAnnotations]\nresources: [../secrets/{WEST}]\n");
    platform.repo.kustomization("plain", &body);
    let built = run(&mut kustomize(&platform.repo, &["plain"]), "").ok();
    for input in [built.replace('\n', "\r"), built.replacen("\nkind", "\rkind", 1)] {
        let finished = platform.lab.function(&platform.repo, "plain", &input);
        refused(&platform.lab, &platform.repo, &finished, &[Code::BadInput], &["carriage return"]);
        assert!(finished.stdout.is_empty(), "{finished}");
    }
}

#[test]
fn a_patch_removes_the_block() {
    let mut platform = Platform::new();
    let patch = "patches: [{target: {kind: Secret}, patch: '- {op: remove, path: /sops}'}]\n";
    platform.cluster(WEST, patch);
    platform.assert_refused(
        DIRECTORY,
        &[Code::OrphanCiphertext],
        &["Secret database", "a patch may have removed"],
    );
}

#[test]
fn the_disk_behind_stdout_is_full() {
    let platform = Platform::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let mut command = command(krm_sops());
    command.stdin(std::process::Stdio::null()).stdout(full).arg("--help");
    let output = platform.lab.for_caller(&mut command).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("stdout cannot be written"), "{stderr}");
}

#[test]
fn more_comes_in_than_is_read() {
    // Nothing is on the disk of it: the file is one hole.
    let huge = tempfile::tempfile().expect("a file");
    huge.set_len(257 << 20).expect("a large one");
    let output = command(krm_sops()).arg("decrypt").stdin(huge).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{stderr}");
    for said in ["error[bad-input]", "larger than 256 MiB", "built in several parts"] {
        assert!(stderr.contains(said), "{stderr}");
    }
}
