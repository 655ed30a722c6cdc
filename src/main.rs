//! The process: see the library for everything else.

use std::process::ExitCode;

fn main() -> ExitCode {
    krm_sops::edge::guarded(krm_sops::cli::main)
}
