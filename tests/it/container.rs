//! krm-sops as a container function: the real kustomize, the real Docker, and the image of the Dockerfile.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use krm_sops::diagnostics::Code;

use crate::support::canary;
use crate::support::docker::{private, readable};
use crate::support::expect::refused;
use crate::support::platform::{DATABASE, one_rule, rule};
use crate::support::run::source;
use crate::support::{Docker, Finished, Keyservice, Lab, Platform, Repo, WEST};

/// A repository whose root is a kustomization, with a Secret below it, and a container that is to see all of it.
struct Mounted {
    lab: Lab,
    repo: Repo,
    role: String,
}

const MOUNT: &str = "mounts: [{type: bind, src: ., dst: /repo}]\n";

impl Mounted {
    fn new(docker: &Docker) -> Self {
        let (lab, mut repo, role) = one_rule(WEST);
        repo.encrypt(&lab, &format!("secrets/{WEST}/database.yaml"), DATABASE);
        repo.kustomization(
            ".",
            &format!(
                "resources: [secrets/{WEST}/database.yaml]\nbuildMetadata: [originAnnotations]\nnamePrefix: a-\n\
                 transformers: [decrypt.yaml]\n"
            ),
        );
        docker.transformer(&repo, "decrypt.yaml", MOUNT, "");
        Self { lab, repo, role }
    }

    #[track_caller]
    fn assert_decrypts(&self, docker: &Docker, flags: &[&str]) {
        docker.assert_decrypts(&self.lab, &self.repo, flags, ".");
    }

    /// Asserts that a build fails as this section of docs/troubleshooting.md has it, and says this as well, with nothing
    /// decrypted and nothing to apply.
    #[track_caller]
    fn assert_fails(&self, finished: &Finished, section: &str, says: &[&str]) {
        assert!(finished.code.is_some_and(|code| code != 0), "it should have failed: {finished}");
        assert!(finished.stdout.is_empty(), "it printed something to apply: {finished}");
        canary::assert_silent(finished, &canary::secrets(&self.lab, &self.repo));
        let document = fs::read_to_string(source("docs/troubleshooting.md")).expect("the document");
        let heading =
            document.lines().filter_map(|line| line.strip_prefix("### ")).find(|text| text.contains(section));
        let heading =
            heading.unwrap_or_else(|| panic!("no section of docs/troubleshooting.md is called {section:?}"));
        // What stands in backticks is the text that one sees, with an ellipsis for what differs.
        let quoted = heading.split('`').skip(1).step_by(2).flat_map(|text| text.split('…'));
        for text in quoted.chain(says.iter().copied()) {
            assert!(finished.stderr.contains(text), "it should have said {text:?}: {finished}");
        }
    }
}

#[test]
fn a_mount_of_the_kustomization() {
    let Some(docker) = Docker::get() else { return };
    let mounted = Mounted::new(docker);
    mounted.assert_decrypts(docker, &[]);
    let calls = mounted.lab.calls();
    let seen: Vec<_> = calls.iter().map(|call| (call.action.as_str(), call.role.as_deref())).collect();
    assert_eq!(seen, [("AssumeRole", None), ("Decrypt", Some(mounted.role.as_str()))]);
    // A relative `src` starts from the kustomization, wherever kustomize was started.
    let beside = mounted.repo.copy();
    beside.kustomization("beside", "resources: []\n");
    let built = docker.build_with(&mounted.lab, &beside, &["--network"], "..", |command| {
        command.current_dir(beside.path("beside"));
    });
    assert_eq!(built.ok(), mounted.lab.oracle(&mounted.repo, "."));
}

/// What it lists is found by its own mounts.
#[test]
fn a_generator() {
    let Some(docker) = Docker::get() else { return };
    let Mounted { lab, repo, .. } = Mounted::new(docker);
    let expected = lab.oracle(&repo, ".");
    let path = format!("secrets/{WEST}/database.yaml");
    repo.kustomization(
        ".",
        "generators: [decrypt.yaml]\nnamePrefix: a-\nbuildMetadata: [originAnnotations]\n",
    );
    docker.transformer(&repo, "decrypt.yaml", MOUNT, &format!("files: [{path}]\nstripOrigin: all\n"));
    let built = docker.build(&lab, &repo, &["--network"], ".").ok();
    let value =
        |text: &str| text.lines().filter(|line| line.contains("canary-")).collect::<Vec<_>>().join("\n");
    assert!(built.contains("name: a-database") && built.contains("configuredIn: decrypt.yaml"), "{built}");
    assert_eq!(value(&built), value(&expected));
    docker.transformer(&repo, "decrypt.yaml", MOUNT, "files: [../elsewhere.yaml]");
    let finished = docker.build(&lab, &repo, &["--network"], ".");
    refused(&lab, &repo, &finished, &[Code::OriginNotFound], &["mount"]);
}

