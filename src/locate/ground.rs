//! Where C is on the disk that this process sees: C itself, or what is mounted of it.

use std::path::{Component, Path, PathBuf};

use crate::config::Mount;
use crate::origin::path;

/// What turns a path that is relative to C into one on this disk.
pub(super) enum Ground {
    /// The process sees the host's disk; C's absolute path, symbolic links resolved.
    Host(PathBuf),
    /// The process is in a container, and sees mounts.
    Container(Vec<Mount>),
}

impl Ground {
    /// Where a path that is relative to C is on this disk; `None` where it is on none that this process sees.
    pub(super) fn on_disk(&self, way: &str) -> Option<PathBuf> {
        match self {
            // Joined as text, not through the disk: `..` behind a symbolic link must mean what kustomize meant.
            Self::Host(c) => Some(simple(&c.join(way))),
            Self::Container(mounts) => {
                let below =
                    |mount: &Mount| Some(simple(&mount.target.join(path::below(&mount.source, way)?)));
                mounts.iter().filter(|_| !way.starts_with('/')).find_map(below)
            }
        }
    }

    /// C's absolute path, where anybody knows it.
    pub(super) fn c(&self) -> Option<&Path> {
        match self {
            Self::Host(c) => Some(c),
            Self::Container(_) => None,
        }
    }

    /// How many directories above C something may be.
    pub(super) fn highest(&self) -> usize {
        match self {
            Self::Host(c) => c.components().count(),
            Self::Container(mounts) => {
                mounts.iter().map(|mount| path::levels_up(&mount.source)).max().unwrap_or(0)
            }
        }
    }
}

/// A path without `.` and `..`, by its text alone.
pub(super) fn simple(path: &Path) -> PathBuf {
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
