//! krm-sops as a generator: the resources of the encrypted files that `spec.files` lists come out decrypted.

use krm_sops::diagnostics::Code;

use crate::support::build::{kustomize, normalised};
use crate::support::expect::{refused, said};
use crate::support::platform::{DATABASE, one_rule, rule};
use crate::support::run::{Finished, run};
use crate::support::{Lab, Mode, Repo};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  mode: fast # kept\n  token: canary-token\n";
const JSON: &str = r#"{
  "apiVersion": "v1",
  "kind": "Secret",
  "metadata": {"name": "json"},
  "stringData": {"a": "canary-tab\there", "list": "canary-[1, 2]"}
}"#;

/// A repository whose rule covers `secrets/`, and whose `app/` is built.
struct Generator {
    lab: Lab,
    repo: Repo,
    listed: Vec<String>,
}

impl Generator {
    fn new() -> Self {
        let (lab, repo, _) = one_rule("a");
        let generator = Self { lab, repo, listed: Vec::new() };
        generator.with_kustomization("")
    }

    fn with_kustomization(self, more: &str) -> Self {
        self.repo.kustomization("app", &format!("generators: [secrets.yaml]\n{more}"));
        self
    }

    /// Encrypts a file and lists it.
    fn file(mut self, name: &str, plain: &str) -> Self {
        self.repo.encrypt(&self.lab, &format!("secrets/a/{name}"), plain);
        self.listing(&format!("../secrets/a/{name}"))
    }

    /// Lists a path.
    fn listing(mut self, path: &str) -> Self {
        self.listed.push(path.to_owned());
        self.with_spec("")
    }

    fn with_spec(self, more: &str) -> Self {
        self.repo.transformer("app/secrets.yaml", &format!("files: [{}]\n{more}", self.listed.join(", ")));
        self
    }

    fn build(&self, mode: Mode) -> Finished {
        self.lab.build(&self.repo, "app", mode)
    }

    /// What comes out where the same files are decrypted by sops and listed as resources.
    fn oracle(&self) -> String {
        let plain = self.repo.copy();
        plain.kustomization("app", "resources: [../secrets]\n");
        let files: Vec<&str> =
            self.listed.iter().filter_map(|path| path.strip_prefix("../secrets/")).collect();
        plain.kustomization("secrets", &format!("resources: [{}]\n", files.join(", ")));
        self.lab.oracle(&plain, "app")
    }

    /// The filter, behind a build of something else.
    fn filtered(&self, input: &str) -> Finished {
        self.lab.decrypt(&self.repo, &["-C", "app", "--config", "app/secrets.yaml"], input)
    }

    #[track_caller]
    fn assert_refused(&self, code: Code, also: &[&str]) {
        for mode in [Mode::Plugin, Mode::Function] {
            refused(&self.lab, &self.repo, &self.build(mode), &[code], also);
        }
        let filtered = self.filtered("");
        refused(&self.lab, &self.repo, &filtered, &[code], also);
        assert_eq!(filtered.stdout, "");
    }
}

fn several() -> Generator {
    Generator::new()
        .file("database.yaml", &format!("# a comment\n{DATABASE}"))
        .file("many.yaml", &format!("{CONFIG_MAP}---\n{}", DATABASE.replace("database", "second")))
        .file("tls.json", JSON)
}

#[test]
fn the_files_come_out_as_sops_and_kustomize_read_them() {
    let generator = several();
    let expected = generator.oracle();
    assert_eq!(expected.matches("canary-").count(), 7, "{expected}");
    for mode in [Mode::Plugin, Mode::Function] {
        assert_eq!(generator.build(mode).ok(), expected, "{mode:?}");
    }
    assert_eq!(normalised(&generator.filtered("").ok()), normalised(&expected));
}

#[test]
fn one_role_and_each_key_once() {
    let generator = several();
    generator.build(Mode::Plugin).ok();
    let of = |action: &str| generator.lab.calls().iter().filter(|call| call.action == action).count();
    assert_eq!((of("AssumeRole"), of("Decrypt")), (1, 3));
}

#[test]
fn they_stand_behind_what_is_built() {
    let generator = Generator::new().file("database.yaml", DATABASE);
    let plain = CONFIG_MAP.replace("canary-", "known-");
    let filtered = generator.filtered(&plain).ok();
    assert!(filtered.starts_with(plain.as_str()), "{filtered}");
    assert_eq!(normalised(&filtered), normalised(&format!("{plain}---\n{DATABASE}")));
    // Without a line break at the end, too.
    assert_eq!(normalised(&generator.filtered(plain.trim_end()).ok()), normalised(&filtered));
}

