//! Where paths start.

use std::path::{Path, PathBuf};

/// How the process was started, as far as paths depend on it. Directories are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// By an orchestrator, in C: the directory of the kustomization that declares the transformer.
    Function {
        /// C.
        directory: PathBuf,
    },
    /// By a person or a pipe, who say what was built.
    Built {
        /// The directory that was built, which origins are relative to.
        directory: PathBuf,
        /// The directory of the config file, which the config's paths are relative to.
        config_directory: PathBuf,
    },
}

impl Base {
    /// Where the search for the repository root starts.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self {
            Self::Function { directory } | Self::Built { directory, .. } => directory,
        }
    }
}
