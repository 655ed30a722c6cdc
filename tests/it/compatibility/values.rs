//! What stands in a file, and how sops was told to encrypt it.

use krm_sops::diagnostics::Code;

use super::case::Case;
use super::outcome::Expected::{Decrypted, DecryptedButByAFunction, LeftEncrypted, Refused};
use super::{Group, Row};
use crate::support::platform::DATABASE;
use crate::support::{Fault, Lab, Repo};

/// The groups of this file.
pub(super) fn groups() -> Vec<Group> {
    vec![
        ("Scalars and blocks", scalars()),
        ("Files of resources", files()),
        ("Kinds of resources", kinds()),
        ("Selectors", selectors()),
        ("Keys", keys()),
        ("What is left alone", left_alone()),
    ]
}

/// A custom resource: below its `data`, everything is encrypted and nothing has to be a string.
fn thing(data: &str) -> Case {
    let data: String = data.lines().flat_map(|line| ["  ", line, "\n"]).collect();
    let head = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: thing}\ndata:\n";
    Case::resources(&[("thing.yaml", &format!("{head}{data}"))])
}

fn secret(strings: &str) -> Case {
    let strings: String = strings.lines().flat_map(|line| ["  ", line, "\n"]).collect();
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: secret}\nstringData:\n";
    Case::resources(&[("secret.yaml", &format!("{head}{strings}"))])
}

fn scalars() -> Vec<Row> {
    vec![
        Row {
            feature: "strings: plain, quoted, empty, and such as look like another type",
            case: || {
                secret(
                    "plain: canary-a\nsingle: 'canary: b'\ndouble: \"canary\\tc\"\nempty: ''\nbool: 'yes'\nnil: 'null'\noctal: '0777'\ndate: '2024-01-02'\n",
                )
            },
            expected: Decrypted,
        },
        Row {
            feature: "integers, floats, booleans, times and null",
            case: || {
                thing(
                    "int: 1234567890\nnegative: -0x1F\noctal: 0777\nfloat: 1.50\nlarge: 1e21\ntiny: 1e-7\nbool: True\ntime: 2024-01-02T03:04:05.60+02:00\nday: 2024-1-2\nnothing: ~\n",
                )
            },
            expected: Decrypted,
        },
        Row {
            feature: "integers and booleans in a Secret, which become strings",
            case: || {
                secret("port: 5432\ndebug: true\n")
                    .instead(&[("port: 5432", "port: \"5432\""), ("debug: true", "debug: \"true\"")])
            },
            expected: Decrypted,
        },
        Row {
            feature: "`!!binary`",
            case: || thing("bytes: !!binary /wD/\ntext: !!binary Y2FuYXJ5\n"),
            expected: Decrypted,
        },
        Row {
            feature: "block scalars: literal, folded, kept, stripped, indented",
            case: || {
                secret(
                    "literal: |\n  canary\n    deeper\n\n  last\nfolded: >\n  canary\n  folded\nkept: |+\n  canary\n\n\nstripped: |-\n  canary\n  end\nindented: |2\n    canary\n   less\n",
                )
            },
            expected: Decrypted,
        },
        Row {
            feature: "values of 100,000 characters, in one line and in many",
            case: || {
                secret(&format!(
                    "one: {}\nmany: |\n{}",
                    "canary ".repeat(15_000).trim_end(),
                    "  canary line\n".repeat(8_000)
                ))
            },
            expected: Decrypted,
        },
        Row {
            feature: "Unicode, control characters, carriage returns",
            case: || {
                secret(
                    "unicode: canary é 😀 漢字\ncontrol: \"canary\\u0001\\u001b\"\ncr: \"canary\\r\\nb\\r\"\n",
                )
            },
            expected: Decrypted,
        },
        Row {
            feature: "odd keys: dots, slashes, colons, spaces, quotes, Unicode",
            case: || {
                thing(
                    "a.b/c: canary-a\n\"d: e\": canary-b\n'f g': canary-c\n'\"h\"': canary-d\né: canary-e\n'1': canary-f\n'true': canary-g\n",
                )
            },
            expected: Decrypted,
        },
        Row {
            feature: "a key that is the empty string",
            case: || thing("'': canary-a\n"),
            expected: DecryptedButByAFunction,
        },
        Row {
            feature: "lists in lists, mappings in lists, empty ones",
            case: || thing("list: [canary-a, 2, {b: canary-c, d: [[canary-e]]}, [], {}]\nempty: []\n"),
            expected: Decrypted,
        },
        Row {
            feature: "a hundred levels of mappings and lists",
            case: || thing(&format!("deep: {}canary{}\n", "{a: [".repeat(50), "]}".repeat(50))),
            expected: Decrypted,
        },
        Row {
            feature: "tags: `!!str`, `!!int`, `!!float`",
            case: || thing("str: !!str 0777\nint: !!int 7\nfloat: !!float 7\n"),
            expected: Decrypted,
        },
        Row {
            feature: "anchors, aliases and merge keys",
            case: || {
                thing(
                    "base: &base {user: canary-user, port: 1}\nalias: *base\nmerged: {<<: *base, port: 2}\n",
                )
            },
            expected: Decrypted,
        },
    ]
}

