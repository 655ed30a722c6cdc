//! The file system as the pipeline sees it: read-only, and small enough to be replaced by a map in tests.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Why a file cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is nothing at that path.
    NotFound,
    /// Whoever runs this process may not see or read it.
    Denied,
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

    /// The content as it comes, of a regular file of more bytes than `size`, where it can be had like that.
    fn large(&self, path: &Path, size: u64) -> Option<Box<dyn Read + '_>>;

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
            Self::Denied => f.write_str("permission denied"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
pub(crate) mod memory {
    //! A file system in a map.

    use std::collections::BTreeMap;
    use std::path::Component;

    use super::{FileError, Files, Path, PathBuf, Read};

    /// Files by absolute path, and symbolic links from path to path.
    #[derive(Default)]
    pub(crate) struct Memory {
        files: BTreeMap<PathBuf, Vec<u8>>,
        links: BTreeMap<PathBuf, PathBuf>,
    }

    impl Memory {
        /// Files of this text.
        pub(crate) fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
            Self::of(files)
        }

        /// Files of this text, however many.
        pub(crate) fn of<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
            let files = files.into_iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
            Self { files: files.collect(), links: BTreeMap::new() }
        }

        /// The same with a link.
        pub(crate) fn with_link(mut self, from: &str, to: &str) -> Self {
            self.links.insert(from.into(), to.into());
            self
        }

        /// The path with its links resolved, part by part, as a disk does it.
        fn real(&self, path: &Path) -> PathBuf {
            let mut real = PathBuf::new();
            for part in path.components() {
                match part {
                    Component::CurDir => {}
                    Component::ParentDir => {
                        real.pop();
                    }
                    part => {
                        real.push(part);
                        if let Some(target) = self.links.get(&real) {
                            real = self.real(target);
                        }
                    }
                }
            }
            real
        }
    }

    impl Files for Memory {
        fn canonical(&self, path: &Path) -> Result<PathBuf, FileError> {
            let real = self.real(path);
            if self.exists(&real) { Ok(real) } else { Err(FileError::NotFound) }
        }

        fn is_file(&self, path: &Path) -> bool {
            self.files.contains_key(&self.real(path))
        }

        fn exists(&self, path: &Path) -> bool {
            let real = self.real(path);
            self.files.keys().any(|file| file.starts_with(&real))
        }

        fn large(&self, path: &Path, size: u64) -> Option<Box<dyn Read + '_>> {
            let content = self.files.get(&self.real(path))?;
            (content.len() as u64 > size).then(|| Box::new(content.as_slice()) as Box<dyn Read>)
        }

        fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
            self.files.get(&self.real(path)).cloned().ok_or(FileError::NotFound)
        }
    }
}
