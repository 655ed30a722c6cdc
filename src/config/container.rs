//! The annotation that starts a function in a container, as far as it says what the function can read.

use std::path::PathBuf;

use super::{Problem, bad};
use crate::yaml::{Content, Node};

/// A directory of the host that the container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on the host: relative to the directory of the kustomization that declares the function, or absolute.
    pub source: String,
    /// Where it is in the container.
    pub target: PathBuf,
}

/// The mounts of the function that an annotation describes; `None` where it runs in no container.
///
/// # Errors
/// `bad-config`: the annotation cannot be read, though an orchestrator must have read it.
pub(super) fn mounts(annotation: &str) -> Result<Option<Vec<Mount>>, Problem> {
    let unreadable = || {
        bad("the config's annotation cannot be read")
            .at("metadata.annotations[\"config.kubernetes.io/function\"]")
    };
    let documents = crate::yaml::parse(annotation).map_err(|_| unreadable())?;
    let Some(container) = documents.first().and_then(|document| document.root.find("container")) else {
        return Ok(None);
    };
    if text(container, "image").is_none_or(str::is_empty) {
        return Ok(None);
    }
    let mounts: &[Node] = match container.find("mounts").map(|mounts| &mounts.content) {
        None => &[],
        Some(Content::Sequence { items, .. }) => items,
        Some(_) => return Err(unreadable()),
    };
    // Named volumes and the like hold nothing of the host's.
    let mounts = mounts.iter().filter(|mount| text(mount, "type").is_none_or(|kind| kind == "bind"));
    Ok(Some(mounts.filter_map(mount).collect()))
}

fn mount(mount: &Node<'_>) -> Option<Mount> {
    Some(Mount { source: text(mount, "src")?.to_owned(), target: text(mount, "dst")?.into() })
}

fn text<'n>(mapping: &'n Node<'_>, name: &str) -> Option<&'n str> {
    mapping.find(name)?.text()
}
