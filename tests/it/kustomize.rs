//! Everything kustomize does to an encrypted resource, in every mode: the build is that of the decrypted tree.

use krm_sops::diagnostics::Code;

use crate::support::build::normalised;
use crate::support::expect::{refused, said};
use crate::support::platform::DATABASE;
use crate::support::{EAST, Lab, Mode, Platform, Repo, WEST};

#[test]
fn a_secret_of_one_cluster() {
    let platform = Platform::new();
    platform.assert_decrypts();
    let built = platform.lab.build(&platform.repo, &format!("clusters/{WEST}"), Mode::Plugin).ok();
    assert!(built.contains("password: canary-password") && !built.contains("sops:"), "{built}");
}

#[test]
fn two_keys_in_two_regions_with_one_role() {
    let mut platform = Platform::new();
    platform.secret(EAST, "database.yaml", &DATABASE.replace("canary-", "canary-east-"));
    platform.cluster(EAST, "");
    platform.lab.assert_decrypts(&platform.repo, &format!("clusters/{EAST}"));
    platform
        .repo
        .kustomization("both/west", &format!("namePrefix: west-\nresources: [../../secrets/{WEST}]\n"))
        .kustomization("both/east", &format!("namePrefix: east-\nresources: [../../secrets/{EAST}]\n"))
        .kustomization(
            "both",
            "resources: [west, east]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n",
        )
        .transformer("both/decrypt.yaml", "");
    platform.lab.assert_decrypts(&platform.repo, "both");
}

#[test]
fn prefix_suffix_namespace_labels_and_annotations() {
    let mut platform = Platform::new();
    platform.cluster(
        WEST,
        "namePrefix: a-\nnameSuffix: -z\nnamespace: team\nlabels:\n- pairs: {tier: db}\n  includeSelectors: false\n\
         commonAnnotations: {version: '1', enabled: 'true'}\n",
    );
    platform.assert_decrypts();
}

#[test]
fn patches_that_add_change_and_delete() {
    let mut platform = Platform::new();
    platform.cluster(
        WEST,
        "patches:
- target: {kind: Secret, name: database}
  patch: |
    apiVersion: v1
    kind: Secret
    metadata: {name: database, labels: {team: null, owner: me}}
    stringData: {host: db.example.com, username: null}
- target: {kind: Secret, name: database}
  patch: |
    - {op: add, path: /metadata/annotations/reloader, value: 'true'}
    - {op: replace, path: /stringData/password, value: from-the-patch}
",
    );
    platform.assert_decrypts();
    for mode in Mode::ALL {
        let built = platform.lab.build(&platform.repo, &format!("clusters/{WEST}"), mode);
        if mode.shows_warnings() {
            said(&built, "info", Code::PlainValue, &["stringData.password", "stringData.host"]);
        }
    }
}

#[test]
fn overlays_over_overlays() {
    let platform = Platform::new();
    platform
        .repo
        .kustomization("base", &format!("resources: [../secrets/{WEST}]\nnamePrefix: base-\n"))
        .kustomization("middle", "resources: [../base]\nnamespace: middle\n")
        .kustomization(
            "deep/top",
            "resources: [../../middle]\nnameSuffix: -top\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n",
        )
        .transformer("deep/top/decrypt.yaml", "");
    platform.lab.assert_decrypts(&platform.repo, "deep/top");
}

#[test]
fn a_transformer_in_a_base() {
    let platform = Platform::new();
    platform
        .repo
        .kustomization("base", &format!("resources: [../secrets/{WEST}]\ntransformers: [decrypt.yaml]\n"))
        .transformer("base/decrypt.yaml", "")
        .kustomization(
            "overlays/top",
            "resources: [../../base]\nnamePrefix: top-\nbuildMetadata: [originAnnotations]\n",
        );
    platform.lab.assert_decrypts(&platform.repo, "overlays/top");
}

#[test]
fn transformers_in_a_base_and_in_its_overlay() {
    let platform = Platform::new();
    platform
        .repo
        .kustomization("base", &format!("resources: [../secrets/{WEST}]\ntransformers: [decrypt.yaml]\n"))
        .transformer("base/decrypt.yaml", "")
        .kustomization(
            "top",
            "resources: [../base]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n",
        )
        .transformer("top/decrypt.yaml", "");
    // What the base has decrypted is no Secret that somebody forgot to encrypt.
    platform.lab.assert_decrypts(&platform.repo, "top");
    let built = platform.lab.build(&platform.repo, "top", Mode::Function);
    said(&built, "info", Code::PlainValue, &["Secret database", "in the clear already"]);
}