#[test]
fn a_config_in_a_folder_and_one_that_an_overlay_inherits() {
    let Some(docker) = Docker::get() else { return };
    let Mounted { lab, repo, .. } = Mounted::new(docker);
    repo.tamper("kustomization.yaml", |text| text.replace("[decrypt.yaml]", "[conf/decrypt.yaml]"));
    fs::create_dir(repo.path("conf")).expect("a directory");
    fs::rename(repo.path("decrypt.yaml"), repo.path("conf/decrypt.yaml")).expect("a file");
    docker.assert_decrypts(&lab, &repo, &[], ".");
    repo.kustomization(
        "../top",
        "resources: [../repository]\nnameSuffix: -z\nbuildMetadata: [originAnnotations]\n",
    );
    docker.assert_decrypts(&lab, &repo, &[], "../top");
}

#[test]
fn a_mount_from_the_command_line_of_a_root_above_the_kustomization() {
    let Some(docker) = Docker::get() else { return };
    let Platform { lab, repo, .. } = Platform::new();
    let directory = format!("clusters/{WEST}");
    let config = format!("{directory}/decrypt.yaml");
    let root = format!("type=bind,src={},dst=/repo", repo.root().display());
    let own_place = format!("mounts: [{{type: bind, src: ., dst: /repo/{directory}}}]\n");
    docker.transformer(&repo, &config, &own_place, "");
    docker.assert_decrypts(&lab, &repo, &["--mount", &root], &directory);
    // No repository is in sight: the root has to be named.
    fs::remove_dir_all(repo.path(".git")).expect("a directory");
    let built = docker.build(&lab, &repo, &["--network", "--mount", &root], &directory);
    refused(&lab, &repo, &built, &[Code::OriginOutsideRoot], &["spec.root"]);
    docker.transformer(&repo, &config, &own_place, "root: ../..\n");
    docker.assert_decrypts(&lab, &repo, &["--mount", &root], &directory);
    // The directory above is not mounted.
    let built = docker.build(&lab, &repo, &["--network"], &directory);
    assert!(built.code == Some(1) && built.stdout.is_empty(), "{built}");
}

#[test]
fn rules_inline_and_no_mount_at_all() {
    let Some(docker) = Docker::get() else { return };
    let mut platform = Platform::new();
    let directory = format!("clusters/{WEST}");
    let config = format!("{directory}/decrypt.yaml");
    let rules = rule(WEST, &platform.west, &platform.role);
    let spec = format!("integrity: skip\ncreationRules:\n{rules}");
    docker.transformer(&platform.repo, &config, "", &spec);
    docker.assert_decrypts(&platform.lab, &platform.repo, &[], &directory);
    // A rule is inline, and no file is looked at: it still stands over what nobody encrypted.
    platform.secret(WEST, "more.yaml", &DATABASE.replace("name: database", "name: more"));
    platform.repo.write(
        &format!("secrets/{WEST}/more.yaml"),
        DATABASE.replace("name: database", "name: more").as_str(),
    );
    let built = docker.build(&platform.lab, &platform.repo, &["--network"], &directory);
    let named = format!("secrets/{WEST}/more.yaml");
    refused(&platform.lab, &platform.repo, &built, &[Code::NotEncrypted], &["Secret more", &named]);
}

/// With `network: false` and no variable of AWS', all that the container has is the socket.
#[test]
fn a_keyservice_on_a_mounted_socket_and_no_network_at_all() {
    let Some(docker) = Docker::get() else { return };
    let Mounted { lab, repo, role } = Mounted::new(docker);
    let service = Keyservice::on_socket(&lab);
    let directory = service.socket().parent().expect("a socket has a directory").to_owned();
    readable(&directory);
    // sops makes it for its own user; the container is nobody.
    fs::set_permissions(service.socket(), PermissionsExt::from_mode(0o666)).expect("a socket of ours");
    docker.transformer_with(&repo, "decrypt.yaml", MOUNT, "keyservices: ['unix:///run/sops/sops.sock']\n");
    let mount = format!("type=bind,src={},dst=/run/sops", directory.display());
    let built = docker.build(&lab, &repo, &["--mount", &mount], ".").ok();
    assert_eq!(built, lab.oracle(&repo, "."));
    let calls = lab.calls_of_service();
    assert!(calls.iter().any(|call| call.action == "Decrypt" && call.role.as_ref() == Some(&role)));
    assert!(lab.calls().is_empty(), "nothing is asked of AWS from the container");
    // Without the mount there is no socket, and no network that could be tried instead.
    let built = docker.build(&lab, &repo, &[], ".");
    refused(&lab, &repo, &built, &[Code::KmsUnreachable], &["there is no such socket", "`mounts`"]);
    private(&service.socket(), 0o755);
    let built = docker.build(&lab, &repo, &["--mount", &mount], ".");
    refused(&lab, &repo, &built, &[Code::KmsUnreachable], &["permissions do not let us in", "nobody"]);
}

