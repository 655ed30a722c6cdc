//! krm-sops in a container, as kustomize starts it: the image of this source, and a Docker daemon.
//!
//! `scripts/docker.sh`, and so `make test`, brings both and names the image in `KRM_SOPS_IMAGE`. Without it these tests are
//! skipped, past the harness that would keep what they say to itself.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::aws::Lab;
use super::build::kustomize;
use super::repo::Repo;
use super::run::{self, Finished, run};

/// The image, and the daemon that has it.
pub(crate) struct Docker {
    image: String,
    /// Where the daemon listens, if not where Docker looks by itself.
    host: Option<OsString>,
}

/// What kustomize passes on to a container whose annotation asks for it.
const ENVIRONMENT: &str = "[AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]";

impl Docker {
    /// `None` where there is no image to test, which is said once.
    pub(crate) fn get() -> Option<&'static Self> {
        static DOCKER: OnceLock<Option<Docker>> = OnceLock::new();
        let found = DOCKER.get_or_init(|| {
            let image = std::env::var("KRM_SOPS_IMAGE").ok();
            let image = image.map(|image| Self { image, host: std::env::var_os("DOCKER_HOST") });
            if image.is_none() {
                // Not `eprintln!`, which the harness catches.
                let _ = std::io::stderr().write_all(
                    b"\nSKIPPED: the tests of the container image; `make test` and scripts/docker.sh run them\n\n",
                );
            }
            image
        });
        found.as_ref()
    }

    /// The name of the image.
    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    /// `docker` with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = run::command(Path::new("docker"));
        self.with_daemon(&mut command).args(arguments);
        command
    }

    fn with_daemon<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    /// Writes a transformer's config that has this container started: with the environment of the lab, the network, and
    /// what else the annotation and the `spec` say.
    pub(crate) fn transformer(&self, repo: &Repo, path: &str, annotation: &str, spec: &str) {
        self.transformer_with(repo, path, &format!("network: true\nenvs: {ENVIRONMENT}\n{annotation}"), spec);
    }

    /// Likewise, with nothing but what is told.
    pub(crate) fn transformer_with(&self, repo: &Repo, path: &str, annotation: &str, spec: &str) {
        repo.transformer(path, spec);
        let mut function = format!("container:\n  image: {}\n", self.image);
        for line in annotation.lines() {
            function.extend(["  ", line, "\n"]);
        }
        repo.tamper(path, |text| text.replace("  name: decrypt\n", &annotated(&function)));
    }

    /// `kustomize build --enable-alpha-plugins` with these flags, as the caller of the lab. Everyone may read the repository,
    /// as it is where people work.
    pub(crate) fn build(&self, lab: &Lab, repo: &Repo, flags: &[&str], directory: &str) -> Finished {
        self.build_with(lab, repo, flags, directory, |_| {})
    }

    /// Likewise, with a change to the command.
    pub(crate) fn build_with(
        &self,
        lab: &Lab,
        repo: &Repo,
        flags: &[&str],
        directory: &str,
        adjust: impl FnOnce(&mut Command),
    ) -> Finished {
        readable(&repo.path(".."));
        let arguments: Vec<&str> = [&["--enable-alpha-plugins"], flags, &[directory]].concat();
        let mut command = kustomize(repo, &arguments);
        lab.for_caller(self.with_daemon(&mut command));
        adjust(&mut command);
        run(&mut command, "")
    }

    /// Asserts that such a build, with the network, prints what the oracle does.
    #[track_caller]
    pub(crate) fn assert_decrypts(&self, lab: &Lab, repo: &Repo, flags: &[&str], directory: &str) {
        let flags = [&["--network"], flags].concat();
        let built = self.build(lab, repo, &flags, directory).ok();
        let expected = lab.oracle(repo, directory);
        assert!(
            built == expected,
            "the container differs from the oracle\n--- oracle ---\n{expected}\n--- built ---\n{built}"
        );
    }
}

/// Lets everyone read a directory, which the temporary ones are made not to be.
pub(crate) fn readable(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("a directory of ours");
}

/// Lets nobody but its owner read a file or a directory.
pub(crate) fn private(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of ours");
}

/// The metadata of a config with this function in its annotation.
fn annotated(function: &str) -> String {
    let lines: String = function.lines().flat_map(|line| ["      ", line, "\n"]).collect();
    format!("  name: decrypt\n  annotations:\n    config.kubernetes.io/function: |\n{lines}")
}