#[test]
fn a_patch_that_replaces_every_value_and_takes_the_block_away_is_said() {
    let mut platform = Platform::new();
    platform.cluster(
        WEST,
        "patches:
- target: {kind: Secret, name: database}
  patch: |
    - {op: remove, path: /sops}
    - {op: remove, path: /data}
    - {op: replace, path: /stringData, value: {password: from-the-patch}}
",
    );
    let built = platform.lab.build(&platform.repo, &format!("clusters/{WEST}"), Mode::Function);
    said(&built, "info", Code::PlainValue, &["Secret database", "a patch replaced its values"]);
    assert!(built.stdout.contains("from-the-patch"), "{built}");
}

#[test]
fn a_transformer_in_a_component() {
    let platform = Platform::new();
    platform
        .repo
        .write(
            "components/decrypt/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {tier: db}}]\ntransformers: [decrypt.yaml]\n",
        )
        .transformer("components/decrypt/decrypt.yaml", "")
        .kustomization(
            "top",
            &format!(
                "resources: [../secrets/{WEST}]\ncomponents: [../components/decrypt]\nbuildMetadata: [originAnnotations]\n"
            ),
        );
    platform.lab.assert_decrypts(&platform.repo, "top");
}

#[test]
fn a_transformer_in_a_folder_of_its_own_inline_or_as_a_directory() {
    let platform = Platform::new();
    let resources = format!("resources: [../secrets/{WEST}]\nbuildMetadata: [originAnnotations]\n");
    platform
        .repo
        .kustomization("folder", &format!("{resources}transformers: [conf/decrypt.yaml]\n"))
        .transformer("folder/conf/decrypt.yaml", "")
        .kustomization("directory", &format!("{resources}transformers:\n- ../transformers\n"))
        .kustomization("transformers", "resources: [decrypt.yaml]\n")
        .transformer("transformers/decrypt.yaml", "")
        .kustomization(
            "inline",
            &format!(
                "{resources}transformers:\n- |-\n  apiVersion: krm-sops.dev/v1\n  kind: SopsDecrypt\n  metadata:\n    name: decrypt\n"
            ),
        );
    for directory in ["folder", "directory", "inline"] {
        platform.lab.assert_decrypts(&platform.repo, directory);
    }
}

#[test]
fn a_transformer_directory_beside_a_base() {
    let platform = Platform::new();
    platform
        .repo
        .kustomization(
            "x/base",
            &format!("resources: [../../secrets/{WEST}]\ntransformers:\n- ../transformers\n"),
        )
        .kustomization("x/transformers", "resources: [decrypt.yaml]\n")
        .transformer("x/transformers/decrypt.yaml", "sopsConfig: ../../.sops.yaml\nroot: ../..")
        .kustomization("x", "resources: [base]\nbuildMetadata: [originAnnotations]\n")
        .kustomization("x/y/top", "resources: [../../base]\nbuildMetadata: [originAnnotations]\n");
    for directory in ["x", "x/y/top"] {
        platform.lab.assert_decrypts(&platform.repo, directory);
    }
}

#[test]
fn a_build_behind_a_symbolic_link() {
    let platform = Platform::new();
    platform
        .repo
        .kustomization(
            "top",
            &format!("resources: [../secrets/{WEST}]\ntransformers: [decrypt.yaml]\nbuildMetadata: [originAnnotations]\n"),
        )
        .transformer("top/decrypt.yaml", "")
        .write("deep/er/README", "");
    std::os::unix::fs::symlink("../../top", platform.repo.path("deep/er/link")).expect("a link");
    platform.lab.assert_decrypts(&platform.repo, "deep/er/link");
}

#[test]
fn a_base_behind_a_symbolic_link() {
    let platform = Platform::new();
    platform
        .repo
        .kustomization(
            "real/base",
            &format!("resources: [../../secrets/{WEST}]\ntransformers: [decrypt.yaml]\n"),
        )
        .transformer("real/base/decrypt.yaml", "")
        .kustomization("top", "resources: [../link]\nbuildMetadata: [originAnnotations]\n");
    std::os::unix::fs::symlink("real/base", platform.repo.path("link")).expect("a link");
    let expected = platform.lab.oracle(&platform.repo, "top");
    for mode in [Mode::Plugin, Mode::Function] {
        assert_eq!(platform.lab.build(&platform.repo, "top", mode).ok(), expected, "{mode:?}");
    }
    // A filter knows only what is built, and kustomize's annotation is wrong: it joins the link's path as text.
    let built = platform.lab.build(&platform.repo, "top", Mode::Filter);
    refused(
        &platform.lab,
        &platform.repo,
        &built,
        &[Code::OriginNotFound, Code::OriginOutsideRoot],
        &["Secret database"],
    );
}

