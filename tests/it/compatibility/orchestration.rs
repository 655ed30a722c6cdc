//! What kustomize makes of encrypted files: generators, patches, bases, and its own ways.

use krm_sops::diagnostics::Code;

use super::case::Case;
use super::outcome::Expected::{Decrypted, DecryptedAndHashed, LeftEncrypted, Refused};
use super::outcome::codes;
use super::{Group, Row};
use crate::support::platform::DATABASE;
use crate::support::run::{self, run};
use crate::support::{Mode, Platform, WEST};

/// The groups of this file.
pub(super) fn groups() -> Vec<Group> {
    vec![
        ("Generators", generators()),
        ("Transformations and plain patches", transformations()),
        ("Encrypted patches", encrypted_patches()),
        ("Bases, components, and where the transformer stands", bases()),
        ("What an orchestrator has to be told", told()),
    ]
}

const YAML: &[u8] = b"# canary\ndb:\n    user: canary-user\n    port: 5432\n    list: [canary-a, 1.50]\n    block: |\n        canary\n          deeper\n";
const JSON: &[u8] = br#"{"a": {"b": ["canary-a", 1, 2.5, true, null]}, "c": 9223372036854775807}"#;
const INI: &[u8] = b"top = canary-top\n\n; canary\n[db]\nuser = canary-user\nquoted = `canary ; #`\n";
const DOTENV: &[u8] = b"# canary\nUSER=canary-user\nLINES=canary\\nlines\nEMPTY=\n";
const BINARY: &[u8] = &[0xff, 0, 0xfe, b'c', b'a', b'n', b'a', b'r', b'y', 0x80];

fn generators() -> Vec<Row> {
    const SECRET: &str = "secretGenerator";
    const MAP: &str = "configMapGenerator";
    let made = |feature, case| Row { feature, case, expected: Decrypted };
    vec![
        made("Secret: a file in YAML", || Case::generated(SECRET, "files", "conf.yaml", YAML)),
        made("Secret: a file in YAML, of several documents, one of them empty", || {
            Case::generated(SECRET, "files", "conf.yaml", b"a: canary-a\n---\n---\n# canary\nb: canary-b\n")
        }),
        made("Secret: a file in JSON", || Case::generated(SECRET, "files", "conf.json", JSON)),
        made("Secret: a file in INI", || Case::generated(SECRET, "files", "conf.ini", INI)),
        made("Secret: a file in dotenv", || Case::generated(SECRET, "files", "app.env", DOTENV)),
        made("Secret: a file of text", || Case::generated(SECRET, "files", "text.txt", b"canary\ntext")),
        made("Secret: a binary file", || Case::generated(SECRET, "files", "cert.bin", BINARY)),
        made("Secret: the lines of a dotenv file (`envs`)", || {
            Case::generated(SECRET, "envs", "app.env", DOTENV)
        }),
        made("ConfigMap: a file in YAML", || Case::generated(MAP, "files", "conf.yaml", YAML)),
        made("ConfigMap: a file in JSON", || Case::generated(MAP, "files", "conf.json", JSON)),
        made("ConfigMap: a file in INI", || Case::generated(MAP, "files", "conf.ini", INI)),
        made("ConfigMap: a file in dotenv", || Case::generated(MAP, "files", "app.env", DOTENV)),
        made("ConfigMap: a binary file", || Case::generated(MAP, "files", "cert.bin", BINARY)),
        made("ConfigMap: the lines of a dotenv file (`envs`)", || {
            Case::generated(MAP, "envs", "app.env", DOTENV)
        }),
        made("`behavior: merge` over the generator of a base", || over_a_base("merge")),
        made("`behavior: replace` over the generator of a base", || over_a_base("replace")),
        Row {
            feature: "hashes in names",
            case: || {
                let files = "secretGenerator:\n- name: made\n  files: [conf.yaml]\n";
                Case::app("", &[("conf.yaml", YAML)], files)
            },
            expected: DecryptedAndHashed,
        },
        Row {
            feature: "hashes in references to what was generated",
            case: || {
                let case = Case::app(
                    "",
                    &[("app.env", DOTENV)],
                    "resources: [pod.yaml]\nsecretGenerator:\n- name: made\n  envs: [app.env]\n",
                );
                let containers = "[{name: a, image: a, envFrom: [{secretRef: {name: made}}]}]";
                let pod = format!(
                    "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: {containers}}}\n"
                );
                case.repo.write("app/pod.yaml", &pod);
                case
            },
            expected: DecryptedAndHashed,
        },
        Row {
            feature: "an opt-out for a generator (`generatorOptions.annotations`)",
            case: || {
                let options = "generatorOptions: {disableNameSuffixHash: true, annotations: {krm-sops.dev/decrypt: disabled}}\n";
                let files = "configMapGenerator:\n- name: made\n  files: [conf.yaml]\n";
                Case::app("", &[("conf.yaml", YAML)], &format!("{options}{files}"))
            },
            expected: LeftEncrypted,
        },
    ]
}

