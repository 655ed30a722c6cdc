//! `init`: the one file and the two lines that a kustomization needs.

use std::path::Path;
use std::process::ExitCode;

use super::{print, refuse};
use crate::diagnostics::{Code, Problem};
use crate::edge;

/// The name of the file that is written.
const NAME: &str = "decrypt.yaml";
const TRANSFORMER: &str = "apiVersion: krm-sops.dev/v1\nkind: SopsDecrypt\nmetadata:\n  name: decrypt\n";
const NEXT: &str = "\
Wrote decrypt.yaml. Add to the kustomization.yaml that you build:

buildMetadata: [originAnnotations]
transformers: [decrypt.yaml]

Then: kustomize build --enable-alpha-plugins DIR
";

/// Writes a starter transformer into a directory, and says what else is needed.
#[must_use]
pub fn run(directory: &Path) -> ExitCode {
    match edge::write_new(&directory.join(NAME), TRANSFORMER) {
        Ok(()) => print(NEXT),
        Err(why) => {
            let problem = Problem::new(Code::NotWritten, format!("{NAME} cannot be written")).because(why);
            refuse(
                problem
                    .help("name a directory without a decrypt.yaml: one that is there is never overwritten"),
            )
        }
    }
}