#[test]
fn a_component_does_not_learn_the_name_of_what_is_built() {
    let mut platform = Platform::new();
    platform.repo.encrypt(&platform.lab, &format!("secrets/{WEST}/local/db.yaml"), DATABASE);
    platform
        .repo
        .write(
            "components/decrypt/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {tier: db}}]\ntransformers: [decrypt.yaml]\n",
        )
        .transformer("components/decrypt/decrypt.yaml", "")
        .kustomization(
            &format!("secrets/{WEST}/local"),
            "resources: [db.yaml]\ncomponents: [../../../components/decrypt]\nbuildMetadata: [originAnnotations]\n",
        );
    for mode in [Mode::Plugin, Mode::Function] {
        let built = platform.lab.build(&platform.repo, &format!("secrets/{WEST}/local"), mode);
        refused(
            &platform.lab,
            &platform.repo,
            &built,
            &[Code::OriginNotFound],
            &["Secret database", "whose name kustomize does not tell", "krm-sops decrypt -C DIR"],
        );
    }
    let built = platform.lab.build(&platform.repo, &format!("secrets/{WEST}/local"), Mode::Filter).ok();
    assert!(built.contains("canary-password"), "{built}");
}

#[test]
fn documents_of_many_kinds_in_one_file() {
    let mut platform = Platform::new();
    platform.secret(
        WEST,
        "all.yaml",
        "apiVersion: v1
kind: Secret
metadata: {name: first}
stringData: {a: canary-a}
---
apiVersion: v1
kind: Service
metadata: {name: service}
spec:
  ports: [{port: 80, targetPort: 8080}]
---
# A comment of the file.
apiVersion: v1
kind: ConfigMap
metadata: {name: map}
data: {b: canary-b}
---
apiVersion: v1
kind: Secret
metadata: {name: second}
data:
  # An encrypted comment.
  c: Y2FuYXJ5
",
    );
    platform.assert_decrypts();
}

#[test]
fn merge_keys() {
    let mut platform = Platform::empty();
    platform.secret(
        WEST,
        "merged.yaml",
        "apiVersion: example.com/v1
kind: Thing
metadata: {name: thing}
data:
  defaults: &defaults {user: canary-user, port: 1, nested: {a: canary-a}}
  more: &more {user: canary-more, host: canary-host}
  one: {<<: *defaults, port: 2}
  two: {<<: [*defaults, *more], list: [{<<: *more}]}
",
    );
    platform.cluster(WEST, "");
    platform.assert_decrypts();
    // What was not merged, since the mapping has the key itself, cannot be put there.
    let sealed = platform.repo.read(&format!("secrets/{WEST}/merged.yaml"));
    let ports: Vec<&str> = sealed.lines().filter_map(|line| line.trim().strip_prefix("port: ")).collect();
    let [_, merged, own, _] = ports[..] else { panic!("four ports: {sealed}") };
    assert_ne!(merged, own);
    let patch = format!(
        "patches:\n- target: {{kind: Thing}}\n  patch: |\n    - {{op: replace, path: /data/one/port, value: \"{merged}\"}}\n"
    );
    platform.cluster(WEST, &patch);
    platform.assert_refused(&format!("clusters/{WEST}"), &[Code::NotInOrigin], &["data.one.port"]);
}

#[test]
fn json_files() {
    let mut platform = Platform::new();
    platform.secret(
        WEST,
        "token.json",
        r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"},
            "stringData": {"token": "canary \" \\ \n \u00e4 \ud83d\ude00", "empty": ""}}"#,
    );
    platform.assert_decrypts();
}

#[test]
fn other_resources_are_untouched() {
    let mut platform = Platform::new();
    platform.cluster(WEST, "- others.yaml\nnamePrefix: a-\n");
    platform.repo.write(
        &format!("clusters/{WEST}/others.yaml"),
        "apiVersion: v1
kind: ConfigMap
metadata:
  name: strings
  annotations: {yes: 'no', number: '1', octal: '0777'}
data:
  multi: |
    - a
      b

  folded: >-
    one
    two
  quoted: \"\\ttab \\u00e4 \\U0001F600\"
---
apiVersion: example.com/v1
kind: Thing
metadata: {name: thing}
spec: {int: 1, float: 1.0, bool: true, nothing: null, list: [], map: {}, time: 2001-01-01T00:00:00Z}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers: [{name: app, image: app, envFrom: [{secretRef: {name: database}}]}]
",
    );
    platform.assert_decrypts();
}

