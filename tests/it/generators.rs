//! What kustomize's generators make from encrypted files: the build is that of the decrypted files, down
//! to the hashes in names.

use krm_sops::diagnostics::Code;

use crate::support::build::normalised;
use crate::support::expect::{refused, said};
use crate::support::{Lab, Mode, Repo};

/// A repository whose one rule covers `app/`, with sops' own choice of what is encrypted.
struct Generated {
    lab: Lab,
    repo: Repo,
    key: String,
    role: String,
}

impl Generated {
    fn new() -> Self {
        let lab = Lab::new();
        let role = lab.role("flux-secrets");
        let key = lab.key("us-west-2", &role);
        let repo = Repo::new();
        let rules = format!("creation_rules:\n- path_regex: ^app/\n  kms: {key}+{role}\n");
        repo.write(".sops.yaml", &rules).transformer("app/decrypt.yaml", "");
        Self { lab, repo, key, role }
    }

    fn file(mut self, path: &str, plain: &str) -> Self {
        self.repo.encrypt(&self.lab, &format!("app/{path}"), plain);
        self
    }

    fn kustomization(self, body: &str) -> Self {
        let head = "buildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n";
        self.repo.kustomization("app", &format!("{head}{body}"));
        self
    }

    /// Asserts that `app` is built as the oracle builds it. A filter comes too late for names, so there they have no hash.
    #[track_caller]
    fn assert_generates(&self) {
        self.assert_generates_inside();
        let unhashed = self.repo.copy();
        let body = self.repo.read("app/kustomization.yaml");
        unhashed.write(
            "app/kustomization.yaml",
            &format!("{body}generatorOptions: {{disableNameSuffixHash: true}}\n"),
        );
        let expected = normalised(&self.lab.oracle(&unhashed, "app"));
        let built = normalised(&self.lab.build(&unhashed, "app", Mode::Filter).ok());
        assert!(built == expected, "Filter\n--- oracle ---\n{expected}\n--- built ---\n{built}");
    }

    /// Likewise, by transformers alone.
    #[track_caller]
    fn assert_generates_inside(&self) {
        let expected = self.lab.oracle(&self.repo, "app");
        for mode in [Mode::Plugin, Mode::Function] {
            let built = self.lab.build(&self.repo, "app", mode).ok();
            assert!(built == expected, "{mode:?}\n--- oracle ---\n{expected}\n--- built ---\n{built}");
        }
    }

    #[track_caller]
    fn assert_refused(&self, codes: &[Code], also: &[&str]) {
        for mode in Mode::ALL {
            let finished = self.lab.build(&self.repo, "app", mode);
            refused(&self.lab, &self.repo, &finished, codes, also);
        }
    }
}

const YAML: &str = "\
# canary-comment
db:
    user: canary-user # canary-inline
    # canary-head
    password: 'canary: pass'
    port: 5432
    ratio: 1.50
    'on': yes
    since: 2024-01-02T03:04:05Z
    empty: ''
    nothing: null
    list: [canary-one, 2, {three: canary-four, five: [canary-six]}]
    block: |
        canary-line one
          canary-line two
    kept: \"canary-a\\n\\n\"
    plain_unencrypted: seen
";

