//! Origins and rules on disk: which file an annotation means, and which `.sops.yaml` covers it.
//!
//! Annotations are claims. Whatever they say, a file is used only where it is found by the rules below, inside the
//! repository root, with every symbolic link resolved.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::diagnostics::{Code, Problem};
use crate::files::{FileError, Files};
use crate::origin::{Origin, path};
use crate::rule::Rules;

mod base;
mod ground;
mod start;

pub use base::Base;
use ground::{Ground, simple};
use start::Start;

/// How many directories sops goes up in search of its config (`maxDepth` in sops' `config/config.go`).
const MOST_LEVELS: usize = 100;
/// The only name that sops reads.
const CONFIG_NAME: &str = ".sops.yaml";

/// An origin file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its absolute path, symbolic links resolved.
    pub file: PathBuf,
    /// Its name for people: relative to the repository root.
    pub shown: String,
}

/// The rules that stand over a path, and the path as they are to see it.
#[derive(Clone, Debug)]
pub struct Ruled {
    /// The rules.
    pub rules: Arc<Rules>,
    /// The path, relative to the directory of the rules.
    pub path: String,
}

/// Finds files. One serves a whole run, and reads each `.sops.yaml` once.
pub struct Locator<'f> {
    files: &'f dyn Files,
    ground: Ground,
    start: Start,
    /// The directory that the config's paths are relative to, where somebody said so.
    config_directory: Option<PathBuf>,
    /// Nothing outside all of these is read; empty for no bound.
    roots: Vec<PathBuf>,
    sops_config: Option<String>,
    inline: Option<Arc<Rules>>,
    read: HashMap<PathBuf, Result<Arc<Rules>, Problem>>,
    /// Files that were found, by the place that an annotation means: thousands of items may come from one.
    found: RefCell<HashMap<PathBuf, Located>>,
}

impl<'f> Locator<'f> {
    /// Finds out where things are. `items` are the origins of all items, in case they have to decide.
    ///
    /// # Errors
    /// `bad-config`: the config's `root` is not there. `missing-origin`: its own origin annotation is unreadable.
    pub fn new(
        files: &'f dyn Files,
        base: &Base,
        config: &Config,
        items: impl IntoIterator<Item = Origin>,
    ) -> Result<Self, Problem> {
        // Kustomize has resolved the links of the directory that it builds, before it joins anything to it.
        let real = |directory: &Path| files.canonical(directory).unwrap_or_else(|_| simple(directory));
        let origin = config.identity.origin.as_deref().map(Origin::of_annotation).transpose()?;
        let (ground, start, config_directory) = match (base, &config.identity.container) {
            (Base::Built { directory, config_directory }, _) => {
                (Ground::Host(real(directory)), Start::c(), Some(config_directory.clone()))
            }
            (Base::Function { directory }, container) => {
                let ground = match container {
                    Some(mounts) => Ground::Container(mounts.clone()),
                    None => Ground::Host(real(directory)),
                };
                let start =
                    origin.map_or_else(Start::c, |origin| Start::of_config(files, &ground, &origin, items));
                (ground, start, None)
            }
        };
        let mut locator = Self {
            files,
            ground,
            start,
            config_directory,
            roots: Vec::new(),
            sops_config: config.sops_config.clone(),
            inline: config.creation_rules.clone(),
            read: HashMap::new(),
            found: RefCell::default(),
        };
        locator.roots = locator.find_roots(config.root.as_deref())?;
        Ok(locator)
    }

    /// What the config says; else the nearest directory, from C up, that holds a repository; in a container, what is mounted,
    /// too.
    fn find_roots(&self, root: Option<&str>) -> Result<Vec<PathBuf>, Problem> {
        let canonical = |path: &Path| self.files.canonical(path).ok();
        if let Some(root) = root {
            let found = self.named_by_config(root).as_deref().and_then(canonical);
            return found.map(|root| vec![root]).ok_or_else(|| {
                Problem::new(Code::BadConfig, "the repository root that the config names is not there")
                    .at("spec.root")
            });
        }
        let is_repository = |directory: &&Path| self.files.exists(&directory.join(".git"));
        let c = self.ground.place_of_c();
        let repository = c.and_then(|c| c.ancestors().find(is_repository)).and_then(canonical);
        let mounts = match &self.ground {
            Ground::Container(mounts) => mounts.as_slice(),
            Ground::Host(_) => &[],
        };
        Ok(repository.into_iter().chain(mounts.iter().filter_map(|mount| canonical(&mount.target))).collect())
    }