#[test]
fn generators_beside_encrypted_files_keep_their_hashes() {
    let mut platform = Platform::new();
    platform.cluster(
        WEST,
        "secretGenerator:\n- name: generated\n  literals: [a=b]\nconfigMapGenerator:\n- name: map\n  literals: [c=d]\n",
    );
    platform.assert_decrypts();
}

#[test]
fn hashes_in_names_cover_the_plaintext_and_a_filter_says_that_they_cannot() {
    let mut platform = Platform::empty();
    platform.secret(
        WEST,
        "hashed.yaml",
        &DATABASE
            .replace("  labels:", "  annotations: {kustomize.config.k8s.io/needs-hash: 'true'}\n  labels:"),
    );
    platform.cluster(WEST, "");
    let directory = format!("clusters/{WEST}");
    let expected = platform.lab.oracle(&platform.repo, &directory);
    for mode in [Mode::Plugin, Mode::Function] {
        assert_eq!(platform.lab.build(&platform.repo, &directory, mode).ok(), expected, "{mode:?}");
    }
    let filtered = platform.lab.build(&platform.repo, &directory, Mode::Filter);
    said(&filtered, "info", Code::HashOfCiphertext, &[]);
    assert_eq!(filtered.stderr.matches("hash-of-ciphertext").count(), 1, "{filtered}");
}

#[test]
fn the_order_of_transformers_is_kept() {
    let mut platform = Platform::new();
    platform.cluster(WEST, "");
    let directory = format!("clusters/{WEST}");
    let kustomization = format!("{directory}/kustomization.yaml");
    platform.repo.tamper(&kustomization, |text| {
        text.replace("[decrypt.yaml]", "[labels.yaml, decrypt.yaml, prefix.yaml]")
    });
    platform
        .repo
        .write(
            &format!("{directory}/labels.yaml"),
            "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: labels}\nlabels: {a: b}\n\
             fieldSpecs: [{path: metadata/labels, create: true}]\n",
        )
        .write(
            &format!("{directory}/prefix.yaml"),
            "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: prefix}\nprefix: last-\n\
             fieldSpecs: [{path: metadata/name}]\n",
        );
    platform.assert_decrypts();
}

#[test]
fn what_kustomize_notes_about_transformations_is_kept() {
    let mut platform = Platform::new();
    platform.cluster(WEST, "namePrefix: a-\n");
    let built = |mode| platform.lab.build(&platform.repo, &format!("clusters/{WEST}"), mode).ok();
    assert!(built(Mode::Plugin).contains(&format!("path: ../../secrets/{WEST}/database.yaml")));
    assert_eq!(built(Mode::Plugin), built(Mode::Function));
}

#[test]
fn origins_can_be_stripped() {
    let platform = Platform::new();
    let directory = format!("clusters/{WEST}");
    let expected = {
        let bare = platform.repo.copy();
        bare.tamper(&format!("{directory}/kustomization.yaml"), |text| {
            text.replace("buildMetadata: [originAnnotations]\n", "")
        });
        platform.lab.oracle(&bare, &directory)
    };
    for policy in ["decrypted", "all"] {
        platform.repo.transformer(&format!("{directory}/decrypt.yaml"), &format!("stripOrigin: {policy}"));
        let filtered = platform.lab.build(&platform.repo, &directory, Mode::Filter).ok();
        assert_eq!(normalised(&filtered), expected, "{policy}");
        // kustomize gives an item that has no origin that of the transformer it has come from.
        for mode in [Mode::Plugin, Mode::Function] {
            let built = platform.lab.build(&platform.repo, &directory, mode).ok();
            assert!(
                !built.contains("database.yaml") && built.contains("configuredIn: decrypt.yaml"),
                "{built}"
            );
        }
    }
}

#[test]
fn any_kind_that_carries_a_sops_block() {
    let mut platform = Platform::new();
    platform.secret(
        WEST,
        "custom.yaml",
        "apiVersion: example.com/v1
kind: Users
metadata: {name: users}
data:
  users:
  - {name: canary-a, tokens: [canary-b, canary-c]}
  - {name: canary-d, nested: {deeper: {still: canary-e}}}
spec: {clear: text}
",
    );
    platform.assert_decrypts();
}

