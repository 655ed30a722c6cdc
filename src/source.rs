//! (Item, config) → [`Source`]: the file and the rule that it is sealed under, and leave to open it.
//!
//! Many items come from one file, which is read, parsed and judged once. The checks come in the order in which a person
//! would ask: where does it come from, which rule covers it, is it whole, and may we.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use crate::config::{Config, Fallback, Integrity};
use crate::diagnostics::{Code, Problem};
use crate::files::Files;
use crate::krm::Resource;
use crate::locate::{Located, Locator, Ruled};
use crate::origin::Origin;
use crate::policy::{Authorised, Authority, Sealed, Terms, authorise};
use crate::rule::Rule;
use crate::secret::DataKey;
use crate::sops::{Format, Metadata, SealedFile};

mod contributors;
mod parts;

use contributors::Contributors;
pub use parts::{Encrypted, Part};

/// What some items are sealed by.
pub struct Source {
    /// Its file, as people know it.
    pub origin: Option<String>,
    /// The rule that covers it, as people know it.
    pub rule: Option<String>,
    /// Leave to open it, or why there is none.
    pub authorised: Result<Asked, Vec<Problem>>,
    /// What is wrong with it but let pass by the config.
    pub let_pass: Vec<Problem>,
}

/// Leave to open something, and the data key that was asked for as soon as there was leave.
pub struct Asked {
    /// The leave.
    pub authorised: Authorised,
    /// Waits for the key.
    pub key: AwaitedKey,
}

/// Waits for a data key, or for why it cannot be had.
pub type AwaitedKey = Box<dyn FnOnce() -> Result<DataKey, Problem> + Send + Sync>;

/// Where a plain item comes from, and the rule that wants it encrypted.
pub struct Covered {
    /// Its file, as people know it.
    pub origin: String,
    /// The rule, as people know it; or that the rules are broken, so that nobody can say.
    pub rule: Result<String, Problem>,
    /// Whether the file is encrypted all the same, and whole: then nobody has committed its values in the clear.
    pub sealed: bool,
}

/// A source's number in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(usize);

/// The sources of a run.
pub struct Sources<'r> {
    files: &'r dyn Files,
    config: &'r Config,
    locator: Locator<'r>,
    terms: Terms,
    ask: Box<dyn FnMut(&Authorised) -> AwaitedKey + 'r>,
    by_file: HashMap<(PathBuf, Format), SourceId>,
    /// Where in the input the resources of files stand that the config lists, one behind the other, and their paths.
    listed: Vec<(Range<usize>, String)>,
    encrypted: HashMap<PathBuf, bool>,
    contributors: Contributors,
    parsed: HashMap<(PathBuf, Format), Option<Rc<SealedFile>>>,
    /// The origin of the last item whose file was found, and its source: items of one file follow each other.
    last: Option<(String, SourceId)>,
    all: Vec<Source>,
}

impl<'r> Sources<'r> {
    /// None yet. `ask` asks for the data key of each, once, as soon as it is authorised.
    #[must_use]
    pub fn new(
        files: &'r dyn Files,
        config: &'r Config,
        locator: Locator<'r>,
        terms: Terms,
        ask: impl FnMut(&Authorised) -> AwaitedKey + 'r,
    ) -> Self {
        Self {
            files,
            config,
            locator,
            terms,
            ask: Box::new(ask),
            by_file: HashMap::new(),
            listed: Vec::new(),
            encrypted: HashMap::new(),
            contributors: Contributors::default(),
            parsed: HashMap::new(),
            last: None,
            all: Vec::new(),
        }
    }

    /// All that were asked for, in the order of their numbers.
    #[must_use]
    pub fn into_all(self) -> Vec<Source> {
        self.all
    }

