use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::*;
use crate::files::FileError;
use crate::files::memory::Memory;
use crate::keys::{BoxFuture, Provider};
use crate::master_key::Grant;
use crate::secret::SecretBytes;

/// What the real sops encrypted; see the folder's README.
const SECRET: &str = include_str!("../../tests/fixtures/sops/secret.yaml");
const RULES: &str = "creation_rules:\n- path_regex: ^secrets/\n  kms: arn:aws:kms:us-west-2:111122223333:key/00000000-0000-0000-0000-000000000001\n  encrypted_regex: ^(data|stringData)$\n";

/// The first document of the file, as kustomize hands it on.
fn item(file: &str) -> String {
    let first = SECRET.split("---\n").next().unwrap();
    first.replace(
        "    name: db\n",
        &format!(
            "    name: db\n    annotations:\n        config.kubernetes.io/origin: \"path: {file}\\n\"\n"
        ),
    )
}

fn memory() -> Memory {
    Memory::new([
        ("/repo/.git/HEAD", ""),
        ("/repo/.sops.yaml", RULES),
        ("/repo/secrets/first.yaml", SECRET),
        ("/repo/secrets/last.yaml", SECRET),
    ])
}

/// A KMS that gives back what it is given, as that of the fixtures did, and says that it was asked.
#[derive(Default)]
struct Kms {
    asked: Mutex<usize>,
    changed: Condvar,
    panics: bool,
}

impl Kms {
    /// Whether it is asked for anything before long.
    fn is_asked(&self) -> bool {
        let asked = self.asked.lock().unwrap();
        let limit = Duration::from_secs(20);
        !self.changed.wait_timeout_while(asked, limit, |asked| *asked == 0).unwrap().1.timed_out()
    }
}

impl Provider for Arc<Kms> {
    fn unwrap<'a>(&'a self, grant: &'a Grant) -> Option<BoxFuture<'a, Result<SecretBytes, Problem>>> {
        Some(Box::pin(async {
            *self.asked.lock().unwrap() += 1;
            self.changed.notify_all();
            assert!(!self.panics, "as it was told to");
            Ok(SecretBytes::new(base64_simd::STANDARD.decode_to_vec(&grant.wrapped).unwrap()))
        }))
    }
}

fn decrypt<'t>(kms: &Arc<Kms>, files: &dyn Files, input: &'t str) -> Outcome<'t> {
    let base = Base::Function { directory: "/repo".into() };
    let extended = Box::leak(Box::default());
    let request = Request { input, extended, config: Some(Config::default()), base };
    let limit = Config::default().aws.max_concurrency;
    run(request, files, |_| Keys::of(vec![Box::new(Arc::clone(kms))], limit))
}

/// A disk on which the last file is slow: nothing comes of it before KMS is asked for the key of another.
struct Slow {
    memory: Memory,
    kms: Arc<Kms>,
    waited: Mutex<Option<bool>>,
}

impl Files for Slow {
    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
        self.memory.canonical(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        self.memory.is_file(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.memory.exists(path)
    }

    fn large(&self, path: &Path, size: u64) -> Option<Box<dyn Read + '_>> {
        self.memory.large(path, size)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        if path.ends_with("last.yaml") {
            *self.waited.lock().unwrap() = Some(self.kms.is_asked());
        }
        self.memory.read(path)
    }
}

#[test]
fn keys_are_asked_for_while_other_files_are_read() {
    let kms = Arc::new(Kms::default());
    let slow = Slow { memory: memory(), kms: Arc::clone(&kms), waited: Mutex::default() };
    let input = format!("{}---\n{}", item("secrets/first.yaml"), item("secrets/last.yaml"));
    let outcome = decrypt(&kms, &slow, &input);
    assert_eq!(*slow.waited.lock().unwrap(), Some(true));
    assert!(!outcome.refused, "{:?}", outcome.diagnostics);
    let stdout: String = outcome.stdout.pieces().collect();
    assert!(!stdout.contains("ENC["));
    assert_eq!(stdout.matches("user: admin\n").count(), 2);
    // The files are copies, and so are their wrapped keys.
    assert_eq!(*kms.asked.lock().unwrap(), 1);
}

#[test]
fn an_item_that_is_refused_stops_neither_the_calls_nor_the_refusal() {
    let kms = Arc::new(Kms::default());
    let input = format!("{}---\n{}", item("secrets/first.yaml"), item("elsewhere/last.yaml"));
    let outcome = decrypt(&kms, &memory(), &input);
    assert!(outcome.refused && outcome.stdout.pieces().all(str::is_empty));
    let codes: Vec<Code> = outcome.diagnostics.iter().map(|diagnostic| diagnostic.problem.code).collect();
    assert_eq!(codes, [Code::OriginNotFound]);
    assert_eq!(*kms.asked.lock().unwrap(), 1);
}

#[test]
fn a_panic_of_a_provider_ends_the_run() {
    let kms = Arc::new(Kms { panics: true, ..Kms::default() });
    let ended =
        catch_unwind(AssertUnwindSafe(|| decrypt(&kms, &memory(), &item("secrets/first.yaml")).refused));
    assert!(ended.is_err());
}