    /// A path of the config on this disk, where it is on it.
    fn named_by_config(&self, path: &str) -> Option<PathBuf> {
        match (&self.config_directory, &self.start) {
            _ if path.starts_with('/') => Some(path.into()),
            (Some(directory), _) => Some(directory.join(path)),
            (None, Start::Config { directory, .. }) => self.ground.on_disk(&path::join(directory, path)),
            (None, Start::Remote) => self.ground.on_disk(path),
        }
    }

    /// The file that an item comes from.
    ///
    /// # Errors
    /// `origin-not-found`, with what was tried; `origin-outside-root`.
    pub fn origin_file(&self, origin: &Origin) -> Result<Located, Problem> {
        let path = origin.path().unwrap_or_default();
        let way = match (origin, &self.start) {
            (Origin::Working(path), _) => path.clone(),
            (_, Start::Remote) => return Err(remote_config(path)),
            (_, Start::Config { .. }) if path.starts_with('/') => path.to_owned(),
            (_, Start::Config { directory, origin, .. }) => match path::relative(origin, path) {
                Some(way) => path::join(directory, &way),
                None => return Err(hidden_name(path)),
            },
        };
        let Some(place) = self.ground.on_disk(&way) else { return Err(not_mounted(path)) };
        if let Some(known) = self.found.borrow().get(&place) {
            return Ok(known.clone());
        }
        let file = match self.files.canonical(&place) {
            Ok(file) => file,
            Err(FileError::NotFound) if !self.ground.knows(&place) => return Err(not_mounted(path)),
            Err(error) => return Err(self.not_found(path, &place, &error)),
        };
        if !self.is_inside(&file) {
            return Err(self.outside("the origin file is outside the repository root", &file));
        }
        if !self.files.is_file(&file) {
            let why = FileError::Unreadable(String::from("it is not a regular file"));
            return Err(self.not_found(path, &place, &why));
        }
        let located = Located { shown: self.shown(&file), file };
        self.found.borrow_mut().insert(place, located.clone());
        Ok(located)
    }

    /// A file that the config lists, by its path relative to C.
    ///
    /// # Errors
    /// `remote-origin`: the config comes from a remote repository. Else as [`Locator::origin_file`].
    pub fn listed_file(&self, path: &str) -> Result<Located, Problem> {
        // Without origin annotations, only where it stands tells.
        if matches!(self.start, Start::Remote) || self.ground.c().is_some_and(is_clone) {
            return Err(Problem::new(Code::RemoteOrigin, "the generator comes from a remote repository")
                .because("its files are not this repository's, and neither are the rules above them")
                .help("declare the generator in a local kustomization, or clone the repository and build the clone"));
        }
        self.origin_file(&Origin::Working(path.to_owned()))
    }

    /// A file at a path on this disk, where one is there, inside the repository root, symbolic links resolved.
    #[must_use]
    pub fn file_at(&self, path: &Path) -> Option<Located> {
        let file = self.files.canonical(path).ok()?;
        let usable = self.is_inside(&file) && self.files.is_file(&file);
        usable.then(|| Located { shown: self.shown(&file), file })
    }

