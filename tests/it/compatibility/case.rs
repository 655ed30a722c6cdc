//! Repositories for rows, with the least that a row needs.

use std::path::Path;
use std::sync::OnceLock;

use crate::support::build::normalised;
use crate::support::{Lab, Platform, Repo, WEST};

/// A repository, and what of it is built.
pub(super) struct Case {
    pub(super) lab: Lab,
    pub(super) repo: Repo,
    pub(super) directory: String,
    /// What krm-sops has to do otherwise than `sops -d` and kustomize: texts of the oracle, and what stands there instead.
    pub(super) instead: Vec<(&'static str, &'static str)>,
    /// Whether kustomize changes nothing, so that the files are a package for kpt as well.
    is_package: bool,
    expected: OnceLock<String>,
}

impl Case {
    pub(super) fn new(lab: Lab, repo: Repo, directory: &str) -> Self {
        Self {
            lab,
            repo,
            directory: directory.to_owned(),
            instead: Vec::new(),
            is_package: false,
            expected: OnceLock::new(),
        }
    }

    /// Files of a cluster, whose rule encrypts `data` and `stringData`.
    pub(super) fn resources(files: &[(&str, &str)]) -> Self {
        Self { is_package: true, ..Self::built_with(files, "") }
    }

    /// Likewise, and what the kustomization has beside them.
    pub(super) fn built_with(files: &[(&str, &str)], more: &str) -> Self {
        let mut platform = Platform::empty();
        for (name, plain) in files {
            platform.secret(WEST, name, plain);
        }
        platform.cluster(WEST, more);
        platform.into()
    }

    /// Files in `app/` for generators. Their rule has this beside its key.
    pub(super) fn app(selector: &str, files: &[(&str, &[u8])], kustomization: &str) -> Self {
        let lab = Lab::new();
        let role = lab.role("flux-secrets");
        let key = lab.key("us-west-2", &role);
        let mut repo = Repo::new();
        let mut rules = format!("creation_rules:\n- path_regex: ^app/\n  kms: {key}+{role}\n");
        for line in selector.lines() {
            rules.extend(["  ", line, "\n"]);
        }
        repo.write(".sops.yaml", &rules).transformer("app/decrypt.yaml", "");
        for (name, plain) in files {
            repo.encrypt_bytes(&lab, &format!("app/{name}"), plain);
        }
        let head = "buildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n";
        repo.kustomization("app", &format!("{head}{kustomization}"));
        Self::new(lab, repo, "app")
    }

    /// What a generator makes of a file, which it names under `files` or `envs`.
    pub(super) fn generated(generator: &str, under: &str, file: &str, plain: &[u8]) -> Self {
        let hashless = "generatorOptions: {disableNameSuffixHash: true}\n";
        let kustomization = format!("{hashless}{generator}:\n- name: made\n  {under}: [{file}]\n");
        Self::app("", &[(file, plain)], &kustomization)
    }

    /// The function config's `spec`.
    pub(super) fn spec(self, spec: &str) -> Self {
        self.repo.transformer(&format!("{}/decrypt.yaml", self.directory), spec);
        self
    }

    pub(super) fn instead(mut self, instead: &[(&'static str, &'static str)]) -> Self {
        self.instead.extend(instead);
        self
    }

    /// What the build has to print: asked of sops and kustomize once for all modes.
    pub(super) fn expected(&self) -> &str {
        self.expected.get_or_init(|| self.corrected(self.lab.oracle(&self.repo, &self.directory)))
    }

    fn corrected(&self, oracle: String) -> String {
        self.instead.iter().fold(oracle, |oracle, (text, other)| {
            assert!(oracle.contains(text), "{text:?} is not in the oracle: {oracle}");
            oracle.replace(text, other)
        })
    }

    /// The files as kpt passes them on, and what they are decrypted. `None`: kustomize changes them, or kpt does not read them.
    pub(super) fn package(&self) -> Option<(String, String)> {
        let files = self.repo.encrypted();
        if !self.is_package
            || !files
                .iter()
                .all(|file| Path::new(file).extension().is_some_and(|extension| extension == "yaml"))
        {
            return None;
        }
        let mut list = String::from("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n");
        let mut plain = Vec::new();
        for file in files {
            for (index, document) in self.repo.read(file).split("\n---\n").enumerate() {
                let of_kpt = format!(
                    "metadata:\n    annotations:\n        internal.config.kubernetes.io/path: {file}\n        \
                     internal.config.kubernetes.io/index: '{index}'\n"
                );
                let item = document.trim_end().replacen("metadata:\n", &of_kpt, 1);
                list.extend(["- ", &item.replace('\n', "\n  "), "\n"]);
            }
            plain.push(self.repo.sops(&self.lab, &["decrypt", file]));
        }
        Some((list, self.corrected(normalised(&plain.join("---\n")))))
    }
}

impl From<Platform> for Case {
    fn from(platform: Platform) -> Self {
        Self::new(platform.lab, platform.repo, &format!("clusters/{WEST}"))
    }
}
