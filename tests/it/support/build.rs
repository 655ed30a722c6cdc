//! Building a repository: through krm-sops in each mode, and through the oracle.
//!
//! The oracle is the same repository with every file decrypted by `sops -d` and our transformer taken out, built by
//! the same kustomize. What it prints is what krm-sops has to achieve, byte for byte.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::aws::Lab;
use super::repo::{Repo, ask_sops};
use super::run::{self, Finished, run};

/// How krm-sops comes into the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An exec plugin of kustomize: `--enable-alpha-plugins`.
    Plugin,
    /// A KRM exec function: `--enable-alpha-plugins --enable-exec`.
    Function,
    /// A filter behind `kustomize build`, without any plugin.
    Filter,
}

impl Mode {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Plugin, Self::Function, Self::Filter];

    /// Whether a build that succeeds shows what was said on stderr. kustomize keeps that of an exec plugin to itself.
    pub(crate) fn shows_warnings(self) -> bool {
        self != Self::Plugin
    }
}

impl Lab {
    /// Builds a directory of the repository with krm-sops in it.
    pub(crate) fn build(&self, repo: &Repo, directory: &str, mode: Mode) -> Finished {
        self.build_with(repo, directory, mode, |_| {})
    }

    /// Likewise, with a change to the command that krm-sops runs in or under, such as another environment.
    pub(crate) fn build_with(
        &self,
        repo: &Repo,
        directory: &str,
        mode: Mode,
        adjust: impl FnOnce(&mut Command),
    ) -> Finished {
        let flags: &[&str] = match mode {
            Mode::Plugin => &["--enable-alpha-plugins"],
            Mode::Function => &["--enable-alpha-plugins", "--enable-exec"],
            Mode::Filter => {
                let staged = staged(repo, mode);
                let built = run(&mut kustomize(&staged, &[directory]), "").ok();
                let mut filter = self.filter(&staged, directory);
                adjust(&mut filter);
                return run(&mut filter, &built);
            }
        };
        self.kustomize_with(repo, directory, mode, flags, adjust)
    }

    /// Runs kustomize for a mode of its own with these flags, which may be fewer than the mode needs.
    pub(crate) fn kustomize_with(
        &self,
        repo: &Repo,
        directory: &str,
        mode: Mode,
        flags: &[&str],
        adjust: impl FnOnce(&mut Command),
    ) -> Finished {
        let staged = staged(repo, mode);
        let mut command = kustomize(&staged, &[flags, &[directory]].concat());
        self.for_caller(&mut command);
        adjust(&mut command);
        run(&mut command, "")
    }

    /// `krm-sops decrypt` for a directory that was built, with the transformer's config where it has a `spec`.
    fn filter(&self, repo: &Repo, directory: &str) -> Command {
        let mut filter = run::command(run::krm_sops());
        filter.current_dir(repo.root()).args(["decrypt", "-C", directory]);
        let configs = repo.files().into_iter().filter(|file| {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.contains("\nkind: SopsDecrypt") && text.contains("\nspec:")
        });
        for config in configs {
            filter.arg("--config").arg(config);
        }
        self.for_caller(&mut filter);
        filter
    }

    /// krm-sops as an orchestrator starts it: with this on standard input, in this directory of the repository.
    pub(crate) fn function(&self, repo: &Repo, directory: &str, input: &str) -> Finished {
        let mut command = run::command(run::krm_sops());
        command.current_dir(repo.path(directory));
        run(self.for_caller(&mut command), input)
    }

    /// `krm-sops decrypt` in the root of the repository, with this on standard input.
    pub(crate) fn decrypt(&self, repo: &Repo, arguments: &[&str], input: &str) -> Finished {
        let mut command = run::command(run::krm_sops());
        command.current_dir(repo.root()).arg("decrypt").args(arguments);
        run(self.for_caller(&mut command), input)
    }

    /// What the build has to print: sops decrypts, kustomize builds, krm-sops is not there.
    #[track_caller]
    pub(crate) fn oracle(&self, repo: &Repo, directory: &str) -> String {
        self.ask_oracle(repo, directory).ok()
    }

    /// Likewise, where the oracle may fail: sops and kustomize do not read all that sops prints.
    pub(crate) fn ask_oracle(&self, repo: &Repo, directory: &str) -> Finished {
        let plain = staged(repo, Mode::Filter);
        for path in repo.encrypted() {
            let decrypted = ask_sops(self, &plain.root(), &["decrypt", "-i", path]);
            if decrypted.code != Some(0) {
                return decrypted;
            }
        }
        run(&mut kustomize(&plain, &[directory]), "")
    }

