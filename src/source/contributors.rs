//! The files that generators and patches brought into an item: kustomize does not name them, so they are found in the
//! kustomizations that had a part in it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::files::Files;
use crate::krm::Resource;
use crate::kustomization::{Ingredients, NAMES};
use crate::locate::{Located, Locator};
use crate::origin::Origin;

/// Where kustomize's `buildMetadata: [transformerAnnotations]` lists what changed an item.
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// How many kustomizations a build is looked for in.
const MOST: usize = 10_000;

/// A kustomization, or a generator's or patch transformer's own file, that was read.
pub(super) struct Contributor {
    file: Located,
    /// What its paths are relative to, where that is known: the directory of the kustomization.
    directory: Option<PathBuf>,
    /// What it takes from files.
    pub(super) ingredients: Ingredients,
}

/// The contributors of a run; each is read once.
#[derive(Default)]
pub(super) struct Contributors {
    read: HashMap<PathBuf, Rc<Contributor>>,
    /// All below the kustomization that declares krm-sops, once somebody needed them.
    below: Option<Vec<Rc<Contributor>>>,
}

impl Contributors {
    /// Those that may have had a part in an item: the one that configures its generator, those that its annotations list as
    /// transformers, then all of the kustomization that declares krm-sops.
    pub(super) fn of_item(
        &mut self,
        item: &Resource<'_>,
        origin: &Origin,
        locator: &Locator<'_>,
        files: &dyn Files,
    ) -> Vec<Rc<Contributor>> {
        let mut named = Vec::new();
        if let Origin::Generated { configured_in, .. } = origin {
            named.push(Origin::Built(configured_in.clone()));
        }
        let transformations = item.annotation(TRANSFORMATIONS).unwrap_or_default();
        let configured = transformations.lines().filter_map(|line| line.split_once("configuredIn: "));
        named.extend(configured.map(|(_, path)| Origin::Built(path.trim().to_owned())));
        let mut found: Vec<Rc<Contributor>> = Vec::new();
        for file in named.iter().filter_map(|origin| locator.origin_file(origin).ok()) {
            found.extend(self.read(&file, None, files));
        }
        let below = match self.below.take() {
            Some(below) => below,
            None => self.all_below(locator, files),
        };
        found.extend(below.iter().cloned());
        self.below = Some(below);
        // The kustomization that configures the generator is below ours, too.
        let mut known = HashSet::new();
        found.retain(|contributor| known.insert(contributor.file.file.clone()));
        found
    }

    /// The kustomization that declares krm-sops, and all that it is made of.
    fn all_below(&mut self, locator: &Locator<'_>, files: &dyn Files) -> Vec<Rc<Contributor>> {
        let mut found: Vec<Rc<Contributor>> = Vec::new();
        let mut known = HashSet::new();
        let of_c = |name: &&str| locator.origin_file(&Origin::Working((*name).to_owned())).ok();
        let root = NAMES.iter().find_map(of_c);
        let mut waiting: Vec<(Located, Option<PathBuf>)> =
            root.into_iter().map(|file| (file, None)).collect();
        while let Some((file, directory)) = waiting.pop() {
            if !known.insert(file.file.clone()) || known.len() > MOST {
                continue;
            }
            let Some(contributor) = self.read(&file, directory, files) else { continue };
            let own = contributor.directory.clone().unwrap_or_default();
            let Ingredients { parts, plugins, .. } = &contributor.ingredients;
            for part in parts.iter().chain(plugins).map(|part| own.join(part)) {
                let kustomization = NAMES.iter().find_map(|name| locator.file_at(&part.join(name)));
                waiting.extend(kustomization.map(|file| (file, None)));
            }
            // Their paths are relative to the kustomization that lists them.
            let plugins = plugins.iter().filter_map(|plugin| locator.file_at(&own.join(plugin)));
            waiting.extend(plugins.map(|file| (file, Some(own.clone()))));
            found.push(contributor);
        }
        found
    }

    fn read(
        &mut self,
        file: &Located,
        directory: Option<PathBuf>,
        files: &dyn Files,
    ) -> Option<Rc<Contributor>> {
        if let Some(known) = self.read.get(&file.file) {
            return Some(Rc::clone(known));
        }
        let text = String::from_utf8(files.read(&file.file).ok()?).ok()?;
        let name = file.file.file_name().unwrap_or_default();
        let is_kustomization = NAMES.iter().any(|known| name == *known);
        let own = file.file.parent().filter(|_| is_kustomization).map(Path::to_owned);
        let ingredients = Ingredients::parse(&text);
        let contributor =
            Rc::new(Contributor { ingredients, file: file.clone(), directory: directory.or(own) });
        self.read.insert(file.file.clone(), Rc::clone(&contributor));
        Some(contributor)
    }
}

impl Contributor {
    /// The places on disk that a path of it may mean. It is relative to the kustomization; a generator in a file of its own,
    /// of which no kustomization is known, stands in the same directory or in one below it.
    pub(super) fn places(&self, path: &str, locator: &Locator<'_>) -> Vec<Located> {
        let own = self.file.file.parent().unwrap_or(Path::new("/"));
        let directories: Vec<&Path> = match &self.directory {
            Some(directory) => vec![directory.as_path()],
            None => own.ancestors().collect(),
        };
        directories.into_iter().filter_map(|directory| locator.file_at(&directory.join(path))).collect()
    }
}
