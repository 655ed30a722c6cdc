//! Temporary repositories: files, some of them encrypted by the real sops.

use std::fs;
use std::path::{Path, PathBuf};

use super::aws::Lab;
use super::run::{self, Finished, run};

/// A git repository in a temporary directory, gone when it is dropped.
pub(crate) struct Repo {
    outer: tempfile::TempDir,
    encrypted: Vec<String>,
}

impl Repo {
    /// An empty repository. It stands in a directory of its own, so that tests can put something beside it.
    pub(crate) fn new() -> Self {
        let repo = Self { outer: tempfile::tempdir().expect("a temporary directory"), encrypted: Vec::new() };
        fs::create_dir_all(repo.path(".git")).expect("a directory");
        repo
    }

    /// A repository with a copy of a directory of this project, which holds files that sops encrypted before.
    pub(crate) fn with_copy_of(directory: &str) -> Self {
        let mut repo = Self::new();
        copy_directory(&run::source(directory), &repo.path(directory));
        let root = repo.root();
        for file in repo.files() {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if text.contains("ENC[AES256_GCM,") {
                let path = file.strip_prefix(&root).expect("a file of the repository");
                repo.encrypted.push(path.to_str().expect("a path in UTF-8").to_owned());
            }
        }
        repo
    }

    /// Where a file of it is; `../` leads to what stands beside the repository.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Where it is.
    pub(crate) fn root(&self) -> PathBuf {
        self.outer.path().join("repository")
    }

    /// The files that sops encrypted, relative to the root.
    pub(crate) fn encrypted(&self) -> &[String] {
        &self.encrypted
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// Writes a kustomization.yaml into a directory: what it holds beside its kind.
    pub(crate) fn kustomization(&self, directory: &str, body: &str) -> &Self {
        let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
        self.write(&format!("{directory}/kustomization.yaml"), &format!("{head}{body}"))
    }

    /// Writes a transformer's config, with this `spec` (nothing for the defaults).
    pub(crate) fn transformer(&self, path: &str, spec: &str) -> &Self {
        let mut text =
            String::from("apiVersion: krm-sops.dev/v1\nkind: SopsDecrypt\nmetadata:\n  name: decrypt\n");
        if !spec.is_empty() {
            text.push_str("spec:\n");
            for line in spec.lines() {
                text.extend(["  ", line, "\n"]);
            }
        }
        self.write(path, &text)
    }

    /// Reads a file.
    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.path(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Changes a file, as an attacker or a careless hand would. The change must change something.
    #[track_caller]
    pub(crate) fn tamper(&self, path: &str, change: impl FnOnce(&str) -> String) -> &Self {
        let before = self.read(path);
        let after = change(&before);
        assert_ne!(before, after, "nothing was changed in {path}");
        self.write(path, &after)
    }

    /// Writes a file and encrypts it with the real sops, by the rule that covers its path.
    pub(crate) fn encrypt(&mut self, lab: &Lab, path: &str, plain: &str) -> &mut Self {
        self.encrypt_with(lab, path, plain, &[])
    }

    /// Likewise, with arguments that take the place of a rule.
    pub(crate) fn encrypt_with(
        &mut self,
        lab: &Lab,
        path: &str,
        plain: &str,
        arguments: &[&str],
    ) -> &mut Self {
        self.write(path, plain);
        self.encrypt_file(lab, path, arguments)
    }

    /// Likewise, for what is no text.
    pub(crate) fn encrypt_bytes(&mut self, lab: &Lab, path: &str, plain: &[u8]) -> &mut Self {
        self.write(path, "");
        fs::write(self.path(path), plain).expect("a file can be written");
        self.encrypt_file(lab, path, &[])
    }

    fn encrypt_file(&mut self, lab: &Lab, path: &str, arguments: &[&str]) -> &mut Self {
        let mut all = vec!["encrypt", "-i"];
        all.extend(arguments);
        all.push(path);
        self.sops(lab, &all);
        self.encrypted.push(path.to_owned());
        self
    }

    /// Takes a file off the list of those that the oracle decrypts.
    pub(crate) fn forget_encrypted(&mut self, path: &str) {
        self.encrypted.retain(|known| known != path);
    }

    /// Runs sops in the root; returns what it printed.
    pub(crate) fn sops(&self, lab: &Lab, arguments: &[&str]) -> String {
        sops(lab, &self.root(), arguments)
    }

    /// A copy of all files, symbolic links as they are, including what stands beside the repository.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self {
            outer: tempfile::tempdir().expect("a temporary directory"),
            encrypted: self.encrypted.clone(),
        };
        copy_directory(self.outer.path(), copy.outer.path());
        copy
    }

    /// Every file's path below the root.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        fn below(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(directory).expect("a directory") {
                let entry = entry.expect("an entry");
                let kind = entry.file_type().expect("a type");
                match (kind.is_dir(), kind.is_file()) {
                    (true, _) => below(&entry.path(), found),
                    (_, true) => found.push(entry.path()),
                    _ => {}
                }
            }
        }
        let mut found = Vec::new();
        below(&self.root(), &mut found);
        found
    }
}

/// Runs sops in a directory; returns what it printed.
pub(crate) fn sops(lab: &Lab, directory: &Path, arguments: &[&str]) -> String {
    ask_sops(lab, directory, arguments).ok()
}

/// Likewise, where it may fail.
pub(crate) fn ask_sops(lab: &Lab, directory: &Path, arguments: &[&str]) -> Finished {
    let mut command = run::command(&run::tool("bin/sops"));
    command.current_dir(directory).args(arguments);
    run(lab.for_encrypter(&mut command), "")
}

/// Copies a tree; symbolic links stay links.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            copy_directory(&entry.path(), &target);
        } else if kind.is_symlink() {
            let link = fs::read_link(entry.path()).expect("a link");
            std::os::unix::fs::symlink(link, target).expect("a link");
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
