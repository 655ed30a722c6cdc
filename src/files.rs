//! The file system as the pipeline sees it: read-only, and small enough to be replaced by a map in tests.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a file cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is nothing at that path.
    NotFound,
    /// It is there but cannot be used; why (never its content).
    Unreadable(String),
}

/// Read access to files. The edge implements it for the disk.
pub trait Files {
    /// The absolute path with every symbolic link resolved.
    ///
    /// # Errors
    /// Nothing is there, or a directory on the way cannot be searched.
    fn canonical(&self, path: &Path) -> Result<PathBuf, FileError>;

    /// Whether a regular file is there (symbolic links are followed).
    fn is_file(&self, path: &Path) -> bool;

    /// Whether anything is there, a file or a directory.
    fn exists(&self, path: &Path) -> bool;

    /// The whole content.
    ///
    /// # Errors
    /// Nothing is there, it is no regular file, or it may not be read.
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError>;
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("it is not there"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}
