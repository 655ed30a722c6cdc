//! Origins and rules on disk: which file an annotation means, and which `.sops.yaml` covers it.
//!
//! Annotations are claims. Whatever they say, a file is used only where it is found by the rules below, inside the
//! repository root, with every symbolic link resolved.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::diagnostics::{Code, Problem};
use crate::files::Files;
use crate::origin::{self, Origin};
use crate::rule::Rules;

mod base;

pub use base::Base;

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
    /// The directories that origins may be relative to; the first that has an item's file.
    starts: Starts,
    /// The config's own directory, which the config's paths are relative to.
    config_directory: PathBuf,
    /// Nothing outside is read. `None`: no bound.
    root: Option<PathBuf>,
    sops_config: Option<String>,
    inline: Option<Arc<Rules>>,
    read: HashMap<PathBuf, Result<Arc<Rules>, Problem>>,
}

/// What origins are relative to.
enum Starts {
    /// The directory that is being built is known.
    Built(PathBuf),
    /// It is not, but that of the config is, on disk and relative to it: candidates, and the config's origin directory.
    Config { candidates: Vec<PathBuf>, origin: String },
}

impl<'f> Locator<'f> {
    /// Finds out where things are.
    ///
    /// # Errors
    /// `bad-config`: the config's `root` is not there.
    pub fn new(files: &'f dyn Files, base: &Base, config: &Config) -> Result<Self, Problem> {
        let config_origin = config.identity.origin.as_deref().map(Origin::of_annotation).transpose()?;
        let config_path = config_origin.as_ref().and_then(Origin::path);
        let starts = match (base, config_path) {
            (Base::Built { directory, .. }, _) | (Base::Function { directory }, None) => {
                Starts::Built(directory.clone())
            }
            (Base::Function { directory }, Some(path)) => Starts::of_config(files, directory, path),
        };
        let config_directory = match (base, &starts) {
            (Base::Built { config_directory, .. }, _) => config_directory.clone(),
            (_, Starts::Built(directory)) => directory.clone(),
            (Base::Function { directory }, Starts::Config { candidates, .. }) => {
                candidates.first().unwrap_or(directory).clone()
            }
        };
        let root = match &config.root {
            Some(root) => Some(files.canonical(&config_directory.join(root)).map_err(|_| {
                Problem::new(Code::BadConfig, "the repository root that the config names is not there")
                    .at("spec.root")
            })?),
            None => repository_root(files, base.directory()),
        };
        let (sops_config, inline) = (config.sops_config.clone(), config.creation_rules.clone());
        Ok(Self { files, starts, config_directory, root, sops_config, inline, read: HashMap::new() })
    }

