//! Where the config is: the one place that is known both on disk and in the paths of annotations.

use std::collections::BTreeSet;

use super::ground::Ground;
use crate::files::Files;
use crate::origin::{Origin, path};

/// How many origins decide between places of the config. They are distinct, and either all of them fit or hardly any.
const DECIDING: usize = 100;

/// What the paths of origins start from.
pub(super) enum Start {
    /// The config's directory.
    Config {
        /// Relative to C.
        directory: String,
        /// The same, relative to the directory that is being built.
        origin: String,
        /// The config's file, relative to C, where it ought to be there and is not.
        missing: Option<String>,
    },
    /// The config is of a remote repository, in which no annotation of a local item is relative to anything.
    Remote,
}

impl Start {
    /// C itself is what origins are relative to.
    pub(super) fn c() -> Self {
        Self::Config { directory: String::new(), origin: String::new(), missing: None }
    }

    /// From the origin of the config. Where its file may be in several places, the items' files decide; where they do not,
    /// the likeliest place does.
    pub(super) fn of_config(
        files: &dyn Files,
        ground: &Ground,
        config: &Origin,
        items: impl IntoIterator<Item = Origin>,
    ) -> Self {
        let config = match config {
            Origin::Built(config) => config,
            Origin::Remote { .. } => return Self::Remote,
            Origin::Working(_) | Origin::Generated { .. } | Origin::Missing => return Self::c(),
        };
        let is_file = |way: &str| ground.on_disk(way).is_some_and(|file| files.is_file(&file));
        let (origin, name) = config.rsplit_once('/').unwrap_or(("", config));
        let c = ground.c().map(|c| c.to_string_lossy());
        let places = path::config_directories(origin, c.as_deref(), ground.highest());
        let mut there = places.iter().filter(|place| is_file(&path::join(place, name)));
        let (first, second) = (there.next(), there.next());
        let (directory, missing) = match (first, second) {
            (None, _) => {
                let likeliest = places.first().cloned().unwrap_or_default();
                let missing = path::join(&likeliest, name);
                (likeliest, Some(missing))
            }
            (Some(only), None) => (only.clone(), None),
            (Some(first), Some(second)) => {
                let ways = ways(origin, items);
                let fits =
                    |place: &String| ways.iter().filter(|way| is_file(&path::join(place, way))).count();
                let mut best = (first, fits(first));
                for place in std::iter::once(second).chain(there) {
                    let fits = fits(place);
                    if fits > best.1 {
                        best = (place, fits);
                    }
                }
                (best.0.clone(), None)
            }
        };
        Self::Config { directory, origin: origin.to_owned(), missing }
    }
}

/// The ways from the config's directory to the files of items.
fn ways(origin: &str, items: impl IntoIterator<Item = Origin>) -> BTreeSet<String> {
    let mut ways = BTreeSet::new();
    for item in items {
        if let Origin::Built(file) = item {
            ways.extend(path::relative(origin, &file));
        }
        if ways.len() == DECIDING {
            break;
        }
    }
    ways
}
