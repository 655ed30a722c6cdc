//! The process: see the library for everything else.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    krm_sops::edge::guarded(krm_sops::cli::main)
}