#[test]
fn kinds_narrows_and_says_what_it_leaves_encrypted() {
    let mut platform = Platform::new();
    platform.secret(
        WEST,
        "map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata: {a: canary-a}\n",
    );
    let directory = format!("clusters/{WEST}");
    platform.repo.transformer(&format!("{directory}/decrypt.yaml"), "kinds: [Secret]");
    for mode in Mode::ALL {
        let built = platform.lab.build(&platform.repo, &directory, mode);
        if mode.shows_warnings() {
            said(&built, "warning", Code::LeftEncrypted, &["ConfigMap map"]);
        }
        assert!(
            built.stdout.contains("canary-password") && built.stdout.contains("a: ENC[AES256_GCM"),
            "{built}"
        );
    }
}

#[test]
fn an_item_that_asks_for_it_is_left_alone() {
    for annotation in ["krm-sops.dev/decrypt", "kustomize.toolkit.fluxcd.io/decrypt"] {
        let mut platform = Platform::new();
        let other = DATABASE
            .replace("name: database", &format!("name: other\n  annotations: {{{annotation}: disabled}}"));
        platform.secret(WEST, "other.yaml", &other.replace("canary", "left"));
        let built = platform.lab.build(&platform.repo, &format!("clusters/{WEST}"), Mode::Function);
        said(&built, "info", Code::LeftEncrypted, &["Secret other", annotation]);
        assert!(
            built.stdout.contains("canary-password") && !built.stdout.contains("left-password"),
            "{built}"
        );
        assert!(built.stdout.contains("password: ENC["), "{built}");
    }
}

#[test]
fn where_nothing_is_encrypted_nothing_happens() {
    let lab = Lab::new();
    let repo = Repo::new();
    repo.write("map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\ndata: {a: b}\n")
        .kustomization(
            ".",
            "resources: [map.yaml]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n",
        )
        .transformer("decrypt.yaml", "");
    lab.assert_decrypts(&repo, ".");
    assert!(lab.calls().is_empty());
}

#[test]
fn a_number_below_data_becomes_a_string() {
    let mut platform = Platform::empty();
    platform.secret(
        WEST,
        "numbers.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: numbers}\nstringData: {port: 5432, debug: True, ratio: 1.50, mode: 0777, day: 2024-1-2}\n",
    );
    platform.cluster(WEST, "");
    for mode in Mode::ALL {
        let built = platform.lab.build(&platform.repo, &format!("clusters/{WEST}"), mode);
        if mode.shows_warnings() {
            let cause = "cause: sops keeps such a value and not how it was written: a boolean as true or false, a float at \
                         its shortest (1.50 becomes 1.5), a time in RFC 3339 (2024-01-02 becomes 2024-01-02T00:00:00Z), \
                         an integer in decimal (0777 becomes 511)\n";
            said(&built, "warning", Code::NotAString, &["stringData.mode", cause]);
        }
        let text = normalised(&built.stdout);
        for line in
            ["port: \"5432\"", "debug: \"true\"", "ratio: \"1.5\"", "mode: \"511\"", "day: \"2024-01-02T"]
        {
            assert!(text.contains(line), "{line}: {built}");
        }
    }
}

#[test]
fn values_that_the_mac_does_not_vouch_for_are_said() {
    let platform = Platform::new();
    let directory = format!("clusters/{WEST}");
    for integrity in ["warn", "skip"] {
        platform.repo.transformer(&format!("{directory}/decrypt.yaml"), &format!("integrity: {integrity}"));
        let whole = platform.lab.build(&platform.repo, &directory, Mode::Function);
        assert!(whole.stdout.contains("canary-password"), "{integrity}: {whole}");
        if integrity == "skip" {
            said(&whole, "warning", Code::Unverified, &["Secret database"]);
        }
    }
    platform.repo.transformer(&format!("{directory}/decrypt.yaml"), "integrity: warn");
    platform.repo.tamper(&format!("secrets/{WEST}/database.yaml"), |text| {
        text.replace("team: platform", "team: another")
    });
    let changed = platform.lab.build(&platform.repo, &directory, Mode::Function);
    said(&changed, "warning", Code::MacMismatch, &["Secret database"]);
    assert!(changed.stdout.contains("canary-password"), "{changed}");
}
