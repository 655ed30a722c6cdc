//! Annotations → where an item comes from. Strings only: whether a file is there, [`crate::locate`] asks.

use serde::Deserialize;

use crate::diagnostics::{Code, Problem};

/// Where kustomize's `buildMetadata: [originAnnotations]` says an item comes from.
const ORIGIN: &str = "config.kubernetes.io/origin";
/// What other orchestrators say, the newer name first. Relative to the working directory.
const PATHS: [&str; 2] = ["internal.config.kubernetes.io/path", "config.kubernetes.io/path"];

/// Where an item comes from, as its annotations claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A file, relative to the directory that is being built.
    Built(String),
    /// A file, relative to the working directory of the function.
    Working(String),
    /// A file of a remote repository.
    Remote {
        /// The repository.
        repo: String,
        /// Its branch, tag or commit.
        reference: String,
        /// The file, relative to the root of the repository.
        path: String,
    },
    /// No file: a generator made it.
    Generated {
        /// The file that configures the generator.
        configured_in: String,
        /// The generator's kind.
        configured_by: String,
    },
    /// The annotations do not say.
    Missing,
}

/// The annotation's content (`Origin` in kustomize's `api/resource/origin.go`).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Annotation {
    path: String,
    repo: String,
    #[serde(rename = "ref")]
    reference: String,
    configured_in: String,
    configured_by: ConfiguredBy,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfiguredBy {
    kind: String,
}

impl Origin {
    /// Reads an item's annotations, which `annotation` looks up by name.
    ///
    /// # Errors
    /// `missing-origin`: the origin annotation is there and unreadable.
    pub fn of<'a>(annotation: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Problem> {
        if let Some(text) = annotation(ORIGIN) {
            return Self::of_annotation(text);
        }
        let path = PATHS.into_iter().find_map(annotation).filter(|path| !path.is_empty());
        Ok(path.map_or(Self::Missing, |path| Self::Working(path.to_owned())))
    }

    /// Reads the content of an origin annotation.
    ///
    /// # Errors
    /// `missing-origin`: it is unreadable.
    pub fn of_annotation(text: &str) -> Result<Self, Problem> {
        let unreadable = || {
            Problem::new(Code::MissingOrigin, "the origin annotation cannot be read")
                .at(format!("metadata.annotations[{ORIGIN:?}]"))
                .help("leave the annotation as kustomize writes it; a patch or a file must have changed it")
        };
        // The bounds of depth are that parser's.
        crate::yaml::parse(text).map_err(|_| unreadable())?;
        let annotation: Annotation = serde_yaml::from_str(text).map_err(|_| unreadable())?;
        Ok(match annotation {
            Annotation { repo, reference, path, .. } if !repo.is_empty() => {
                Self::Remote { repo, reference, path }
            }
            Annotation { path, .. } if !path.is_empty() => Self::Built(path),
            Annotation { configured_in, configured_by, .. } if !configured_in.is_empty() => {
                Self::Generated { configured_in, configured_by: configured_by.kind }
            }
            _ => Self::Missing,
        })
    }

    /// The path that it names, where it is that of a file.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Built(path) | Self::Working(path) | Self::Remote { path, .. } => Some(path),
            Self::Generated { .. } | Self::Missing => None,
        }
    }
}

/// The parts of a path that is made simple: no `.`, no empty part, `..` only in front.
fn parts(path: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts
}

