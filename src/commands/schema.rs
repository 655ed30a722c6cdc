//! `schema`: the function config as a JSON Schema, for an editor or a checker of manifests.

use std::process::ExitCode;

use super::print;
use crate::config::schema;

/// Prints the schema.
#[must_use]
pub fn run() -> ExitCode {
    print(&format!("{:#}\n", schema()))
}