    /// The rules that cover a file: the config's own, the file that the config names, or the nearest `.sops.yaml` above.
    ///
    /// # Errors
    /// `no-rule`: there is none. `bad-rule`: it is wrong. `origin-outside-root`: it is outside the root.
    pub fn rules_for(&mut self, located: &Located) -> Result<Ruled, Problem> {
        if let Some(rules) = &self.inline {
            return Ok(Ruled { rules: Arc::clone(rules), path: located.shown.clone() });
        }
        let sops_yaml = self.sops_yaml_for(&located.file)?;
        let directory = sops_yaml.parent().unwrap_or(Path::new("/"));
        // Like sops, which takes the path of its config off the front and leaves other paths whole.
        let path =
            located.file.strip_prefix(directory).unwrap_or(&located.file).to_string_lossy().into_owned();
        Ok(Ruled { rules: self.read_rules(&sops_yaml)?, path })
    }

    /// The config's own rules, for an item whose file is not on this disk, over its path as the annotation names it.
    ///
    /// # Errors
    /// `no-rule`: the config names none. `bad-rule`: they are wrong.
    pub fn rules_without_file(&mut self, origin: &Origin) -> Result<Ruled, Problem> {
        let path = origin.path().unwrap_or_default().to_owned();
        if let Some(rules) = &self.inline {
            return Ok(Ruled { rules: Arc::clone(rules), path });
        }
        let Some(named) = self.sops_config.clone() else {
            return Err(Problem::new(Code::NoRule, "there is no rule for a file that is not on this disk")
                .help("put rules into spec.creationRules, or choose onNoRule: metadata"));
        };
        let sops_yaml = self.named_sops_yaml(&named)?;
        Ok(Ruled { rules: self.read_rules(&sops_yaml)?, path })
    }

    /// A problem with a file that cannot be read, and what to do about it where it is there: this process may be somebody else than
    /// the one who started the build, or it is no file that anybody would read.
    #[must_use]
    pub fn with_help_to_read(&self, problem: Problem, error: &FileError) -> Problem {
        match (&self.ground, error) {
            (Ground::Container(_), FileError::Denied) => problem.help(
                "kustomize runs the container as nobody: let everyone read what is mounted, or build with --as-current-user",
            ),
            (_, FileError::Unreadable(_)) => {
                problem.help("see what is there: a regular file is expected, and what is larger has to be split")
            }
            _ => problem,
        }
    }

    fn is_inside(&self, file: &Path) -> bool {
        self.roots.is_empty() || self.roots.iter().any(|root| file.starts_with(root))
    }

    /// A path for people: relative to the root, where it is inside one, else to C.
    fn shown(&self, file: &Path) -> String {
        let mut bases = self.roots.iter().map(PathBuf::as_path).chain(self.ground.c());
        let inside = bases.find_map(|base| file.strip_prefix(base).ok());
        inside.unwrap_or(file).to_string_lossy().into_owned()
    }

    fn named_sops_yaml(&self, named: &str) -> Result<PathBuf, Problem> {
        let path = self.named_by_config(named);
        let found = path.as_ref().and_then(|path| self.files.canonical(path).ok());
        found.filter(|found| self.files.is_file(found)).ok_or_else(|| {
            let problem = Problem::new(Code::NoRule, "the .sops.yaml that the config names is not there")
                .at("spec.sopsConfig");
            match path.filter(|path| self.ground.knows(path)) {
                Some(path) => problem.because(format!("{} is not a file", self.shown(&simple(&path)))),
                None => problem.because("no mount of the container holds it"),
            }
        })
    }

    fn sops_yaml_for(&self, file: &Path) -> Result<PathBuf, Problem> {
        if let Some(named) = &self.sops_config {
            return self.named_sops_yaml(named);
        }
        let mut misnamed = None;
        let above =
            file.ancestors().skip(1).take(MOST_LEVELS).take_while(|directory| self.is_inside(directory));
        for directory in above {
            let path = directory.join(CONFIG_NAME);
            // Whatever has the name counts, as for sops: what cannot be read hides no other.
            if self.files.exists(&path) {
                return Ok(path);
            }
            let other = directory.join(".sops.yml");
            if misnamed.is_none() && self.files.exists(&other) {
                misnamed = Some(other);
            }
        }
        let problem = Problem::new(Code::NoRule, "there is no .sops.yaml above the origin file");
        Err(match misnamed {
            Some(path) => problem
                .because(format!("{} has a name that sops does not read", self.shown(&path)))
                .help("rename it to .sops.yaml"),
            None => problem.help("add a .sops.yaml with a creation rule for this path"),
        })
    }

