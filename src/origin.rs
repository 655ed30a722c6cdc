//! Annotations → where an item comes from. Strings only: whether a file is there, [`crate::locate`] asks.

use crate::diagnostics::{Code, Problem};
use crate::yaml::{Content, Node};

pub mod path;

/// Where kustomize's `buildMetadata: [originAnnotations]` says an item comes from.
pub const ANNOTATION: &str = "config.kubernetes.io/origin";
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

impl Origin {
    /// Reads an item's annotations, which `annotation` looks up by name.
    ///
    /// # Errors
    /// `missing-origin`: the origin annotation is there and unreadable.
    pub fn of<'a>(annotation: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Problem> {
        if let Some(text) = annotation(ANNOTATION) {
            return Self::of_annotation(text);
        }
        let path = PATHS.into_iter().find_map(annotation).filter(|path| !path.is_empty());
        Ok(path.map_or(Self::Missing, |path| Self::Working(path.to_owned())))
    }

    /// Reads the content of an origin annotation (`Origin` in kustomize's `api/resource/origin.go`).
    ///
    /// # Errors
    /// `missing-origin`: it is unreadable.
    pub fn of_annotation(text: &str) -> Result<Self, Problem> {
        let unreadable = || {
            Problem::new(Code::MissingOrigin, "the origin annotation cannot be read")
                .at(format!("metadata.annotations[{ANNOTATION:?}]"))
                .help("leave the annotation as kustomize writes it; a patch or a file must have changed it")
        };
        let documents = crate::yaml::parse(text).map_err(|_| unreadable())?;
        let root = match documents.as_slice() {
            [] => return Ok(Self::Missing),
            [document] if matches!(document.root.content, Content::Mapping { .. }) => &document.root,
            _ => return Err(unreadable()),
        };
        let field = |node: &Node<'_>, name: &str| match node.find(name) {
            Some(value) => value.text().map(str::to_owned).ok_or_else(unreadable),
            None => Ok(String::new()),
        };
        let (path, repo, configured_in) =
            (field(root, "path")?, field(root, "repo")?, field(root, "configuredIn")?);
        Ok(if !repo.is_empty() {
            Self::Remote { repo, reference: field(root, "ref")?, path }
        } else if let Some((repo, path)) = path::of_url(&path) {
            Self::Remote { repo, reference: String::new(), path }
        } else if !path.is_empty() {
            Self::Built(path)
        } else if !configured_in.is_empty() {
            let by = root.find("configuredBy").map(|by| field(by, "kind")).transpose()?;
            Self::Generated { configured_in, configured_by: by.unwrap_or_default() }
        } else {
            Self::Missing
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

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(annotations: &[(&str, &'static str)]) -> Origin {
        Origin::of(|name| annotations.iter().find(|(known, _)| *known == name).map(|(_, text)| *text))
            .unwrap()
    }

    #[test]
    fn every_form_of_the_annotation() {
        assert_eq!(origin(&[(ANNOTATION, "path: ../a/b.yaml\n")]), Origin::Built("../a/b.yaml".into()));
        assert_eq!(
            origin(&[(ANNOTATION, "path: b.yaml\nrepo: https://x/y\nref: v1\n")]),
            Origin::Remote { repo: "https://x/y".into(), reference: "v1".into(), path: "b.yaml".into() }
        );
        assert_eq!(
            origin(&[(
                ANNOTATION,
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
        for text in
            ["path: [", "[]", "path: {a: b}", "a", "- a", "path: a\n---\npath: b", "*a", "repo: a\nref: []"]
        {
            assert_eq!(Origin::of_annotation(text).unwrap_err().code, Code::MissingOrigin, "{text}");
        }
    }
}