const JSON: &str = r#"{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing"}, "data":
    {"large": 9223372036854775807, "float": 1e-7, "exponent": 1e2, "bool": true, "nothing": null, "list": [1, 2.50, "a"]}}"#;

fn files() -> Vec<Row> {
    vec![
        Row {
            feature: "YAML, of one document",
            case: || Case::resources(&[("database.yaml", DATABASE)]),
            expected: Decrypted,
        },
        Row {
            feature: "YAML, of several documents of several kinds",
            case: || {
                Case::resources(&[(
                    "all.yaml",
                    &format!(
                        "{DATABASE}---\n# canary\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: map}}\ndata: {{a: canary-a}}\n"
                    ),
                )])
            },
            expected: Decrypted,
        },
        Row {
            feature: "JSON: strings with escapes",
            case: || {
                Case::resources(&[(
                    "secret.json",
                    r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": "canary \" \\ \n \u00e4 \ud83d\ude00", "b": ""}}"#,
                )])
            },
            expected: Decrypted,
        },
        Row {
            feature: "JSON: numbers, booleans, null",
            case: || Case::resources(&[("thing.json", JSON)]),
            expected: Decrypted,
        },
        Row {
            feature: "encrypted comments: above, beside, below",
            case: || secret("# canary above\na: canary-a # canary beside\nb: canary-b\n# canary below\n"),
            expected: Decrypted,
        },
        Row {
            feature: "an encrypted comment in a list, which sops itself cannot read back",
            case: || thing("list:\n- canary-a\n# canary\n- canary-b\n"),
            expected: Refused(Code::ValueCorrupt),
        },
    ]
}

fn kinds() -> Vec<Row> {
    vec![
        Row {
            feature: "`binaryData` of a ConfigMap",
            case: || {
                Case::app(
                "encrypted_regex: ^(data|binaryData)$",
                &[("map.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData: {a: /wD+}\ndata: {b: canary-b}\n")],
                "resources: [map.yaml]\n",
            )
            },
            expected: Decrypted,
        },
        Row {
            feature: "encrypted labels and annotations",
            case: || {
                Case::app(
                    "encrypted_regex: ^(data|stringData|labels|annotations)$",
                    &[(
                        "database.yaml",
                        DATABASE
                            .replace(
                                "  labels:",
                                "  annotations: {note: canary-note, version: '1'}\n  labels:",
                            )
                            .as_bytes(),
                    )],
                    "resources: [database.yaml]\n",
                )
            },
            expected: Decrypted,
        },
        Row {
            feature: "custom resources",
            case: || thing("users: [{name: canary-a, tokens: [canary-b]}]\n"),
            expected: Decrypted,
        },
        Row {
            feature: "`kind: List`, which loses its block in kustomize",
            case: || {
                Case::resources(&[(
                    "list.yaml",
                    "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {a: canary-a}}\n",
                )])
            },
            expected: Refused(Code::OrphanCiphertext),
        },
        Row {
            feature: "a Secret that a rule covers and nobody encrypted",
            case: || {
                let case = Case::resources(&[("database.yaml", DATABASE)]);
                let directory = format!("secrets/{}", crate::support::WEST);
                case.repo.write(
                    &format!("{directory}/plain.yaml"),
                    &DATABASE.replace("name: database", "name: plain"),
                );
                case.repo.kustomization(&directory, "resources: [database.yaml, plain.yaml]\n");
                case
            },
            expected: Refused(Code::NotEncrypted),
        },
    ]
}

