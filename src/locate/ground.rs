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
            Self::Container(_) if way.starts_with('/') => None,
            Self::Container(mounts) => {
                let below =
                    |mount: &Mount| Some(simple(&mount.target.join(path::below(&mount.source, way)?)));
                mounts.iter().find_map(below).or_else(|| beside(mounts, way))
            }
        }
    }

    /// Whether a place is on the part of the disk that this process is told of: all of it, or a mount.
    pub(super) fn knows(&self, place: &Path) -> bool {
        match self {
            Self::Host(_) => true,
            Self::Container(mounts) => mounts.iter().any(|mount| place.starts_with(&mount.target)),
        }
    }

    /// C's absolute path, where anybody knows it.
    pub(super) fn c(&self) -> Option<&Path> {
        match self {
            Self::Host(c) => Some(c),
            Self::Container(_) => None,
        }
    }

    /// Where C is on this disk. Its path there need not end as on the host.
    pub(super) fn place_of_c(&self) -> Option<&Path> {
        match self {
            Self::Host(c) => Some(c),
            Self::Container(mounts) => {
                mounts.iter().find(|mount| is_c(mount)).map(|mount| mount.target.as_path())
            }
        }
    }

    /// How many directories above C something may be.
    pub(super) fn highest(&self) -> usize {
        match self {
            Self::Host(c) => depth(c),
            Self::Container(mounts) => {
                let above = mounts.iter().map(|mount| path::levels_up(&mount.source)).max();
                above.unwrap_or(0).max(self.place_of_c().map_or(0, depth))
            }
        }
    }
}

/// Where a path is that leads out of C, if C is mounted at its own place below a directory that the annotation may not
/// mount, and the command line does: kustomize takes `--mount` for a directory above C, and tells no function of it.
fn beside(mounts: &[Mount], way: &str) -> Option<PathBuf> {
    let c = mounts.iter().find(|mount| is_c(mount))?;
    if path::levels_up(way) > depth(&c.target) {
        return None;
    }
    let place = simple(&c.target.join(way));
    // What is mounted there is another directory.
    let is_taken = mounts.iter().any(|mount| !is_c(mount) && place.starts_with(&mount.target));
    (!is_taken).then_some(place)
}

/// Whether a mount is C itself.
fn is_c(mount: &Mount) -> bool {
    !mount.source.starts_with('/') && path::join(&mount.source, "").is_empty()
}

fn depth(path: &Path) -> usize {
    path.components().filter(|part| matches!(part, Component::Normal(_))).count()
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