#[test]
fn credentials_from_a_mounted_profile() {
    let Some(docker) = Docker::get() else { return };
    let Mounted { lab, repo, role } = Mounted::new(docker);
    let aws = format!("[profile deploy]\nendpoint_url = {}\nregion = us-west-2\n", lab.url());
    let keys = format!("[deploy]\naws_access_key_id = {}\naws_secret_access_key = lab\n", lab.caller());
    repo.write("../aws/config", &aws).write("../aws/credentials", &keys);
    let from_profile = "network: true\nmounts: [{type: bind, src: ., dst: /repo}]\nenvs:\n- AWS_PROFILE=deploy\n\
                        - AWS_CONFIG_FILE=/aws/config\n- AWS_SHARED_CREDENTIALS_FILE=/aws/credentials\n";
    docker.transformer_with(&repo, "decrypt.yaml", from_profile, "");
    let aws = format!(
        "type=bind,src={},dst=/aws",
        repo.path("../aws").canonicalize().expect("it is there").display()
    );
    docker.assert_decrypts(&lab, &repo, &["--mount", &aws], ".");
    assert_eq!(lab.calls().last().and_then(|call| call.role.clone()), Some(role));
}

#[test]
fn credentials_of_a_web_identity() {
    let Some(docker) = Docker::get() else { return };
    let Mounted { lab, repo, role } = Mounted::new(docker);
    let pod = lab.role("pod");
    // As Kubernetes does it, the token is a file.
    repo.write("../token/token", "a-token-of-the-cluster");
    lab.trust("a-token-of-the-cluster", &pod);
    let annotation = format!(
        "network: true\nmounts: [{{type: bind, src: ., dst: /repo}}]\nenvs:\n- AWS_ENDPOINT_URL\n- AWS_REGION=us-west-2\n\
         - AWS_WEB_IDENTITY_TOKEN_FILE=/token/token\n- AWS_ROLE_ARN={pod}\n- AWS_ROLE_SESSION_NAME=pod\n"
    );
    docker.transformer_with(&repo, "decrypt.yaml", &annotation, "");
    let token = format!(
        "type=bind,src={},dst=/token",
        repo.path("../token").canonicalize().expect("it is there").display()
    );
    docker.assert_decrypts(&lab, &repo, &["--mount", &token], ".");
    let calls = lab.calls();
    let seen: Vec<_> = calls.iter().map(|call| (call.action.as_str(), call.role.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("AssumeRoleWithWebIdentity", None),
            ("AssumeRole", Some(pod.as_str())),
            ("Decrypt", Some(role.as_str()))
        ]
    );
}

#[test]
fn without_its_flags() {
    let Some(docker) = Docker::get() else { return };
    let mounted = Mounted::new(docker);
    let (lab, repo) = (&mounted.lab, &mounted.repo);
    let built = docker.build(lab, repo, &[], ".");
    mounted.assert_fails(&built, "network required but not enabled", &[]);
    let built = docker.build(lab, repo, &["--enable-alpha-plugins=false"], ".");
    mounted.assert_fails(&built, "external plugins disabled", &[]);
    // The flag without the annotation's `network: true`: a container without network, which is missed when a key is asked for.
    repo.tamper("decrypt.yaml", |text| text.replace("network: true", "network: false"));
    let built = docker.build(lab, repo, &["--network"], ".");
    mounted.assert_fails(
        &built,
        "error[kms-unreachable]",
        &["a container function needs `network: true` and --network"],
    );
    assert_eq!(lab.calls().len(), 0);
}