    /// Where things are.
    #[must_use]
    pub fn locator(&self) -> &Locator<'r> {
        &self.locator
    }

    /// Takes in a file that the config lists, as soon as it is read: its key is on its way while others are. What is judged, and
    /// verified, is this text, which goes into the input.
    pub fn add_listed_file(&mut self, located: &Located, text: &str) {
        // Without the file, each item has only its own block.
        if self.config.integrity != Integrity::Skip {
            let format = Format::of_path(&located.shown);
            self.of_content(located, format, |sources, let_pass| {
                sources.whole(SealedFile::parse(text, format).map_err(one)?, let_pass)
            });
        }
    }

    /// Where in the input the resources of listed files stand, one behind the other, and their paths as they are listed.
    pub fn set_listed(&mut self, listed: Vec<(Range<usize>, String)>) {
        self.listed = listed;
    }

    /// The path, as it is listed, of the file that an item comes from; `None` for one that was sent.
    #[must_use]
    pub fn listed_path(&self, item: &Resource<'_>) -> Option<&str> {
        let before = self.listed.partition_point(|(range, _)| range.start <= item.start());
        let (range, path) = self.listed.get(before.checked_sub(1)?)?;
        range.contains(&item.start()).then_some(path)
    }

    /// Where an item comes from: the file by which the config listed it, whatever it says itself; else what its annotations claim.
    fn origin(&self, item: &Resource<'_>) -> Result<Origin, Problem> {
        match self.listed_path(item) {
            Some(path) => Ok(Origin::Working(path.to_owned())),
            None => Origin::of(|name| item.annotation(name)),
        }
    }

    /// What the `sops` block of an item is sealed by, by its origin.
    fn of_origin(&mut self, origin: &Origin, item: &Resource<'_>) -> SourceId {
        match origin {
            Origin::Built(_) | Origin::Working(_) => self.of_file(origin, item),
            Origin::Remote { .. } => {
                let source = self.remote(origin, |sources, let_pass| sources.item_alone(item, let_pass));
                self.add(source)
            }
            Origin::Generated { .. } | Origin::Missing => {
                let problem = missing(origin);
                let source =
                    self.without_file(problem, |sources, let_pass| sources.item_alone(item, let_pass));
                self.add(source)
            }
        }
    }

    /// The rule that covers a plain item's file and wants it encrypted; `None` where there is none, or nobody can know.
    ///
    /// Where the file is encrypted, a transformer before this one has decrypted the item, such as that of a base; or a patch
    /// has replaced its values and taken the `sops` block away.
    pub fn rule_over(&mut self, item: &Resource<'_>, wants: impl Fn(&Rule) -> bool) -> Option<Covered> {
        let origin = self.origin(item).ok()?;
        if !matches!(origin, Origin::Built(_) | Origin::Working(_)) {
            return None;
        }
        let (located, ruled) = match self.locator.origin_file(&origin) {
            Ok(located) => {
                let ruled = self.locator.rules_for(&located);
                (Some(located), ruled)
            }
            // Where no file is looked at, the config's own rules stand over the path that the annotation names.
            Err(problem)
                if problem.code == Code::OriginNotFound && self.config.integrity == Integrity::Skip =>
            {
                (None, self.locator.rules_without_file(&origin))
            }
            Err(_) => return None,
        };
        let rule = match ruled {
            Ok(Ruled { rules, path }) => Ok(rules.for_path(&path).filter(|rule| wants(rule))?.to_string()),
            Err(problem) if problem.code == Code::NoRule => return None,
            Err(problem) => Err(problem),
        };
        let sealed = located.as_ref().is_some_and(|located| self.is_encrypted(located));
        let origin = located.map_or_else(|| origin.path().unwrap_or_default().to_owned(), |file| file.shown);
        Some(Covered { origin, rule, sealed })
    }

    /// Whether a file is encrypted, and holds no value in the clear that its selector covers.
    fn is_encrypted(&mut self, located: &Located) -> bool {
        if let Some(known) = self.encrypted.get(&located.file) {
            return *known;
        }
        let file = self.sealed_file(located, Format::of_path(&located.shown));
        let encrypted = file.is_ok_and(|file| file.check_structure().is_ok());
        self.encrypted.insert(located.file.clone(), encrypted);
        encrypted
    }

    fn add(&mut self, source: Source) -> SourceId {
        self.all.push(source);
        SourceId(self.all.len() - 1)
    }

    fn of_file(&mut self, origin: &Origin, item: &Resource<'_>) -> SourceId {
        let located = match self.locator.origin_file(origin) {
            Ok(located) => located,
            Err(problem)
                if problem.code == Code::OriginNotFound && self.config.integrity == Integrity::Skip =>
            {
                let source =
                    self.ruled_by_config(origin, |sources, let_pass| sources.item_alone(item, let_pass));
                return self.add(source);
            }
            Err(problem) => return self.add(refused(origin.path().map(str::to_owned), None, problem)),
        };
        // Without the file, each item has only its own block.
        if self.config.integrity == Integrity::Skip {
            let ruled = self.locator.rules_for(&located);
            let source = self
                .judge(Some(located.shown), &ruled, |sources, let_pass| sources.item_alone(item, let_pass));
            return self.add(source);
        }
        let format = Format::of_path(&located.shown);
        self.of_located(&located, format)
    }

    /// What a file is, each file once.
    fn of_located(&mut self, located: &Located, format: Format) -> SourceId {
        let key = (located.file.clone(), format);
        if let Some(known) = self.by_file.get(&key) {
            return *known;
        }
        let ruled = self.locator.rules_for(located);
        let source = self.judge(Some(located.shown.clone()), &ruled, |sources, let_pass| {
            sources.read(located, format, let_pass)
        });
        let id = self.add(source);
        self.by_file.insert(key, id);
        id
    }

    /// What no file is on this disk for: the config's own rules are what there is.
    fn ruled_by_config(
        &mut self,
        origin: &Origin,
        sealed: impl FnOnce(&Self, &mut Vec<Problem>) -> Found,
    ) -> Source {
        let ruled = self.locator.rules_without_file(origin);
        self.judge(origin.path().map(str::to_owned), &ruled, sealed)
    }

    fn remote(&mut self, origin: &Origin, sealed: impl FnOnce(&Self, &mut Vec<Problem>) -> Found) -> Source {
        let (repo, path) = match origin {
            Origin::Remote { repo, path, .. } => (repo.as_str(), path.as_str()),
            other => ("", other.path().unwrap_or_default()),
        };
        if !self.config.allow_remote.iter().any(|regex| regex.is_match(repo)) {
            let problem = Problem::new(Code::RemoteOrigin, "the item comes from a remote base")
                .because(format!("its repository {repo} is not among spec.allowRemote"));
            return refused(Some(format!("{repo} {path}")), None, problem);
        }
        self.ruled_by_config(origin, sealed)
    }

    /// What no file is found for: refused with this problem, or trusted by its own metadata.
    fn without_file(
        &mut self,
        problem: Problem,
        sealed: impl FnOnce(&Self, &mut Vec<Problem>) -> Found,
    ) -> Source {
        if self.config.on_missing_origin == Fallback::Refuse {
            return refused(None, None, problem);
        }
        let mut let_pass = Vec::new();
        let authorised = sealed(self, &mut let_pass)
            .and_then(|sealed| self.authorise(sealed, Authority::Metadata).map_err(one));
        Source { origin: None, rule: None, authorised, let_pass }
    }

    /// Finds the rule, then what is sealed, then decides.
    fn judge(
        &mut self,
        origin: Option<String>,
        ruled: &Result<Ruled, Problem>,
        sealed: impl FnOnce(&Self, &mut Vec<Problem>) -> Found,
    ) -> Source {
        let no_rule = |problem: Problem| match (problem.code, self.config.on_no_rule) {
            (Code::NoRule, Fallback::Metadata) => Ok(None),
            _ => Err(problem),
        };
        let found = match ruled {
            Ok(Ruled { rules, path }) => rules.for_path(path).map(Some).ok_or_else(|| {
                Problem::new(
                    Code::NoRule,
                    format!("no creation rule of {} covers the origin file", rules.source()),
                )
                .because(format!("none of its {} rules matches {path}", rules.all().len()))
            }),
            Err(problem) => Err(problem.clone()),
        };
        let rule = match found.or_else(no_rule) {
            Ok(rule) => rule,
            Err(problem) => return refused(origin, None, problem),
        };
        let authority = rule.map_or(Authority::Metadata, Authority::Rule);
        let mut let_pass = Vec::new();
        let authorised =
            sealed(self, &mut let_pass).and_then(|sealed| self.authorise(sealed, authority).map_err(one));
        Source { origin, rule: rule.map(ToString::to_string), authorised, let_pass }
    }

    /// Decides, and asks for the key at once: it is on its way while other files are read and judged.
    fn authorise(&mut self, sealed: Sealed, authority: Authority<'_>) -> Result<Asked, Problem> {
        let authorised = authorise(sealed, authority, &self.terms)?;
        let key = (self.ask)(&authorised);
        Ok(Asked { authorised, key })
    }

    /// The origin file, whole.
    fn read(&self, located: &Located, format: Format, let_pass: &mut Vec<Problem>) -> Found {
        let file = self.sealed_file(located, format).map_err(|problem| {
            one(match problem.code {
                // The item is encrypted and its file is not: an encrypted patch was laid over a plain file.
                Code::NotEncrypted => {
                    Problem::new(Code::NotInOrigin, "the item is encrypted, but its origin file is not")
                        .because("an encrypted patch was merged over a plain file")
                }
                _ => problem,
            })
        })?;
        self.whole(file, let_pass)
    }

    /// An encrypted file. What is wrong with a large one is said of it as a whole.
    fn sealed_file(&self, located: &Located, format: Format) -> Result<SealedFile, Problem> {
        let large = self.files.large(&located.file, SealedFile::WINDOW).filter(|_| format == Format::Yaml);
        if let Some(file) = large.and_then(SealedFile::in_windows) {
            return Ok(file);
        }
        let bytes = self.files.read(&located.file).map_err(|error| {
            let problem = Problem::new(Code::OriginNotFound, "the origin file cannot be read");
            self.locator.with_help_to_read(problem.because(error.to_string()), &error)
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Problem::new(Code::BadMetadata, "the origin file is not UTF-8"))?;
        SealedFile::parse(&text, format)
    }

    /// A file that can be verified, once its structure is right.
    fn whole(&self, file: SealedFile, let_pass: &mut Vec<Problem>) -> Found {
        match file.check_structure() {
            Err(mut problems) if self.config.integrity != Integrity::Verify => let_pass.append(&mut problems),
            Err(problems) => return Err(problems),
            Ok(()) => {}
        }
        Ok(Sealed::File(file))
    }

    /// The item's own block, for which nothing vouches.
    fn item_alone(&self, item: &Resource<'_>, let_pass: &mut Vec<Problem>) -> Found {
        let Some(metadata) = item.item().sops().and_then(|block| block.read(Metadata::of_item)) else {
            return Err(one(Problem::new(Code::BadMetadata, "the item has no `sops` block")));
        };
        self.metadata_alone(metadata, let_pass)
    }

    fn metadata_alone(&self, metadata: Result<Metadata, Problem>, let_pass: &mut Vec<Problem>) -> Found {
        let metadata = metadata.map_err(one)?;
        let why = match self.config.integrity {
            Integrity::Skip => "spec.integrity is skip",
            Integrity::Verify | Integrity::Warn => "there is no origin file on this disk",
        };
        let_pass.push(
            Problem::new(Code::Unverified, "values were decrypted without a check of their MAC").because(why),
        );
        Ok(Sealed::Item(metadata))
    }
}

