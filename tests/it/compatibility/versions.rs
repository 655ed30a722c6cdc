//! Files that older versions of sops made or edited, kept as they came in `tests/fixtures/versions`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support::build::{kustomize, normalised};
use crate::support::run::{self, run};
use crate::support::{Lab, Mode, Repo};

/// The versions of sops whose files there are.
const VERSIONS: [&str; 3] = ["3.8.1", "3.9.4", "3.13.2"];

/// Those of their files that are resources of their own, and the directories in which kustomize is to find them.
const RESOURCES: [(&str, &str); 4] = [
    ("secret.yaml", "made"),
    ("encrypted_regex.yaml", "selected"),
    ("edited/unset.yaml", "unset"),
    ("edited/by-older-edit.yaml", "by-older"),
];

/// What there is of each file in which version, as a table.
pub(super) fn table() -> String {
    let decrypted: Vec<BTreeSet<String>> = VERSIONS.iter().map(|version| decrypted(version)).collect();
    let all: BTreeSet<&String> = decrypted.iter().flatten().collect();
    let head = VERSIONS.map(|version| format!("sops {version}")).join(" | ");
    let mut table = format!(
        "\n## Files of several versions of sops\n\n\
         The files are in [tests/fixtures/versions](../tests/fixtures/versions), and so is how they were made. In `edited/`, 3.13.2 edited what the\n\
         version had made; in `by-older*` the version edited what 3.13.2 had made. *Decrypted* says: in all three modes, to what `sops -d` prints.\n\n\
         | file | {head} |\n|---|{}\n",
        "---|".repeat(VERSIONS.len())
    );
    for file in all {
        let cells = decrypted.iter().map(|files| if files.contains(file) { "decrypted" } else { "–" });
        let _ = writeln!(table, "| `{file}` | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    table
}

/// Builds everything that a version made, in every mode; returns the names of its files.
fn decrypted(version: &str) -> BTreeSet<String> {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let source = run::source("tests/fixtures/versions");
    let files = files_below(&source.join(version));
    let (plain, sealed): (BTreeMap<_, _>, BTreeMap<_, _>) =
        files.into_iter().partition(|(name, _)| name.starts_with("plain/"));
    let plain: BTreeMap<String, Vec<u8>> = plain
        .into_iter()
        .map(|(name, bytes)| (name.trim_start_matches("plain/").to_owned(), bytes))
        .collect();
    assert!(sealed.keys().eq(plain.keys()), "{version}: what is there is not what is there in the clear");
    let rules = fs::read_to_string(source.join("sops.yaml")).expect("the rules");
    let [sealed_tree, plain_tree] = [&sealed, &plain].map(|files| tree(&rules, files));
    for (name, bytes) in &sealed {
        let is_sealed = String::from_utf8_lossy(bytes).contains("ENC[AES256_GCM,");
        assert!(is_sealed && *bytes != plain[name], "{version}: {name} is in the clear");
    }
    // The oracle is the tree of what sops printed when the files were made.
    plain_tree.tamper("app/kustomization.yaml", |text| text.replace("transformers: [decrypt.yaml]\n", ""));
    let mut oracle = kustomize(&plain_tree, &["app"]);
    let expected = normalised(&run(&mut oracle, "").ok());
    assert!(expected.matches("kind: ").count() > RESOURCES.len(), "{expected}");
    for mode in Mode::ALL {
        let built = normalised(&lab.build(&sealed_tree, "app", mode).ok());
        assert!(built == expected, "{version}, {mode:?}\n--- oracle ---\n{expected}\n--- built ---\n{built}");
    }
    sealed.into_keys().collect()
}

/// A repository in which a generator takes every file, and some are resources as well.
fn tree(rules: &str, files: &BTreeMap<String, Vec<u8>>) -> Repo {
    let repo = Repo::new();
    repo.write(".sops.yaml", rules).transformer("app/decrypt.yaml", "");
    let put = |path: String, bytes: &[u8]| {
        repo.write(&path, "");
        fs::write(repo.path(&path), bytes).expect("a file can be written");
    };
    for (name, bytes) in files {
        put(format!("app/{name}"), bytes);
    }
    for (name, directory) in RESOURCES {
        let base = Path::new(name).file_name().and_then(|base| base.to_str()).expect("a name");
        put(format!("app/{directory}/{base}"), &files[name]);
        let body = format!("namePrefix: {directory}-\nresources: [{base}]\n");
        repo.kustomization(&format!("app/{directory}"), &body);
    }
    let resources = RESOURCES.map(|(_, directory)| directory).join(", ");
    let files = files.keys().cloned().collect::<Vec<_>>().join(", ");
    repo.kustomization(
        "app",
        &format!(
            "buildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\nresources: [{resources}]\n\
             generatorOptions: {{disableNameSuffixHash: true}}\nsecretGenerator:\n- name: files\n  files: [{files}]\n"
        ),
    );
    repo
}

/// Every file below a directory, by its path from there.
fn files_below(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("a file below it").to_str().expect("UTF-8");
                files.insert(name.to_owned(), fs::read(&path).expect("a file can be read"));
            }
        }
    }
    files
}