/// A Secret of which a selector takes a part.
const SELECTED: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: selected}\nstringData:\n  password_enc: canary-a\n  host_clear: db\n";

/// A resource whose rule has this selector.
fn selected(rule: &str) -> Case {
    Case::app(rule, &[("secret.yaml", SELECTED.as_bytes())], "resources: [secret.yaml]\n")
}

/// A file whose rule has this selector. One that encrypts `kind` and `name`, too, does not leave a resource.
fn selected_file(rule: &str) -> Case {
    let kustomization = "generatorOptions: {disableNameSuffixHash: true}\nsecretGenerator:\n- name: a\n  files: [conf.yaml]\n";
    let plain = "a: canary-a\nb_clear: 1\n# marked\nc: canary-c\nd: {e_enc: canary-e, f_unencrypted: 2}\n";
    Case::app(rule, &[("conf.yaml", plain.as_bytes())], kustomization)
}

/// A Secret and a generator's file of values that say that they are encrypted, where the rule leaves them alone.
fn lookalikes(rule: &str) -> Case {
    let well_formed =
        "ENC[AES256_GCM,data:AA==,iv:AAAAAAAAAAAAAAAAAAAAAA==,tag:AAAAAAAAAAAAAAAAAAAAAA==,type:str]";
    let values = format!(
        "  # marked\n  a_enc: canary-a\n  b: {well_formed}\n  c: 'ENC[AES256_GCM,'\n  d: \"ENC[AES256_GCM,\\e\"\n"
    );
    let secret = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData:\n{values}");
    let kustomization = "resources: [secret.yaml]\ngeneratorOptions: {disableNameSuffixHash: true}\n\
                         configMapGenerator:\n- name: a\n  files: [conf.yaml]\n";
    let file = format!("top:\n{values}");
    Case::app(rule, &[("secret.yaml", secret.as_bytes()), ("conf.yaml", file.as_bytes())], kustomization)
}

fn selectors() -> Vec<Row> {
    vec![
        Row { feature: "none: all but `_unencrypted`", case: || selected_file(""), expected: Decrypted },
        Row {
            feature: "`unencrypted_suffix`",
            case: || selected_file("unencrypted_suffix: _clear"),
            expected: Decrypted,
        },
        Row {
            feature: "`encrypted_suffix`",
            case: || selected("encrypted_suffix: _enc"),
            expected: Decrypted,
        },
        Row {
            feature: "`unencrypted_regex`",
            case: || selected("unencrypted_regex: ^(apiVersion|kind|metadata|.*_clear)$"),
            expected: Decrypted,
        },
        Row {
            feature: "`encrypted_regex`",
            case: || selected("encrypted_regex: ^(data|stringData)$"),
            expected: Decrypted,
        },
        Row {
            feature: "`encrypted_comment_regex`",
            case: || selected_file("encrypted_comment_regex: marked"),
            expected: Decrypted,
        },
        Row {
            feature: "`unencrypted_comment_regex`",
            case: || selected_file("unencrypted_comment_regex: marked"),
            expected: Decrypted,
        },
        Row {
            feature: "`mac_only_encrypted`",
            case: || selected("encrypted_suffix: _enc\nmac_only_encrypted: true"),
            expected: Decrypted,
        },
        Row {
            feature: "a clear value that looks like a ciphertext",
            case: || lookalikes("encrypted_suffix: _enc"),
            expected: Decrypted,
        },
        Row {
            feature: "likewise, where comments select",
            case: || lookalikes("encrypted_comment_regex: marked"),
            expected: Decrypted,
        },
        Row {
            feature: "likewise, with `integrity: warn`",
            case: || lookalikes("encrypted_comment_regex: marked").spec("integrity: warn"),
            expected: Decrypted,
        },
    ]
}