impl SourceId {
    /// Its position among [`Sources::into_all`].
    #[must_use]
    pub fn position(self) -> usize {
        self.0
    }
}

/// Why an encrypted item is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftAlone {
    /// It asks for it itself, by this annotation.
    Annotation(&'static str),
    /// The config leaves its kind out.
    Kind,
}

impl LeftAlone {
    /// Whether an item is left alone if it is encrypted, and why.
    #[must_use]
    pub fn of(item: &Resource<'_>, config: &Config) -> Option<Self> {
        // Ours, or Flux'.
        let annotation = ["krm-sops.dev/decrypt", "kustomize.toolkit.fluxcd.io/decrypt"]
            .into_iter()
            .find(|annotation| item.annotation(annotation) == Some("disabled"));
        let of_kind = || (!config.kinds.include(item.kind())).then_some(Self::Kind);
        annotation.map(Self::Annotation).or_else(of_kind)
    }
}

/// Whether the rule's selector covers any value that the item holds. A Secret without values hides nothing.
#[must_use]
pub fn wants_encrypted(rule: &Rule, item: &Resource<'_>) -> bool {
    let mut wants = false;
    item.item().each_scalar(|trail, node| {
        let of_secret = matches!(trail.keys().next(), Some("data" | "stringData"));
        let has_text = node.text().is_some_and(|text| !text.is_empty());
        wants |= of_secret && has_text && rule.selector.covers(&trail.to_path()) != Some(false);
    });
    wants
}

/// What is sealed, or what is wrong with it.
type Found = Result<Sealed, Vec<Problem>>;

fn missing(origin: &Origin) -> Problem {
    let problem = Problem::new(Code::MissingOrigin, "nothing tells which file the item comes from");
    match origin {
        Origin::Generated { configured_in, configured_by } => problem
            .because(format!("a {configured_by} made it, configured in {configured_in}"))
            .help("list the encrypted file under `resources`, or choose onMissingOrigin: metadata"),
        _ => problem.because("it has no annotation config.kubernetes.io/origin"),
    }
}

fn refused(origin: Option<String>, rule: Option<String>, problem: Problem) -> Source {
    Source { origin, rule, authorised: Err(one(problem)), let_pass: Vec::new() }
}

fn one(problem: Problem) -> Vec<Problem> {
    vec![problem]
}
