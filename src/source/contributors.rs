//! The files that generators and patches brought into an item: kustomize does not name them, so they are found in the
//! kustomizations that had a part in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::files::Files;
use crate::krm::Item;
use crate::kustomization::{Ingredients, NAMES};
use crate::locate::{Located, Locator};
use crate::origin::Origin;

/// Where kustomize's `buildMetadata: [transformerAnnotations]` lists what changed an item.
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// A kustomization, or a generator's or patch transformer's own file, that was read.
pub(super) struct Contributor {
    file: Located,
    /// What it takes from files.
    pub(super) ingredients: Ingredients,
}

/// The contributors of a run; each is read once.
#[derive(Default)]
pub(super) struct Contributors(HashMap<PathBuf, Rc<Contributor>>);

impl Contributors {
    /// Those that may have had a part in an item: the one that configures its generator, those that its annotations list as
    /// transformers, and the kustomization that declares krm-sops.
    pub(super) fn of_item(
        &mut self,
        item: &Item<'_>,
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
        named.extend(NAMES.map(|name| Origin::Working(name.to_owned())));
        let mut found: Vec<Rc<Contributor>> = Vec::new();
        for file in named.iter().filter_map(|origin| locator.origin_file(origin).ok()) {
            if found.iter().all(|known| known.file != file) {
                found.extend(self.read(file, files));
            }
        }
        found
    }

    fn read(&mut self, file: Located, files: &dyn Files) -> Option<Rc<Contributor>> {
        if let Some(known) = self.0.get(&file.file) {
            return Some(Rc::clone(known));
        }
        let text = String::from_utf8(files.read(&file.file).ok()?).ok()?;
        let contributor = Rc::new(Contributor { ingredients: Ingredients::parse(&text), file });
        self.0.insert(contributor.file.file.clone(), Rc::clone(&contributor));
        Some(contributor)
    }
}

impl Contributor {
    /// The places on disk that a path of it may mean. It is relative to the kustomization, which is not told of a generator
    /// in a file of its own: that stands in the same directory or in one below it.
    pub(super) fn places(&self, path: &str, locator: &Locator<'_>) -> Vec<Located> {
        let own = self.file.file.parent().unwrap_or(Path::new("/"));
        let is_kustomization =
            self.file.file.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known));
        let directories = own.ancestors().take(if is_kustomization { 1 } else { usize::MAX });
        directories.filter_map(|directory| locator.file_at(&directory.join(path))).collect()
    }
}