#[test]
fn without_an_image_or_a_daemon() {
    let Some(docker) = Docker::get() else { return };
    let mounted = Mounted::new(docker);
    let (lab, repo) = (&mounted.lab, &mounted.repo);
    let built = docker.build_with(lab, repo, &["--network"], ".", |command| {
        command.env("DOCKER_HOST", "unix:///nonexistent/socket");
    });
    mounted.assert_fails(&built, "Cannot connect to the Docker daemon", &[]);
    repo.tamper("decrypt.yaml", |text| text.replace(docker.image(), "krm-sops.invalid/none:none"));
    let built = docker.build(lab, repo, &["--network"], ".");
    mounted.assert_fails(&built, "Unable to find image", &["krm-sops.invalid/none:none", "exit status 125"]);
}

#[test]
fn what_is_not_mounted_is_not_there() {
    let Some(docker) = Docker::get() else { return };
    let mounted = Mounted::new(docker);
    let built = |mounts: &str| {
        docker.transformer(&mounted.repo, "decrypt.yaml", mounts, "");
        docker.build(&mounted.lab, &mounted.repo, &["--network"], ".")
    };
    let file = format!("the origin file secrets/{WEST}/database.yaml is in no mount");
    mounted.assert_fails(
        &built(""),
        "is in no mount of the container",
        &[&file, "mounts: [{type: bind, src: ., dst: /repo}]"],
    );
    mounted.assert_fails(
        &built("mounts: [{type: bind, src: .., dst: /repo}]\n"),
        "mount paths must be under",
        &[],
    );
    mounted.assert_fails(
        &built("mounts: [{type: bind, src: none, dst: /repo}]\n"),
        "bind source path does not exist",
        &[],
    );
    assert_eq!(mounted.lab.calls().len(), 0);
}

#[test]
fn the_environment_stays_outside_unless_it_is_named() {
    let Some(docker) = Docker::get() else { return };
    let mounted = Mounted::new(docker);
    let envs = "network: true\nenvs: [AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_EC2_METADATA_DISABLED]\n";
    docker.transformer_with(&mounted.repo, "decrypt.yaml", &format!("{envs}{MOUNT}"), "");
    let built = docker.build(&mounted.lab, &mounted.repo, &["--network"], ".");
    mounted.assert_fails(&built, "no AWS credentials were found", &["its `envs` lists"]);
    assert_eq!(mounted.lab.calls().len(), 0);
}

#[test]
fn nobody_must_be_let_in() {
    let Some(docker) = Docker::get() else { return };
    let mounted = Mounted::new(docker);
    let secret = mounted.repo.path(&format!("secrets/{WEST}/database.yaml"));
    let denied = "let everyone read what is mounted, or build with --as-current-user";
    for (path, mode, code) in [
        (secret.clone(), 0o600, "error[origin-not-found]"),
        (mounted.repo.path(".sops.yaml"), 0o600, "error[bad-rule]"),
        (mounted.repo.root(), 0o700, "error[origin-not-found]"),
    ] {
        private(&path, mode);
        let built = docker.build(&mounted.lab, &mounted.repo, &["--network"], ".");
        mounted.assert_fails(&built, "permission denied", &[code, denied]);
        mounted.assert_decrypts(docker, &["--as-current-user"]);
        readable(&path);
    }
    mounted.assert_decrypts(docker, &[]);
}

/// No container is needed for this one: krm-sops knows of its container from its config alone.
#[test]
fn a_rule_without_files_stands_over_what_nobody_encrypted() {
    let Platform { lab, repo, west, role, .. } = Platform::new();
    let rules: String = rule(WEST, &west, &role).lines().flat_map(|line| ["    ", line, "\n"]).collect();
    let input = format!(
        "apiVersion: config.kubernetes.io/v1
kind: ResourceList
items:
- apiVersion: v1
  kind: Secret
  metadata:
    name: more
    annotations:
      config.kubernetes.io/origin: |
        path: ../../secrets/{WEST}/more.yaml
  stringData:
    password: in-the-clear
functionConfig:
  apiVersion: krm-sops.dev/v1
  kind: SopsDecrypt
  metadata:
    name: decrypt
    annotations:
      config.kubernetes.io/origin: |
        path: decrypt.yaml
      config.kubernetes.io/function: |
        container:
          image: krm-sops
  spec:
    integrity: skip
    creationRules:
{rules}"
    );
    let finished = lab.function(&repo, ".", &input);
    let named = format!("secrets/{WEST}/more.yaml");
    refused(&lab, &repo, &finished, &[Code::NotEncrypted], &["Secret more", &named]);
    // What the rule does not cover is nobody's concern.
    let other = input.replace(&format!("secrets/{WEST}/more"), "secrets/other/more");
    assert_eq!(lab.function(&repo, ".", &other).code, Some(0));
}