/// A Secret behind three groups of one key each, of which the first so many are denied.
fn groups_of_keys(threshold: usize, denied: usize) -> Case {
    let lab = Lab::new();
    let keys = ["us-west-2", "us-east-1", "eu-west-1"].map(|region| lab.open_key(region));
    let groups = keys.each_ref().map(|key| format!("  - kms: [{{arn: '{key}'}}]\n")).concat();
    let mut repo = Repo::new();
    let rules = format!(
        "creation_rules:\n- encrypted_regex: ^(data|stringData)$\n  shamir_threshold: {threshold}\n  key_groups:\n{groups}"
    );
    repo.write(".sops.yaml", &rules).transformer("app/decrypt.yaml", "");
    repo.encrypt(&lab, "app/database.yaml", DATABASE);
    repo.kustomization(
        "app",
        "resources: [database.yaml]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n",
    );
    for key in keys.iter().take(denied) {
        lab.fault(Fault::on("kms", "Decrypt").target(key).error("AccessDeniedException"));
    }
    Case::new(lab, repo, "app")
}

fn keys() -> Vec<Row> {
    vec![
        Row {
            feature: "an encryption context",
            case: || {
                let lab = Lab::new();
                let key = lab.open_key("us-west-2");
                let mut repo = Repo::new();
                let rules = format!(
                    "creation_rules:\n- encrypted_regex: ^stringData$\n  key_groups: [{{kms: [{{arn: '{key}', context: {{app: db}}}}]}}]\n"
                );
                repo.write(".sops.yaml", &rules).transformer("app/decrypt.yaml", "");
                repo.encrypt(&lab, "app/secret.yaml", SELECTED);
                repo.kustomization("app", "resources: [secret.yaml]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n");
                Case::new(lab, repo, "app")
            },
            expected: Decrypted,
        },
        Row {
            feature: "three key groups, a threshold of 2",
            case: || groups_of_keys(2, 0),
            expected: Decrypted,
        },
        Row {
            feature: "three key groups, a threshold of 2, one group denied",
            case: || groups_of_keys(2, 1),
            expected: Decrypted,
        },
        Row {
            feature: "three key groups, a threshold of 2, two groups denied",
            case: || groups_of_keys(2, 2),
            expected: Refused(Code::NoUsableKey),
        },
        Row {
            feature: "three key groups, a threshold of 0, which means all",
            case: || groups_of_keys(0, 0),
            expected: Decrypted,
        },
        Row {
            feature: "three key groups, a threshold of 0, one group denied",
            case: || groups_of_keys(0, 1),
            expected: Refused(Code::KmsDenied),
        },
    ]
}

fn left_alone() -> Vec<Row> {
    vec![
        Row {
            feature: "`kinds: [Secret]`, and an encrypted ConfigMap",
            case: || {
                Case::resources(&[(
                    "map.yaml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: canary-a}\n",
                )])
                .spec("kinds: [Secret]")
            },
            expected: LeftEncrypted,
        },
        Row {
            feature: "the annotation `krm-sops.dev/decrypt: disabled`",
            case: || Case::resources(&[("database.yaml", &opted_out("krm-sops.dev/decrypt"))]),
            expected: LeftEncrypted,
        },
        Row {
            feature: "the annotation `kustomize.toolkit.fluxcd.io/decrypt: disabled`",
            case: || Case::resources(&[("database.yaml", &opted_out("kustomize.toolkit.fluxcd.io/decrypt"))]),
            expected: LeftEncrypted,
        },
    ]
}

fn opted_out(annotation: &str) -> String {
    DATABASE.replace("  labels:", &format!("  annotations: {{{annotation}: disabled}}\n  labels:"))
}