/// The directory of a file, both relative to the same unknown place.
#[must_use]
pub fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The way from one directory to a file, both relative to the same unknown place.
///
/// `None` where the way leads down through a directory whose name only `..` tells: from `../a` to `b`, the way is
/// `../NAME/b`, and nobody has said what the name is.
#[must_use]
pub fn relative(from: &str, to: &str) -> Option<String> {
    let (from, to) = (parts(from), parts(to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let (up, down) = (from.get(common..)?, to.get(common..)?);
    if up.contains(&"..") {
        return None;
    }
    let way: Vec<&str> = std::iter::repeat_n("..", up.len()).chain(down.iter().copied()).collect();
    Some(way.join("/"))
}

/// How the directory of the config file may lie below C, the directory of the kustomization that declares it: relative
/// paths, the likeliest first. `config_directory` is the config's directory relative to the directory that is being
/// built, `c` is C's absolute path.
///
/// Where C is being built itself, the whole path lies below it. Else the path leads from the built directory to C
/// first, by names that end C's own path, and what is left lies below C.
#[must_use]
pub fn below_c(config_directory: &str, c: &str) -> Vec<String> {
    let parts = parts(config_directory);
    let c: Vec<&str> = c.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    // From the longest way to C to the shortest: a name that C's path confirms says more than one that it does not.
    for split in (0..=parts.len()).rev() {
        let (way, below) = parts.split_at(split);
        let names: Vec<&&str> = way.iter().filter(|part| **part != "..").collect();
        let confirmed =
            c.len() >= names.len() && c.iter().rev().zip(names.iter().rev()).all(|(a, b)| *a == **b);
        let candidate = below.join("/");
        if confirmed && !below.contains(&"..") && !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    let whole = parts.join("/");
    if !found.contains(&whole) {
        found.push(whole);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(annotations: &[(&str, &'static str)]) -> Origin {
        Origin::of(|name| annotations.iter().find(|(known, _)| *known == name).map(|(_, text)| *text))
            .unwrap()
    }

    #[test]
    fn every_form_of_the_annotation() {
        assert_eq!(origin(&[(ORIGIN, "path: ../a/b.yaml\n")]), Origin::Built("../a/b.yaml".into()));
        assert_eq!(
            origin(&[(ORIGIN, "path: b.yaml\nrepo: https://x/y\nref: v1\n")]),
            Origin::Remote { repo: "https://x/y".into(), reference: "v1".into(), path: "b.yaml".into() }
        );
        assert_eq!(
            origin(&[(
                ORIGIN,
                "configuredIn: k.yaml\nconfiguredBy: {apiVersion: builtin, kind: SecretGenerator}\n"
            )]),
            Origin::Generated { configured_in: "k.yaml".into(), configured_by: "SecretGenerator".into() }
        );
        assert_eq!(origin(&[]), Origin::Missing);
        assert_eq!(
            origin(&[(PATHS[1], "old"), (PATHS[0], "secrets/db.yaml")]),
            Origin::Working("secrets/db.yaml".into())
        );
    }

    #[test]
    fn an_unreadable_annotation_is_not_taken_for_a_missing_one() {
        for text in ["path: [", "[]", "path: {a: b}"] {
            assert_eq!(Origin::of_annotation(text).unwrap_err().code, Code::MissingOrigin, "{text}");
        }
    }

    #[test]
    fn ways_between_relative_paths() {
        for (from, to, way) in [
            ("../../overlay", "../../secrets/db.yaml", Some("../secrets/db.yaml")),
            ("", "secrets/db.yaml", Some("secrets/db.yaml")),
            ("", "../../secrets/db.yaml", Some("../../secrets/db.yaml")),
            ("conf", "db.yaml", Some("../db.yaml")),
            ("../base", "../base/db.yaml", Some("db.yaml")),
            ("../base", "db.yaml", None),
            ("../..", "../db.yaml", None),
            ("./a/../b", "b/c.yaml", Some("c.yaml")),
        ] {
            assert_eq!(relative(from, to).as_deref(), way, "{from} → {to}");
        }
    }

    #[test]
    fn where_the_config_may_lie() {
        // Declared at the top, in a subfolder, in a base, in a subfolder of a base, beside C.
        assert_eq!(below_c("", "/repo"), [""]);
        assert_eq!(below_c("conf", "/repo"), ["conf"]);
        assert_eq!(below_c("../../overlay", "/repo/overlay")[0], "");
        assert_eq!(below_c("../base/conf", "/repo/base"), ["conf", "base/conf", "../base/conf"]);
        assert_eq!(below_c("../transformers", "/repo/overlay"), ["transformers", "../transformers"]);
        assert_eq!(below_c("a/a", "/repo/a"), ["a", "a/a"]);
    }

    proptest! {
        #[test]
        fn a_way_leads_there(from in "([ab]/){0,3}", to in "([ab]/){0,3}c", up in 0_usize..3) {
            let up = "../".repeat(up);
            let (from, to) = (format!("{up}{from}"), format!("{up}{to}"));
            let way = relative(&from, &to).unwrap();
            let led_to = format!("{from}/{way}");
            prop_assert_eq!(parts(&led_to), parts(&to));
        }
    }
}
