//! What is worked on: repositories with Secrets, and what kustomize hands to a transformer for them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::Failure;
use crate::sealer::{self, KEY, ROLE, SELECTOR, Sealed, Secret};

/// In every plaintext once, so that what came out can be counted.
pub(crate) const CANARY: &str = "open-sesame";

/// The lengths of a Secret's values: a password, a token, a key of four lines, a certificate's worth. A Secret comes to
/// 2.8 KB with them as it stands in the input.
const LENGTHS: [(&str, usize); 4] = [("password", 24), ("token", 180), ("key.pem", 256), ("bundle", 600)];

/// A repository in a temporary directory, gone when it is dropped.
pub(crate) struct Tree {
    directory: tempfile::TempDir,
    /// How many encrypted values it holds.
    pub(crate) values: usize,
}

impl Tree {
    /// Each Secret in a file of its own, with a data key of its own.
    pub(crate) fn separate(secrets: usize) -> Result<Self, Failure> {
        let files: Vec<Vec<Secret>> = (0..secrets).map(|number| vec![secret(number)]).collect();
        Self::new(&files, 0)
    }

    /// All Secrets in one file of many documents, with one data key.
    pub(crate) fn together(secrets: usize) -> Result<Self, Failure> {
        Self::new(&[(0..secrets).map(secret).collect()], 0)
    }

    /// So many resources in the clear, and one Secret amid them.
    pub(crate) fn haystack(plain: usize) -> Result<Self, Failure> {
        Self::new(&[vec![secret(0)]], plain)
    }

    /// A few resources in the clear, and no Secret.
    pub(crate) fn plain(plain: usize) -> Result<Self, Failure> {
        Self::new(&[], plain)
    }

    fn new(files: &[Vec<Secret>], plain: usize) -> Result<Self, Failure> {
        let tree = Self {
            directory: tempfile::tempdir()?,
            values: files.iter().flatten().map(|secret| secret.values.len()).sum(),
        };
        fs::create_dir_all(tree.path(".git"))?;
        let rules = format!(
            "creation_rules:\n  - path_regex: secrets/\n    encrypted_regex: {SELECTOR}\n    key_groups:\n      - kms:\n          - arn: {KEY}\n            role: {ROLE}\n"
        );
        tree.write(".sops.yaml", &rules)?;
        let mut items = Vec::new();
        let mut names = Vec::with_capacity(files.len());
        for (number, secrets) in files.iter().enumerate() {
            let name = format!("{number:05}.yaml");
            let (sealed, seal) = sealer::seal(secrets, number)?;
            tree.write(&format!("secrets/{name}"), &sealer::file(&sealed, &seal))?;
            for secret in &sealed {
                items.push(item(secret, &seal, &format!("../secrets/{name}")));
            }
            names.push(name);
        }
        let middle = plain / 2;
        let mut all: Vec<String> = (0..middle).map(config_map).collect();
        all.append(&mut items);
        all.extend((middle..plain).map(config_map));
        tree.write("input.yaml", &all.join("---\n"))?;
        tree.kustomizations(&names)?;
        Ok(tree)
    }

    /// What kustomize is to build: with us, and with KSOPS.
    fn kustomizations(&self, names: &[String]) -> Result<(), Failure> {
        let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
        let list = |prefix: &str, indent: &str| {
            names.iter().fold(String::new(), |mut list, name| {
                let _ = writeln!(list, "{indent}- {prefix}{name}");
                list
            })
        };
        self.write("secrets/kustomization.yaml", &format!("{head}resources:\n{}", list("", "")))?;
        self.write(
            "build/kustomization.yaml",
            &format!("{head}resources: [../secrets]\nbuildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n"),
        )?;
        self.write(
            "filter/kustomization.yaml",
            &format!("{head}resources: [../secrets]\nbuildMetadata: [originAnnotations]\n"),
        )?;
        self.write("listed/kustomization.yaml", &format!("{head}generators: [secrets.yaml]\n"))?;
        self.write(
            "listed/secrets.yaml",
            &format!(
                "apiVersion: krm-sops.dev/v1\nkind: SopsDecrypt\nmetadata: {{name: secrets}}\nspec:\n  files:{}",
                if names.is_empty() { " []\n".to_owned() } else { format!("\n{}", list("../secrets/", "  ")) }
            ),
        )?;
        self.write(
            "build/decrypt.yaml",
            "apiVersion: krm-sops.dev/v1\nkind: SopsDecrypt\nmetadata: {name: decrypt}\n",
        )?;
        // As kustomize writes the config for an exec plugin: with its own origin.
        self.write(
            "config.yaml",
            "apiVersion: krm-sops.dev/v1\nkind: SopsDecrypt\nmetadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      \
             path: decrypt.yaml\n  name: decrypt\n",
        )?;
        let files =
            if names.is_empty() { " []\n".to_owned() } else { format!("\n{}", list("../secrets/", "")) };
        let generator = |annotations: &str| {
            format!(
                "apiVersion: viaduct.ai/v1\nkind: ksops\nmetadata:\n  name: ksops\n{annotations}files:{files}"
            )
        };
        let exec = "  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: ./ksops}\n";
        self.write("ksops/kustomization.yaml", &format!("{head}generators: [ksops.yaml]\n"))?;
        self.write("ksops/ksops.yaml", &generator(exec))?;
        // As kustomize hands a generator to its function.
        let item = generator("").replace('\n', "\n  ");
        self.write(
            "ksops/list.yaml",
            &format!(
                "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- {}\n",
                item.trim_end()
            ),
        )
    }

    fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let path = self.path(path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        Ok(fs::write(path, text)?)
    }

    /// Where a file of it is.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Leaves it on disk; where.
    pub(crate) fn keep(self) -> PathBuf {
        self.directory.keep()
    }

    /// The files that are encrypted.
    pub(crate) fn sealed_files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.path("secrets"))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name != "kustomization.yaml") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// The size of a file in MB.
pub(crate) fn megabytes(path: &Path) -> Result<f64, Failure> {
    #[expect(clippy::cast_precision_loss, reason = "no file here has 2^53 bytes")]
    Ok(fs::metadata(path)?.len() as f64 / 1e6)
}

fn secret(number: usize) -> Secret {
    let values = LENGTHS.map(|(key, length)| (key, value(number, key, length)));
    Secret { name: format!("secret-{number:05}"), values: values.into() }
}

/// Text that does not compress or repeat; that of a key has lines.
fn value(number: usize, key: &str, length: usize) -> String {
    let mut text = String::from(CANARY);
    let mut block = 0;
    while text.len() < length {
        let noise = Sha256::digest(format!("{number} {key} {block}"));
        text.push_str(&base64_simd::STANDARD.encode_to_string(noise));
        if key == "key.pem" {
            text.push('\n');
        }
        block += 1;
    }
    text
}

fn item(secret: &Sealed, seal: &sealer::Seal, path: &str) -> String {
    let mut text = String::new();
    sealer::item(secret, seal, path, &mut text);
    text
}

fn config_map(number: usize) -> String {
    let mut text = String::from("apiVersion: v1\ndata:\n");
    for line in 0..6 {
        let _ = writeln!(
            text,
            "  setting-{line}: {}",
            base64_simd::STANDARD.encode_to_string(Sha256::digest(format!("{number} {line}")))
        );
    }
    let _ = write!(
        text,
        "kind: ConfigMap\nmetadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: ../plain/{number:05}.yaml\n  \
         labels:\n    app.kubernetes.io/name: app-{number}\n    app.kubernetes.io/part-of: benches\n  name: settings-{number:05}\n  namespace: apps\n"
    );
    text
}