/// A generator that does this to the one of its base.
fn over_a_base(behavior: &str) -> Case {
    let hashless = "generatorOptions: {disableNameSuffixHash: true}\n";
    let over = format!("secretGenerator:\n- name: made\n  behavior: {behavior}\n  files: [more.json]\n");
    let case = Case::app(
        "",
        &[("base/app.env", DOTENV), ("more.json", JSON)],
        &format!("resources: [base]\n{hashless}{over}"),
    );
    let base = format!("{hashless}secretGenerator:\n- name: made\n  envs: [app.env]\n");
    case.repo.kustomization("app/base", &base);
    case
}

/// The Secret `database`, and what the kustomization has beside it.
fn database(more: &str) -> Case {
    Case::built_with(&[("database.yaml", DATABASE)], more)
}

fn transformations() -> Vec<Row> {
    let changed = |feature, case| Row { feature, case, expected: Decrypted };
    vec![
        changed("`namePrefix`, `nameSuffix`", || database("namePrefix: a-\nnameSuffix: -z\n")),
        changed("`namespace`", || database("namespace: team\n")),
        changed("`labels`, `commonAnnotations`", || {
            database("labels: [{pairs: {a: b}}]\ncommonAnnotations: {one: '1', two: 'no'}\n")
        }),
        changed("a plain strategic merge patch", || {
            database(
                "patches:\n- patch: |\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: database}\n    stringData: {host: db}\n",
            )
        }),
        changed("a plain JSON patch", || {
            database(
                "patches:\n- target: {kind: Secret}\n  patch: '- {op: replace, path: /stringData/password, value: plain}'\n",
            )
        }),
        changed("keys that a patch deletes", || {
            database(
                "patches:\n- target: {kind: Secret}\n  patch: '- {op: remove, path: /stringData/password}'\n",
            )
        }),
        changed("a patch that deletes an encrypted Secret beside another", || {
            let second = DATABASE.replace("name: database", "name: second");
            let delete = "patches:\n- patch: |\n    $patch: delete\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: second}\n";
            Case::built_with(&[("database.yaml", DATABASE), ("second.yaml", &second)], delete)
        }),
        changed("`replacements` that copy a plain value into a Secret", || {
            let map = "configMapGenerator: [{name: map, literals: [host=db]}]\n";
            let from = "{kind: ConfigMap, name: map, fieldPath: data.host}";
            let to = "{select: {kind: Secret}, fieldPaths: [stringData.host], options: {create: true}}";
            database(&format!("{map}replacements: [{{source: {from}, targets: [{to}]}}]\n"))
        }),
        Row {
            feature: "`replacements` that copy an encrypted value out of a Secret",
            case: || {
                let map = "configMapGenerator: [{name: map, literals: [host=db]}]\n";
                let from = "{kind: Secret, name: database, fieldPath: stringData.password}";
                let to = "{select: {kind: ConfigMap}, fieldPaths: [data.host]}";
                database(&format!("{map}replacements: [{{source: {from}, targets: [{to}]}}]\n"))
            },
            expected: Refused(Code::OrphanCiphertext),
        },
    ]
}

const PATCH: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: database}\nstringData: {password: canary-changed, extra: canary-extra}\n";

/// The Secret `database` with an encrypted patch over it.
fn patched() -> Case {
    let mut case = database("");
    let directory = format!("secrets/{WEST}");
    case.repo.encrypt(&case.lab, &format!("{directory}/patch.yaml"), PATCH);
    case.repo.kustomization(&directory, "resources: [database.yaml]\npatches: [{path: patch.yaml}]\n");
    case
}

fn encrypted_patches() -> Vec<Row> {
    vec![
        Row { feature: "over an encrypted base", case: patched, expected: Decrypted },
        Row {
            feature: "over a plain base",
            case: || {
                let mut case = patched();
                let base = format!("secrets/{WEST}/database.yaml");
                case.repo.forget_encrypted(&base);
                case.repo.write(&base, &DATABASE.replace("canary-", "known-"));
                case
            },
            expected: Decrypted,
        },
        Row {
            feature: "inline in the kustomization, so that no file has it",
            case: || {
                let case = patched();
                let directory = format!("secrets/{WEST}");
                let patch = case.repo.read(&format!("{directory}/patch.yaml"));
                let inline = patch.trim_end().replace('\n', "\n    ");
                case.repo.kustomization(
                    &directory,
                    &format!("resources: [database.yaml]\npatches:\n- patch: |-\n    {inline}\n"),
                );
                case
            },
            expected: Refused(Code::MixedDataKeys),
        },
    ]
}

const TRANSFORMER: &str = "transformers: [decrypt.yaml]\n";
const ORIGINS: &str = "buildMetadata: [originAnnotations]\n";

