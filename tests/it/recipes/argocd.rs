//! examples/argocd: each recipe is built by kustomize; then its init container is run, its volumes are mounted, and an
//! application is built as Argo CD would do it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::{assert_failed, documents, list, program, tamper, text};
use crate::support::build::{kustomize, normalised};
use crate::support::run::{self, Finished, krm_sops, run};
use crate::support::{Lab, Repo};

const CLUSTER: &str = "examples/quickstart/clusters/us-west-2-platform-engineering-sbx";
const CLUSTER_SECRET: &str = "examples/quickstart/secrets/us-west-2-platform-engineering-sbx/database.yaml";

/// A pod's file system, below a temporary directory: its volumes, and its root with the mounts of one container.
struct Pod {
    outer: tempfile::TempDir,
    manifests: Vec<Value>,
}

impl Pod {
    /// The repo-server that a recipe makes, with its init container run.
    fn of_recipe(recipe: &str) -> Self {
        let repo = Repo::with_copy_of("examples/argocd");
        let built = run(&mut kustomize(&repo, &[&format!("examples/argocd/{recipe}")]), "").ok();
        let pod = Self { outer: tempfile::tempdir().expect("a directory"), manifests: documents(&built) };
        for volume in list(&pod.spec()["volumes"]) {
            let directory = pod.volume(&text(&volume["name"]));
            fs::create_dir_all(&directory).expect("a directory");
            if let Some(name) = volume["configMap"]["name"].as_str() {
                let config = pod.manifest("ConfigMap", name);
                for (file, content) in super::strings(&config["data"]) {
                    fs::write(directory.join(file), content).expect("a file");
                }
            }
        }
        pod.install();
        pod
    }

    fn manifest(&self, kind: &str, name: &str) -> &Value {
        self.manifests
            .iter()
            .find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    fn spec(&self) -> &Value {
        &self.manifest("Deployment", "argocd-repo-server")["spec"]["template"]["spec"]
    }

    fn container(&self, list_of: &str, name: &str) -> &Value {
        let found = list(&self.spec()[list_of]).iter().find(|container| container["name"] == name);
        found.unwrap_or_else(|| panic!("there is no {name} among {list_of}"))
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.outer.path().join("volumes").join(name)
    }

    /// Where a path of a container is, by its mounts.
    fn inside(&self, container: &Value, path: &str) -> PathBuf {
        let mounts = list(&container["volumeMounts"]);
        let mount = mounts.iter().find(|mount| path.starts_with(&text(&mount["mountPath"])));
        let mount = mount.unwrap_or_else(|| panic!("{path} is on no volume"));
        let below = path.strip_prefix(&text(&mount["mountPath"])).expect("a path below the mount");
        let parts = [mount["subPath"].as_str().unwrap_or_default(), below.trim_start_matches('/')];
        let mut path = self.volume(&text(&mount["name"]));
        path.extend(parts.iter().filter(|part| !part.is_empty()));
        path
    }

    /// Runs the init container: the image's entry point is krm-sops, and there is no shell.
    fn install(&self) {
        let init = self.container("initContainers", "krm-sops");
        assert!(init["command"].is_null() && init["securityContext"]["runAsNonRoot"] == true);
        let mut install = run::command(krm_sops());
        for argument in list(&init["args"]).iter().map(text) {
            if argument.starts_with('/') {
                install.arg(self.inside(init, &argument));
            } else {
                install.arg(argument);
            }
        }
        run(&mut install, "").ok();
    }

    /// The root of a container: its mounts, as links.
    fn root(&self, container: &Value) -> PathBuf {
        let root = self.outer.path().join("root");
        for mount in list(&container["volumeMounts"]) {
            let path = text(&mount["mountPath"]);
            let target = self.inside(container, &path);
            // A mount of a file that is not there would be a directory, and the container would not start as meant.
            assert!(mount["subPath"].is_null() || target.is_file(), "{path} mounts nothing");
            let link = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(link.parent().expect("a directory")).expect("a directory");
            symlink(target, link).expect("a link");
        }
        root
    }

    /// `kustomize build`, as the repo-server runs it: with the options of `argocd-cm`, in the repository's root.
    fn build(&self, lab: &Lab, repo: &Repo, directory: &str) -> Finished {
        let server = self.container("containers", "argocd-repo-server");
        let root = self.root(server);
        let mut build = program(lab, "kustomize", &[&root.join("usr/local/bin")]);
        for variable in list(&server["env"]) {
            let value = text(&variable["value"]);
            let mapped = self.inside(server, &value);
            build.env(text(&variable["name"]), mapped);
        }
        let settings = self.manifest("ConfigMap", "argocd-cm");
        let options = text(&settings["data"]["kustomize.buildOptions"]);
        build
            .current_dir(repo.root())
            .arg("build")
            .arg(repo.path(directory))
            .args(options.split_whitespace());
        let finished = run(&mut build, "");
        fs::remove_dir_all(root).expect("a directory");
        finished
    }
}

fn identity_is_given(pod: &Pod) {
    let account = pod.manifest("ServiceAccount", &text(&pod.spec()["serviceAccountName"]));
    let role = text(&account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]);
    assert!(role.starts_with("arn:aws:iam::") && role.contains(":role/"));
}

#[test]
fn as_an_exec_plugin_and_as_a_function() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    for (recipe, directory, file) in [
        ("plugin", CLUSTER, CLUSTER_SECRET),
        ("function", "examples/krm-exec", "examples/krm-exec/secret.yaml"),
    ] {
        let pod = Pod::of_recipe(recipe);
        identity_is_given(&pod);
        let repo = Repo::with_copy_of("examples");
        let built = pod.build(&lab, &repo, directory).ok();
        assert_eq!(built, lab.oracle(&repo, directory), "{recipe}");
        tamper(&repo, file);
        assert_failed(&pod.build(&lab, &repo, directory), "mac-mismatch");
    }
}

#[test]
fn as_a_filter_in_a_sidecar() {
    let lab = Lab::new();
    lab.make_demonstration_keys();
    let pod = Pod::of_recipe("sidecar");
    identity_is_given(&pod);
    let sidecar = pod.container("containers", "krm-sops");
    let root = pod.root(sidecar);
    let plugin =
        fs::read_to_string(root.join("home/argocd/cmp-server/config/plugin.yaml")).expect("the plugin");
    let plugin: Value = serde_yaml::from_str(&plugin).expect("YAML");
    assert_eq!(plugin["kind"], "ConfigManagementPlugin");
    let command: Vec<String> = ["command", "args"]
        .iter()
        .flat_map(|part| list(&plugin["spec"]["generate"][part]))
        .map(text)
        .collect();
    let generate = |repo: &Repo, directory: &str| {
        let mut generate = program(&lab, &command[0], &[&root.join("usr/local/bin") as &Path]);
        run(generate.args(&command[1..]).current_dir(repo.path(directory)), "")
    };
    let repo = Repo::with_copy_of("examples");
    let built = generate(&repo, "examples/filter").ok();
    assert_eq!(normalised(&built), normalised(&lab.oracle(&repo, "examples/filter")));
    // Whichever part fails, Argo CD must see it: kustomize here, krm-sops there.
    let broken = generate(&repo, "examples");
    assert_failed(&broken, "unable to find one of 'kustomization.yaml'");
    tamper(&repo, "examples/filter/secret.yaml");
    let refused = generate(&repo, "examples/filter");
    assert_failed(&refused, "mac-mismatch");
    assert!(refused.stdout.is_empty() && broken.stdout.is_empty());
}