    /// The file that an item comes from.
    ///
    /// # Errors
    /// `origin-not-found`, with what was tried; `origin-outside-root`.
    pub fn origin_file(&self, origin: &Origin) -> Result<Located, Problem> {
        let path = origin.path().unwrap_or_default();
        let candidates = match (origin, &self.starts) {
            (Origin::Working(path), Starts::Config { .. } | Starts::Built(_)) => {
                vec![self.working().join(path)]
            }
            (_, Starts::Built(directory)) => vec![directory.join(path)],
            (_, Starts::Config { candidates, origin }) => match origin::relative(origin, path) {
                Some(way) => candidates.iter().map(|directory| directory.join(&way)).collect(),
                None => return Err(hidden_name(path)),
            },
        };
        // Joined as text, not through the disk: `..` behind a symbolic link must mean what kustomize meant.
        let candidates: Vec<PathBuf> = candidates.iter().map(|candidate| simple(candidate)).collect();
        let Some(found) = candidates.iter().find(|candidate| self.files.is_file(candidate)) else {
            return Err(self.not_found(path, &candidates));
        };
        let file = self.files.canonical(found).map_err(|_| self.not_found(path, &candidates))?;
        if !self.is_inside(&file) {
            return Err(Problem::new(
                Code::OriginOutsideRoot,
                "the origin file is outside the repository root",
            )
            .because(format!("it is {}", file.display()))
            .because(format!("the root is {}", self.root.as_deref().unwrap_or(Path::new("/")).display())));
        }
        let shown = self.shown(&file);
        Ok(Located { file, shown })
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

    /// The config's own rules, for an item whose file is not on this disk, as the annotation names it.
    ///
    /// # Errors
    /// `no-rule`: the config has none.
    pub fn rules_without_file(&self, origin: &Origin) -> Result<Ruled, Problem> {
        let rules = self.inline.as_ref().map(Arc::clone).ok_or_else(|| {
            Problem::new(Code::NoRule, "there is no rule for a file that is not on this disk")
                .help("put rules into spec.creationRules, or choose onNoRule: metadata")
        })?;
        Ok(Ruled { rules, path: origin.path().unwrap_or_default().to_owned() })
    }

    /// Where the function runs.
    fn working(&self) -> &Path {
        match &self.starts {
            Starts::Built(directory) => directory,
            Starts::Config { .. } => &self.config_directory,
        }
    }

    fn is_inside(&self, file: &Path) -> bool {
        self.root.as_ref().is_none_or(|root| file.starts_with(root))
    }

    /// A path for people: relative to the root, where it is inside one.
    fn shown(&self, file: &Path) -> String {
        let root = self.root.as_deref();
        root.and_then(|root| file.strip_prefix(root).ok()).unwrap_or(file).to_string_lossy().into_owned()
    }

    fn sops_yaml_for(&self, file: &Path) -> Result<PathBuf, Problem> {
        if let Some(named) = &self.sops_config {
            let path = self.config_directory.join(named);
            return self.files.canonical(&path).ok().filter(|path| self.files.is_file(path)).ok_or_else(
                || {
                    Problem::new(Code::NoRule, "the .sops.yaml that the config names is not there")
                        .at("spec.sopsConfig")
                        .because(format!("{} is not a file", simple(&path).display()))
                },
            );
        }
        let mut misnamed = None;
        let above =
            file.ancestors().skip(1).take(MOST_LEVELS).take_while(|directory| self.is_inside(directory));
        for directory in above {
            let path = directory.join(CONFIG_NAME);
            if self.files.is_file(&path) {
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
        let real = self.files.canonical(sops_yaml).map_err(|_| unreadable("it is not there any more"))?;
        if !self.is_inside(&real) {
            return Err(Problem::new(
                Code::OriginOutsideRoot,
                format!("{shown} leads out of the repository root"),
            ));
        }
        let bytes = self.files.read(&real).map_err(|error| unreadable(&error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))?;
        Rules::parse(&text, &shown)
    }

    fn not_found(&self, path: &str, tried: &[PathBuf]) -> Problem {
        let problem = Problem::new(Code::OriginNotFound, format!("the origin file {path} is not there"));
        tried
            .iter()
            .fold(problem, |problem, candidate| problem.because(format!("tried {}", self.shown(candidate))))
    }
}

impl Starts {
    /// `path` is the config's origin, relative to the directory that is being built.
    fn of_config(files: &dyn Files, c: &Path, path: &str) -> Self {
        let origin = origin::directory(path).to_owned();
        let name = path.rsplit('/').next().unwrap_or(path);
        let below = origin::below_c(&origin, &c.to_string_lossy());
        let places = below.into_iter().map(|below| simple(&c.join(below)));
        let (there, not): (Vec<_>, Vec<_>) =
            places.partition(|directory| files.is_file(&directory.join(name)));
        Self::Config { candidates: if there.is_empty() { not } else { there }, origin }
    }
}

fn hidden_name(path: &str) -> Problem {
    Problem::new(Code::OriginNotFound, format!("where the origin file {path} is cannot be worked out"))
        .because(
            "it lies in the directory that is being built, whose name kustomize does not tell: the transformer is declared in \
             another one",
        )
        .help("declare the transformer in the kustomization that is being built, or in one that lies above its Secrets")
}

/// The nearest directory, from here up, that holds a repository.
fn repository_root(files: &dyn Files, directory: &Path) -> Option<PathBuf> {
    let start = files.canonical(directory).ok()?;
    start.ancestors().find(|ancestor| files.exists(&ancestor.join(".git"))).map(Path::to_owned)
}

/// A path without `.` and `..`, by its text alone.
fn simple(path: &Path) -> PathBuf {
    let mut simple = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                simple.pop();
            }
            other => simple.push(other),
        }
    }
    simple
}

#[cfg(test)]
mod tests;