    fn read_rules(&mut self, sops_yaml: &Path) -> Result<Arc<Rules>, Problem> {
        if let Some(known) = self.read.get(sops_yaml) {
            return known.clone();
        }
        let rules = self.read_rules_once(sops_yaml).map(Arc::new);
        self.read.insert(sops_yaml.to_owned(), rules.clone());
        rules
    }

    fn read_rules_once(&self, sops_yaml: &Path) -> Result<Rules, Problem> {
        let shown = self.shown(sops_yaml);
        let unreadable = |why: &str| {
            Problem::new(Code::BadRule, format!("{shown} cannot be read")).because(why.to_owned())
        };
        let refused = |error: FileError| self.with_help_to_read(unreadable(&error.to_string()), &error);
        let real = self.files.canonical(sops_yaml).map_err(|_| unreadable("it is not there any more"))?;
        if !self.is_inside(&real) {
            return Err(self.outside("the .sops.yaml is outside the repository root", &real));
        }
        let bytes = self.files.read(&real).map_err(refused)?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))?;
        Rules::parse(&text, &shown)
    }

    fn not_found(&self, path: &str, tried: &Path, error: &FileError) -> Problem {
        let what = match error {
            FileError::NotFound => format!("the origin file {path} is not there"),
            FileError::Denied | FileError::Unreadable(_) => {
                format!("the origin file {path} cannot be used")
            }
        };
        let problem =
            Problem::new(Code::OriginNotFound, what).because(format!("tried {}", self.shown(tried)));
        if *error != FileError::NotFound {
            return self.with_help_to_read(problem.because(error.to_string()), error);
        }
        match &self.start {
            Start::Config { missing: Some(config), .. } => {
                problem.because(format!("the config's own file, {config}, is not there, either"))
            }
            Start::Config { missing: None, .. } | Start::Remote => problem,
        }
    }

    fn outside(&self, what: &str, file: &Path) -> Problem {
        let roots: Vec<_> = self.roots.iter().map(|root| root.display().to_string()).collect();
        Problem::new(Code::OriginOutsideRoot, what)
            .because(format!("it is {}", file.display()))
            .because(format!("the root is {}", roots.join(", ")))
    }
}

/// Whether a directory is in a clone of kustomize's own. It makes them in the temporary directory, and calls them `kustomize-` and a
/// random number (`NewTmpConfirmedDir` in its `kyaml/filesys`).
fn is_clone(directory: &Path) -> bool {
    let is_random = |number: &str| number.len() > 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    directory
        .components()
        .filter_map(|part| part.as_os_str().to_str()?.strip_prefix("kustomize-"))
        .any(is_random)
}

fn unlocatable(path: &str, why: &str) -> Problem {
    Problem::new(Code::OriginNotFound, format!("where the origin file {path} is cannot be worked out"))
        .because(why)
}

fn hidden_name(path: &str) -> Problem {
    unlocatable(
        path,
        "its path leads through the directory that is being built, whose name kustomize does not tell to a transformer that \
         another directory declares",
    )
    .help(
        "declare the transformer in the kustomization that is being built, or use a filter: `kustomize build DIR | krm-sops \
         decrypt -C DIR`",
    )
}

fn remote_config(path: &str) -> Problem {
    unlocatable(
        path,
        "the transformer comes from a remote repository, where nothing tells what the path is relative to",
    )
    .help("declare the transformer in a local kustomization")
}

fn not_mounted(path: &str) -> Problem {
    Problem::new(Code::OriginNotFound, format!("the origin file {path} is in no mount of the container")).help(
        "mount its directory: below the kustomization by `mounts: [{type: bind, src: ., dst: /repo}]` in the function's \
         annotation, above it by --mount, too (docs/container.md); or put the rules into spec.creationRules and set \
         spec.integrity to skip",
    )
}

#[cfg(test)]
mod tests;