    /// Asserts that the build through krm-sops is the oracle's, in every mode.
    #[track_caller]
    pub(crate) fn assert_decrypts(&self, repo: &Repo, directory: &str) {
        self.assert_builds(repo, directory, &self.oracle(repo, directory));
    }

    /// Asserts that the build through krm-sops is this, in every mode.
    ///
    /// The filter's output has gone through no kustomize after it, so there both are compared after one more pass.
    #[track_caller]
    pub(crate) fn assert_builds(&self, repo: &Repo, directory: &str, expected: &str) {
        for mode in Mode::ALL {
            let built = self.build(repo, directory, mode).ok();
            if mode == Mode::Filter {
                similar(&normalised(&built), &normalised(expected), mode);
            } else {
                similar(&built, expected, mode);
            }
        }
    }
}

#[track_caller]
fn similar(built: &str, expected: &str, mode: Mode) {
    assert!(
        built == expected,
        "{mode:?} differs from the oracle\n--- oracle ---\n{expected}\n--- built ---\n{built}"
    );
}

/// A stream of resources as kustomize prints them.
pub(crate) fn normalised(stream: &str) -> String {
    let repo = Repo::new();
    repo.write("stream.yaml", stream).kustomization(".", "resources: [stream.yaml]\n");
    run(&mut kustomize(&repo, &["."]), "").ok()
}

/// `kustomize build` in the root of a repository, with krm-sops in its place as an exec plugin.
pub(crate) fn kustomize(repo: &Repo, arguments: &[&str]) -> Command {
    let mut command = run::command(&run::tool("bin/kustomize"));
    command.current_dir(repo.root()).env("XDG_CONFIG_HOME", plugin_home()).arg("build").args(arguments);
    command
}

/// `$XDG_CONFIG_HOME` with krm-sops installed as an exec plugin.
pub(crate) fn plugin_home() -> &'static Path {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    let home = HOME.get_or_init(|| {
        let home = tempfile::tempdir().expect("a temporary directory");
        let place = home.path().join("kustomize/plugin/krm-sops.dev/v1/sopsdecrypt");
        fs::create_dir_all(&place).expect("a directory");
        std::os::unix::fs::symlink(run::krm_sops(), place.join("SopsDecrypt")).expect("a link");
        home
    });
    home.path()
}

/// A copy of the repository, with its transformer made for this mode.
fn staged(repo: &Repo, mode: Mode) -> Repo {
    let copy = repo.copy();
    for file in copy.files() {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let staged = match mode {
            Mode::Plugin => text.clone(),
            Mode::Function => as_function(&text),
            Mode::Filter => without_transformer(&text),
        };
        if staged != text {
            fs::write(&file, staged).expect("a file can be written");
        }
    }
    copy
}

/// Annotates each `SopsDecrypt` as an exec function, be it a file of its own or inline in a kustomization.
fn as_function(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut indent = None;
    for line in text.lines() {
        lines.push(line.to_owned());
        if let Some(before) = line.strip_suffix("kind: SopsDecrypt") {
            indent = Some(before.to_owned());
        }
        if let Some(before) = indent.take_if(|before| line == format!("{before}metadata:")) {
            lines.push(format!("{before}  annotations:"));
            lines.push(format!("{before}    config.kubernetes.io/function: |"));
            lines.push(format!("{before}      exec:"));
            lines.push(format!("{before}        path: {}", run::krm_sops().display()));
        }
    }
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// Takes our transformer out of a kustomization: `decrypt.yaml` from a list in brackets, or the whole list in a block.
fn without_transformer(text: &str) -> String {
    let mut kept = String::new();
    let mut in_list = false;
    for line in text.split_inclusive('\n') {
        in_list = in_list && (line.starts_with([' ', '-']) || line == "\n");
        match line.strip_prefix("transformers:").map(str::trim) {
            Some("") => in_list = true,
            Some(list) => {
                let others: Vec<&str> = list
                    .trim_matches(['[', ']'])
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.ends_with("decrypt.yaml"))
                    .collect();
                if !others.is_empty() {
                    kept.extend(["transformers: [", &others.join(", "), "]\n"]);
                }
            }
            None if !in_list => kept.push_str(line),
            None => {}
        }
    }
    kept
}