/// The Secret `database` below a kustomization that declares a transformer, and one above that.
fn two_levels(inner: &str, outer: &str) -> Case {
    let mut case = Case::from(Platform::new());
    case.repo
        .kustomization("base", &format!("resources: [../secrets/{WEST}]\n{inner}"))
        .transformer("base/decrypt.yaml", "")
        .kustomization("top", &format!("resources: [../base]\n{ORIGINS}{outer}"))
        .transformer("top/decrypt.yaml", "");
    "top".clone_into(&mut case.directory);
    case
}

fn bases() -> Vec<Row> {
    vec![
        Row {
            feature: "overlays over a base, the transformer at the top",
            case: || two_levels("namePrefix: base-\n", TRANSFORMER),
            expected: Decrypted,
        },
        Row {
            feature: "the transformer in the base",
            case: || two_levels(TRANSFORMER, "namePrefix: top-\n"),
            expected: Decrypted,
        },
        Row {
            feature: "a transformer in the base and one at the top",
            case: || two_levels(TRANSFORMER, TRANSFORMER),
            expected: Decrypted,
        },
        Row {
            feature: "a component that declares the transformer",
            case: || {
                let case = two_levels("", "components: [../component]\n");
                let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {a: b}}]\n";
                case.repo
                    .write("component/kustomization.yaml", &format!("{component}{TRANSFORMER}"))
                    .transformer("component/decrypt.yaml", "");
                case
            },
            expected: Decrypted,
        },
        Row { feature: "a remote base", case: remote, expected: Refused(Code::RemoteOrigin) },
    ]
}

/// The Secret `database` in a git repository elsewhere, by whose URL kustomize fetches it.
fn remote() -> Case {
    let mut case = two_levels("", TRANSFORMER);
    let elsewhere = "elsewhere.git";
    case.repo.encrypt_with(
        &case.lab,
        &format!("{elsewhere}/secrets/{WEST}/database.yaml"),
        DATABASE,
        &["--filename-override", &format!("secrets/{WEST}/database.yaml")],
    );
    case.repo.kustomization(&format!("{elsewhere}/secrets/{WEST}"), "resources: [database.yaml]\n");
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "."],
        &["-c", "user.name=lab", "-c", "user.email=lab@example.com", "commit", "--quiet", "--message=lab"],
    ] {
        let mut git = run::command("git".as_ref());
        run(git.current_dir(case.repo.path(elsewhere)).args(arguments), "").ok();
    }
    let url = format!("file://{}//secrets/{WEST}?ref=main", case.repo.path(elsewhere).display());
    case.repo.kustomization("top", &format!("resources: ['{url}']\n{ORIGINS}{TRANSFORMER}"));
    case
}

fn told() -> Vec<Row> {
    vec![
        Row {
            feature: "no `buildMetadata: [originAnnotations]`",
            case: || {
                let case = two_levels("", TRANSFORMER);
                case.repo.kustomization("top", &format!("resources: [../base]\n{TRANSFORMER}"));
                case
            },
            expected: Refused(Code::MissingOrigin),
        },
        Row {
            feature: "`buildMetadata: [originAnnotations]` in a base only",
            case: || {
                let case = two_levels(ORIGINS, TRANSFORMER);
                case.repo.kustomization("top", &format!("resources: [../base]\n{TRANSFORMER}"));
                case
            },
            expected: Refused(Code::MissingOrigin),
        },
        Row {
            feature: "the same, with `onMissingOrigin: metadata`",
            case: || {
                let case = two_levels("", TRANSFORMER).spec("onMissingOrigin: metadata");
                case.repo.kustomization("top", &format!("resources: [../base]\n{TRANSFORMER}"));
                case
            },
            expected: Decrypted,
        },
    ]
}

/// What builds without a flag come to: rows for the end of the last table.
pub(super) fn without_flags() -> String {
    let case = Case::from(Platform::new());
    let plugin = case.lab.kustomize_with(&case.repo, &case.directory, Mode::Plugin, &[], |_| {});
    assert!(plugin.code == Some(1) && plugin.stdout.is_empty(), "{plugin}");
    let skipped = case.lab.kustomize_with(
        &case.repo,
        &case.directory,
        Mode::Function,
        &["--enable-alpha-plugins"],
        |_| {},
    );
    assert!(skipped.code == Some(0) && skipped.stdout.contains("password: ENC["), "{skipped}");
    let gate = run(run::command(run::krm_sops()).arg("gate"), &skipped.stdout);
    let refused = codes(&gate, "error").join(", ");
    assert!(gate.code == Some(1) && !refused.is_empty(), "{gate}");
    format!(
        "| without `--enable-alpha-plugins` | refused by kustomize | – | – | – |\n\
         | without `--enable-exec` | – | **left encrypted, with exit status 0**; `krm-sops gate` behind it refuses: {refused} | – | – |\n"
    )
}