/// An orchestrator may send items to a function that has files of its own.
#[test]
fn items_of_a_list_are_decrypted_beside_them() {
    let mut generator = Generator::new().file("database.yaml", DATABASE);
    generator.repo.encrypt(&generator.lab, "secrets/a/other.yaml", &DATABASE.replace("database", "other"));
    let other = generator.repo.read("secrets/a/other.yaml").replace(
        "metadata:\n",
        "metadata:\n    annotations:\n        config.kubernetes.io/path: ../secrets/a/other.yaml\n",
    );
    let list = |items: &str| {
        let config = generator.repo.read("app/secrets.yaml").replace('\n', "\n  ");
        format!(
            "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n{items}functionConfig:\n  {}\n",
            config.trim_end()
        )
    };
    let item = other.trim_end().replace('\n', "\n  ");
    for (items, names) in [
        (format!("items:\n- {item}\n"), &["other", "database"][..]),
        (String::from("items: []\n"), &["database"]),
        (String::from("items:\n"), &["database"]),
        (String::new(), &["database"]),
    ] {
        let decrypted = generator.lab.function(&generator.repo, "app", &list(&items)).ok();
        let named: Vec<&str> = decrypted
            .lines()
            .filter_map(|line| line.trim().strip_prefix("name: "))
            .filter(|name| *name != "decrypt")
            .collect();
        assert_eq!(named, names, "{decrypted}");
        assert_eq!(decrypted.matches("canary-password").count(), names.len());
        assert!(!decrypted.contains("ENC[") && !decrypted.contains("sops:"), "{decrypted}");
    }
    // A refusal leaves the list as it came.
    generator.repo.tamper("secrets/a/database.yaml", |text| text.replace("team: platform", "team: other"));
    let sent = list(&format!("items:\n- {item}\n"));
    let answer = generator.lab.function(&generator.repo, "app", &sent);
    refused(&generator.lab, &generator.repo, &answer, &[Code::MacMismatch], &["secrets/a/database.yaml"]);
    assert!(answer.stdout.starts_with(sent.trim_end()) && answer.stdout.contains("\nresults:\n"), "{answer}");
}

#[test]
fn kustomizes_options_for_generators_are_honoured() {
    let hashed = |password: &str| {
        let annotated = DATABASE.replace(
            "  labels:",
            "  annotations:\n    kustomize.config.k8s.io/needs-hash: \"true\"\n  labels:",
        );
        let plain = annotated.replace("canary-password", password);
        let built = Generator::new().file("database.yaml", &plain).build(Mode::Plugin).ok();
        let name =
            built.lines().find_map(|line| line.trim().strip_prefix("name: database-")).expect("a hash");
        name.to_owned()
    };
    assert_eq!(hashed("canary-one"), hashed("canary-one"));
    assert_ne!(hashed("canary-one"), hashed("canary-two"));

    let merging = DATABASE
        .replace("  labels:", "  annotations:\n    kustomize.config.k8s.io/behavior: merge\n  labels:");
    let generator =
        Generator::new().file("database.yaml", &merging).with_kustomization("resources: [base.yaml]\n");
    generator.repo.write("app/base.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: database\ndata:\n  token: a25vd24=\n  port: NTQzMg==\n");
    let built = generator.build(Mode::Plugin).ok();
    assert!(built.contains("token: Y2FuYXJ5LXRva2Vu") && built.contains("port: NTQzMg=="), "{built}");
}

/// What a file says of its own origin is a claim; where it was listed is known.
#[test]
fn an_annotation_in_a_file_is_not_believed() {
    let annotated = DATABASE.replace(
        "  labels:",
        "  annotations:\n    config.kubernetes.io/origin: |\n      path: ../elsewhere/other.yaml\n  labels:",
    );
    let generator = Generator::new().file("database.yaml", &annotated);
    assert_eq!(generator.build(Mode::Plugin).ok(), generator.oracle());
}

#[test]
#[expect(clippy::disallowed_types, reason = "only so can a file be sparse")]
fn what_cannot_be_located_is_refused() {
    let generator = Generator::new().file("database.yaml", DATABASE).listing("../secrets/a/none.yaml");
    generator.assert_refused(
        Code::OriginNotFound,
        &["../secrets/a/none.yaml", "relative to the directory of the kustomization"],
    );
    let generator = Generator::new().listing("../secrets");
    generator.repo.write("secrets/a", "");
    generator.assert_refused(Code::OriginNotFound, &["not a regular file"]);
    let generator = Generator::new().listing("huge.yaml");
    let huge = std::fs::File::create(generator.repo.path("app/huge.yaml")).expect("a file");
    huge.set_len(257 << 20).expect("a sparse file");
    generator
        .assert_refused(Code::OriginNotFound, &["app/huge.yaml", "larger than 256 MiB", "has to be split"]);
    let generator = Generator::new().listing("/etc/hostname");
    generator.assert_refused(Code::OriginOutsideRoot, &[]);
    let generator = Generator::new().listing("link.yaml");
    std::os::unix::fs::symlink("/etc/hostname", generator.repo.path("app/link.yaml")).expect("a link");
    generator.assert_refused(Code::OriginOutsideRoot, &["/etc/hostname"]);
    let generator =
        Generator::new().file("database.yaml", DATABASE).listing("../app/../secrets/a/database.yaml");
    generator.assert_refused(Code::BadConfig, &["listed twice", "secrets/a/database.yaml"]);
    let generator = Generator::new().listing("''");
    generator.assert_refused(Code::BadConfig, &["spec.files", "a path is empty"]);
}