#[test]
fn every_format_as_a_file_of_a_secret() {
    Generated::new()
        .file("conf.yaml", YAML)
        .file("conf.json", r#"{"a":{"b":["canary-json",1,2.5,true,null,{}],"c":[],"<&>":"canary <&> \u2028"},"n":9223372036854775807}"#)
        .file("app.env", "# canary-comment\nUSER=canary-user\nMULTI=canary\\nlines\nQUOTED=\"canary q\"\nEMPTY=\nPLAIN_unencrypted=x\n")
        .file("conf.ini", "top = canary-top\n\n; canary comment\n[db]\n; canary of user\nuser = canary-user\nlonger_key = `canary ; semi # hash`\nspaced = \" canary \"\n[empty]\n")
        .file("text.txt", "canary text\nno newline at the end")
        .kustomization(
            "secretGenerator:\n- name: files\n  files: [conf.yaml, conf.json, app.env, conf.ini, text.txt, renamed=text.txt, other.yaml=conf.yaml]\n  literals: [PLAIN=1]\n",
        )
        .assert_generates();
}

#[test]
fn files_of_a_config_map_and_what_stands_beside_them() {
    let generated = Generated::new()
        .file("conf.yaml", YAML)
        .file("docker.json", r#"{"auths": {"registry.example.com": {"auth": "Y2FuYXJ5OmNhbmFyeQ=="}}}"#)
        .kustomization(
            "namePrefix: a-\nlabels: [{pairs: {b: c}}]\n\
             configMapGenerator:\n- name: map\n  files: [conf.yaml, plain.txt]\n  literals: [A=B]\n\
             secretGenerator:\n- name: pull\n  type: kubernetes.io/dockerconfigjson\n  files: [.dockerconfigjson=docker.json]\n",
        );
    generated.repo.write("app/plain.txt", "sops is not mentioned: ENC[\n");
    generated.assert_generates();
}

#[test]
fn a_binary_file_moves_to_the_binary_data_of_a_config_map() {
    for (files, more) in [
        ("cert=cert.bin", ""),
        ("cert=cert.bin", "  literals: [A=B]\n"),
        ("zz=plain.bin, aa=cert.bin", ""),
        ("aa=plain.bin, zz=cert.bin", "  literals: [A=B]\n"),
    ] {
        let mut generated = Generated::new();
        let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();
        std::fs::create_dir_all(generated.repo.path("app")).unwrap();
        std::fs::write(generated.repo.path("app/plain.bin"), &bytes).unwrap();
        generated.repo.encrypt_bytes(&generated.lab, "app/cert.bin", &bytes);
        generated
            .kustomization(&format!(
                "configMapGenerator:\n- name: map\n  files: [{files}]\n{more}secretGenerator:\n- name: s\n  files: [{files}]\n"
            ))
            .assert_generates();
    }
}

#[test]
fn lines_of_a_dotenv_file() {
    Generated::new()
        .file("app.env", "# canary-comment\nUSER=canary-user\nMULTI=canary\\nlines\nQUOTED=\"canary q\"\nEMPTY=\nCR=canary\r\nPLAIN_unencrypted=x\nEQ=canary=a=b\n")
        .file("more.env", "ONE=canary-1\n")
        .kustomization(
            "secretGenerator:\n- name: envs\n  envs: [app.env]\n  literals: [LITERAL=1]\n- name: one\n  env: more.env\n\
             configMapGenerator:\n- name: envs\n  envs: [app.env]\n",
        )
        .assert_generates();
}

#[test]
fn generators_of_a_base_and_what_an_overlay_merges_into_them() {
    let generated = Generated::new()
        .file("base/base.env", "USER=canary-base\nPASS=canary-pass\n")
        .file("base/conf.yaml", YAML)
        .file("over.json", "{\"a\": \"canary-over\"}")
        .file("gen.yaml.enc", "canary in a generator of its own")
        .kustomization(
            "resources: [base]\nnameSuffix: -s\ngenerators: [conf/gen.yaml]\n\
             secretGenerator:\n- name: b-files\n  behavior: merge\n  files: [over.json]\n  literals: [A=1]\n",
        );
    generated
        .repo
        .kustomization(
            "app/base",
            "namePrefix: b-\nsecretGenerator:\n- name: envs\n  envs: [base.env]\n- name: files\n  files: [conf.yaml]\n",
        )
        .write(
            "app/conf/gen.yaml",
            "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: own}\nfiles: [text=gen.yaml.enc]\n",
        );
    generated.assert_generates_inside();
}

#[test]
fn the_name_of_the_key_asks_for_the_format() {
    let generated = Generated::new()
        .file("conf.yaml", "a: canary-1\nb:\n    - 2\n    - c: 1.5\n")
        .file("flat.env", "A=canary-env\n")
        .kustomization(
            "configMapGenerator:\n- name: map\n  files: [.dockerconfigjson=conf.yaml, conf.json=conf.yaml, env.yaml=flat.env, env.json=flat.env]\n\
             generatorOptions: {disableNameSuffixHash: true}\n",
        );
    let built = generated.lab.build(&generated.repo, "app", Mode::Plugin).ok();
    for text in [
        ".dockerconfigjson: \"{\\n\\t\\\"a\\\": \\\"canary-1\\\",\\n\\t\\\"b\\\": [\\n\\t\\t2,\\n\\t\\t{\\n\\t\\t\\t\\\"c\\\": 1.5\\n\\t\\t}\\n\\t]\\n}\\n\"",
        "env.yaml: |\n    A: canary-env\n",
        "env.json: \"{\\n\\t\\\"A\\\": \\\"canary-env\\\"\\n}\\n\"",
    ] {
        // kustomize folds long strings.
        let unfolded = built.replace("\n    \\t", "\\t").replace("\n    ", " ");
        let wanted = text.replace("\n    ", " ");
        assert!(unfolded.contains(&wanted), "{wanted}\n---\n{built}");
    }
}

#[test]
fn a_format_that_the_file_does_not_fit_is_refused() {
    Generated::new()
        .file("conf.yaml", "a: [canary-1]\n")
        .kustomization("secretGenerator:\n- name: s\n  files: [conf.env=conf.yaml]\n")
        .assert_refused(&[Code::BadInput], &["data.conf.env", "dotenv"]);
}

#[test]
fn a_file_that_was_tampered_with_is_refused() {
    let generated = Generated::new()
        .file("app.env", "A=canary-a\nB_unencrypted=seen\n")
        .file("conf.yaml", "a: canary-1\nb_unencrypted: seen\n")
        .kustomization("secretGenerator:\n- name: s\n  files: [conf.yaml]\n- name: e\n  envs: [app.env]\n");
    generated.repo.tamper("app/conf.yaml", |text| text.replace("seen", "changed"));
    generated.repo.tamper("app/app.env", |text| text.replace("seen", "changed"));
    generated.assert_refused(&[Code::MacMismatch], &["app/conf.yaml", "app/app.env"]);
    // Its kustomization is both the generator's and the one that is built: the item is named once all the same.
    let refused = generated.lab.build(&generated.repo, "app", Mode::Plugin);
    assert_eq!(refused.stderr.matches("item: Secret e").count(), 1, "{refused}");
    generated.repo.tamper("app/app.env", |text| {
        text.split_inclusive('\n').filter(|line| !line.starts_with("sops_mac")).collect()
    });
    generated.assert_refused(&[Code::MacMissing], &["app/app.env"]);
}

#[test]
fn a_file_under_another_key_than_its_rules_is_refused_without_a_call() {
    let generated = Generated::new()
        .file("app.env", "A=canary-a\n")
        .file("conf.ini", "[a]\nb = canary-b\n")
        .kustomization("secretGenerator:\n- name: s\n  files: [conf.ini]\n- name: e\n  envs: [app.env]\n");
    let other = generated.lab.key("us-west-2", &generated.role);
    generated.repo.tamper(".sops.yaml", |text| text.replace(&generated.key, &other));
    let before = generated.lab.calls().len();
    generated.assert_refused(&[Code::KeyNotInRule], &["app/app.env", "app/conf.ini", &generated.key]);
    assert_eq!(generated.lab.calls().len(), before);
}

#[test]
fn an_encrypted_value_that_no_generator_names_is_refused() {
    let mut generated = Generated::new()
        .file("app.env", "A=canary-a\n")
        .file("conf.yaml", "a: canary-1\n")
        .kustomization("secretGenerator:\n- name: e\n  envs: [app.env]\n- name: s\n  files: [conf.yaml]\n");
    // What a patch brings in from a file elsewhere.
    generated.repo.encrypt(&generated.lab, "app/elsewhere.yaml", "a: canary-2\n");
    let foreign = generated.repo.read("app/elsewhere.yaml");
    let block = format!("      {}", foreign.trim_end().replace('\n', "\n      "));
    let body = generated.repo.read("app/kustomization.yaml");
    let patch = format!(
        "patches:\n- target: {{kind: Secret, name: s}}\n  patch: |\n    apiVersion: v1\n    kind: Secret\n    metadata: {{name: s}}\n    stringData:\n      conf.yaml: |\n  {}",
        block.replace('\n', "\n  ").trim_end()
    );
    generated.repo.write("app/kustomization.yaml", &format!("{body}{patch}\n"));
    generated.assert_refused(&[Code::NotInOrigin], &["stringData.conf.yaml", "app/conf.yaml"]);
}

#[test]
fn without_the_file_the_policy_for_missing_origins_holds() {
    let generated = Generated::new()
        .file("app.env", "A=canary-a\nB=canary-b\n")
        .file("conf.yaml", "a: canary-1\n")
        .kustomization("secretGenerator:\n- name: e\n  envs: [app.env]\n- name: s\n  files: [conf.yaml]\n");
    // Built, and the tree is gone.
    let built = generated.lab.build(&generated.repo, "app", Mode::Filter).ok();
    assert!(built.contains("conf.yaml"), "{built}");
    let list = generated.repo.copy();
    list.tamper("app/kustomization.yaml", |text| text.replace("transformers: [decrypt.yaml]\n", ""));
    let stream = {
        let mut kustomize = crate::support::build::kustomize(&list, &["app"]);
        crate::support::run::run(&mut kustomize, "").ok()
    };
    for file in ["app.env", "conf.yaml", "kustomization.yaml"] {
        std::fs::remove_file(list.path(&format!("app/{file}"))).unwrap();
    }
    let finished = generated.lab.decrypt(&list, &["-C", "app"], &stream);
    refused(
        &generated.lab,
        &list,
        &finished,
        &[Code::MissingOrigin],
        &["SecretGenerator", "onMissingOrigin"],
    );
    let finished = generated.lab.decrypt(
        &list,
        &["-C", "app", "--set", "onMissingOrigin=metadata", "--set", "aws.assumeRole=rule"],
        &stream,
    );
    // The lines have lost their order, and with it their MAC; the file still has its own.
    said(&finished, "warning", Code::Unverified, &["Secret e-"]);
    let plain = finished.stdout;
    assert!(plain.contains("A: Y2FuYXJ5LWE=") && plain.contains("conf.yaml: YTogY2FuYXJ5LTEK"), "{plain}");
    assert!(!plain.contains("sops"), "{plain}");
}

#[test]
fn an_encrypted_file_that_a_resource_holds() {
    let generated = Generated::new().file("conf.yaml", "a: canary-1\n");
    let block = format!("    {}\n", generated.repo.read("app/conf.yaml").trim_end().replace('\n', "\n    "));
    generated
        .repo
        .write(
            "app/map.yaml",
            &format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map\ndata:\n  plain: x\n  conf.yaml: |\n{block}"),
        );
    let generated = generated.kustomization("resources: [map.yaml]\n");
    for mode in Mode::ALL {
        let built = generated.lab.build(&generated.repo, "app", mode).ok();
        assert!(built.contains("conf.yaml: |\n    a: canary-1\n") && !built.contains("sops"), "{built}");
    }
}

#[test]
fn a_filter_says_which_names_have_the_hash_of_the_ciphertext() {
    let generated = Generated::new().file("app.env", "A=canary-a\n").file("conf.yaml", "a: canary-1\n").kustomization(
        "secretGenerator:\n- name: e\n  envs: [app.env]\n- name: s\n  files: [conf.yaml]\n- name: plain\n  literals: [a=b]\n\
         - name: unhashed-bcdfghkmt\n  envs: [app.env]\n  options: {disableNameSuffixHash: true}\n",
    );
    let filtered = generated.lab.build(&generated.repo, "app", Mode::Filter);
    said(&filtered, "info", Code::HashOfCiphertext, &["Secret e-", "Secret s-"]);
    assert!(!filtered.stderr.contains("Secret plain") && !filtered.stderr.contains("unhashed"), "{filtered}");
    let inside = generated.lab.build(&generated.repo, "app", Mode::Function);
    assert!(inside.code == Some(0) && inside.stderr.is_empty(), "{inside}");
}

#[test]
fn whoever_wants_the_ciphertext_says_so() {
    let generated =
        Generated::new().file("app.env", "A=canary-a\n").file("conf.yaml", "a: canary-1\n").kustomization(
            "generatorOptions: {annotations: {krm-sops.dev/decrypt: disabled}}\n\
             configMapGenerator:\n- name: e\n  envs: [app.env]\n- name: s\n  files: [conf.yaml]\n",
        );
    let finished = generated.lab.build(&generated.repo, "app", Mode::Function);
    said(&finished, "info", Code::LeftEncrypted, &["ConfigMap e", "ConfigMap s"]);
    assert!(finished.stdout.contains("sops_mac: ENC["), "{finished}");
}

#[test]
fn lines_without_their_metadata_are_orphans() {
    let generated = Generated::new().file("app.env", "A=canary-a\n").kustomization(
        "secretGenerator:\n- name: e\n  envs: [app.env]\nconfigMapGenerator:\n- name: c\n  envs: [app.env]\n",
    );
    generated.repo.tamper("app/app.env", |text| {
        text.split_inclusive('\n').filter(|line| !line.starts_with("sops_")).collect()
    });
    generated.assert_refused(&[Code::OrphanCiphertext], &["data.A", "Secret e", "ConfigMap c"]);
}

#[test]
fn lines_that_are_all_empty_and_keys_that_are_only_called_like_metadata() {
    Generated::new()
        .file("app.env", "A=\nB=\n")
        .kustomization(
            "secretGenerator:\n- name: e\n  envs: [app.env]\n\
             configMapGenerator:\n- name: c\n  literals: [sops_version=3.13.2, sops_mac=none, A=B]\n",
        )
        .assert_generates();
}

/// The rule and the MAC of a file that merely has the same content are no stand-in for an annotation that is not there.
#[test]
fn without_an_annotation_nothing_is_looked_for() {
    let generated = Generated::new()
        .file("app.env", "A=canary-a\n")
        .file("conf.yaml", "a: canary-1\n")
        .kustomization("secretGenerator:\n- name: e\n  envs: [app.env]\n- name: s\n  files: [conf.yaml]\n");
    generated
        .repo
        .tamper("app/kustomization.yaml", |text| text.replace("buildMetadata: [originAnnotations]\n", ""));
    generated
        .assert_refused(&[Code::MissingOrigin], &["Secret e", "Secret s", "config.kubernetes.io/origin"]);
}
