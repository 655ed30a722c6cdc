//! Every example is built by the command that examples/README.md has for it, and gives what sops and kustomize give.

use std::collections::BTreeSet;
use std::fs;

use crate::recipes::RECIPES;
use crate::support::build::{kustomize, normalised};
use crate::support::docker::private;
use crate::support::run::{self, krm_sops, run, source};
use crate::support::{Docker, Keyservice, Lab, Repo};

/// An example: the directory that is built, and kustomize's flags. Without flags, krm-sops is a filter after the build.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("examples/quickstart/clusters/us-west-2-platform-engineering-sbx", PLUGIN),
    ("examples/quickstart/clusters/us-east-1-platform-engineering-prd", PLUGIN),
    ("examples/krm-exec", &["--enable-alpha-plugins", "--enable-exec"]),
    ("examples/filter", &[]),
    ("examples/overlay/overlays/staging", PLUGIN),
    ("examples/transformer-in-base/overlay", PLUGIN),
    ("examples/multi-document", PLUGIN),
    ("examples/inline-rules", PLUGIN),
    ("examples/generators", PLUGIN),
    (GENERATOR, PLUGIN),
    ("examples/keyservice", PLUGIN),
];
/// The one whose files kustomize sees only when they are listed as resources.
const GENERATOR: &str = "examples/generator-of-files";
const PLUGIN: &[&str] = &["--enable-alpha-plugins"];

/// The examples that start a container, with the flags of their command but for the first.
const CONTAINERS: &[(&str, &[&str])] = &[
    ("examples/container-mount", &["--network"]),
    ("examples/container-inline", &["--network"]),
    (
        "examples/container-root/clusters/sandbox",
        &["--network", "--mount", "type=bind,src=$PWD/examples/container-root,dst=/repo"],
    ),
    ("examples/container-identity", &["--network", "--mount", "type=bind,src=$PWD/.demo/token,dst=/token"]),
    (
        "examples/container-credentials",
        &["--network", "--as-current-user", "--mount", "type=bind,src=$PWD/.demo/aws,dst=/aws"],
    ),
];

/// The examples where the repository has them, and the kustomization in its root.
fn examples() -> Repo {
    let repo = Repo::with_copy_of("examples");
    let top = fs::read_to_string(source("kustomization.yaml")).expect("the kustomization");
    repo.write("kustomization.yaml", &top);
    repo
}

/// `kustomize build`, with krm-sops on the `PATH` as well as in its place as a plugin.
fn build(lab: &Lab, repo: &Repo, directory: &str, flags: &[&str]) -> String {
    let arguments: Vec<&str> = flags.iter().copied().chain([directory]).collect();
    let mut command = kustomize(repo, &arguments);
    let beside = krm_sops().parent().expect("a directory").display().to_string();
    command.env("PATH", format!("{beside}:{}", std::env::var("PATH").unwrap_or_default()));
    run(lab.for_caller(&mut command), "").ok()
}

/// `krm-sops decrypt -C DIRECTORY` for what was built from it.
fn decrypt(lab: &Lab, repo: &Repo, directory: &str, built: &str) -> String {
    let mut filter = run::command(krm_sops());
    filter.current_dir(repo.root()).args(["decrypt", "-C", directory]);
    run(lab.for_caller(&mut filter), built).ok()
}

#[test]
fn every_example_gives_the_decrypted_tree() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let repo = examples();
    // Its socket has a fixed place, where two runs of this test would meet.
    let service = Keyservice::on_socket(&lab);
    repo.tamper("examples/keyservice/decrypt.yaml", |text| {
        text.replace("unix:///tmp/krm-sops-example.sock", &service.url)
    });
    let of_resources = repo.copy();
    of_resources.tamper(&format!("{GENERATOR}/kustomization.yaml"), |text| {
        text.replace("generators: [secrets.yaml]", "resources: [token.yaml, app.yaml]")
    });
    for (directory, flags) in EXAMPLES {
        let mut output = build(&lab, &repo, directory, flags);
        if flags.is_empty() {
            assert!(output.contains("ENC["), "{directory} is decrypted before the filter");
            output = decrypt(&lab, &repo, directory, &output);
        }
        let expected = lab.oracle(&of_resources, directory);
        assert!(expected.contains("kind: Secret") && !expected.contains("ENC["), "{directory}: {expected}");
        assert_eq!(normalised(&output), normalised(&expected), "{directory}");
    }
}

#[test]
fn every_example_with_a_container_gives_the_decrypted_tree() {
    let Some(docker) = Docker::get() else { return };
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let repo = examples();
    // What scripts/lab.sh puts there.
    let keys = format!("[deployer]\naws_access_key_id = {}\naws_secret_access_key = lab\n", lab.caller());
    repo.write(".demo/aws/credentials", &keys)
        .write(".demo/aws/config", "[profile deployer]\nregion = us-west-2\n");
    private(&repo.path(".demo/aws/credentials"), 0o600);
    repo.write(".demo/token/token", "demo-token");
    lab.trust("demo-token", &lab.named_role("deployer"));
    let root = repo.root().display().to_string();
    for (directory, flags) in CONTAINERS {
        let image = format!("image: krm-sops:{}\n", env!("CARGO_PKG_VERSION"));
        let tested = format!("image: {}\n", docker.image());
        repo.tamper(&format!("{directory}/decrypt.yaml"), |text| text.replace(&image, &tested));
        let flags: Vec<String> = flags.iter().map(|flag| flag.replace("$PWD", &root)).collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let output = docker.build(&lab, &repo, &flags, directory).ok();
        assert_eq!(output, lab.oracle(&repo, directory), "{directory}");
        assert!(output.contains("demo-"), "{directory}: {output}");
    }
}

#[test]
fn the_top_level_needs_nothing_but_kustomize() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let repo = examples();
    let built = run(&mut kustomize(&repo, &["."]), "").ok();
    assert!(built.contains("ENC["), "{built}");
    let output = decrypt(&lab, &repo, ".", &built);
    assert_eq!(normalised(&output), normalised(&lab.oracle(&repo, ".")));
}

#[test]
fn every_directory_is_an_example_with_its_command() {
    let there: BTreeSet<String> = fs::read_dir(source("examples"))
        .expect("the examples")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("a name in UTF-8"))
        .collect();
    let example = |directory: &str| directory.split('/').nth(1).expect("a name").to_owned();
    let containers = CONTAINERS.iter().map(|(directory, flags)| (*directory, [PLUGIN, flags].concat()));
    let all: Vec<(&str, Vec<&str>)> =
        EXAMPLES.iter().map(|(directory, flags)| (*directory, flags.to_vec())).chain(containers).collect();
    let tested: BTreeSet<String> = all.iter().map(|(directory, _)| example(directory)).collect();
    let recipes: BTreeSet<String> = RECIPES.iter().map(|recipe| (*recipe).to_owned()).collect();
    assert_eq!(there, &tested | &recipes);

    let readme = fs::read_to_string(source("examples/README.md")).expect("examples/README.md");
    for name in &recipes {
        assert!(readme.contains(&format!("[{name}]({name})")), "examples/README.md does not name {name}");
    }
    for name in &tested {
        let told =
            all.iter().filter(|(directory, _)| example(directory) == *name).any(|(directory, flags)| {
                let command: Vec<&str> = ["kustomize", "build"].iter().chain(flags).copied().collect();
                let filter = if flags.is_empty() { r" \| krm-sops decrypt -C " } else { "`" };
                readme.contains(&format!("`{} {directory}{filter}", command.join(" ")))
            });
        assert!(told, "examples/README.md has no command for {name}");
    }
}
