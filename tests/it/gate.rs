//! The gate: what kustomize makes of encrypted files that nobody decrypts, found in what it built.

use krm_sops::diagnostics::Code;

use crate::support::build::kustomize;
use crate::support::run::{self, Finished, krm_sops};
use crate::support::{Lab, Platform, Repo, WEST, expect};

/// A repository with these files below `secrets/`, encrypted by sops, and a kustomization that has generators for them.
fn generated(platform: &mut Platform, files: &[(&str, &str)], generators: &str) -> String {
    for (name, plain) in files {
        platform.repo.encrypt(&platform.lab, &format!("secrets/{WEST}/{name}"), plain);
    }
    platform.repo.kustomization(&format!("secrets/{WEST}"), generators);
    run::run(&mut kustomize(&platform.repo, &[&format!("secrets/{WEST}")]), "").ok()
}

fn gate(lab: &Lab, repo: &Repo, manifest: &str) -> Finished {
    let mut command = run::command(krm_sops());
    command.current_dir(repo.root()).arg("gate");
    run::run(lab.for_caller(&mut command), manifest)
}

/// Rules that encrypt every value, as one has for files that are no resources.
fn platform() -> Platform {
    let platform = Platform::empty();
    platform.repo.tamper(".sops.yaml", |rules| {
        rules
            .lines()
            .filter(|line| !line.contains("encrypted_regex"))
            .fold(String::new(), |kept, line| kept + line + "\n")
    });
    platform
}

#[track_caller]
fn refused(platform: &Platform, manifest: &str, also: &[&str]) {
    let refused = gate(&platform.lab, &platform.repo, manifest);
    expect::refused(&platform.lab, &platform.repo, &refused, &[Code::LeftEncrypted], also);
    assert!(refused.stdout.is_empty(), "{refused}");
}

#[test]
fn encrypted_files_that_generators_read() {
    let files = [
        ("app.yaml", "password: canary-yaml\n"),
        ("app.json", "{\"password\": \"canary-json\"}\n"),
        ("app.ini", "[main]\npassword = canary-ini\n"),
        ("app.env", "password=canary-env\n"),
        ("key.pem", "canary-pem\n"),
    ];
    let list = files.map(|(name, _)| name).join(", ");
    for generator in ["secretGenerator", "configMapGenerator"] {
        let mut platform = platform();
        let manifest =
            generated(&mut platform, &files, &format!("{generator}:\n- {{name: app, files: [{list}]}}\n"));
        let fields = [
            r#"data["app.yaml"] (an encrypted YAML file)"#,
            r#"data["app.json"] (an encrypted JSON file)"#,
            r#"data["app.ini"] (an encrypted INI file)"#,
            r#"data["app.env"] (an encrypted dotenv file)"#,
            // sops wraps what it does not know in JSON.
            r#"data["key.pem"] (an encrypted JSON file)"#,
            "a generator read a file that sops encrypted",
        ];
        refused(&platform, &manifest, &fields);
    }
}

#[test]
fn a_dotenv_file_that_envs_scattered() {
    for generator in ["secretGenerator", "configMapGenerator"] {
        let mut platform = platform();
        let manifest = generated(
            &mut platform,
            &[("app.env", "password=canary-env\n")],
            &format!("{generator}:\n- {{name: app, envs: [app.env]}}\n"),
        );
        // The value, the MAC, and what is not even encrypted of the metadata.
        let fields =
            ["data.password", "data.sops_mac", "data.sops_version", "data.sops_kms__list_0__map_arn"];
        refused(&platform, &manifest, &fields);
        let only_metadata =
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {sops_lastmodified: x}\n";
        refused(&platform, only_metadata, &["ConfigMap a", "data.sops_lastmodified"]);
    }
}

#[test]
fn what_hides_in_base64_annotations_and_lists() {
    let mut platform = platform();
    platform.repo.encrypt(&platform.lab, "secrets/us-west-2-platform-engineering-sbx/a.yaml", "a: canary\n");
    let file = platform.repo.read("secrets/us-west-2-platform-engineering-sbx/a.yaml");
    let base64 = base64_simd::STANDARD.encode_to_string(&file);
    let wrapped: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).expect("base64 is ASCII")).collect();
    let wrapped = wrapped.join("\n    ");
    let json = serde_json::to_string(&serde_json::json!({"data": {"a": file}})).unwrap();
    for (manifest, also) in [
        (
            format!("kind: Secret\nmetadata: {{name: a}}\ndata:\n  f: |\n    {wrapped}\n"),
            "data.f (an encrypted YAML file)",
        ),
        (
            format!("kind: ConfigMap\nmetadata: {{name: a}}\nbinaryData:\n  f: {base64}\n"),
            "binaryData.f (an encrypted YAML file)",
        ),
        (format!("kind: Secret\nmetadata: {{name: a}}\nstringData:\n  f: {json}\n"), "stringData.f"),
        (
            format!(
                "kind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{json}'\n"
            ),
            "last-applied-configuration",
        ),
        (
            format!("kind: List\nmetadata: {{name: a}}\nitems:\n- kind: Secret\n  data:\n    f: {base64}\n"),
            "items[0].data.f (an encrypted YAML file)",
        ),
    ] {
        refused(&platform, &format!("apiVersion: v1\n{manifest}"), &[also]);
    }
}

#[test]
fn what_is_not_encrypted_goes_through_as_it_is() {
    let platform = Platform::empty();
    let manifest = "\
# ENC[AES256_GCM,data:a comment is not applied]
apiVersion: v1
kind: Secret
metadata:   {name: a, annotations: {tool: sops 3.13.2}}
data: {a: c29wcw==, 'not': base64!, empty: '', binary: //79/A==}
stringData:
  settings: |
    sops:
      enabled: true
    creation_rules: [{kms: 'arn:aws:kms:us-west-2:123456789012:key/a'}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b}
data: {sops_home: /opt/sops, SOPS_VERSION: 3.13.2}
binaryData: {a: AAECAw==}
";
    assert_eq!(gate(&platform.lab, &platform.repo, manifest).ok(), manifest);
    assert!(platform.lab.calls().is_empty());
}

#[test]
fn an_empty_manifest_is_what_a_build_that_failed_leaves() {
    let platform = Platform::empty();
    for manifest in ["", "\n\n", "---\n", "# nothing\n"] {
        let refused = gate(&platform.lab, &platform.repo, manifest);
        expect::refused(
            &platform.lab,
            &platform.repo,
            &refused,
            &[Code::BadInput],
            &["no resource", "pipefail"],
        );
        assert!(refused.stdout.is_empty());
    }
}