#[test]
fn what_is_not_encrypted_or_no_resource_is_refused() {
    let plain = DATABASE.replace("canary-", "known-");
    let beside = |text: &str| {
        let generator = Generator::new().file("database.yaml", DATABASE).listing("plain.yaml");
        generator.repo.write("app/plain.yaml", text);
        generator
    };
    beside(&plain).assert_refused(Code::NotEncrypted, &["Secret database", "app/plain.yaml", "`resources`"]);
    beside(CONFIG_MAP.replace("canary-", "known-").as_str())
        .assert_refused(Code::NotEncrypted, &["ConfigMap settings"]);
    for (text, why) in [
        ("A=b\n", "document 1 is not a resource"),
        ("a: b\n", "no apiVersion or no kind"),
        ("", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("a: [\n", "line 1, column 4"),
        ("%YAML 1.2\n---\na: b\n", "directive"),
        ("a: b\rc: d\n", "carriage return"),
    ] {
        beside(text).assert_refused(Code::BadInput, &["app/plain.yaml", why, "secretGenerator"]);
    }
    let mut generator = Generator::new();
    generator.repo.encrypt_bytes(&generator.lab, "secrets/a/app.env", b"A=canary-b\n");
    generator
        .listing("../secrets/a/app.env")
        .assert_refused(Code::BadInput, &["secrets/a/app.env", "secretGenerator"]);
}

/// Nor does a list that functions send to each other hide that nothing is encrypted.
#[test]
fn a_resource_list_is_no_resource() {
    let generator = Generator::new().listing("list.yaml");
    generator
        .repo
        .write("app/list.yaml", "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []\n");
    generator.assert_refused(Code::BadInput, &["app/list.yaml", "ResourceList"]);
}

#[test]
fn what_is_left_alone_costs_no_call() {
    let disabled =
        DATABASE.replace("  labels:", "  annotations:\n    krm-sops.dev/decrypt: disabled\n  labels:");
    let generator = Generator::new().file("database.yaml", &disabled);
    let filtered = generator.filtered("");
    said(&filtered, "info", Code::LeftEncrypted, &["Secret database"]);
    assert!(generator.build(Mode::Plugin).ok().contains("ENC["));
    let generator = Generator::new().file("database.yaml", DATABASE).with_spec("kinds: [ConfigMap]\n");
    said(&generator.filtered(""), "warning", Code::LeftEncrypted, &["spec.kinds"]);
    assert!(generator.lab.calls().is_empty(), "{:?}", generator.lab.calls());
}

#[test]
fn a_list_of_kubernetes_is_one_resource() {
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", DATABASE.trim_end().replace('\n', "\n  "));
    let generator = Generator::new().file("list.yaml", &format!("{list}\n"));
    assert_eq!(generator.build(Mode::Plugin).ok(), generator.oracle());
}

/// What the file has around its values stays; a hash that nobody puts into its name is not spoken of.
#[test]
fn comments_stay() {
    let plain = format!(
        "# head\n{}",
        DATABASE.replace(
            "  labels:",
            "  annotations:\n    kustomize.config.k8s.io/needs-hash: \"true\"\n  labels:"
        )
    );
    let plain = plain.replace("team: platform", "team: platform # behind");
    let generator = Generator::new().file("database.yaml", &plain);
    let filtered = generator.filtered("");
    assert!(
        filtered.stdout.contains("# head\n") && filtered.stdout.contains("team: platform # behind\n"),
        "{filtered}"
    );
    assert!(!filtered.stderr.contains("hash"), "{filtered}");
}

#[test]
fn integrity_may_be_less() {
    let tampered = |integrity: &str| {
        let generator =
            Generator::new().file("database.yaml", DATABASE).with_spec(&format!("integrity: {integrity}\n"));
        generator
            .repo
            .tamper("secrets/a/database.yaml", |text| text.replace("team: platform", "team: other"));
        generator.filtered("")
    };
    said(&tampered("warn"), "warning", Code::MacMismatch, &["secrets/a/database.yaml"]);
    said(&tampered("skip"), "warning", Code::Unverified, &["secrets/a/database.yaml"]);
    assert!(tampered("skip").stdout.contains("canary-password"));
}

#[test]
fn rules_and_macs_hold_for_them_as_for_all() {
    let generator = several();
    generator.repo.tamper("secrets/a/many.yaml", |text| text.replacen("name: settings", "name: others", 1));
    generator.assert_refused(Code::MacMismatch, &["secrets/a/many.yaml"]);
    let generator = several();
    generator.repo.tamper(".sops.yaml", |text| text.replace("secrets/a", "elsewhere"));
    generator.assert_refused(Code::NoRule, &["secrets/a/database.yaml", "secrets/a/tls.json"]);
    let generator = several();
    let role = generator.lab.role("other");
    let key = generator.lab.key("us-west-2", &role);
    generator.repo.write(".sops.yaml", &format!("creation_rules:\n{}", rule("a", &key, &role)));
    generator.assert_refused(Code::KeyNotInRule, &["secrets/a/database.yaml"]);
}

/// All that is wrong is said in one run.
#[test]
fn one_run_shows_all() {
    let generator = several().listing("none.yaml").listing("plain.yaml");
    generator.repo.write("app/plain.yaml", &DATABASE.replace("canary-", "known-"));
    generator.repo.tamper("secrets/a/many.yaml", |text| text.replacen("name: settings", "name: others", 1));
    let finished = generator.build(Mode::Plugin);
    refused(
        &generator.lab,
        &generator.repo,
        &finished,
        &[Code::MacMismatch],
        &["error[not-encrypted]", "error[origin-not-found]"],
    );
}

/// Whose files they would be nobody here knows, nor whose rules.
#[test]
fn a_generator_from_elsewhere_is_refused() {
    let generator = Generator::new().file("database.yaml", DATABASE);
    let remote = "metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: g.yaml\n      repo: https://example.com/x\n";
    generator.repo.tamper("app/secrets.yaml", |text| text.replace("metadata:\n", remote));
    let list = format!(
        "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []\nfunctionConfig:\n  {}\n",
        generator.repo.read("app/secrets.yaml").trim_end().replace('\n', "\n  ")
    );
    let answer = generator.lab.function(&generator.repo, "app", &list);
    refused(&generator.lab, &generator.repo, &answer, &[Code::RemoteOrigin], &["local kustomization"]);
}

/// A remote base brings rules of its own, which must not be taken for this repository's; nor does kustomize tell its generator where it is.
#[test]
fn a_generator_of_a_remote_base_is_refused() {
    let git = |directory: &std::path::Path, arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        let identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
        command.current_dir(directory).args(identity).args(arguments).env("GIT_CONFIG_NOSYSTEM", "1");
        command.output().is_ok_and(|ended| ended.status.success())
    };
    let generator = Generator::new().file("database.yaml", DATABASE);
    let remote = generator.repo.copy();
    let root = remote.root();
    std::fs::remove_dir_all(remote.path(".git")).expect("a directory");
    if !git(&root, &["init", "-q", "-b", "main"]) {
        eprintln!("\nSKIPPED: a remote base, git is missing\n");
        return;
    }
    assert!(git(&root, &["add", "-A"]) && git(&root, &["commit", "-q", "-m", "all"]));
    for more in ["", "buildMetadata: [originAnnotations]\n"] {
        let base = format!("resources: ['file://{}//app?ref=main']\n{more}", root.display());
        generator.repo.kustomization("top", &base);
        let mut command = kustomize(&generator.repo, &["top", "--enable-alpha-plugins"]);
        let finished = run(generator.lab.for_caller(&mut command), "");
        refused(&generator.lab, &generator.repo, &finished, &[Code::RemoteOrigin], &["clone the repository"]);
    }
    assert!(generator.lab.calls().is_empty());
}

/// With `buildMetadata`, the config names its own place; paths stay relative to the kustomization.
#[test]
fn where_the_config_stands_does_not_matter() {
    let generator = Generator::new().file("database.yaml", DATABASE);
    let config = generator.repo.read("app/secrets.yaml");
    generator.repo.write("app/conf/secrets.yaml", &config);
    let expected = generator.oracle();
    for more in ["", "buildMetadata: [originAnnotations]\n"] {
        generator.repo.kustomization("app", &format!("generators: [conf/secrets.yaml]\n{more}"));
        let built = generator.build(Mode::Plugin).ok();
        assert!(built.contains("canary-password"), "{built}");
        assert!(!more.is_empty() || built == expected, "{built}");
    }
    // An overlay above builds the generator of its base in the base's directory.
    generator.repo.kustomization("overlay", "namePrefix: x-\nresources: [../app]\n");
    let built = run(
        generator.lab.for_caller(kustomize(&generator.repo, &["overlay"]).arg("--enable-alpha-plugins")),
        "",
    )
    .ok();
    assert!(built.contains("name: x-database") && built.contains("canary-password"), "{built}");
}
